"""The answers: reads run directories, never models.

In: run directories of a study. Out: comparison with random, statistics, cost, figures, the page, notebooks.
"""
