"""One file per task: targets, loss, metrics."""
