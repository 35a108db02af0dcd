from __future__ import annotations

import struct
import zlib
from pathlib import Path

import cv2
import numpy as np
import pytest

from starrygazer_ros.completion import Intrinsics
from starrygazer_ros.files import (
    FileError,
    read_image,
    read_sparse_depth,
    write_confidence_png,
    write_depth_png,
    write_image,
    write_npy,
    write_point_cloud,
)

NOISE = np.random.default_rng(0).integers(0, 256, (24, 32, 3), dtype=np.uint8)


def test_image_is_read_as_rgb(tmp_path: Path) -> None:
    path = tmp_path / "image.png"
    write_image(path, NOISE)

    assert np.array_equal(read_image(path), NOISE)
    assert np.array_equal(cv2.imread(str(path))[..., ::-1], NOISE)


def test_grey_image_gets_three_channels(tmp_path: Path) -> None:
    cv2.imwrite(str(tmp_path / "grey.png"), NOISE[..., 0])

    assert np.array_equal(read_image(tmp_path / "grey.png")[..., 2], NOISE[..., 0])


@pytest.mark.parametrize(("scale", "stored", "metres"), [(256.0, 512, 2.0), (1000.0, 512, 0.512)])
def test_png_depth_is_divided_by_the_scale(
    tmp_path: Path, scale: float, stored: int, metres: float
) -> None:
    array = np.zeros((4, 5), np.uint16)
    array[1, 2] = stored
    cv2.imwrite(str(tmp_path / "sparse.png"), array)

    sparse = read_sparse_depth(tmp_path / "sparse.png", scale)

    assert sparse.dtype == np.float32
    assert sparse[1, 2] == pytest.approx(metres)
    assert np.count_nonzero(sparse) == 1


@pytest.mark.parametrize("dtype", [np.float16, np.float32, np.float64])
def test_npy_depth_is_in_metres(tmp_path: Path, dtype: type) -> None:
    np.save(tmp_path / "sparse.npy", np.full((4, 5), 1.5, dtype))

    sparse = read_sparse_depth(tmp_path / "sparse.npy")

    assert sparse.dtype == np.float32
    assert (sparse == 1.5).all()


def test_negative_depth_is_none_and_counted(tmp_path: Path) -> None:
    stored = np.array([[1.5, -1, np.nan, 0, -np.inf]], np.float32)
    np.save(tmp_path / "sparse.npy", stored)
    counts: list[int] = []

    sparse = read_sparse_depth(tmp_path / "sparse.npy", on_negative=counts.append)

    np.testing.assert_array_equal(sparse, [[1.5, 0, np.nan, 0, 0]])
    assert counts == [2]
    np.save(tmp_path / "sparse.npy", np.abs(stored))
    read_sparse_depth(tmp_path / "sparse.npy", on_negative=counts.append)
    assert counts == [2]


def test_paths_may_be_text(tmp_path: Path) -> None:
    write_image(tmp_path / "image.png", NOISE)
    np.save(tmp_path / "sparse.npy", np.ones((4, 5), np.float32))

    assert np.array_equal(read_image(str(tmp_path / "image.png")), NOISE)
    assert read_sparse_depth(str(tmp_path / "sparse.npy")).shape == (4, 5)


def test_confidence_is_8_bit(tmp_path: Path) -> None:
    write_confidence_png(tmp_path / "c.png", np.array([[0, 0.5, 1, 1.2]], np.float32))

    stored = cv2.imread(str(tmp_path / "c.png"), cv2.IMREAD_UNCHANGED)
    assert stored.dtype == np.uint8
    assert stored.tolist() == [[0, 128, 255, 255]]


def test_written_png_depth_is_read_again(tmp_path: Path) -> None:
    depth = np.array([[1.0, 2.5, np.nan]], np.float32)

    assert write_depth_png(tmp_path / "depth.png", depth) == 0
    assert np.array_equal(read_sparse_depth(tmp_path / "depth.png"), [[1.0, 2.5, 0.0]])


def test_too_far_depth_saturates_and_is_counted(tmp_path: Path) -> None:
    depth = np.array([[1.0, 300.0, 1e9]], np.float32)

    assert write_depth_png(tmp_path / "depth.png", depth) == 2
    stored = cv2.imread(str(tmp_path / "depth.png"), cv2.IMREAD_UNCHANGED)
    assert stored.tolist() == [[256, 65535, 65535]]


def test_known_depth_never_becomes_unknown(tmp_path: Path) -> None:
    write_depth_png(tmp_path / "depth.png", np.array([[1e-4]], np.float32), 256)

    assert read_sparse_depth(tmp_path / "depth.png")[0, 0] > 0


def test_npy_keeps_unknown_as_nan(tmp_path: Path) -> None:
    write_npy(tmp_path / "depth.npy", np.array([[1.0, np.nan]], np.float32))

    stored = np.load(tmp_path / "depth.npy")
    assert stored.dtype == np.float32
    assert stored[0, 0] == 1
    assert np.isnan(stored[0, 1])


def test_point_cloud_holds_known_points_with_their_colours(tmp_path: Path) -> None:
    depth = np.full((24, 32), np.nan, np.float32)
    depth[10, 20], depth[3, 4] = 2.0, 5.0
    camera = Intrinsics(fx=50, fy=40, cx=16, cy=12, width=32, height=24)

    assert write_point_cloud(tmp_path / "cloud.ply", depth, NOISE, camera) == 2

    header, body = (tmp_path / "cloud.ply").read_bytes().split(b"end_header\n")
    assert header.startswith(b"ply\nformat binary_little_endian 1.0\nelement vertex 2\n")
    points = np.frombuffer(body, [("xyz", "<f4", 3), ("rgb", "u1", 3)])
    np.testing.assert_allclose(
        points["xyz"], [[(4 - 16) * 5 / 50, (3 - 12) * 5 / 40, 5], [4 * 2 / 50, -2 * 2 / 40, 2]]
    )
    assert points["rgb"].tolist() == [NOISE[3, 4].tolist(), NOISE[10, 20].tolist()]


def damaged(path: Path, how: str) -> Path:
    content = path.read_bytes()
    middle = len(content) // 2
    if how == "truncated":
        content = content[:middle]
    elif how == "flipped byte":
        content = content[:middle] + bytes([content[middle] ^ 255]) + content[middle + 1 :]
    elif how == "empty":
        content = b""
    else:
        content = b"hello"
    path.write_bytes(content)
    return path


@pytest.mark.parametrize(
    ("ending", "how"),
    [
        (".png", "truncated"),
        (".png", "flipped byte"),
        (".png", "empty"),
        (".png", "text"),
        (".jpg", "truncated"),
        (".jpg", "text"),
    ],
)
def test_rejects_a_damaged_image(
    tmp_path: Path, ending: str, how: str, capfd: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / f"image{ending}"
    write_image(path, NOISE)

    with pytest.raises(FileError, match=path.name):
        read_image(damaged(path, how))
    assert capfd.readouterr().err == ""  # decoders would write their own messages


@pytest.mark.parametrize("how", ["truncated", "empty", "text"])
def test_rejects_a_damaged_npy(tmp_path: Path, how: str) -> None:
    path = tmp_path / "sparse.npy"
    np.save(path, np.ones((20, 30), np.float32))

    with pytest.raises(FileError, match=r"sparse\.npy is not a readable"):
        read_sparse_depth(damaged(path, how))


@pytest.mark.parametrize(
    "content",
    [
        b"PK\x03\x04 and no archive",
        b"\x93NUMPY\x01\x00v\x00"
        + b"{'descr': '<f4', 'fortran_order': False, 'shape': (1000000000, 1000000000)}".ljust(117)
        + b"\n",
    ],
)
def test_rejects_an_npy_that_claims_what_it_does_not_hold(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "sparse.npy").write_bytes(content)
    with pytest.raises(FileError, match=r"sparse\.npy"):
        read_sparse_depth(tmp_path / "sparse.npy")


@pytest.mark.parametrize("side", [10_000, 200_000])  # of which OpenCV would allow the first
def test_rejects_a_png_that_claims_too_many_pixels(tmp_path: Path, side: int) -> None:
    def chunk(kind: bytes, data: bytes) -> bytes:
        checksum = zlib.crc32(kind + data)
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", checksum)

    header = struct.pack(">IIBBBBB", side, side, 16, 0, 0, 0, 0)
    content = b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", b"")
    (tmp_path / "huge.png").write_bytes(content + chunk(b"IEND", b""))
    with pytest.raises(FileError, match=rf"huge\.png says that it is {side}x{side}"):
        read_sparse_depth(tmp_path / "huge.png")


def test_never_unpickles(tmp_path: Path) -> None:
    np.save(tmp_path / "sparse.npy", np.array([{"a": 1}], object), allow_pickle=True)

    with pytest.raises(FileError, match="Python objects, not numbers"):
        read_sparse_depth(tmp_path / "sparse.npy")


@pytest.mark.parametrize(
    "array", [np.ones((4, 5), np.uint16), np.ones((4, 5, 1), np.float32), np.float32(3)]
)
def test_rejects_npy_that_is_not_a_float_map(tmp_path: Path, array: np.ndarray) -> None:
    np.save(tmp_path / "sparse.npy", array)

    with pytest.raises(FileError, match="floating point"):
        read_sparse_depth(tmp_path / "sparse.npy")


@pytest.mark.parametrize("array", [np.ones((4, 5), np.uint8), np.ones((4, 5, 3), np.uint16)])
def test_rejects_png_depth_that_is_not_16_bit_single_channel(
    tmp_path: Path, array: np.ndarray
) -> None:
    cv2.imwrite(str(tmp_path / "sparse.png"), array)

    with pytest.raises(FileError, match="16-bit PNG with one channel"):
        read_sparse_depth(tmp_path / "sparse.png")


@pytest.mark.parametrize("name", ["missing.png", "missing.npy"])
def test_rejects_a_missing_file(tmp_path: Path, name: str) -> None:
    with pytest.raises(FileError, match="does not exist"):
        read_sparse_depth(tmp_path / name)


def test_rejects_a_folder_that_cannot_be_written(tmp_path: Path) -> None:
    depth = np.ones((4, 5), np.float32)

    for write in (write_depth_png, write_npy):
        with pytest.raises(FileError, match="cannot be written"):
            write(tmp_path / "missing" / "depth.png", depth)
