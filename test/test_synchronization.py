"""Every message accounted for, by private rules and those of message_filters if installed."""

from __future__ import annotations

import random

import pytest

pytest.importorskip("sensor_msgs", reason="sensor_msgs is needed: see requirements/")

from sensor_msgs.msg import Image

from starrygazer_ros import matching
from starrygazer_ros.matching import IMAGE, POLICIES, SPARSE_DEPTH, Rule
from starrygazer_ros.synchronization import NegativeStampError, PairSynchronizer

SECOND = 10**9


def assert_accounted(synchronizer):
    reused = {IMAGE: 0, SPARSE_DEPTH: synchronizer.reused}
    for topic in (IMAGE, SPARSE_DEPTH):
        terms = (
            synchronizer.matched - reused[topic],
            synchronizer.waiting(topic),
            *synchronizer.dropped[topic].values(),
        )
        assert min(terms) >= 0
        assert synchronizer.received[topic] == sum(terms)


def message(seconds):
    stamped = Image()
    nanoseconds = round(seconds * SECOND)
    stamped.header.stamp.sec, stamped.header.stamp.nanosec = divmod(nanoseconds, SECOND)
    return stamped


def seconds(stamped):
    return matching.stamp_of(stamped) / SECOND


@pytest.fixture(params=["private", "message_filters"])
def make(request, monkeypatch):
    """A synchroniser and the list of pairs of seconds that it finds."""
    if request.param == "private":
        monkeypatch.setattr(matching, "message_filters", None)
    else:
        pytest.importorskip("message_filters", reason="message_filters is not on PyPI")

    def make(**rule):
        pairs = []
        synchronizer = PairSynchronizer(
            lambda image, sparse: pairs.append((seconds(image), seconds(sparse))), Rule(**rule)
        )
        return synchronizer, pairs

    return make


@pytest.mark.parametrize("image_first", [True, False])
def test_matches_whichever_comes_first(make, image_first):
    synchronizer, pairs = make()
    if image_first:
        synchronizer.add_image(message(1.00))
        synchronizer.add_sparse_depth(message(1.02))
    else:
        synchronizer.add_sparse_depth(message(1.02))
        synchronizer.add_image(message(1.00))
    assert pairs == [(1.00, 1.02)]
    assert synchronizer.matched == 1


def test_matches_strictly_below_slop_only(make):
    synchronizer, pairs = make(slop=0.05)
    synchronizer.add_image(message(1.0))
    synchronizer.add_sparse_depth(message(1.05))
    assert pairs == []
    synchronizer.add_sparse_depth(message(1.049999999))
    assert pairs == [(1.0, 1.049999999)]


@pytest.mark.parametrize("rule", [{"slop": 0.0}, {"policy": "exact", "slop": 5.0}])
def test_exact_and_a_slop_of_zero_match_equal_stamps_and_nothing_else(make, rule):
    synchronizer, pairs = make(**rule)
    synchronizer.add_image(message(1.0))
    synchronizer.add_sparse_depth(message(1.000000001))
    assert pairs == []
    synchronizer.add_sparse_depth(message(1.0))
    assert pairs == [(1.0, 1.0)]


def test_takes_the_nearest_of_several(make):
    synchronizer, pairs = make(slop=0.1)
    for stamp in (1.00, 1.04, 1.08):
        synchronizer.add_sparse_depth(message(stamp))
    synchronizer.add_image(message(1.05))
    assert pairs == [(1.05, 1.04)]
    synchronizer.add_image(message(1.06))  # 1.04 is gone
    assert pairs[1:] == [(1.06, 1.08)]


def test_uses_a_message_for_one_pair_only(make):
    synchronizer, pairs = make()
    synchronizer.add_image(message(1.0))
    synchronizer.add_sparse_depth(message(1.0))
    synchronizer.add_sparse_depth(message(1.01))
    assert pairs == [(1.0, 1.0)]


def test_evicts_the_smallest_stamp_beyond_the_queue_size(make):
    synchronizer, pairs = make(queue_size=2)
    for stamp in (1.0, 1.2, 1.4):
        synchronizer.add_image(message(stamp))
    synchronizer.add_sparse_depth(message(1.0))
    assert pairs == []
    synchronizer.add_sparse_depth(message(1.2))
    assert pairs == [(1.2, 1.2)]


def test_does_not_match_a_message_that_is_evicted_at_once(make):
    synchronizer, pairs = make(queue_size=1)
    synchronizer.add_sparse_depth(message(1.0))
    synchronizer.add_image(message(1.1))
    synchronizer.add_image(message(1.0))  # the smallest of a full queue: gone
    assert pairs == []


def test_accounts_for_every_message(make):
    synchronizer, pairs = make(slop=0.03, queue_size=3)
    for index in range(20):
        synchronizer.add_image(message(0.1 * index))
        if index % 3 == 0:
            synchronizer.add_sparse_depth(message(0.1 * index + 0.01))
    assert len(pairs) == synchronizer.matched == 7
    assert synchronizer.received == [20, 7]
    assert synchronizer.waiting(IMAGE) == 3
    assert synchronizer.dropped[IMAGE] == {"queue_full": 10}
    assert synchronizer.waiting(SPARSE_DEPTH) == synchronizer.dropped[SPARSE_DEPTH].total() == 0
    assert_accounted(synchronizer)


def test_of_two_messages_with_one_stamp_the_first_is_dropped(make):
    synchronizer, pairs = make()
    for _ in range(2):
        synchronizer.add_image(message(1.0))
    synchronizer.add_sparse_depth(message(1.0))
    assert pairs == [(1.0, 1.0)]
    assert synchronizer.dropped[IMAGE] == {"same_stamp": 1}
    assert_accounted(synchronizer)


def test_drops_what_waits_when_it_is_cleared(make):
    synchronizer, pairs = make()
    synchronizer.add_image(message(1.0))
    synchronizer.clear()
    synchronizer.add_sparse_depth(message(1.0))
    assert pairs == []
    assert synchronizer.waiting(IMAGE) == 0
    assert synchronizer.dropped[IMAGE] == {"deactivated": 1}
    assert_accounted(synchronizer)


def test_refuses_a_negative_stamp_and_goes_on(make):
    synchronizer, pairs = make()
    for add in (synchronizer.add_image, synchronizer.add_sparse_depth):
        with pytest.raises(NegativeStampError, match="stamp of -5 s"):
            add(message(-5.0))
        add(message(1.0))
    assert pairs == [(1.0, 1.0)]
    assert [dict(d) for d in synchronizer.dropped] == 2 * [{"negative_stamp": 1}]
    assert synchronizer.received == [2, 2]
    assert synchronizer.time_jumps == 0
    assert_accounted(synchronizer)


def test_starts_over_when_time_goes_back(make):
    synchronizer, pairs = make(queue_size=2)
    for stamp in (100.0, 100.1):
        synchronizer.add_image(message(stamp))
    for stamp in (10.0, 10.1):  # the bag starts again; the old stamps are larger
        synchronizer.add_image(message(stamp))
        synchronizer.add_sparse_depth(message(stamp))
    assert pairs == [(10.0, 10.0), (10.1, 10.1)]
    assert synchronizer.time_jumps == 1
    assert synchronizer.received == [4, 2]
    assert synchronizer.dropped[IMAGE] == {"time_jump": 2}


@pytest.mark.parametrize("length", [0.9, 0.5])
def test_a_short_loop_of_a_bag_loses_no_pair(make, length):
    synchronizer, pairs = make(slop=0.02)
    loops, stamps = 5, [0.03 * index for index in range(round(length / 0.03))]
    for _ in range(loops):
        for index, stamp in enumerate(stamps):
            synchronizer.add_image(message(stamp))
            if index % 3 == 0:  # so that images are left over and fill their queue
                synchronizer.add_sparse_depth(message(stamp))
    assert len(pairs) == loops * len(stamps[::3])
    assert all(image == sparse for image, sparse in pairs)
    assert synchronizer.time_jumps == loops - 1
    assert_accounted(synchronizer)


def test_a_late_message_from_before_the_jump_costs_no_pair(make):
    synchronizer, pairs = make()
    for stamp in (99.8, 99.9):
        synchronizer.add_sparse_depth(message(stamp))
        synchronizer.add_image(message(stamp))
    synchronizer.add_image(message(10.0))  # has jumped already
    synchronizer.add_sparse_depth(message(100.0))  # has not
    synchronizer.add_sparse_depth(message(10.0))
    assert pairs[2:] == [(10.0, 10.0)]
    assert_accounted(synchronizer)


def test_messages_that_overtake_each_other_are_no_jump_in_time(make):
    synchronizer, pairs = make(slop=0.02)
    for stamp in (1.0, 1.2, 1.1):
        synchronizer.add_image(message(stamp))
    for stamp in (1.0, 1.1, 1.2):
        synchronizer.add_sparse_depth(message(stamp))
    assert pairs == [(1.0, 1.0), (1.1, 1.1), (1.2, 1.2)]
    assert synchronizer.time_jumps == 0


def test_a_changed_rule_finds_what_waited_before(make):
    synchronizer, pairs = make(slop=0.01, queue_size=2)
    for stamp in (1.0, 2.0):
        synchronizer.add_image(message(stamp))
    synchronizer.add_sparse_depth(message(1.1))
    assert pairs == []
    synchronizer.change(Rule(slop=0.2, queue_size=3))
    assert pairs == [(1.0, 1.1)]
    synchronizer.add_sparse_depth(message(2.1))
    assert pairs[1:] == [(2.0, 2.1)]
    for stamp in (3.0, 4.0):
        synchronizer.add_image(message(stamp))
    synchronizer.change(Rule("exact", queue_size=1))
    assert synchronizer.dropped[IMAGE] == {"queue_full": 1}
    synchronizer.add_sparse_depth(message(4.0))
    assert pairs[2:] == [(4.0, 4.0)]
    assert synchronizer.time_jumps == 0
    assert_accounted(synchronizer)


# The newest sparse depth


def test_latest_gives_each_image_the_newest_sparse_depth_as_often_as_needed(make):
    synchronizer, pairs = make(policy="latest", max_age=0.2)
    synchronizer.add_sparse_depth(message(1.0))
    synchronizer.add_sparse_depth(message(1.1))  # before any image came
    for stamp in (1.1, 1.2, 1.3):
        synchronizer.add_image(message(stamp))
    synchronizer.add_sparse_depth(message(1.3))
    synchronizer.add_image(message(1.25))  # an image may be the older one
    assert pairs == [(1.1, 1.1), (1.2, 1.1), (1.3, 1.1), (1.25, 1.3)]
    assert synchronizer.reused == 2
    assert synchronizer.dropped[SPARSE_DEPTH] == {"superseded": 1}
    assert_accounted(synchronizer)


def test_latest_drops_an_image_without_a_fresh_sparse_depth(make):
    synchronizer, pairs = make(policy="latest", max_age=0.2)
    synchronizer.add_image(message(0.7))
    synchronizer.add_sparse_depth(message(1.0))
    synchronizer.add_image(message(1.2))
    synchronizer.add_image(message(1.200000001))
    assert pairs == [(1.2, 1.0)]
    assert synchronizer.dropped[IMAGE] == {"no_fresh_sparse_depth": 1}
    assert synchronizer.waiting(IMAGE) == 1
    assert_accounted(synchronizer)


def test_latest_lets_the_newest_image_wait_for_a_sparse_depth_that_comes_behind_it(make):
    synchronizer, pairs = make(policy="latest", max_age=0.2)
    for stamp in (1.0, 2.0, 3.0):  # slower than max_age, the image always first
        synchronizer.add_image(message(stamp))
        synchronizer.add_sparse_depth(message(stamp))
    assert pairs == [(1.0, 1.0), (2.0, 2.0), (3.0, 3.0)]
    assert synchronizer.reused == 0
    assert synchronizer.dropped == ({}, {})
    assert_accounted(synchronizer)


def test_latest_leaves_an_overtaken_sparse_depth_out(make):
    synchronizer, pairs = make(policy="latest")
    for stamp in (1.1, 1.0):
        synchronizer.add_sparse_depth(message(stamp))
    synchronizer.add_image(message(1.1))
    assert pairs == [(1.1, 1.1)]
    assert synchronizer.dropped[SPARSE_DEPTH] == {"superseded": 1}
    assert_accounted(synchronizer)


def test_latest_forgets_the_sparse_depth_from_before_a_jump_in_time(make):
    synchronizer, pairs = make(policy="latest", max_age=3600.0)
    synchronizer.add_sparse_depth(message(100.0))
    synchronizer.add_image(message(100.0))
    synchronizer.add_image(message(10.0))
    assert pairs == [(100.0, 100.0)]
    synchronizer.add_sparse_depth(message(10.0))
    synchronizer.add_image(message(10.1))
    assert pairs[1:] == [(10.0, 10.0), (10.1, 10.0)]
    assert_accounted(synchronizer)


@pytest.mark.parametrize("change", [{}, {"slop": 0.1}, {"queue_size": 3}, {"max_age": 0.15}])
def test_another_parameter_does_not_make_latest_forget(make, change):
    synchronizer, pairs = make(policy="latest")
    synchronizer.add_sparse_depth(message(1.0))
    synchronizer.add_image(message(1.0))
    synchronizer.change(Rule("latest", **change))
    synchronizer.add_image(message(1.1))
    assert pairs == [(1.0, 1.0), (1.1, 1.0)]
    assert synchronizer.reused == 1
    assert_accounted(synchronizer)


def test_latest_judges_the_sparse_depth_that_it_has_by_a_changed_max_age(make):
    synchronizer, pairs = make(policy="latest", max_age=0.2)
    synchronizer.add_sparse_depth(message(1.0))
    synchronizer.change(Rule("latest", max_age=0.05))
    synchronizer.add_image(message(1.1))
    assert pairs == []
    synchronizer.change(Rule("latest", max_age=0.3))
    synchronizer.add_image(message(1.25))
    assert pairs == [(1.1, 1.0), (1.25, 1.0)]
    assert_accounted(synchronizer)


@pytest.mark.parametrize("seed", range(20))
def test_every_message_is_accounted_for_whatever_comes(make, seed):
    chance = random.Random(seed)
    synchronizer, pairs = make(policy=chance.choice(POLICIES), queue_size=chance.randint(1, 5))
    now = 100.0
    for _ in range(300):
        event = chance.random()
        now += chance.choice([0.0, 0.03, 0.1])
        stamp = now - chance.choice([0.0, 0.0, 0.05, 0.15])
        add = chance.choice([synchronizer.add_image, synchronizer.add_sparse_depth])
        if event < 0.02:
            now = chance.uniform(1, 100)
        elif event < 0.04:
            synchronizer.change(
                Rule(chance.choice(POLICIES), chance.choice([0.0, 0.05]), chance.randint(1, 5))
            )
        elif event < 0.06:
            synchronizer.clear()
        elif event < 0.08:
            with pytest.raises(NegativeStampError):
                add(message(-1.0))
        else:
            add(message(stamp))
        assert_accounted(synchronizer)
    assert len(pairs) == synchronizer.matched > 0
