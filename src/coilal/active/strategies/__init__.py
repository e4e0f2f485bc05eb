"""Query strategies: pure functions of the pool's outputs, one file per family."""
