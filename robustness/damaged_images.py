"""Images, and sparse depth in any form, that are damaged or claim to be something else."""

from __future__ import annotations

import functools
import struct
import zlib

import cv2
import numpy as np
from hypothesis import strategies as st

from robustness.damage import damaged
from robustness.damaged_arrays import archive, npy_files, npz_files
from robustness.messages import SIDES

_SUFFIXES = (".png", ".png", ".png", ".jpg", ".jpg", ".bmp", ".tiff", ".npy", ".xyz", "")


def _chunk(kind: bytes, content: bytes, whole: bool = True) -> bytes:
    checksum = zlib.crc32(kind + content) if whole else 0
    return struct.pack(">I", len(content)) + kind + content + struct.pack(">I", checksum)


@st.composite
def _drawn_pngs(draw: st.DrawFn, bits: int) -> bytes:
    """A PNG whose check sums are right, whatever its header says."""
    width, height = draw(st.one_of(st.just(96), SIDES)), draw(st.one_of(st.just(64), SIDES))
    depth = draw(st.sampled_from([bits, bits, bits, 1, 2, 4, 8, 16, 0, 255]))
    colour = draw(st.sampled_from([0, 0, 2, 2, 3, 4, 6, 1, 255]))
    interlaced = draw(st.sampled_from([0, 0, 0, 1, 7]))
    rows = b"".join(b"\0" + bytes([row % 256]) * 96 * 3 * (bits // 8) for row in range(64))
    data = zlib.compress(rows[: draw(st.sampled_from([len(rows), len(rows) // 2, 0]))], 1)
    header = struct.pack(">IIBBBBB", width, height, depth, colour, 0, 0, interlaced)
    palette = _chunk(b"PLTE", bytes(range(30))) if colour == 3 else b""
    extra = draw(
        st.sampled_from([b"", b"", b"", _chunk(b"gAMA", b"\0\0\0\0"), _chunk(b"XXXX", b"")])
    )
    return (
        b"\x89PNG\r\n\x1a\n"
        + _chunk(b"IHDR", header)
        + palette
        + extra
        + _chunk(b"IDAT", data)
        + _chunk(b"IEND", b"")
    )


@functools.cache
def encoded(bits: int) -> tuple[bytes, ...]:
    """Good images of 64 rows and 96 columns in all formats that hold so many bits."""
    grey = np.zeros((64, 96), np.uint8 if bits == 8 else np.uint16)
    grey[::8, ::8] = 4 * 256 if bits == 16 else 51
    colour = cv2.merge([grey, grey, grey])
    made = [(ending, grey) for ending in (".png", ".tiff")] + [(".png", colour), (".ppm", colour)]
    if bits == 8:
        made += [(".jpg", grey), (".bmp", grey), (".tiff", colour)]
        made += [(ending, colour) for ending in (".jpg", ".bmp", ".webp")]
    made.append((".hdr", colour.astype(np.float32)))
    return tuple(bytes(cv2.imencode(ending, picture)[1]) for ending, picture in made)


def image_files(bits: int = 8) -> st.SearchStrategy[tuple[str, bytes]]:
    """Ending of the name and content, of damaged images and of other files."""
    contents = st.one_of(damaged(encoded(bits)), _drawn_pngs(bits), st.binary(max_size=60))
    return st.tuples(st.sampled_from(_SUFFIXES), contents)


def depth_files() -> st.SearchStrategy[tuple[str, bytes]]:
    """Ending of the name and content, of damaged sparse depth and of other files."""
    return st.one_of(
        image_files(16),
        st.tuples(st.just(".png"), damaged(encoded(16)[:1])),
        st.tuples(st.sampled_from([".npy", ".npy", ".NPY"]), npy_files()),
        st.tuples(st.just(".npy"), npz_files(archive())),
    )
