"""What the worker does with one pair: convert, complete, publish, count."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import numpy as np
from rclpy.impl.rcutils_logger import RcutilsLogger
from sensor_msgs.msg import CompressedImage, Image, PointCloud2

from starrygazer_ros.completion import CompletionError, CompletionResult, DepthCompleter
from starrygazer_ros.completion.doubts import Doubts
from starrygazer_ros.completion.errors import HungError, InferenceError
from starrygazer_ros.completion.resizing import ScaledResult
from starrygazer_ros.completion_parameters import CompletionParameters
from starrygazer_ros.headers import stamp_of
from starrygazer_ros.nodes.faults import FaultLog
from starrygazer_ros.nodes.outputs import Outputs
from starrygazer_ros.pairs import PairArrays, PairReader
from starrygazer_ros.statistics import Statistics

MOST_FAILURES = 3  # of the engines in a row; one frame may have something strange in it


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
        self._doubts = Doubts()
        self._wanted: CompletionParameters | None = None
        self._applied: CompletionParameters | None = None
        self._failures = 0  # of the engines, one after the other
        self._works = False
        self._lock = threading.Lock()  # for what follows: of two threads, if one hangs
        self._in_work: object | None = None
        self._since = 0.0

    def change(self, values: CompletionParameters) -> None:
        """Use other parameters from the next pair on; called by any thread."""
        self._wanted = values

    def problem(self, timeout: float) -> CompletionError | None:
        """Why the engines should be loaded again; ``None`` while all is well.

        Args:
            timeout: that a pair may be in work [s]; 0 = for ever.
        """
        with self._lock:
            seconds = time.perf_counter() - self._since if self._in_work is not None else 0.0
        if 0 < timeout < seconds:
            return HungError(
                f"the engines have not answered for {seconds:.0f} s (watchdog.timeout)"
            )
        if self._failures >= MOST_FAILURES:
            return InferenceError(f"the engines failed {self._failures} times in a row")
        return None

    @property
    def in_work(self) -> bool:
        """A pair is being completed."""
        with self._lock:
            return self._in_work is not None

    @property
    def works(self) -> bool:
        """The completer that is used now has completed a pair."""
        return self._works

    def give_up(self, cause: str) -> None:
        """Publish nothing of the pair in work, which fails by this cause, whenever it ends."""
        with self._lock:
            was_in_work, self._in_work = self._in_work is not None, None
        if was_in_work:
            self.statistics.count_failed(cause)
        self._completer.give_up()

    def exchange(self, completer: DepthCompleter) -> None:
        """Use another completer from the next pair on; none may be in work."""
        completer.keep_relative_depth = False
        self._completer = completer
        self._applied, self._failures, self._works = None, 0, False

    def process(self, pair: Pair, newest: Callable[[Pair], Pair] = lambda pair: pair) -> None:
        """Complete and publish a pair, or count and log why not; never raises.

        Args:
            pair: to complete.
            newest: gives the pair to complete instead when the completer is free for it.
        """
        work = object()
        with self._lock:
            self._in_work, self._since = work, time.perf_counter()
        try:
            self._apply_change()
            completed = self._complete(pair, newest) if self._outputs.wanted else None
        except Exception as error:  # whatever one frame does, the node goes on with the next
            if self._finishes(work):
                self._failures = self._failures + 1 if isinstance(error, InferenceError) else 0
                self.statistics.count_failed(self._faults.log(error))
            return
        if not self._finishes(work):
            return
        if completed is None:
            self.statistics.count_unwanted()
            return
        self._failures, self._works = 0, True
        try:
            scaled = self._publish_depth(completed)
        except Exception as error:
            self.statistics.count_failed(self._faults.log(error))
            return
        published = time.perf_counter()
        with self._warnings():
            self._publish_calibrated(completed, scaled)
        with self._warnings():
            self._outputs.publish_confidence(scaled, completed.pair.image.header)
        self.statistics.record_latencies({"cloud": time.perf_counter() - published})
        published = time.perf_counter()
        with self._warnings():
            self._doubt(completed)
        self.statistics.record_latencies({"doubts": time.perf_counter() - published})

    def _finishes(self, work: object) -> bool:
        """No longer in work; whether it was until now: what was given up is counted already."""
        with self._lock:
            if self._in_work is not work:
                return False
            self._in_work = None
            return True

    def _apply_change(self) -> None:
        """Between two pairs, so that one pair sees one set of parameters."""
        values = self._wanted
        if values is not None and values is not self._applied:
            self._applied = values
            self._completer.min_sparse_points = values.min_sparse_points
            self._doubts.limits = values.doubt_limits()
            self._reader.largest_offset = values.largest_offset()
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

    def _complete(self, pair: Pair, newest: Callable[[Pair], Pair]) -> _Completed:
        """Read and complete the newest pair."""
        completer = self._completer  # another one may take its place while this one hangs
        # May wait for a transform, so before its turn.
        arrays = self._reader.read(pair.image, pair.sparse_depth)
        with completer.turn:  # cameras that share the engines take turns
            pair, arrays = self._newer(newest(pair), pair, arrays)
            started = time.perf_counter()
            result = completer.complete(arrays.image, arrays.sparse_depth)
            return _Completed(pair, arrays, result, started, time.perf_counter())

    def _publish_depth(self, completed: _Completed) -> ScaledResult:
        """Publish and count it; the result in the size of the outputs."""
        pair, arrays, result = completed.pair, completed.arrays, completed.result
        scaled = self._outputs.scaled(result, arrays.image)
        self._outputs.publish_depth(scaled, pair.image.header)
        published = time.perf_counter()
        reading = sum(arrays.timings.values())
        stages = {stage: s for stage, s in result.timings.items() if stage != "total"}
        points = int(np.count_nonzero(arrays.sparse_depth))
        self.statistics.count_completed(
            points,
            {
                "waiting": completed.started - pair.arrival - reading,
                **arrays.timings,
                **stages,
                "completer": completed.ended - completed.started,
                "publish": published - completed.ended,
                "node": published - pair.arrival,
            },
            result.occluded_points + arrays.hidden,
            points / arrays.sparse_depth.size,
            result.contradicted_points,
        )
        return scaled

    def _doubt(self, completed: _Completed) -> None:
        """Count and log why the depth may be wrong."""
        arrays, result = completed.arrays, completed.result
        doubts = [*arrays.doubts, *self._doubts.find(arrays.image, arrays.sparse_depth, result)]
        for doubt in doubts:
            self.statistics.count_warning(self._faults.log(doubt))

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

    def _publish_calibrated(self, completed: _Completed, scaled: ScaledResult) -> None:
        if self._outputs.calibration_wanted:
            image = completed.pair.image
            height, width = completed.arrays.sparse_depth.shape
            calibration = self._reader.calibrations.find(
                image.header.frame_id, width, height, stamp_of(image)
            )
            self._outputs.publish_calibrated(scaled, image.header, calibration)


@dataclass(frozen=True)
class _Completed:
    """A pair, what was read of it and made of it, from when to when (``time.perf_counter``)."""

    pair: Pair
    arrays: PairArrays
    result: CompletionResult
    started: float
    ended: float
