"""What the worker does with one pair: convert, complete, publish, count."""

from __future__ import annotations

import time
import traceback
from dataclasses import dataclass

import numpy as np
from rclpy.impl.rcutils_logger import RcutilsLogger
from sensor_msgs.msg import Image

from starrygazer_ros.calibration import CalibrationCache, MissingCameraInfoError
from starrygazer_ros.completion import CompletionError, DepthCompleter
from starrygazer_ros.messages import (
    MessageError,
    image_from_message,
    sparse_depth_from_message,
)
from starrygazer_ros.nodes.outputs import Outputs
from starrygazer_ros.statistics import Statistics
from starrygazer_ros.throttle import Throttle

LOG_PERIOD = 5.0  # s between two log lines of the same cause
INTERNAL_ERROR = "internal_error"


@dataclass(frozen=True)
class Pair:
    """An image, its sparse depth and when the later one arrived (``time.perf_counter``)."""

    image: Image
    sparse_depth: Image
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
        self._completer = completer
        self._outputs = outputs
        self._logger = logger
        self._throttle = Throttle(LOG_PERIOD)

    def process(self, pair: Pair) -> None:
        """Complete and publish a pair, or count and log why not; never raises."""
        try:
            if self._outputs.wanted:
                self._complete_and_publish(pair)
            else:
                self.statistics.count_unwanted()
        except CompletionError as error:
            self.statistics.count_failed(error.cause)
            self._log(error)
        except Exception:  # whatever one frame does, the node goes on with the next
            self.statistics.count_failed(INTERNAL_ERROR)
            if self._throttle.ready(INTERNAL_ERROR):
                self._logger.error(f"{INTERNAL_ERROR}: {traceback.format_exc()}")

    def warn(self, error: MessageError) -> None:
        """Count and log something that does not cost the depth image."""
        self.statistics.count_warning(error.cause)
        self._log(error)

    def _complete_and_publish(self, pair: Pair) -> None:
        header, outputs = pair.image.header, self._outputs
        started = time.perf_counter()
        image = image_from_message(pair.image)
        sparse_depth = sparse_depth_from_message(pair.sparse_depth)
        converted = time.perf_counter()
        result = self._completer.complete(image, sparse_depth)
        completed = time.perf_counter()
        outputs.publish_depth(result.depth, header)
        published = time.perf_counter()
        if outputs.calibration_wanted:
            try:
                calibration = self.calibrations.find(
                    header.frame_id, pair.image.width, pair.image.height
                )
                outputs.publish_calibrated(result, image, header, calibration)
            except MissingCameraInfoError as error:
                self.warn(error)
        outputs.publish_confidence(result.confidence, header)
        stages = {stage: s for stage, s in result.timings.items() if stage != "total"}
        self.statistics.count_completed(
            int(np.count_nonzero(sparse_depth)),
            {
                "waiting": started - pair.arrival,
                "convert": converted - started,
                **stages,
                "completer": completed - converted,
                "publish": published - completed,
                "node": published - pair.arrival,
                "cloud": time.perf_counter() - published,
            },
        )

    def _log(self, error: CompletionError) -> None:
        if self._throttle.ready(error.cause):
            self._logger.warning(one_line(error))


def one_line(error: CompletionError) -> str:
    """An error as one log line that starts with its cause."""
    return f"{error.cause}: {' '.join(str(error).split())}"
