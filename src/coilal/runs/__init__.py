"""One run, from composed settings to a finished run directory (``run.run``).

In: settings. Out: a run directory; metrics also to the loggers. It puts data, features, fit and active together.
"""
