from __future__ import annotations

from starrygazer_ros.throttle import Throttle


def test_lets_each_cause_through_once_per_period():
    now = [0.0]
    throttle = Throttle(5.0, clock=lambda: now[0])
    assert throttle.ready("a")
    assert not throttle.ready("a")
    assert throttle.ready("b")
    now[0] = 4.9
    assert not throttle.ready("a")
    now[0] = 5.0
    assert throttle.ready("a")
    assert not throttle.ready("a")
