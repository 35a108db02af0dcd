"""Arrays of .npy files whose headers are not believed before they are compared with the file.

NumPy allocates what a header asks for, however short the file is, and fails in many ways.
"""

from __future__ import annotations

import io
import math
from typing import Any

import numpy as np
from numpy.lib import format as npy_format
from numpy.typing import NDArray

ARCHIVE = b"PK\x03\x04"  # how a .npz begins


def array_of_npy(content: bytes) -> NDArray[Any]:
    """The array, which shares the memory of the content and cannot be written to.

    Args:
        content: of a .npy file.

    Raises:
        ValueError: it is none, is cut off, or holds Python objects, which could run programs.
    """
    stream = io.BytesIO(content)
    try:
        version = npy_format.read_magic(stream)
        one = version == (1, 0)
        read = npy_format.read_array_header_1_0 if one else npy_format.read_array_header_2_0
        shape, by_columns, dtype = read(stream)
        shape = tuple(map(int, shape))  # True is one of NumPy's numbers, too
    except Exception as error:  # of ast, tokenize, codecs, or whatever damaged bytes lead to
        raise ValueError("its header cannot be read") from error
    if dtype.hasobject:
        raise ValueError("it holds Python objects, not numbers")
    count, start = math.prod(shape), stream.tell()
    if count < 0 or count * dtype.itemsize > len(content) - start:
        raise ValueError(
            f"its header says {list(shape)[:5]} of {dtype.itemsize} bytes, there are "
            f"{len(content) - start}"[:200]
        )
    values = np.frombuffer(content, dtype, count, start) if count else np.empty(0, dtype)
    return values.reshape(shape, order="F" if by_columns else "C")
