from __future__ import annotations

import struct

import pytest

pytest.importorskip("rosbags", reason="rosbags is needed: see requirements/")

from recordings import record_drive
from starrygazer_ros.bags.mcap_chunks import chunk_compression
from starrygazer_ros.bags.recording import open_recording

MAGIC = b"\x89MCAP0\r\n"


def record(kind, content):
    return struct.pack("<BQ", kind, len(content)) + content


def chunk(compression):
    return record(0x06, struct.pack("<QQQII", 0, 1, 2, 3, len(compression)) + compression)


@pytest.mark.parametrize("compression", ["zstd", "lz4", ""])
def test_the_first_chunk_tells_wherever_it_is(tmp_path, compression):
    file = tmp_path / "bag.mcap"
    content = record(0x01, b"header") + record(0x0C, bytes(1000)) + chunk(compression.encode())
    file.write_bytes(MAGIC + content + chunk(b"other"))
    assert chunk_compression(file) == compression


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"SQLite format 3\0",
        MAGIC,
        MAGIC + b"\x01",
        MAGIC + struct.pack("<BQ", 0x01, 2**64 - 1) + chunk(b"zstd"),
        MAGIC + record(0x05, bytes(22)) + chunk(b"zstd"),
        MAGIC + record(0x0F, bytes(4)) + chunk(b"zstd"),
        MAGIC + chunk(b"zstd")[:30],
        MAGIC + struct.pack("<BQ", 0x01, 2**40),
    ],
    ids=["empty", "other", "magic", "cut", "too long", "message", "end", "cut chunk", "long"],
)
def test_without_chunks_there_is_no_compression(tmp_path, content):
    (tmp_path / "bag.mcap").write_bytes(content)
    assert chunk_compression(tmp_path / "bag.mcap") == ""


@pytest.mark.parametrize("single", [False, True])
@pytest.mark.parametrize("compression", ["", "storage"])
def test_a_recording_knows_it_of_its_file(tmp_path, compression, single):
    path = record_drive(tmp_path / "in", frames=1, storage="mcap", compression=compression)
    with open_recording(path / "in.mcap" if single else path) as recording:
        assert recording.compression == compression
