"""What the worker does with one pair: convert, complete, publish, count."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import numpy as np
from rclpy.impl.rcutils_logger import RcutilsLogger
from sensor_msgs.msg import CompressedImage, Image, PointCloud2

from starrygazer_ros.completion import DepthCompleter
from starrygazer_ros.completion.resizing import ScaledResult
from starrygazer_ros.completion_parameters import CompletionParameters
from starrygazer_ros.headers import stamp_of
from starrygazer_ros.nodes.faults import FaultLog
from starrygazer_ros.nodes.outputs import Outputs
from starrygazer_ros.pairs import PairArrays, PairReader
from starrygazer_ros.statistics import Statistics


@dataclass(frozen=True)
class Pair:
    """An image, its sparse depth and when the later one arrived (``time.perf_counter``)."""

    image: Image | CompressedImage
    sparse_depth: Image | CompressedImage | PointCloud2
    arrival: float


class PairCompleter:
    """Completes pairs, whatever is in them.

    Args:
        reader: of the pairs' messages.
        completer: used by the calling thread only.
        outputs: publishers.
        logger: of the node.
    """

    def __init__(
        self,
        reader: PairReader,
        completer: DepthCompleter,
        outputs: Outputs,
        logger: RcutilsLogger,
    ) -> None:
        self.statistics = Statistics()
        self._reader = reader
        self._completer = completer
        self._completer.keep_relative_depth = False
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
            if self._reader.projector is None:
                self._completer.filter_occluded = values.filter_occluded
            else:
                self._reader.projector.change(values)
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
        # May wait for a transform, so before its turn.
        arrays = self._reader.read(pair.image, pair.sparse_depth)
        with self._completer.turn:  # cameras that share the engines take turns
            pair, arrays = self._newer(newest(pair), pair, arrays)
            started = time.perf_counter()
            result = self._completer.complete(arrays.image, arrays.sparse_depth)
            completed = time.perf_counter()
        scaled = self._outputs.scaled(result, arrays.image)
        self._outputs.publish_depth(scaled, pair.image.header)
        published = time.perf_counter()
        reading = sum(arrays.timings.values())
        stages = {stage: s for stage, s in result.timings.items() if stage != "total"}
        points = int(np.count_nonzero(arrays.sparse_depth))
        for doubt in arrays.doubts:
            self.statistics.count_warning(self._faults.log(doubt))
        self.statistics.count_completed(
            points,
            {
                "waiting": started - pair.arrival - reading,
                **arrays.timings,
                **stages,
                "completer": completed - started,
                "publish": published - completed,
                "node": published - pair.arrival,
            },
            result.occluded_points + arrays.hidden,
            points / arrays.sparse_depth.size,
        )
        return pair, arrays.sparse_depth.shape, scaled

    def _newer(self, newer: Pair, pair: Pair, arrays: PairArrays) -> tuple[Pair, PairArrays]:
        """The newer pair if that can be read at once, else the one that has been read.

        The other cameras wait meanwhile: they must not wait for this one's transforms, too.
        """
        if newer is pair:
            return pair, arrays
        try:
            return newer, self._reader.read(newer.image, newer.sparse_depth, wait=False)
        except Exception as error:  # the newer one is counted as replaced
            self._faults.log(error)
            return pair, arrays

    def _publish_calibrated(self, pair: Pair, size: tuple[int, int], scaled: ScaledResult) -> None:
        if self._outputs.calibration_wanted:
            header = pair.image.header
            height, width = size
            calibration = self._reader.calibrations.find(
                header.frame_id, width, height, stamp_of(pair.image)
            )
            self._outputs.publish_calibrated(scaled, header, calibration)
