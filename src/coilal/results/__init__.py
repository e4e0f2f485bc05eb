"""What a run leaves: run directory, curves, figures, progress display."""
