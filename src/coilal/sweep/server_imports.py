"""What every run imports, for the server that worker processes are forked from: paid once for all of them.

Python's own way (the preload of its forkserver), which takes modules, no code. Only imports: nothing here may start
a thread of its own (train, compute, look for a GPU), which a fork would lose.
"""

from coilal.common.lean_imports import uncollected

with uncollected():
    import coilal.fit.tasks.multiclass  # torchmetrics as it needs it, before Lightning imports all of it

    # isort: split
    import coilal.runs.learn
    import coilal.sweep.work  # noqa: F401
