"""The frames of a bag, completed one after the other as the node would."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

from rosbags.interfaces import Connection

from starrygazer_ros.bags.calibrations import RecordedCalibrations
from starrygazer_ros.bags.messages import COMPRESSED_IMAGE, IMAGE
from starrygazer_ros.bags.outputs import NEED_CALIBRATION, serialized_outputs
from starrygazer_ros.bags.partial import PartialBag
from starrygazer_ros.bags.partners import Partners
from starrygazer_ros.bags.passes import Moment
from starrygazer_ros.bags.recording import DamagedBagError, Recording, deserialize
from starrygazer_ros.bags.topics import READ_SPARSE_DEPTH, InputTopics, Topic, size_of
from starrygazer_ros.bags.transforms import RecordedTransforms
from starrygazer_ros.calibration import Calibration, MissingCameraInfoError
from starrygazer_ros.cloud_projector import CloudProjector, fixed_transform
from starrygazer_ros.completion import CompletionError, DepthCompleter
from starrygazer_ros.completion.doubts import Doubts
from starrygazer_ros.completion.errors import in_one_line
from starrygazer_ros.completion.resizing import ScaledResult
from starrygazer_ros.completion_parameters import CompletionParameters
from starrygazer_ros.compressed import image_from_compressed
from starrygazer_ros.headers import stamp_of
from starrygazer_ros.matching import IMAGE as IMAGE_QUEUE
from starrygazer_ros.matching import NO_FRESH_SPARSE_DEPTH, QUEUE_FULL
from starrygazer_ros.matching import SPARSE_DEPTH as SPARSE_DEPTH_QUEUE
from starrygazer_ros.messages import MessageError, image_from_message
from starrygazer_ros.pairs import PairReader
from starrygazer_ros.projection_parameters import TF
from starrygazer_ros.synchronization import NegativeStampError, PairSynchronizer
from starrygazer_ros.transforms import Transforms

_READ_IMAGE = {IMAGE: image_from_message, COMPRESSED_IMAGE: image_from_compressed}
INTERNAL_ERROR, NO_PARTNER = "internal_error", "no_partner"
ALONE = (NO_PARTNER, QUEUE_FULL, NO_FRESH_SPARSE_DEPTH)  # causes of images without sparse depth


class FrameNames:
    """Names of frames by the message that completes their pair: the same in every reading."""

    def __init__(self, topics: InputTopics) -> None:
        self._roles = {topics.image.name: "image", topics.sparse_depth.name: "sparse_depth"}
        self._counts: Counter[str] = Counter()

    def next(self, topic: str) -> str | None:
        """Name of the frame that the next message of a topic could complete, if it is an input."""
        role = self._roles.get(topic)
        if role is None:
            return None
        self._counts[role] += 1
        return f"{role}-{self._counts[role]:09d}"


@dataclass
class Outcome:
    """What became of the messages.

    Attributes:
        images: that were found, the unreadable ones included.
        sparse_depths: that were found, the unreadable ones included.
        completed: frames, those of an interrupted run included.
        skipped: messages and pairs that came to nothing, by cause; of the sparse depths behind
            ``sparse_depth``.
        reasons: the first sentence of each cause that has one, under the same name.
    """

    images: int = 0
    sparse_depths: int = 0
    completed: int = 0
    skipped: Counter[str] = field(default_factory=Counter)
    reasons: dict[str, str] = field(default_factory=dict)

    def skip(self, error: Exception) -> None:
        """Count an error under its cause."""
        cause = error.cause if isinstance(error, CompletionError) else INTERNAL_ERROR
        self.skipped[cause] += 1
        self.explain(cause, error)

    def explain(self, cause: str, error: Exception) -> None:
        """Keep the first sentence of a cause."""
        words = in_one_line(error)
        if not isinstance(error, CompletionError):
            words = f"{type(error).__name__}: {words}"
        self.reasons.setdefault(cause, words)


class BagCompleter:
    """Completes the frames of a bag.

    Args:
        recording: the open bag.
        topics: what is read of it.
        values: parameters.
        completer: with the model of these parameters.
        partial: where the outputs are kept; what it has is not made again.
        wanted: outputs to make.
    """

    def __init__(
        self,
        recording: Recording,
        topics: InputTopics,
        values: CompletionParameters,
        completer: DepthCompleter,
        partial: PartialBag,
        wanted: tuple[str, ...],
    ) -> None:
        self.outcome = Outcome()
        self._recording = recording
        self._topics = topics
        self._values = values
        self._completer = completer
        self._completer.keep_relative_depth = False
        self._partial = partial
        self._wanted = wanted
        self._moment = Moment()
        sparse_depth = READ_SPARSE_DEPTH.get(topics.sparse_depth.type)
        if sparse_depth is None:
            completer.filter_occluded = False  # the projector knows where the LiDAR is
            sparse_depth = CloudProjector(values, self._transforms())
        self._reader = PairReader(_READ_IMAGE[topics.image.type], sparse_depth)
        self._reader.largest_offset = values.largest_offset()
        self._doubts = Doubts(values.doubt_limits())
        self._calibrations = self._recorded_calibrations(topics.camera_info)
        self._sparse_calibrations = self._recorded_calibrations(topics.sparse_camera_info)
        self._synchronizer = PairSynchronizer(self._on_pair, values.sync_rule(), of_ros=False)
        self._partners = Partners(values.sync_rule())
        self._pair: tuple[Any, Any] | None = None

    def run(self, on_image: Callable[[], None]) -> None:
        """Complete all frames; whatever one of them does, the next follows.

        Args:
            on_image: called after each image message.
        """
        names = FrameNames(self._topics)
        inputs = self._topics.image, self._topics.sparse_depth
        connections = [c for topic in inputs for c in self._recording.of_topic(topic.name)]
        for connection, time, content in self._readable(connections):
            frame = names.next(connection.topic)
            self._pair = None
            self._moment.now = time
            is_image = connection.topic == self._topics.image.name
            if is_image:
                self.outcome.images += 1
            else:
                self.outcome.sparse_depths += 1
            try:
                self._receive(deserialize(connection, content), is_image)
                if self._pair is not None and frame is not None:
                    self._complete(frame, *self._pair)
            except NegativeStampError as error:  # the synchronizer has counted it
                role = "image" if is_image else "sparse_depth"
                self.outcome.explain(f"{role} {error.cause}", error)
            except OSError:  # what it is written to
                raise
            except Exception as error:  # whatever one message does, the next follows
                self.outcome.skip(error)
            if is_image:
                on_image()
        self._count_unmatched()

    def _readable(self, connections: list[Connection]) -> Iterator[tuple[Connection, int, bytes]]:
        """Messages of connections, none if there are none, up to where the bag is damaged."""
        if not connections:
            return
        try:
            yield from self._recording.messages(connections)
        except DamagedBagError as error:
            self.outcome.explain(error.cause, error)

    def _receive(self, message: Any, is_image: bool) -> None:
        """Look for the partner of an image or a sparse depth."""
        synchronizer, jumps = self._synchronizer, self._synchronizer.time_jumps
        if not is_image and self._reader.projector is not None:
            self._reader.projector.receive(message)
        (synchronizer.add_image if is_image else synchronizer.add_sparse_depth)(message)
        self._partners.add(IMAGE_QUEUE if is_image else SPARSE_DEPTH_QUEUE, message)
        if synchronizer.time_jumps != jumps:
            self._moment.since = self._moment.now

    def _recorded_calibrations(self, topic: Topic | None) -> RecordedCalibrations:
        calibrations = RecordedCalibrations(self._moment)
        connections = self._recording.of_topic(topic.name) if topic is not None else []
        for connection, time, content in self._readable(connections):
            try:
                calibrations.add(deserialize(connection, content), time)
            except MessageError as error:
                self.outcome.skip(error)
        return calibrations

    def _transforms(self) -> Transforms:
        values = self._values
        if values.extrinsics_source != TF:
            return fixed_transform(values)
        transforms = RecordedTransforms(self._moment)
        static = self._topics.transforms
        connections = [c for topic in static for c in self._recording.of_topic(topic)]
        for connection, time, content in self._readable(connections):
            try:
                message = deserialize(connection, content)
                transforms.add(message, static[connection.topic], time)
            except MessageError as error:
                self.outcome.skip(error)
        return transforms

    def _on_pair(self, image: Any, sparse_depth: Any) -> None:
        self._pair = image, sparse_depth
        self._partners.pair(image, sparse_depth)

    def _complete(self, frame: str, image: Any, sparse_depth: Any) -> None:
        self._calibrations.store(stamp_of(image), self._reader.calibrations)
        self._sparse_calibrations.store(stamp_of(sparse_depth), self._reader.sparse_calibrations)
        if frame in self._partial:
            size = size_of(image, self._topics.image)
            if size is not None:
                self._calibration(image.header, size)  # which may be missing: that is told again
            self.outcome.completed += 1
            return
        arrays = self._reader.read(image, sparse_depth)
        for doubt in arrays.doubts:
            self.outcome.explain(doubt.cause, doubt)
        result = self._completer.complete(arrays.image, arrays.sparse_depth)
        scaled = ScaledResult(result, arrays.image, self._values.output_scale)
        calibration = self._calibration(image.header, arrays.sparse_depth.shape)
        outputs = serialized_outputs(scaled, image.header, calibration, self._values, self._wanted)
        self._partial.add(frame, outputs)
        self.outcome.completed += 1
        for doubt in self._doubts.find(arrays.image, arrays.sparse_depth, result):
            self.outcome.explain(doubt.cause, doubt)

    def _calibration(self, header: Any, size: tuple[int, ...]) -> Calibration | None:
        if not any(output in NEED_CALIBRATION for output in self._wanted):
            return None
        try:
            return self._reader.calibrations.find(header.frame_id, size[1], size[0])
        except MissingCameraInfoError as error:
            self.outcome.explain(error.cause, error)
            return None

    def _count_unmatched(self) -> None:
        outcome, synchronizer = self.outcome, self._synchronizer
        for queue, prefix in ((IMAGE_QUEUE, "image"), (SPARSE_DEPTH_QUEUE, "sparse_depth")):
            for cause, count in synchronizer.dropped[queue].items():
                outcome.skipped[f"{prefix} {cause}"] += count
            if waiting := synchronizer.waiting(queue):
                outcome.skipped[f"{prefix} {NO_PARTNER}"] += waiting
        why = self._partners.why_without()
        for cause in ALONE:
            if why and f"image {cause}" in outcome.skipped:
                outcome.reasons.setdefault(f"image {cause}", why)
