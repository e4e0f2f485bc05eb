"""Imported in the server that worker processes are forked from: it ends without taking torch apart for seconds.

Whoever reads the output of a grid through a pipe would wait for that. Workers end in their own way.
Python has no setting for it.
"""

import atexit
import os

atexit.register(os._exit, 0)
