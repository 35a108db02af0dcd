"""When the model is loaded again, and how often."""

from __future__ import annotations

import threading

import pytest

pytest.importorskip("rclpy", reason="nodes/ needs rclpy: see requirements/")

from starrygazer_ros.nodes.watchdog import LONGEST_PAUSE, SHORTEST_PAUSE, Watchdog

TIMEOUT = 10.0


class Clock:
    now = 100.0

    def __call__(self):
        return self.now


class Loader:
    """Gives 1, 2, …, or raises what it is told to."""

    def __init__(self):
        self.error = None
        self.count = 0
        self.done = threading.Event()

    def __call__(self):
        self.count += 1
        self.done.set()
        if self.error is not None:
            raise self.error
        return self.count


@pytest.fixture
def clock():
    return Clock()


@pytest.fixture
def loader():
    return Loader()


@pytest.fixture
def watchdog(loader, clock):
    return Watchdog(loader, clock)


def load(watchdog, loader):
    """The model, as soon as it is there."""
    loader.done.clear()
    assert watchdog.loaded() is None
    assert loader.done.wait(TIMEOUT)
    while True:
        model = watchdog.loaded()
        if model is not None:
            return model


def test_a_fault_is_mended_at_once(watchdog, loader):
    watchdog.begin("it hangs")
    assert watchdog.reason == "it hangs"
    assert load(watchdog, loader) == 1
    assert (watchdog.reason, watchdog.tries) == ("", 1)


def test_the_next_fault_waits_ever_longer_until_something_works(watchdog, loader, clock):
    pauses = []
    for _ in range(9):
        watchdog.begin("again")
        began = clock.now
        while watchdog.tries == len(pauses):
            assert watchdog.loaded() is None
            clock.now += 0.5
        pauses.append(clock.now - began - 0.5)
        load_started(watchdog, loader)
    assert pauses == [0, 1, 2, 4, 8, 16, 32, 60, 60]
    assert (pauses[1], pauses[-1]) == (SHORTEST_PAUSE, LONGEST_PAUSE)
    watchdog.all_is_well()
    watchdog.begin("later")
    assert load(watchdog, loader) == 10


def load_started(watchdog, loader):
    while watchdog.loaded() is None:
        assert loader.done.wait(TIMEOUT)


def test_what_loading_raises_is_told_and_tried_again(watchdog, loader, clock):
    loader.error = OSError("disk\nfull")
    watchdog.begin("it hangs")
    with pytest.raises(OSError, match="disk"):
        load(watchdog, loader)
    assert watchdog.reason == "the model cannot be loaded again: disk full"
    loader.error = None
    assert watchdog.loaded() is None
    assert watchdog.tries == 1
    clock.now += SHORTEST_PAUSE
    assert load(watchdog, loader) == 2
