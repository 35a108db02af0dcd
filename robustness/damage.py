"""Good files and what disks, networks and attackers make of them: Hypothesis' strategies."""

from __future__ import annotations

import copy
import functools
import io
import struct
import zipfile
import zlib
from collections.abc import Sequence
from typing import Any

import cv2
import numpy as np
import yaml
from hypothesis import strategies as st

from robustness.messages import LARGEST_UINT32, SIDES

_KINDS_OF_DAMAGE = ("change", "change", "cut", "remove", "insert", "swap", "number", "zeros")
_NUMBERS = (0, 1, 127, 255, 2**15, 2**16 - 1, 2**31 - 1, 2**31, LARGEST_UINT32)


@st.composite
def damaged(draw: st.DrawFn, good: Sequence[bytes], most: int = 4) -> bytes:
    """One of some files, with up to so many places changed; sometimes none."""
    content = bytearray(draw(st.sampled_from(good)))
    for _ in range(draw(st.integers(0, most))):
        if not content:
            break
        _damage(draw, content)
    return bytes(content)


def _damage(draw: st.DrawFn, content: bytearray) -> None:
    at = draw(st.integers(0, len(content) - 1))
    kind = draw(st.sampled_from(_KINDS_OF_DAMAGE))
    if kind == "change":
        content[at] = draw(st.integers(0, 255))
    elif kind == "cut":
        del content[at:]
    elif kind == "remove":
        del content[at : at + draw(st.integers(1, 40))]
    elif kind == "insert":
        content[at:at] = draw(st.binary(max_size=40))
    elif kind == "swap":
        length = draw(st.integers(1, 16))
        other = draw(st.integers(0, len(content) - 1))
        first, second = content[at : at + length], content[other : other + length]
        content[other : other + length] = first
        content[at : at + length] = second
    elif kind == "number":
        order = draw(st.sampled_from(["<I", ">I"]))
        content[at : at + 4] = struct.pack(order, draw(st.sampled_from(_NUMBERS)))
    else:  # a block that never came to the disk
        content[at : at + 512] = bytes(len(content[at : at + 512]))


# YAML

_BOMB = ["&a0 [ha, ha, ha, ha, ha, ha, ha, ha, ha]"] + [
    f"&a{n} [{', '.join([f'*a{n - 1}'] * 9)}]" for n in range(1, 9)
]
_MERGED = ["&m0 {x: 1, y: 2}"] + [
    f"&m{n} {{<<: [{', '.join([f'*m{n - 1} '] * 9)}]}}" for n in range(1, 9)
]
_SNIPPETS = (
    f"[{', '.join(_BOMB)}]",
    f"[{', '.join(_MERGED)}]",
    "&self [*self]",
    "&self {key: *self }",
    "*nobody",
    "!!python/object/apply:os.mkdir [unpickled]",
    "!!python/name:os.system",
    "!!binary '===='",
    "!!int '12x'",
    "!!float x",
    "!!timestamp x",
    "!!set {a, b}",
    "!!omap [a: 1]",
    "!mine x",
    "2001-99-99",
    "2001-12-14t21:59:43.10-99:99",
    "1" * 5000,
    "-0x" + "f" * 5000,
    "1:" * 2000 + "1",
    "0b",
    "0o9",
    "[" * 3000,
    "{a: " * 3000,
    "[" * 3000 + "]" * 3000,
    "'",
    '"\\ud800"',
    '"\\0"',
    "{[1]: 2}",
    "{{a: 1}: 2}",
    "? [x]",
    "'" + "long " * 60_000 + "'",
    "~",
    ".inf",
    "-.inf",
    ".nan",
    "1e400",
)
_TEXT_AROUND = (
    "",
    "",
    "",
    "%YAML 9.9\n---\n",
    "--- a\n---\n",
    "\t",
    "\0",
    "- x\n",
    "\ufeff",
    "---\n",
)
_ENCODINGS = (*("utf-8",) * 8, "utf-16", "utf-32", "utf-8-sig", "cp037")
_LEAVES: st.SearchStrategy[Any] = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(-3, 300),
    st.sampled_from([10**400, -(10**400), 2**31, 2**63, 10**12, 10**6, 65_536, 4096, 0.5, 1e300]),
    st.floats(),
    st.sampled_from(
        ["", ".", "..", "../outside", "/etc/passwd", "a/b", "\0", "x" * 300, "~", "é\n"]
    ),
    st.sampled_from(
        ["mde.onnx", "golden.npz", "manifest.yaml", "missing.onnx", "0" * 64, "12", "1e3"]
    ),
    st.text(max_size=8),
    st.just([]),
    st.just({}),
)
_VALUES = st.one_of(
    _LEAVES,
    st.lists(_LEAVES, max_size=3),
    st.dictionaries(st.text(max_size=4), _LEAVES, max_size=3),
)


@st.composite
def yaml_files(draw: st.DrawFn, good: Any, keys: Sequence[str] = ()) -> bytes:
    """A tree as YAML: entries removed, of other types and sizes; tags, bombs, other encodings.

    Args:
        draw: of Hypothesis.
        good: the tree.
        keys: that a reader may look for although the tree has none of them.
    """
    tree = copy.deepcopy(good)
    snippets = []
    for _ in range(draw(st.integers(0, 3))):
        parent, key = draw(st.sampled_from(list(_places(tree)) or [({}, "")]))
        change = draw(
            st.sampled_from(["remove", "value", "value", "value", "add", "snippet", "key"])
        )
        if change == "remove":
            parent.pop(key, None)
        elif change == "value":
            parent[key] = draw(_VALUES)
        elif change == "add":
            parent[draw(st.one_of(st.sampled_from([*keys, "x"]), st.text(max_size=8)))] = draw(
                _VALUES
            )
        elif change == "key":
            parent[draw(st.sampled_from([0, None, True, 1.5, "", "..", "../x", "/x", "."]))] = (
                parent.pop(key, None)
            )
        else:
            snippets.append(draw(st.sampled_from(_SNIPPETS)))
            parent[key] = f"SNIPPET{len(snippets) - 1}"
    text = yaml.safe_dump(tree, sort_keys=False)
    for index, snippet in enumerate(snippets):
        text = text.replace(f"SNIPPET{index}", snippet)
    text = draw(st.sampled_from(_TEXT_AROUND)) + text + draw(st.sampled_from(_TEXT_AROUND))
    content = text.encode(draw(st.sampled_from(_ENCODINGS)), "replace")
    return draw(damaged([content])) if draw(st.integers(0, 3)) == 0 else content


def _places(tree: Any) -> Any:
    """Each entry of each mapping, as mapping and key."""
    if isinstance(tree, dict):
        for key, value in tree.items():
            yield tree, key
            yield from _places(value)
    elif isinstance(tree, list):
        for value in tree:
            yield from _places(value)


# Arrays

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


# Images

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
        st.tuples(st.just(".npy"), npz_files(_archive())),
    )


def array_file() -> bytes:
    """A good .npy with sparse depth."""
    buffer = io.BytesIO()
    np.save(buffer, np.frombuffer(_sparse(0), np.float32).reshape(64, 96), allow_pickle=False)
    return buffer.getvalue()


@functools.cache
def _archive() -> bytes:
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
