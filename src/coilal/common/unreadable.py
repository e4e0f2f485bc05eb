"""What reading a damaged file may raise: .npy, .npz, .gz and tables alike."""

from __future__ import annotations

import csv
import tokenize
import zipfile
import zlib

UNREADABLE: tuple[type[Exception], ...] = (
    OSError,
    EOFError,
    ValueError,
    KeyError,
    SyntaxError,  # this and the next: the header of a .npy file
    tokenize.TokenError,
    MemoryError,  # a header that claims more than there is
    RuntimeError,  # a flag of a member of an archive: compressed in an unknown way, or encrypted
    zipfile.BadZipFile,
    zlib.error,
    csv.Error,
)
