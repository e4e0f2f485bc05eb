"""Backbones, the Lightning module around them, and their feature cache."""
