"""Bytes as disks, networks and attackers change them."""

from __future__ import annotations

import struct
from collections.abc import Sequence

from hypothesis import strategies as st

from robustness.messages import LARGEST_UINT32

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
