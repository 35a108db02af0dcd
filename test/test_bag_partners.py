from __future__ import annotations

from types import SimpleNamespace

import pytest

from starrygazer_ros.bags.partners import Partners
from starrygazer_ros.matching import IMAGE, SPARSE_DEPTH, Rule


def stamped(milliseconds):
    stamp = SimpleNamespace(sec=milliseconds // 1000, nanosec=milliseconds % 1000 * 10**6)
    return SimpleNamespace(header=SimpleNamespace(stamp=stamp))


def why(rule, images, sparse_depths, pairs=()):
    """What is said of stamps in milliseconds."""
    partners = Partners(rule)
    for queue, stamps in ((IMAGE, images), (SPARSE_DEPTH, sparse_depths)):
        for stamp in stamps:
            partners.add(queue, stamped(stamp))
    for image, sparse_depth in pairs:
        partners.pair(stamped(image), stamped(sparse_depth))
    return partners.why_without()


def test_where_all_have_a_partner_there_is_nothing_to_say():
    assert why(Rule(), [0, 100], [10, 110], [(0, 10), (100, 110)]) == ""


def test_without_any_sparse_depth_no_number_is_given():
    assert why(Rule(), [0], []) == "no sparse depth could be read"


def test_only_images_without_partner_count():
    assert why(Rule(), [0, 1000], [10, 1300], [(0, 10)]).startswith(
        "the nearest sparse depth is 0.3 s away, sync.slop 0.05 s allows less: raise it"
    )


def test_the_nearest_may_lie_before_or_behind_and_the_middle_is_told():
    said = why(Rule(), [0, 1000, 2000], [100, 1200, 1930])
    assert said.startswith("the nearest sparse depth is 0.07 s away or more, of half of them")
    assert "more than 0.1 s" in said


def test_a_slow_lidar_is_seen_by_partners_that_others_took():
    said = why(Rule(), [0, 30, 100], [0, 100], [(0, 0), (100, 100)])
    assert "1 of 1 have one within sync.slop 0.05 s, which other images took" in said
    assert said.endswith("sync.policy:=latest gives several images the same one")


def test_a_partner_that_nobody_took_left_the_queue():
    assert why(Rule(), [0], [0]).endswith("recorded too far from the image: raise sync.queue_size")


@pytest.mark.parametrize(("slop", "allowed"), [(0.1, False), (0.101, True)])
def test_a_slop_is_never_reached(slop, allowed):
    assert ("within" in why(Rule(slop=slop), [0], [100])) == allowed


@pytest.mark.parametrize(("age", "allowed"), [(0.1, True), (0.099, False)])
def test_an_age_may_be_reached(age, allowed):
    assert ("within" in why(Rule("latest", max_age=age), [0], [100])) == allowed


def test_the_hint_of_latest_is_no_slop():
    far = why(Rule("latest"), [0], [500])
    assert far.endswith("0.5 s away, sync.max_age 0.2 s allows less: raise it")
    behind = why(Rule("latest"), [0], [100])
    assert behind.endswith(
        "recorded behind the next image: sync.policy:=approximate waits for the nearest one"
    )


def test_the_hint_of_exact_is_another_policy():
    assert why(Rule("exact"), [0], [3]).endswith(
        "sync.policy:=exact takes equal stamps only: try sync.policy:=approximate with sync.slop "
        "above 0.003"
    )


def test_a_looped_bag_has_the_same_stamps_twice():
    assert why(Rule(), [0, 0], [0, 300], [(0, 0)]) != ""


@pytest.mark.parametrize("policy", ["exact", "approximate", "latest"])
def test_stamps_of_another_clock_are_no_matter_of_parameters(policy):
    said = why(Rule(policy), [0], [3_600_000])
    assert said.endswith("3600 s away, as if by another clock: compare header.stamp of both topics")
