from __future__ import annotations

import io
import tracemalloc

import numpy as np
import pytest

from starrygazer_ros.npy import array_of_npy


def npy(array: np.ndarray, **options: bool) -> bytes:
    file = io.BytesIO()
    np.save(file, array, **options)
    return file.getvalue()


def with_header(header: str, version: int = 1, data: bytes = bytes(24)) -> bytes:
    length = len(header).to_bytes(2 if version == 1 else 4, "little")
    return b"\x93NUMPY" + bytes([version, 0]) + length + header.encode() + data


@pytest.mark.parametrize(
    "array",
    [
        np.arange(6, dtype=np.float32).reshape(2, 3),
        np.asfortranarray(np.arange(6, dtype=">f8").reshape(2, 3)),
        np.zeros((0, 3), np.uint8),
        np.float32(7),
    ],
)
def test_reads_what_numpy_has_written(array: np.ndarray) -> None:
    np.testing.assert_array_equal(array_of_npy(npy(array)), array)


def test_a_side_of_true_is_one() -> None:
    content = with_header("{'descr': '<f4', 'fortran_order': False, 'shape': (True, 6)}")
    assert array_of_npy(content).shape == (1, 6)


def test_objects_are_not_made() -> None:
    with pytest.raises(ValueError, match="Python objects"):
        array_of_npy(npy(np.array([{"a": 1}], object), allow_pickle=True))


@pytest.mark.parametrize("shape", ["(1000000, 1000000)", "(-2, -3)", "(7,)", "(9999999999, 0, -1)"])
def test_a_shape_that_is_not_that_of_the_data_is_refused_before_memory_is_taken(shape: str) -> None:
    content = with_header(f"{{'descr': '<f4', 'fortran_order': False, 'shape': {shape}, }}")
    tracemalloc.start()
    with pytest.raises(ValueError):  # noqa: PT011
        array_of_npy(content)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 1 << 20


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"no array",
        b"\x93NUMPY\x09\x00",
        with_header("{"),  # a TokenError of Python's tokenizer
        with_header("[" * 5000),
        with_header("1"),
        with_header("{'descr': '<f4', 'shape': (9**9**9,), 'fortran_order': False}"),
        with_header("\n", version=2, data=b"\xff" * 40),
        with_header("")[:10] + b"\xff" * 40,
    ],
)
def test_a_header_that_is_none_has_one_reason(content: bytes) -> None:
    with pytest.raises(ValueError, match="its header cannot be read"):
        array_of_npy(content)
