"""Whether an MCAP file compresses its chunks, which rosbags reads but does not tell.

The layout is that of the MCAP specification, "File Structure" and "Records".
"""

from __future__ import annotations

import struct
from pathlib import Path
from typing import BinaryIO

_MAGIC = b"\x89MCAP0\r\n"
_MESSAGE, _CHUNK, _DATA_END = 0x05, 0x06, 0x0F


def chunk_compression(file: Path) -> str:
    """Compression of the first chunk, such as ``zstd`` or ``lz4``; empty if it has none.

    Raises:
        OSError: the file cannot be read.
    """
    size = file.stat().st_size
    with file.open("rb") as stream:
        if stream.read(len(_MAGIC)) != _MAGIC:
            return ""
        while header := stream.read(9):
            if len(header) < 9:
                return ""
            kind, length = struct.unpack("<BQ", header)
            if kind == _CHUNK:
                return _of_chunk(stream)
            if kind in (_MESSAGE, _DATA_END) or length > size:
                return ""
            stream.seek(length, 1)
    return ""


def _of_chunk(stream: BinaryIO) -> str:
    """Behind two times, the size and the check sum."""
    head = stream.read(8 + 8 + 8 + 4 + 4)
    if len(head) < 32:
        return ""
    (length,) = struct.unpack("<I", head[-4:])
    return stream.read(min(length, 16)).decode("ascii", "replace")
