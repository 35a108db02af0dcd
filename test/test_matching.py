"""What a pair is, whatever the order of arrival; message_filters as the judge where installed."""

from __future__ import annotations

import random
from collections import Counter

import pytest

pytest.importorskip("sensor_msgs", reason="sensor_msgs is needed: see requirements/")

from sensor_msgs.msg import Image

from starrygazer_ros import matching
from starrygazer_ros.headers import NANOSECONDS, stamp_of
from starrygazer_ros.matching import IMAGE, SPARSE_DEPTH, Rule

MILLISECOND = 10**6
SEEDS = range(12)


class Recorder:
    """A matcher and everything that it says."""

    def __init__(self, rule, make=matching.make_matcher):
        self.pairs = []
        self.drops = Counter()
        self.matcher = make(rule, self._on_pair, self._on_drop)

    def add(self, queue, message):
        self.matcher.add(queue, message)

    def waiting(self):
        return self.matcher.waiting(IMAGE), self.matcher.waiting(SPARSE_DEPTH)

    def _on_pair(self, image, sparse_depth):
        self.pairs.append((image, sparse_depth))

    def _on_drop(self, queue, cause):
        self.drops[queue, cause] += 1


@pytest.fixture(params=["private", "message_filters"])
def record(request, monkeypatch):
    if request.param == "private":
        monkeypatch.setattr(matching, "message_filters", None)
    else:
        pytest.importorskip("message_filters", reason="message_filters is not on PyPI")
    return Recorder


def message(nanoseconds):
    stamped = Image()
    stamped.header.stamp.sec, stamped.header.stamp.nanosec = divmod(nanoseconds, NANOSECONDS)
    return stamped


def arrivals(seed, count=200):
    """Two topics out of order, with gaps, with equal stamps, and a hair beside each other."""
    chance = random.Random(seed)
    now = 100 * NANOSECONDS
    for _ in range(count):
        now += chance.choice([0, 0, 10, 30, 100]) * MILLISECOND
        late = chance.choice([0, 0, 0, 20, 50, 90]) * MILLISECOND + chance.choice([0, 0, 0, 1])
        yield chance.choice([IMAGE, SPARSE_DEPTH]), message(now - late)


def apart(image, sparse_depth):
    return abs(stamp_of(image) - stamp_of(sparse_depth))


@pytest.mark.parametrize("policy", ["exact", "approximate"])
def test_uses_message_filters_exactly_where_it_is_installed(policy):
    matcher = matching.make_matcher(Rule(policy), lambda *_: None, lambda *_: None)
    installed = matching.message_filters is not None
    expected = matching.MessageFiltersMatcher if installed else matching.PrivateMatcher
    assert type(matcher) is expected


@pytest.mark.parametrize("seed", SEEDS)
@pytest.mark.parametrize(
    ("rule", "bound"),
    [
        (Rule("exact"), 1),
        (Rule("exact", slop=1.0, queue_size=2), 1),
        (Rule("approximate", slop=0.0), 1),
        (Rule("approximate", slop=0.02), 20 * MILLISECOND),
        (Rule("approximate", slop=0.05, queue_size=3), 50 * MILLISECOND),
        (Rule("approximate", slop=0.05, queue_size=1), 50 * MILLISECOND),
    ],
)
def test_pairs_are_near_enough_and_none_is_missed(record, rule, bound, seed):
    recorder = record(rule)
    received = Counter()
    for queue, arrived in arrivals(seed):
        recorder.add(queue, arrived)
        received[queue] += 1
        assert max(recorder.waiting()) <= rule.queue_size
    images, sparse_depths = map(recorder.matcher.take, (IMAGE, SPARSE_DEPTH))
    assert recorder.waiting() == (0, 0)
    assert recorder.pairs
    assert all(apart(*pair) < bound for pair in recorder.pairs)
    assert all(apart(image, sparse) >= bound for image in images for sparse in sparse_depths)
    for queue, left in ((IMAGE, images), (SPARSE_DEPTH, sparse_depths)):
        fates = [id(pair[queue]) for pair in recorder.pairs] + [id(waited) for waited in left]
        assert len(set(fates)) == len(fates)  # no message twice
        assert [stamp_of(waited) for waited in left] == sorted(map(stamp_of, left))
        dropped = sum(count for (topic, _), count in recorder.drops.items() if topic == queue)
        assert received[queue] == len(fates) + dropped
    assert {cause for _, cause in recorder.drops} <= {"same_stamp", "queue_full"}


@pytest.mark.parametrize("seed", SEEDS)
@pytest.mark.parametrize("max_age", [0, 20, 200])  # ms
def test_latest_takes_the_newest_sparse_depth_if_it_is_fresh(record, max_age, seed):
    recorder = record(Rule("latest", max_age=max_age / 1000))
    sparse_depths, expected, without, waiting = [], [], 0, None
    for queue, arrived in arrivals(seed):
        recorder.add(queue, arrived)
        if queue == SPARSE_DEPTH:
            sparse_depths.append(arrived)
        else:
            without += waiting is not None
            waiting = arrived
        # Of equal stamps the one that came last; older and newer than the image alike.
        newest = max(reversed(sparse_depths), key=stamp_of, default=None)
        if None not in (waiting, newest) and apart(waiting, newest) <= max_age * MILLISECOND:
            expected.append((waiting, newest))
            waiting = None
        assert recorder.matcher.waiting(IMAGE) == (waiting is not None)
    assert [tuple(map(id, pair)) for pair in recorder.pairs] == [
        tuple(map(id, pair)) for pair in expected
    ]
    assert expected
    assert without == recorder.drops[IMAGE, "no_fresh_sparse_depth"]
    used = len({id(sparse) for _, sparse in expected})
    superseded = recorder.drops[SPARSE_DEPTH, "superseded"]
    assert len(sparse_depths) == used + recorder.matcher.waiting(SPARSE_DEPTH) + superseded


def test_latest_forgets_what_is_taken(record):
    recorder = record(Rule("latest"))
    first, second = message(NANOSECONDS), message(2 * NANOSECONDS)
    recorder.add(SPARSE_DEPTH, first)
    assert recorder.matcher.take(SPARSE_DEPTH) == [first]
    recorder.add(IMAGE, first)
    assert recorder.matcher.take(IMAGE) == [first]
    recorder.add(SPARSE_DEPTH, second)
    recorder.add(IMAGE, second)
    assert recorder.matcher.take(SPARSE_DEPTH) == []  # it is in a pair already
    recorder.add(IMAGE, second)
    assert recorder.pairs == [(second, second)]
    assert recorder.waiting() == (1, 0)
    assert not recorder.drops


@pytest.mark.parametrize("queue_size", [1, 2, 10])
@pytest.mark.parametrize("slop", [1e-9, 0.02, 0.05, 0.1])
def test_the_private_rule_is_that_of_message_filters(slop, queue_size):
    pytest.importorskip("message_filters", reason="message_filters is not on PyPI")
    rule = Rule(slop=slop, queue_size=queue_size)
    private = Recorder(rule, matching.PrivateMatcher)
    installed = Recorder(rule, matching.MessageFiltersMatcher)
    for queue, arrived in (arrival for seed in SEEDS for arrival in arrivals(seed)):
        for recorder in (private, installed):
            recorder.add(queue, arrived)
        assert [tuple(map(id, pair)) for pair in private.pairs] == [
            tuple(map(id, pair)) for pair in installed.pairs
        ]
        assert private.drops == installed.drops
        assert private.waiting() == installed.waiting()
    assert private.pairs
