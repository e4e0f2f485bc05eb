"""What every room may use: types and errors, the command line, the machine (files, memory, signals), stored arrays.

In: nothing of coilal. Out: small frozen types and functions that know nothing of learning.
"""
