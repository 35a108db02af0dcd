"""A copy of a bag with the completed frames in it."""

from __future__ import annotations

import sqlite3
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from rosbags.interfaces import Connection
from rosbags.rosbag2 import CompressionFormat, CompressionMode, StoragePlugin, Writer

from starrygazer_ros.bags.completion import FrameNames
from starrygazer_ros.bags.outputs import OUTPUT_TYPES
from starrygazer_ros.bags.partial import PartialBag
from starrygazer_ros.bags.recording import TYPES, BagError, DamagedBagError, Recording
from starrygazer_ros.bags.topics import InputTopics

# The newest version whose QoS Humble reads, too.
VERSION = 8
_UNKNOWN_HASH = f"RIHS01_{'0' * 64}"


@dataclass
class Assembled:
    """What was written.

    Attributes:
        copied: messages of the recording.
        added: completed messages by topic.
        damage: why the rest of the recording is missing; empty if nothing is.
        behind: messages of the inputs that lie behind the damage; nothing else is of there.
    """

    copied: int = 0
    added: Counter[str] = field(default_factory=Counter)
    damage: str = ""
    behind: int = 0


def assemble(
    recording: Recording,
    topics: InputTopics,
    partial: PartialBag,
    output_topics: dict[str, str],
    on_message: Callable[[], None],
) -> Assembled:
    """Write the recording, byte for byte, and the outputs behind the message that completes each.

    Args:
        recording: the open bag.
        topics: of the inputs.
        partial: outputs by frame.
        output_topics: topic of each output.
        on_message: called after each message that is copied.

    Raises:
        BagError: the copy cannot be written.
    """
    assembled = Assembled()
    names = FrameNames(topics)
    try:
        with _writer(recording, partial.place_for_bag()) as writer:
            copies = _copies(writer, recording.connections)
            outputs = {
                output: writer.add_connection(topic, OUTPUT_TYPES[output], typestore=TYPES)
                for output, topic in output_topics.items()
            }
            for connection, time, content in _readable(recording, topics, assembled):
                writer.write(copies[_key(connection)], time, content)
                assembled.copied += 1
                frame = names.next(connection.topic)
                for output, message in (partial.outputs(frame) if frame else {}).items():
                    writer.write(outputs[output], time, message)
                    assembled.added[output_topics[output]] += 1
                on_message()
    except (OSError, sqlite3.Error) as error:  # rosbags writes by SQLite
        raise BagError(
            f"the bag cannot be written ({error}): the completed frames are kept in "
            f"{partial.folder}; repeat the command when there is room"
        ) from error
    return assembled


def _readable(
    recording: Recording, topics: InputTopics, assembled: Assembled
) -> Iterator[tuple[Connection, int, bytes]]:
    """All messages up to where the bag is damaged, which is noted, behind it those of the inputs.

    Whatever was completed can be read of the inputs, and is not lost to the damage of others.
    """
    before: Counter[str] = Counter()
    try:
        for connection, time, content in recording.messages():
            before[connection.topic] += 1
            yield connection, time, content
    except DamagedBagError as error:
        assembled.damage = str(error)
    if not assembled.damage:
        return
    inputs = (topics.image.name, topics.sparse_depth.name)
    connections = [c for topic in inputs for c in recording.of_topic(topic)]
    with suppress(DamagedBagError):  # which was told when they were completed
        for connection, time, content in recording.messages(connections):
            if before[connection.topic]:
                before[connection.topic] -= 1
                continue
            assembled.behind += 1
            yield connection, time, content


def _writer(recording: Recording, path: Path) -> Writer:
    """Of the recording's storage and compression."""
    storage = StoragePlugin.MCAP if recording.storage == "mcap" else StoragePlugin.SQLITE3
    writer = Writer(path, version=VERSION, storage_plugin=storage)
    if recording.compression:
        writer.set_compression(
            CompressionMode[recording.compression.upper()], CompressionFormat.ZSTD
        )
    return writer


def _key(connection: Connection) -> tuple[Any, ...]:
    return connection.id, connection.topic, connection.msgtype


def _copies(writer: Writer, connections: Iterable[Connection]) -> dict[tuple[Any, ...], Connection]:
    """Connections of the new bag; those that differ only in their number, as of MCAP, are one."""
    same: dict[str, Connection] = {}
    copies = {}
    for connection in connections:
        name = repr((connection.topic, connection.msgtype, connection.ext))
        if name not in same:
            same[name] = _copied(writer, connection)
        copies[_key(connection)] = same[name]
    return copies


def _copied(writer: Writer, connection: Connection) -> Connection:
    """The same connection in another bag, its type's definition included."""
    definition, digest = connection.msgdef.data, connection.digest
    if not definition and connection.msgtype in TYPES.fielddefs:
        definition, _ = TYPES.generate_msgdef(connection.msgtype, ros_version=2)
    if not digest:  # older recordings have none
        known = connection.msgtype in TYPES.fielddefs
        digest = TYPES.hash_rihs01(connection.msgtype) if known else _UNKNOWN_HASH
    return writer.add_connection(
        connection.topic,
        connection.msgtype,
        msgdef=definition,
        rihs01=digest,
        serialization_format=connection.ext.serialization_format,
        offered_qos_profiles=connection.ext.offered_qos_profiles,
    )
