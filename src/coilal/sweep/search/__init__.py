"""Hyperparameter searches: trials of a space, and their best values, taken over into a file for later runs.

``optuna_sweeper`` proposes trials from what ``space`` allows; ``trials`` runs and values them; ``notes`` is what is
kept with them; ``apply`` is ``python -m coilal.tune apply``.
"""
