"""The matching rule, for the private matcher and for message_filters where it is installed."""

from __future__ import annotations

import pytest

pytest.importorskip("sensor_msgs", reason="sensor_msgs is needed: see requirements/")

from sensor_msgs.msg import Image

from starrygazer_ros import synchronization
from starrygazer_ros.synchronization import IMAGE, SPARSE_DEPTH, PairSynchronizer

SECOND = 10**9


def message(seconds):
    stamped = Image()
    nanoseconds = round(seconds * SECOND)
    stamped.header.stamp.sec, stamped.header.stamp.nanosec = divmod(nanoseconds, SECOND)
    return stamped


def seconds(stamped):
    return synchronization.stamp_of(stamped) / SECOND


@pytest.fixture(params=["private", "message_filters"])
def matcher(request):
    if request.param == "private":
        return synchronization.PrivateMatcher
    pytest.importorskip("message_filters", reason="message_filters is not on PyPI")
    return synchronization.MessageFiltersMatcher


@pytest.fixture
def make(matcher):
    """A synchroniser and the list of pairs of seconds that it finds."""

    def make(slop=0.05, queue_size=10):
        pairs = []
        synchronizer = PairSynchronizer(
            lambda image, sparse: pairs.append((seconds(image), seconds(sparse))),
            slop,
            queue_size,
            matcher,
        )
        return synchronizer, pairs

    return make


def test_uses_message_filters_exactly_where_it_is_installed():
    synchronizer = PairSynchronizer(lambda *_: None, 0.05, 10)
    installed = synchronization.message_filters is not None
    expected = "MessageFiltersMatcher" if installed else "PrivateMatcher"
    assert type(synchronizer._matcher).__name__ == expected


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


def test_a_slop_of_zero_matches_equal_stamps_and_nothing_else(make):
    synchronizer, pairs = make(slop=0.0)
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
    synchronizer.add_image(message(1.5))
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
    assert synchronizer.unmatched(IMAGE) == 10
    assert synchronizer.waiting(SPARSE_DEPTH) == synchronizer.unmatched(SPARSE_DEPTH) == 0


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
    assert synchronizer.unmatched(IMAGE) == 2


def test_messages_that_overtake_each_other_are_no_jump_in_time(make):
    synchronizer, pairs = make(slop=0.02)
    for stamp in (1.0, 1.2, 1.1):
        synchronizer.add_image(message(stamp))
    for stamp in (1.0, 1.1, 1.2):
        synchronizer.add_sparse_depth(message(stamp))
    assert pairs == [(1.0, 1.0), (1.1, 1.1), (1.2, 1.2)]
    assert synchronizer.time_jumps == 0
