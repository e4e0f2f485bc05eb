"""The run directory, a contract: its files, how they are written and read, what makes two runs the same.

In: what a run did. Out: the same, for a resume, the report, the status and whoever reads the files.
"""
