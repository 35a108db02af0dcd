"""Loads the model again when its engines hang or keep failing, and then ever less often."""

from __future__ import annotations

import time
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Generic, TypeVar

from starrygazer_ros.completion.errors import in_one_line

PERIOD = 0.5  # s between two looks
SHORTEST_PAUSE, LONGEST_PAUSE = 1.0, 60.0  # s before the next try, twice as long each time

Model = TypeVar("Model")


class Watchdog(Generic[Model]):
    """One try after the other, in a thread of its own; everything else in the executor's thread.

    Args:
        load: makes a new model, or raises.
        clock: monotonic seconds.

    Attributes:
        reason: why the model is being loaded again; empty while all is well.
        tries: how often that was begun.
    """

    def __init__(
        self, load: Callable[[], Model], clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._load = load
        self._clock = clock
        self._loading: Future[Model] | None = None
        self._pause = SHORTEST_PAUSE
        self._next_try = -float("inf")
        self.reason = ""
        self.tries = 0

    def begin(self, reason: str) -> None:
        """Load a new model, not sooner after the last one than the pause."""
        self.reason = reason

    def loaded(self) -> Model | None:
        """The new model, once; ``None`` while it is not there.

        Raises:
            Exception: what loading it raised; the next try begins after the pause.
        """
        if self._loading is None:
            if self._clock() >= self._next_try:
                self._start()
            return None
        if not self._loading.done():
            return None
        loading, self._loading = self._loading, None
        self._next_try = self._clock() + self._pause
        self._pause = min(2 * self._pause, LONGEST_PAUSE)
        try:
            model = loading.result()
        except Exception as error:
            self.reason = f"the model cannot be loaded again: {in_one_line(error)}"
            raise
        self.reason = ""
        return model

    def all_is_well(self) -> None:
        """The new model does its work: the next fault is mended at once."""
        self._pause, self._next_try = SHORTEST_PAUSE, -float("inf")

    def _start(self) -> None:
        self.tries += 1
        executor = ThreadPoolExecutor(1, "load again")
        self._loading = executor.submit(self._load)
        executor.shutdown(wait=False)  # its thread ends with its task
