"""Which topics of a bag are the camera and the LiDAR."""

from __future__ import annotations

import difflib
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from starrygazer_ros.bags.messages import CAMERA_INFO, COMPRESSED_IMAGE, IMAGE, POINT_CLOUD
from starrygazer_ros.bags.recording import BagError, Recording, UnreadableMessageError, deserialize
from starrygazer_ros.compressed import COMPRESSED_DEPTH, sparse_depth_from_compressed
from starrygazer_ros.depth_encodings import DEPTH_ENCODINGS
from starrygazer_ros.encoded_images import read_header
from starrygazer_ros.headers import frame_of
from starrygazer_ros.messages import MessageError, sparse_depth_from_message

USUAL_IMAGE = "/camera/image_rect"
USUAL_SPARSE_DEPTH = "/lidar/sparse_depth"
# Of a topic's types the ones that hold pixels, or depths.
IMAGE_TYPES = (IMAGE, COMPRESSED_IMAGE)
SPARSE_DEPTH_TYPES = (IMAGE, COMPRESSED_IMAGE, POINT_CLOUD)
# A LiDAR of 128 lines fills less than a fifth of an image; a depth camera fills most of it.
LARGEST_SHARE_OF_POINTS = 0.25
READ_SPARSE_DEPTH = {
    IMAGE: sparse_depth_from_message,
    COMPRESSED_IMAGE: sparse_depth_from_compressed,
}


@dataclass(frozen=True)
class Topic:
    """A recorded topic.

    Attributes:
        name: of the topic.
        type: of its messages.
        count: of its messages.
    """

    name: str
    type: str
    count: int


@dataclass(frozen=True)
class InputTopics:
    """The topics that are read; what a topic is for can also be said by the user.

    Attributes:
        image: Image or CompressedImage.
        sparse_depth: Image, CompressedImage or PointCloud2.
        camera_info: of the image, ``None`` if the bag has none.
        sparse_camera_info: of sparse depth of another size, ``None`` if the bag has none.
        passed_over: names of topics that could have been the sparse depth as well.
        transforms: names of the topics of transforms, and whether these are static; empty where
            none are needed.
    """

    image: Topic
    sparse_depth: Topic
    camera_info: Topic | None
    sparse_camera_info: Topic | None
    passed_over: tuple[str, ...] = ()
    transforms: Mapping[str, bool] = field(default_factory=dict)


def choose_topics(
    recording: Recording,
    image: str | None = None,
    sparse_depth: str | None = None,
    camera_info: str | None = None,
) -> InputTopics:
    """The given topics; those that are not given are taken where there is no doubt.

    Args:
        recording: an open bag.
        image: name of the camera's topic.
        sparse_depth: name of the LiDAR's topic.
        camera_info: name of the calibration's topic.

    Raises:
        BagError: a topic was not recorded, is of another type, or has to be given.
    """
    topics = recorded_topics(recording)
    kinds: dict[str, list[Topic]] = {"image": [], "depth": []}
    for topic in topics.values():
        if topic.type in IMAGE_TYPES and topic.count and not (image and sparse_depth):
            kinds["depth" if _is_depth(recording, topic) else "image"].append(topic)
    clouds = [topic for topic in topics.values() if topic.type == POINT_CLOUD and topic.count]
    chosen_image = (
        given_topic(topics, image, "--image", IMAGE_TYPES)
        if image
        else _only(kinds["image"], USUAL_IMAGE, "camera image", "--image")
    )
    passed_over: tuple[str, ...] = ()
    if sparse_depth:
        chosen_sparse = given_topic(topics, sparse_depth, "--sparse-depth", SPARSE_DEPTH_TYPES)
    else:
        chosen_sparse, passed_over = _sparse_depth_of(
            recording, chosen_image, kinds["depth"], clouds
        )
    if chosen_image == chosen_sparse:
        raise BagError(f"{chosen_image.name} cannot be both the image and its sparse depth")
    info = (
        given_topic(topics, camera_info, "--camera-info", (CAMERA_INFO,))
        if camera_info
        else _camera_info_of(chosen_image, topics)
    )
    of_sparse = _camera_info_of_sparse(chosen_sparse, topics)
    if of_sparse == info:
        of_sparse = None
    return InputTopics(chosen_image, chosen_sparse, info, of_sparse, passed_over)


def size_of(image: Any, topic: Topic) -> tuple[int, int] | None:
    """Rows and columns of an image message, ``None`` if a compressed one does not tell."""
    found = image if topic.type == IMAGE else read_header(bytes(image.data))
    return None if found is None else (found.height, found.width)


def recorded_topics(recording: Recording) -> dict[str, Topic]:
    """Topics by name, without those that were recorded with several types."""
    counts: dict[str, Counter[str]] = defaultdict(Counter)
    for connection in recording.connections:
        counts[connection.topic][connection.msgtype] += connection.msgcount
    return {
        name: Topic(name, *next(iter(of_type.items())))
        for name, of_type in counts.items()
        if len(of_type) == 1
    }


def _first(recording: Recording, topic: Topic) -> Any:
    """The first message of a topic that can be read, ``None`` if there is none."""
    for connection, _, content in recording.messages(recording.of_topic(topic.name)):
        try:
            return deserialize(connection, content)
        except UnreadableMessageError:
            continue
    return None


def _is_depth(recording: Recording, topic: Topic) -> bool:
    """The first message holds depths."""
    message = _first(recording, topic)
    if message is None:
        return False
    if topic.type == IMAGE:
        return message.encoding in DEPTH_ENCODINGS
    header = read_header(bytes(message.data))
    sixteen_bits = header is not None and (header.channels, header.bits) == (1, 16)
    return COMPRESSED_DEPTH in message.format or sixteen_bits


def _sparse_depth_of(
    recording: Recording, image: Topic, depths: list[Topic], clouds: list[Topic]
) -> tuple[Topic, tuple[str, ...]]:
    """The sparse depth of an image, and the names of what could have been it as well.

    Without the usual name a depth image may come from a depth camera, which is not what clouds of
    a LiDAR beside it are; only one that was made by projection into the image leaves no doubt.
    """
    candidates = [topic for topic in depths + clouds if topic != image]
    usual = any(_bare(topic) == USUAL_SPARSE_DEPTH for topic in depths)
    if len(candidates) > 1 and not usual:
        projected = [topic for topic in depths if _is_projected(recording, topic, image)]
        if len(projected) == 1:
            others = sorted(topic.name for topic in candidates if topic != projected[0])
            return projected[0], tuple(others)
    what = "sparse depth or point cloud"
    return _only(candidates, USUAL_SPARSE_DEPTH, what, "--sparse-depth"), ()


def _is_projected(recording: Recording, depth: Topic, image: Topic) -> bool:
    """The first message has frame and size of the image and depths in a small part of it."""
    first, of_image = _first(recording, depth), _first(recording, image)
    if of_image is None or frame_of(first) != frame_of(of_image):
        return False
    try:
        values = READ_SPARSE_DEPTH[depth.type](first)
    except MessageError:
        return False
    if values.shape != size_of(of_image, image):
        return False
    return 0 < np.count_nonzero(values) <= LARGEST_SHARE_OF_POINTS * values.size


def given_topic(topics: dict[str, Topic], name: str, option: str, allowed: Iterable[str]) -> Topic:
    """The topic that an option names.

    Raises:
        BagError: it was not recorded, or is of a type that is not allowed.
    """
    topic = topics.get(name)
    if topic is None:
        close = difflib.get_close_matches(name, topics, n=1, cutoff=0.6)
        hint = f": did you mean {close[0]}?" if close else f"; it has {', '.join(sorted(topics))}"
        raise BagError(f"{option}: the bag has no topic {name}{hint}")
    if topic.type not in allowed:
        raise BagError(f"{option}: {name} is a {topic.type}, not a {' or '.join(allowed)}")
    return topic


def _only(candidates: list[Topic], usual: str, what: str, option: str) -> Topic:
    """The usual topic, or the only one."""
    for topic in candidates:
        if _bare(topic) == usual:
            return topic
    if len(candidates) == 1:
        return candidates[0]
    if not candidates:
        raise BagError(f"the bag has no topic with a {what}")
    names = sorted(topic.name for topic in candidates)
    choice = " or ".join(f"{option} {name}" for name in names)
    raise BagError(f"which topic is the {what}? The bag has {len(names)}: choose with {choice}")


def _camera_info_of(image: Topic, topics: dict[str, Topic]) -> Topic | None:
    """The one beside the image, as image_transport has it, or the only one."""
    beside = topics.get(_sibling(image))
    if beside is not None and beside.type == CAMERA_INFO:
        return beside
    infos = [topic for topic in topics.values() if topic.type == CAMERA_INFO]
    if len(infos) > 1:
        names = sorted(topic.name for topic in infos)
        choice = " or ".join(f"--camera-info {name}" for name in names)
        raise BagError(
            f"which topic is the camera_info of {image.name}? The bag has {len(names)}: choose "
            f"with {choice}"
        )
    return infos[0] if infos else None


def _camera_info_of_sparse(sparse_depth: Topic, topics: dict[str, Topic]) -> Topic | None:
    """The one behind the sparse depth's name, or beside it; a point cloud has none."""
    if sparse_depth.type == POINT_CLOUD:
        return None
    behind, beside = f"{_bare(sparse_depth)}/camera_info", _sibling(sparse_depth)
    found = (topics[name] for name in (behind, beside) if name in topics)
    return next((topic for topic in found if topic.type == CAMERA_INFO), None)


def _bare(topic: Topic) -> str:
    """Name without the transport that image_transport appends."""
    return topic.name.rsplit("/", 1)[0] if topic.type == COMPRESSED_IMAGE else topic.name


def _sibling(topic: Topic) -> str:
    return f"{_bare(topic).rsplit('/', 1)[0]}/camera_info"
