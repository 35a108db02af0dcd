"""Keeps the memory of one image for the next one."""

from __future__ import annotations

import ctypes
import sys

# mallopt(3) of the GNU C library, <malloc.h>.
_M_TRIM_THRESHOLD, _M_MMAP_THRESHOLD = -1, -3
KEPT = 64 * 2**20  # bytes at the end of each heap
LARGEST = 32 * 2**20  # bytes of an array that comes from a heap; the library takes no more


def keep_freed_memory() -> None:
    """Let this process keep ``KEPT`` bytes that it has freed at the end of each heap.

    Otherwise the C library gives the arrays of an image back to the system and gets them again for
    the next one, page by page, which takes several milliseconds where the process is small. Does
    nothing with other C libraries than GNU's.
    """
    if sys.platform != "linux":
        return
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None)
    if mallopt is not None:
        mallopt(_M_TRIM_THRESHOLD, KEPT)
        mallopt(_M_MMAP_THRESHOLD, LARGEST)
