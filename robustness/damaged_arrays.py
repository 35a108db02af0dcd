"""NumPy's files with other types, shapes and sizes than they should have, or claim to have."""

from __future__ import annotations

import functools
import io
import struct
import zipfile
from typing import Any

import numpy as np
from hypothesis import strategies as st

from robustness.damage import damaged

# A pickle of protocol 0 that makes a folder "unpickled" where it is read.
_PICKLE = b"cos\nmkdir\n(S'unpickled'\ntR."
_DTYPES = (
    *("'<f4'",) * 6,
    *("'<f8'", "'>f4'", "'<f2'", "'|u1'", "'<u2'", "'<i8'", "'|b1'", "'<c8'", "'<M8[s]'"),
    *("'|O'", "'|O'", "'<U5'", "'|S3'", "'|V0'", "'<f16'", "'<x9'", "''", "'<f4,<f4'", "None"),
    *("[('a', '<f4')]", "[('a', '|O')]", "('<f4', (2, 2))", "'|S2147483647'", "[" * 200),
)
_SHAPES = (
    *("(64, 96)",) * 8,
    *("()", "(0, 0)", "(64,)", "(64, 96, 1)", "(1, 64, 96)", "(-1, 96)", "(64, 95)", "(64.0, 96)"),
    *("(0, 1000000000000)", "(1000000, 1000000)", "(4294967296, 4294967296)", "(30000, 30000)"),
    *(
        "(" + "1," * 40 + ")",
        "[64, 96]",
        "None",
        "(True, 96)",
        "(" + "9" * 5000 + ",)",
        "(9**9**9,)",
    ),
)


@st.composite
def npy_files(draw: st.DrawFn, good: bytes = b"", shape: str = "") -> bytes:
    """A .npy whose header is drawn, with numbers that may hurt behind it.

    Args:
        draw: of Hypothesis.
        good: data of a good one, float32.
        shape: of a good one, as its header has it.
    """
    kind = draw(st.sampled_from(_DTYPES)) if draw(st.booleans()) else "'<f4'"
    wanted = draw(st.sampled_from(_SHAPES)) if draw(st.booleans()) else (shape or "(64, 96)")
    order = draw(st.sampled_from(["False", "False", "True", "None"]))
    header = f"{{'descr': {kind}, 'fortran_order': {order}, 'shape': {wanted}, }}"
    header = draw(
        st.sampled_from([header, header, header, header, header + " " * 70_000, "{", "1"])
    )
    text = (header + "\n").encode()
    version = draw(st.sampled_from([1, 1, 1, 2, 3, 9]))
    length = len(text) + draw(st.sampled_from([0, 0, 0, 0, -5, 5, 60_000]))
    length = max(0, length)
    sized = struct.pack("<H", min(length, 65_535)) if version == 1 else struct.pack("<I", length)
    data = good or _sparse(draw(st.integers(0, 3)))
    if draw(st.integers(0, 3)) == 0:
        hurt = draw(st.sampled_from([np.nan, np.inf, -np.inf, -1.0, 1e-30, 3e38, 1e-45, 0.0]))
        values = np.frombuffer(data[: len(data) // 4 * 4], np.float32).copy()
        values[draw(st.integers(0, 5)) :: draw(st.integers(1, 50))] = hurt
        data = values.tobytes()
    if "O" in kind:
        data = _PICKLE
    data = data[: draw(st.sampled_from([len(data), len(data), len(data), len(data) - 1, 7, 0]))]
    content = b"\x93NUMPY" + bytes([version, 0]) + sized + text + data
    return draw(damaged([content])) if draw(st.integers(0, 3)) == 0 else content


@functools.cache
def _sparse(number: int) -> bytes:
    random = np.random.default_rng(number)
    depth = np.zeros((64, 96), np.float32)
    depth[::8, ::8] = random.uniform(2, 6, (8, 12))
    return depth.tobytes()


@functools.cache
def _zeros_deflated() -> bytes:
    """100 MiB of zeros as 100 KiB."""
    header = (
        b"\x93NUMPY\x01\x00v\x00{'descr': '<f4', 'fortran_order': False, 'shape': (5120, 5120), }"
    )
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("image.npy", header.ljust(127) + b"\n" + bytes(5120 * 5120 * 4))
        archive.writestr("sparse_depth.npy", b"")
        archive.writestr("depth.npy", b"")
    return buffer.getvalue()


@st.composite
def npz_files(draw: st.DrawFn, good: bytes) -> bytes:
    """An archive of arrays, one of which is something else; bombs; damaged archives.

    Args:
        draw: of Hypothesis.
        good: a good one.
    """
    kind = draw(st.sampled_from(["bytes", "bomb", "arrays", "arrays", "arrays"]))
    if kind == "bytes":
        return draw(damaged([good]))
    if kind == "bomb":
        return _zeros_deflated()
    with np.load(io.BytesIO(good), allow_pickle=False) as arrays:
        members = {name: arrays[name] for name in arrays.files}
    changed = draw(st.sampled_from(sorted(members)))
    buffer = io.BytesIO()
    method = draw(st.sampled_from([zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED]))
    with zipfile.ZipFile(buffer, "w", method) as archive:
        for name, array in members.items():
            inside = io.BytesIO()
            np.save(inside, array, allow_pickle=False)
            content = inside.getvalue()
            if name == changed:
                shape = str(array.shape)
                content = draw(
                    st.one_of(
                        npy_files(array.astype(np.float32).tobytes(), shape),
                        damaged([content]),
                        _other_arrays(array),
                    )
                )
            kept = name != changed or draw(st.integers(0, 9))
            archive.writestr(f"{name if kept else 'other'}.npy", content)
    return buffer.getvalue()


@st.composite
def _other_arrays(draw: st.DrawFn, array: Any) -> bytes:
    """The same numbers in another type or shape, or with one that hurts."""
    change = draw(st.sampled_from(["type", "crop", "flat", "more", "number", "empty"]))
    if change == "type":
        array = array.astype(draw(st.sampled_from(["u1", "f4", "f8", "i8", "c8", "b1"])))
    elif change == "crop":
        array = array[draw(st.integers(0, 70)) :]
        array = array[:, draw(st.integers(0, 100)) :] if array.ndim > 1 else array
    elif change == "flat":
        array = array.ravel()
    elif change == "more":
        array = np.repeat(array[..., None], draw(st.integers(1, 4)), -1)
    elif change == "number" and array.size:
        array = array.copy()
        floats = array.dtype.kind == "f"
        hurting = [0, np.nan, np.inf, -np.inf, -1.0, 1e-45, 3e38] if floats else [0]
        number = draw(st.sampled_from(hurting))
        array.flat[draw(st.integers(0, array.size - 1))] = number
    else:
        array = array[:0]
    inside = io.BytesIO()
    np.save(inside, array, allow_pickle=False)
    return inside.getvalue()


def array_file() -> bytes:
    """A good .npy with sparse depth."""
    buffer = io.BytesIO()
    np.save(buffer, np.frombuffer(_sparse(0), np.float32).reshape(64, 96), allow_pickle=False)
    return buffer.getvalue()


@functools.cache
def archive() -> bytes:
    """A good .npz with sparse depth."""
    buffer = io.BytesIO()
    np.savez(buffer, depth=np.frombuffer(_sparse(0), np.float32).reshape(64, 96))
    return buffer.getvalue()


@functools.cache
def frame() -> bytes:
    """A completed frame as an unfinished bag keeps it."""
    buffer = io.BytesIO()
    outputs = {"depth/dense": np.arange(45, dtype=np.uint8), "depth/points": np.zeros(1, np.uint8)}
    np.savez(buffer, **outputs)
    return buffer.getvalue()
