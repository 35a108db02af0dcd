"""What the worker does with one pair: convert, complete, publish, count."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from rclpy.impl.rcutils_logger import RcutilsLogger
from sensor_msgs.msg import CompressedImage, Image

from starrygazer_ros.calibration import CalibrationCache, MissingCameraInfoError
from starrygazer_ros.completion import (
    DepthCompleter,
    SizeMismatchError,
    seen_by,
)
from starrygazer_ros.completion.resizing import ScaledResult
from starrygazer_ros.completion_parameters import CompletionParameters
from starrygazer_ros.compressed import image_from_compressed, sparse_depth_from_compressed
from starrygazer_ros.messages import image_from_message, sparse_depth_from_message
from starrygazer_ros.nodes.faults import FaultLog
from starrygazer_ros.nodes.outputs import Outputs
from starrygazer_ros.statistics import Statistics


@dataclass(frozen=True)
class Pair:
    """An image, its sparse depth and when the later one arrived (``time.perf_counter``)."""

    image: Image | CompressedImage
    sparse_depth: Image | CompressedImage
    arrival: float


class PairCompleter:
    """Completes pairs, whatever is in them.

    Args:
        completer: used by the calling thread only.
        outputs: publishers.
        logger: of the node.
    """

    def __init__(self, completer: DepthCompleter, outputs: Outputs, logger: RcutilsLogger) -> None:
        self.statistics = Statistics()
        self.calibrations = CalibrationCache()
        self.sparse_calibrations = CalibrationCache()
        self._completer = completer
        self._outputs = outputs
        self._faults = FaultLog(logger)
        self._wanted: CompletionParameters | None = None
        self._applied: CompletionParameters | None = None

    def change(self, values: CompletionParameters) -> None:
        """Use other parameters from the next pair on; called by any thread."""
        self._wanted = values

    def process(self, pair: Pair, newest: Callable[[Pair], Pair] = lambda pair: pair) -> None:
        """Complete and publish a pair, or count and log why not; never raises.

        Args:
            pair: to complete.
            newest: gives the pair to complete instead when the completer is free for it.
        """
        try:
            self._apply_change()
            if not self._outputs.wanted:
                self.statistics.count_unwanted()
                return
            pair, size, scaled = self._publish_depth(pair, newest)
        except Exception as error:  # whatever one frame does, the node goes on with the next
            self.statistics.count_failed(self._faults.log(error))
            return
        published = time.perf_counter()
        with self._warnings():
            self._publish_calibrated(pair, size, scaled)
        with self._warnings():
            self._outputs.publish_confidence(scaled, pair.image.header)
        self.statistics.record_latencies({"cloud": time.perf_counter() - published})

    def _apply_change(self) -> None:
        """Between two pairs, so that one pair sees one set of parameters."""
        values = self._wanted
        if values is not None and values is not self._applied:
            self._applied = values
            self._completer.min_sparse_points = values.min_sparse_points
            self._completer.filter_occluded = values.filter_occluded
            self._outputs.change(values)

    @contextmanager
    def _warnings(self) -> Iterator[None]:
        """Count and log whatever is raised inside; it costs no depth image and not the node."""
        try:
            yield
        except Exception as error:
            self.statistics.count_warning(self._faults.log(error))

    def _publish_depth(
        self, pair: Pair, newest: Callable[[Pair], Pair]
    ) -> tuple[Pair, tuple[int, int], ScaledResult]:
        """Complete, publish and count the newest pair; it, its image's rows and columns, result."""
        with self._completer.turn:  # cameras that share the engines take turns
            pair = newest(pair)
            started = time.perf_counter()
            image = _image(pair.image)
            sparse_depth = self._in_pixels_of(image, pair)
            converted = time.perf_counter()
            result = self._completer.complete(image, sparse_depth)
            completed = time.perf_counter()
        scaled = self._outputs.scaled(result, image)
        self._outputs.publish_depth(scaled, pair.image.header)
        published = time.perf_counter()
        stages = {stage: s for stage, s in result.timings.items() if stage != "total"}
        points = int(np.count_nonzero(sparse_depth))
        self.statistics.count_completed(
            points,
            {
                "waiting": started - pair.arrival,
                "convert": converted - started,
                **stages,
                "completer": completed - converted,
                "publish": published - completed,
                "node": published - pair.arrival,
            },
            result.occluded_points,
            points / sparse_depth.size,
        )
        return pair, sparse_depth.shape, scaled

    def _in_pixels_of(self, image: NDArray[np.uint8], pair: Pair) -> NDArray[np.float32]:
        """The sparse depth; one of another size than the image needs the calibration of both."""
        sparse_depth = _sparse_depth(pair.sparse_depth)
        height, width, _ = image.shape
        if sparse_depth.shape == (height, width):
            return sparse_depth
        rows, columns = sparse_depth.shape
        try:
            own = self.sparse_calibrations.find(pair.sparse_depth.header.frame_id, columns, rows)
            of_image = self.calibrations.find(pair.image.header.frame_id, width, height)
        except MissingCameraInfoError as error:
            raise SizeMismatchError(
                f"sparse depth is {columns}x{rows}, the image {width}x{height}: publish both in "
                f"one size, or the calibrations of both, here on camera_info and "
                f"sparse_depth/camera_info; {error}"
            ) from error
        return seen_by(sparse_depth, own.intrinsics, of_image.intrinsics)

    def _publish_calibrated(self, pair: Pair, size: tuple[int, int], scaled: ScaledResult) -> None:
        if self._outputs.calibration_wanted:
            header = pair.image.header
            height, width = size
            calibration = self.calibrations.find(header.frame_id, width, height)
            self._outputs.publish_calibrated(scaled, header, calibration)


def _image(message: Image | CompressedImage) -> NDArray[np.uint8]:
    compressed = isinstance(message, CompressedImage)
    return image_from_compressed(message) if compressed else image_from_message(message)


def _sparse_depth(message: Image | CompressedImage) -> NDArray[np.float32]:
    compressed = isinstance(message, CompressedImage)
    convert = sparse_depth_from_compressed if compressed else sparse_depth_from_message
    return convert(message)
