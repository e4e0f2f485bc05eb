"""Grids of runs: which cells there are, who works on them, how they came out; Hydra's launchers."""
