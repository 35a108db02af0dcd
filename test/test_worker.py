from __future__ import annotations

import threading

import pytest

from starrygazer_ros.worker import NewestWorker

TIMEOUT = 10.0


class Recorder:
    """Processes items one by one, each when it is told to."""

    def __init__(self):
        self.processed = []
        self.replaced = 0
        self.started = threading.Semaphore(0)
        self.go_on = threading.Semaphore(0)

    def process(self, item):
        self.started.release()
        assert self.go_on.acquire(timeout=TIMEOUT)
        self.processed.append(item)

    def count_replaced(self):
        self.replaced += 1


@pytest.fixture
def recorder():
    return Recorder()


@pytest.fixture
def worker(recorder):
    worker = NewestWorker(recorder.process, recorder.count_replaced)
    worker.start()
    yield worker
    recorder.go_on.release(10)
    worker.stop()


def test_processes_an_item_in_its_own_thread():
    done = threading.Event()
    names = []

    def process(_item):
        names.append(threading.current_thread().name)
        done.set()

    worker = NewestWorker(process, lambda: None, name="somewhere else")
    worker.start()
    worker.put(1)
    assert done.wait(TIMEOUT)
    worker.stop()
    assert names == ["somewhere else"]


def test_takes_the_newest_item_and_counts_the_replaced_ones(worker, recorder):
    worker.put(1)
    assert recorder.started.acquire(timeout=TIMEOUT)
    for item in (2, 3, 4):
        worker.put(item)
    recorder.go_on.release()
    assert recorder.started.acquire(timeout=TIMEOUT)
    recorder.go_on.release()
    assert worker.stop() == 0
    assert recorder.processed == [1, 4]
    assert recorder.replaced == 2


def test_stop_finishes_the_item_in_work_and_tells_of_the_waiting_one(worker, recorder):
    worker.put(1)
    assert recorder.started.acquire(timeout=TIMEOUT)
    worker.put(2)
    recorder.go_on.release(2)
    # The item in work may end before stop() is called; then nothing is left waiting.
    dropped = worker.stop()
    assert len(recorder.processed) + dropped == 2
    assert recorder.processed[0] == 1


def test_stop_joins_the_thread_and_may_be_called_twice(worker):
    assert worker.stop() == 0
    assert worker.stop() == 0
    assert not worker._thread.is_alive()


def test_stop_drops_what_waits_behind_a_long_item(recorder):
    worker = NewestWorker(recorder.process, recorder.count_replaced)
    worker.start()
    worker.put(1)
    assert recorder.started.acquire(timeout=TIMEOUT)
    worker.put(2)
    dropped = []
    stopper = threading.Thread(target=lambda: dropped.append(worker.stop()))
    stopper.start()
    while worker._waiting is not None:  # stop() takes the waiting item before it joins
        pass
    recorder.go_on.release()
    stopper.join(TIMEOUT)
    assert dropped == [1]
    assert recorder.processed == [1]


def test_work_that_had_to_wait_may_go_on_with_the_newest_item(recorder):
    done = threading.Event()
    processed = []

    def process(item):
        recorder.started.release()
        assert recorder.go_on.acquire(timeout=TIMEOUT)
        processed.append(worker.newest(item))
        processed.append(worker.newest(item))  # nothing has come since
        done.set()

    worker = NewestWorker(process, recorder.count_replaced)
    worker.start()
    worker.put(1)
    assert recorder.started.acquire(timeout=TIMEOUT)
    for item in (2, 3):
        worker.put(item)
    recorder.go_on.release()
    assert done.wait(TIMEOUT)
    assert worker.stop() == 0
    assert processed == [3, 1]
    assert recorder.replaced == 2
