"""What went wrong in a callback, as a counted cause and a throttled log line."""

from __future__ import annotations

import traceback

from rclpy.impl.rcutils_logger import RcutilsLogger

from starrygazer_ros.completion import CompletionError
from starrygazer_ros.completion.errors import in_one_line
from starrygazer_ros.throttle import Throttle

LOG_PERIOD = 5.0  # s between two log lines of the same cause
INTERNAL_ERROR = "internal_error"


class FaultLog:
    """Logs caught exceptions, each cause once per ``LOG_PERIOD``.

    Args:
        logger: of the node.
    """

    def __init__(self, logger: RcutilsLogger) -> None:
        self._logger = logger
        self._throttle = Throttle(LOG_PERIOD)

    def log(self, error: Exception) -> str:
        """Log a doubt, or an exception from inside its ``except`` clause; its cause, to count."""
        if isinstance(error, CompletionError):
            if self._throttle.ready(error.cause):
                self._logger.warning(one_line(error))
            return error.cause
        if self._throttle.ready(INTERNAL_ERROR):
            self._logger.error(f"{INTERNAL_ERROR}: {traceback.format_exc()}")
        return INTERNAL_ERROR


def one_line(error: CompletionError) -> str:
    """An error as one log line that starts with its cause."""
    return f"{error.cause}: {in_one_line(error)}"
