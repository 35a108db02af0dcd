"""A lock that is handed on in the order in which it was asked for."""

from __future__ import annotations

import threading
from collections import deque


class FairLock:
    """Whoever waits longest is next; the owner may take it again, as with ``threading.RLock``.

    ``threading.Lock`` may go back to the thread that has just released it, so that a busy thread
    starves the others. Use it in a ``with`` statement.
    """

    def __init__(self) -> None:
        self._condition = threading.Condition()
        self._line: deque[object] = deque()  # the first one has the lock
        self._owner: int | None = None
        self._depth = 0

    def __enter__(self) -> None:
        if self._owner == threading.get_ident():  # nobody else can write one's own identity
            self._depth += 1
            return
        place = object()
        with self._condition:
            self._line.append(place)
            try:
                self._condition.wait_for(lambda: self._line[0] is place)
            except BaseException:  # such as KeyboardInterrupt: those behind must not wait for ever
                self._line.remove(place)
                self._condition.notify_all()
                raise
            self._owner = threading.get_ident()
            self._depth = 1

    def __exit__(self, *_: object) -> None:
        self._depth -= 1
        if self._depth == 0:
            with self._condition:
                self._owner = None
                self._line.popleft()
                self._condition.notify_all()
