"""One contestant a file; each is a process of its own: ``python -m benchmarks.contestants.<name>``."""
