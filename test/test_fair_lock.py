from __future__ import annotations

import itertools
import threading
import time

import pytest

from starrygazer_ros.fair_lock import FairLock

TIMEOUT = 10.0


def wait_until(condition):
    deadline = time.monotonic() + TIMEOUT
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.001)


def test_is_handed_on_in_the_order_in_which_it_was_asked_for():
    lock = FairLock()
    order = []

    def take(number):
        with lock:
            order.append(number)

    threads = []
    with lock:
        for number in range(8):
            threads.append(threading.Thread(target=take, args=(number,)))
            threads[-1].start()
            wait_until(lambda: len(lock._line) == len(threads) + 1)
        assert order == []
    for thread in threads:
        thread.join(TIMEOUT)
    assert order == list(range(8))


def test_does_not_go_back_to_a_busy_thread_while_another_one_waits():
    lock = FairLock()
    turns = []
    started = threading.Barrier(2)

    def work(name):
        started.wait(TIMEOUT)
        for _ in range(20):
            with lock:
                turns.append(name)
                time.sleep(0.002)

    threads = [threading.Thread(target=work, args=(name,)) for name in "ab"]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(TIMEOUT)
    assert len(turns) == 40
    # The first few may run before the other thread comes; from then on they alternate.
    both = turns[turns.index("b") if turns[0] == "a" else turns.index("a") :]
    both = both[: 2 * min(both.count("a"), both.count("b")) - 1]
    assert all(first != second for first, second in itertools.pairwise(both))


def test_its_owner_may_take_it_again():
    lock = FairLock()
    with lock:
        with lock:
            pass
        assert len(lock._line) == 1
    assert len(lock._line) == 0


def test_one_thread_at_a_time():
    lock = FairLock()
    inside = []
    most = []

    def work():
        for _ in range(50):
            with lock:
                inside.append(1)
                most.append(len(inside))
                inside.pop()

    threads = [threading.Thread(target=work) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(TIMEOUT)
    assert most == [1] * 200


def test_an_exception_inside_or_while_waiting_does_not_block_the_others(monkeypatch):
    lock = FairLock()
    with pytest.raises(KeyError), lock:
        raise KeyError
    with lock:
        pass

    def interrupted(_condition):
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(lock._condition, "wait_for", interrupted)
        with pytest.raises(KeyboardInterrupt), lock:
            pass
    with lock:
        assert len(lock._line) == 1
