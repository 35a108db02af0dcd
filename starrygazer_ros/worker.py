"""A thread that always works on the newest item."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Generic, TypeVar

Item = TypeVar("Item")

_left_behind: list[threading.Thread] = []


def threads_left_behind() -> int:
    """Threads that did not end when they should and still run."""
    return sum(thread.is_alive() for thread in _left_behind)


class NewestWorker(Generic[Item]):
    """One thread, one waiting place: a newer item replaces the waiting one.

    Args:
        process: called in the thread with each item; must not raise.
        on_replaced: called for each item that a newer one replaced, in the thread of :meth:`put`
            or :meth:`newest`.
        name: name of the thread.
    """

    def __init__(
        self,
        process: Callable[[Item], None],
        on_replaced: Callable[[], None],
        name: str = "worker",
    ) -> None:
        self._process = process
        self._on_replaced = on_replaced
        self._condition = threading.Condition()
        self._waiting: Item | None = None
        self._stopping = False
        # One that hangs for ever must not keep the process from ending.
        self._thread = threading.Thread(target=self._run, name=name, daemon=True)

    def start(self) -> None:
        """Start the thread; once per worker."""
        self._thread.start()

    def put(self, item: Item) -> None:
        """Hand over an item; returns at once."""
        with self._condition:
            replaced = self._waiting is not None
            self._waiting = item
            self._condition.notify()
        if replaced:
            self._on_replaced()

    def newest(self, item: Item) -> Item:
        """The item that came after the one in work, which it replaces; that one if none came.

        For ``process``, which may have had to wait before it could begin.
        """
        with self._condition:
            newer, self._waiting = self._waiting, None
        if newer is None:
            return item
        self._on_replaced()
        return newer

    def stop(self, timeout: float | None = None) -> int:
        """Finish the item in work and join the thread.

        Args:
            timeout: a thread that takes longer is left to itself [s]; ``None`` waits for ever.

        Returns:
            Number of items that were still waiting and are dropped, 0 or 1.
        """
        with self._condition:
            dropped = int(self._waiting is not None)
            self._waiting = None
            self._stopping = True
            self._condition.notify()
        self._thread.join(timeout)
        if self._thread.is_alive():
            _left_behind.append(self._thread)
        return dropped

    def _run(self) -> None:
        while (item := self._next()) is not None:
            self._process(item)
            del item  # a finished item must not hold its memory until the next one comes

    def _next(self) -> Item | None:
        with self._condition:
            self._condition.wait_for(lambda: self._stopping or self._waiting is not None)
            item, self._waiting = self._waiting, None
            return item
