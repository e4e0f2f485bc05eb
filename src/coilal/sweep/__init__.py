"""Many runs: a grid or a search, in processes of this machine or as SLURM jobs.

In: overrides of a multirun. Out: finished run directories, a ledger of what was launched, the state of each cell.
"""
