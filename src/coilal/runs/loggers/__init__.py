"""Loggers: where a run is shown besides its run directory."""
