from __future__ import annotations

import pytest

from starrygazer_ros.bags.passes import Moment, Pass, Passes

SECOND = 10**9


@pytest.fixture
def passes():
    """Two passes of ten seconds, the second one recorded behind the first."""
    made = Passes(Pass)
    for recorded in range(0, 20, 2):
        made.of(recorded % 10 * SECOND, recorded * SECOND)
    return made


def spans(found):
    return [(one.first / SECOND, one.last / SECOND) for one in found]


def test_a_new_one_begins_where_time_goes_back(passes):
    assert spans(passes.near(Moment(now=15 * SECOND))) == [(10, 18), (0, 8)]


def test_what_is_a_little_late_begins_none():
    made = Passes(Pass)
    first = made.of(10 * SECOND, 0)
    assert made.of(9 * SECOND, 1) is first
    assert made.of(9 * SECOND - 1, 2) is not first
    assert first.newest == 10 * SECOND


def test_one_that_begins_much_later_is_not_needed(passes):
    assert spans(passes.near(Moment(now=7 * SECOND))) == [(0, 8)]


def test_one_that_begins_soon_may_be_needed(passes):
    assert spans(passes.near(Moment(now=9 * SECOND + 1))) == [(0, 8), (10, 18)]


def test_one_that_was_over_when_time_went_back_is_not_needed(passes):
    moment = Moment(now=9 * SECOND, since=9 * SECOND)
    assert spans(passes.near(moment)) == [(10, 18)]


def test_the_only_one_may_begin_as_late_as_it_likes():
    made = Passes(Pass)
    made.of(0, 100 * SECOND)
    assert spans(made.near(Moment(now=0))) == [(100, 100)]


@pytest.mark.parametrize(
    ("now", "since", "first"),
    [(0, None, 0), (9.9, None, 0), (10, None, 10), (99, None, 10), (9.9, 9.9, 10), (-5, None, 0)],
    ids=["begins", "no jump yet", "next", "after all", "jumped, said soon", "before all"],
)
def test_what_was_said_last_holds(passes, now, since, first):
    moment = Moment(now=round(now * SECOND))
    if since is not None:
        moment.since = round(since * SECOND)
    assert passes.current(moment).first == first * SECOND


def test_what_is_never_said_again_holds_after_time_went_back():
    made = Passes(Pass)
    only = made.of(0, 0)
    assert made.current(Moment(now=50 * SECOND, since=40 * SECOND)) is only
    assert made.near(Moment(now=50 * SECOND, since=40 * SECOND)) == []
