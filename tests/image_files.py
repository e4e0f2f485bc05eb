"""Image files that Pillow does not write: colours of 16 bits, signed and unsigned TIFFs in either byte order."""

from __future__ import annotations

import struct
import zlib
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray


def write_png(path: Path, values: NDArray[np.uint16]) -> None:
    """Write a 16-bit PNG: (H, W) grey, or (H, W, C) with 2 (grey and alpha), 3 or 4 channels.

    Each second row is filtered as its difference from the row above.
    """
    high, wide = values.shape[:2]
    colour = {1: 0, 2: 4, 3: 2, 4: 6}[1 if values.ndim == 2 else values.shape[2]]
    rows = np.frombuffer(values.astype(">u2").tobytes(), np.uint8).reshape(high, -1)
    lines = [b"\2" + (rows[y] - rows[y - 1]).tobytes() if y % 2 else b"\0" + rows[y].tobytes() for y in range(high)]
    header = struct.pack(">IIBBBBB", wide, high, 16, colour, 0, 0, 0)
    chunks = _chunk(b"IHDR", header) + _chunk(b"IDAT", zlib.compress(b"".join(lines))) + _chunk(b"IEND", b"")
    path.write_bytes(b"\x89PNG\r\n\x1a\n" + chunks)


def _chunk(name: bytes, content: bytes) -> bytes:
    return struct.pack(">I", len(content)) + name + content + struct.pack(">I", zlib.crc32(name + content))


def write_tiff(
    path: Path,
    values: NDArray[Any],
    order: str = "<",
    deflated: bool = False,
    orientation: int = 1,
    photometric: int | None = None,
    planar: bool = False,
) -> None:
    """Write a TIFF of one strip (or one a channel), (H, W) or (H, W, C), of any type of numbers.

    Args:
        path: the file.
        values: the pixels.
        order: ``<`` or ``>``.
        deflated: whether it is compressed.
        orientation: the EXIF orientation.
        planar: whether the channels lie one after another, a strip each; of small images.
        photometric: 0 white is 0, 1 black is 0, 2 RGB, 5 CMYK; None for the usual one.
    """
    high, wide = values.shape[:2]
    channels = 1 if values.ndim == 2 else values.shape[2]
    layers = list(values.transpose(2, 0, 1)) if planar else [values]
    strips = [layer.astype(values.dtype.newbyteorder(order)).tobytes() for layer in layers]  # type: ignore[arg-type]
    strips = [zlib.compress(strip) for strip in strips] if deflated else strips
    sizes = [len(strip) for strip in strips]
    kind = {"u": 1, "i": 2, "f": 3}[values.dtype.kind]
    usual = 1 if channels == 1 else 2
    tags = {
        256: [wide],
        257: [high],
        258: [values.dtype.itemsize * 8] * channels,
        259: [8 if deflated else 1],
        262: [usual if photometric is None else photometric],
        273: [0] * len(strips),  # where the pixels lie, below
        274: [orientation],
        277: [channels],
        278: [high],
        279: sizes,
        284: [2 if planar else 1],
        339: [kind] * channels,
    }
    start = 8 + 2 + 12 * len(tags) + 4
    first = start + sum(2 * len(entry) for entry in tags.values() if len(entry) > 2)
    tags[273] = [first + sum(sizes[:i]) for i in range(len(sizes))]
    lists = b"".join(struct.pack(f"{order}{len(entry)}H", *entry) for entry in tags.values() if len(entry) > 2)
    entries, used = b"", 0
    for tag, entry in tags.items():
        if len(entry) > 2:
            entries += struct.pack(f"{order}HHII", tag, 3, len(entry), start + used)
            used += 2 * len(entry)
        elif tag in (273, 279) and not planar:
            entries += struct.pack(f"{order}HHII", tag, 4, 1, entry[0])
        else:
            entries += struct.pack(f"{order}HHIHH", tag, 3, len(entry), *entry, *[0] * (2 - len(entry)))
    head = (b"II" if order == "<" else b"MM") + struct.pack(f"{order}HIH", 42, 8, len(tags))
    path.write_bytes(head + entries + struct.pack(f"{order}I", 0) + lists + b"".join(strips))
