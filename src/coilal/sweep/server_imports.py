"""What every run imports, for the server that worker processes are forked from: paid once for all of them.

Only imports: nothing here may start a thread of its own (train, compute, look for a GPU), which a fork would lose.
"""

import coilal.loggers.run_logger
import coilal.loop
import coilal.measure
import coilal.models.augment
import coilal.models.build
import coilal.models.features
import coilal.models.module
import coilal.prepare
import coilal.recorder
import coilal.results.figures
import coilal.results.progress
import coilal.run
import coilal.sweep.work  # noqa: F401
