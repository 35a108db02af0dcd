"""A recorded rosbag2, read by the package rosbags."""

from __future__ import annotations

import sys
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from rosbags.interfaces import Connection
from rosbags.rosbag2 import Reader
from rosbags.typesys import Stores, get_typestore

from starrygazer_ros.bags.mcap_chunks import chunk_compression
from starrygazer_ros.completion import CompletionError
from starrygazer_ros.completion.errors import in_one_line
from starrygazer_ros.messages import MessageError
from starrygazer_ros.plain_yaml import DEEPEST, require_plain


class BagError(CompletionError):
    """A bag cannot be read or written."""

    cause = "bag"


class DamagedBagError(BagError):
    """The rest of a bag cannot be read."""

    cause = "damaged_bag"


class UnreadableMessageError(MessageError):
    """A message of the bag is not what its type says."""

    cause = "unreadable_message"


# The messages that are read here are the same in all distributions since Foxy.
TYPES = get_typestore(Stores.LATEST)


_ZSTD_FRAME = b"\x28\xb5\x2f\xfd"  # RFC 8878, 3.1.1; CDR begins with 0


class Recording:
    """An open bag.

    Attributes:
        path: folder, or single .mcap or .db3 file.
        connections: what was recorded; a topic has one for each type and QoS.
        message_count: as the bag says.
    """

    def __init__(self, path: Path, reader: Reader) -> None:
        self.path = path
        self.connections: list[Connection] = list(reader.connections)
        self.message_count = reader.message_count
        self._reader = reader
        self._compressed_messages = False
        self._compressed_messages = not path.is_dir() and self._begins_compressed()

    @property
    def storage(self) -> str:
        """``mcap`` or ``sqlite3``."""
        files = sorted(self.path.iterdir()) if self.path.is_dir() else [self.path]
        return "mcap" if any(".mcap" in file.suffixes for file in files) else "sqlite3"

    @property
    def compression(self) -> str:
        """What is compressed: ``file``, ``message``, ``storage`` (chunks of MCAP), or nothing."""
        if self._compressed_messages:
            return "message"
        if not self._reader.compression_mode and self.storage == "mcap":
            files = [file for file in self.files if file.suffix == ".mcap"]
            return "storage" if any(chunk_compression(file) for file in files) else ""
        return self._reader.compression_mode or ""

    @property
    def files(self) -> list[Path]:
        """All files of the bag, by name."""
        if self.path.is_dir():
            return sorted(file for file in self.path.iterdir() if file.is_file())
        return [self.path]

    def _begins_compressed(self) -> bool:
        """Messages of a single file are compressed; only metadata.yaml would say so."""
        try:
            first = next(self.messages(), None)
        except DamagedBagError:  # which is told when they are read
            return False
        return first is not None and bytes(first[2][:4]) == _ZSTD_FRAME

    def of_topic(self, topic: str) -> list[Connection]:
        """Connections of a topic, empty if it was not recorded."""
        return [connection for connection in self.connections if connection.topic == topic]

    def messages(
        self, connections: Iterable[Connection] = ()
    ) -> Iterator[tuple[Connection, int, bytes]]:
        """Messages in the order of their recording: connection, time in nanoseconds, content.

        Args:
            connections: of these only; empty = of all.

        Raises:
            DamagedBagError: the rest cannot be read.
        """
        count = 0
        try:
            for connection, time, content in self._reader.messages(list(connections)):
                whole = _decompressed(content) if self._compressed_messages else content
                yield connection, time, whole
                count += 1
        except Exception as error:  # of rosbags, SQLite, zstd, or whatever damaged bytes lead to
            raise DamagedBagError(
                f"{self.path} is damaged after {count} messages ({in_one_line(error)})"
            ) from error


def _require_permission(path: Path) -> None:
    """All files of a bag can be read; SQLite does not say why it cannot.

    Raises:
        BagError: one cannot.
    """
    try:
        for file in sorted(path.iterdir()) if path.is_dir() else [path]:
            if file.is_file():
                file.open("rb").close()
    except OSError as error:
        raise BagError(
            f"{error.filename} cannot be read ({error.strerror}): let your user read it, as by "
            "chmod u+r"
        ) from error


def _opened(path: Path) -> Reader:
    """An open reader; whatever is wrong is raised by somebody."""
    metadata = path / "metadata.yaml"
    content = metadata.read_bytes() if metadata.is_file() else b""
    # Without anchors aliases mean nothing; by brackets in each other the reader takes minutes.
    if b"&" in content or content.count(b"[") + content.count(b"{") > DEEPEST:
        require_plain(content.decode("utf-8"))
    reader = Reader(path)
    reader.open()
    try:
        _require_types(reader)
    except ValueError:
        reader.close()
        raise
    return reader


def _require_types(reader: Reader) -> None:
    """What rosbags takes from metadata.yaml as it is."""
    for connection in reader.connections:
        words = (connection.topic, connection.msgtype, connection.digest or "")
        for word in (*words, connection.ext.serialization_format):
            if not isinstance(word, str):
                raise ValueError(f"metadata.yaml has {word!r:.50} where a name is expected")
        if not isinstance(connection.msgcount, int) or connection.msgcount < 0:
            raise ValueError(f"metadata.yaml has {connection.msgcount!r:.50} as a number")
    if not isinstance(reader.message_count, int):
        raise ValueError(f"metadata.yaml has {reader.message_count!r:.50} as a number")


@contextmanager
def open_recording(path: Path) -> Iterator[Recording]:
    """Open a bag for reading.

    Raises:
        BagError: it is none, or cannot be opened.
    """
    if not path.exists():
        raise BagError(f"{path} does not exist")
    if path.suffix == ".bag":
        raise BagError(
            f"{path} is a bag of ROS 1: convert it with rosbags-convert --src {path} --dst FOLDER"
        )
    if path.suffix == ".zstd":
        raise BagError(
            f"{path} is compressed as a whole: give its folder, or decompress it by zstd -d"
        )
    _require_permission(path)
    try:
        reader = _opened(path)
    except Exception as error:  # of rosbags, SQLite, zstd, or whatever damaged bytes lead to
        raise BagError(
            f"{path} cannot be opened as a rosbag2 ({in_one_line(error)}): give its folder or a "
            "whole .mcap or .db3 file; a recording that was cut off is repaired by 'ros2 bag "
            "reindex' or 'mcap recover'"
        ) from error
    try:
        yield Recording(path, reader)
    finally:
        reader.close()


def _decompressed(content: bytes) -> bytes:
    """A message of a bag whose messages are compressed."""
    if sys.version_info >= (3, 14):
        from compression import zstd
    else:
        from backports import zstd  # which rosbags needs, too
    return bytes(zstd.decompress(content))


def deserialize(connection: Connection, content: bytes) -> Any:
    """A message with the attributes that it has in ROS.

    Raises:
        UnreadableMessageError: the content is damaged.
    """
    try:
        return TYPES.deserialize_cdr(content, connection.msgtype)
    except Exception as error:  # of rosbags, struct, numpy
        raise UnreadableMessageError(
            f"a message of {connection.topic} cannot be read as {connection.msgtype} "
            f"({in_one_line(error)})"
        ) from error
