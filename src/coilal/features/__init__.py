"""Backbones and what they compute: loading and checking weights, the cut, extraction, stored outputs.

In: decoded images, a ``conf/model`` yaml. Out: the outputs at the cut, on disk once per data set and backbone.
"""
