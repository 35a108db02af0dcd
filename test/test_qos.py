from __future__ import annotations

import itertools

import pytest

pytest.importorskip("rclpy", reason="rclpy is needed: see requirements/")

import rclpy
from rclpy.context import Context
from rclpy.duration import Duration
from rclpy.node import Node
from rclpy.qos import (
    DurabilityPolicy,
    LivelinessPolicy,
    QoSCompatibility,
    QoSProfile,
    ReliabilityPolicy,
    qos_check_compatible,
)
from sensor_msgs.msg import Image

from integration.harness import next_domain, wait_for
from starrygazer_ros import qos
from starrygazer_ros.common_parameters import CommonParameters

PROFILES = [
    QoSProfile(
        depth=1,
        reliability=reliability,
        durability=durability,
        liveliness=liveliness,
        deadline=Duration(seconds=deadline),
    )
    for reliability, durability, liveliness, deadline in itertools.product(
        (ReliabilityPolicy.BEST_EFFORT, ReliabilityPolicy.RELIABLE),
        (DurabilityPolicy.VOLATILE, DurabilityPolicy.TRANSIENT_LOCAL),
        (LivelinessPolicy.AUTOMATIC, LivelinessPolicy.MANUAL_BY_TOPIC),
        (0, 1, 2),
    )
]


def test_agrees_with_rclpy_on_what_is_compatible():
    for offered, requested in itertools.product(PROFILES, PROFILES):
        compatible = qos_check_compatible(offered, requested)[0] == QoSCompatibility.OK
        assert (qos.incompatible_policies(offered, requested) == []) == compatible


def test_names_every_policy_that_is_too_weak():
    weak, strong = PROFILES[0], PROFILES[-2]
    assert qos.incompatible_policies(weak, strong) == [
        "reliability",
        "durability",
        "liveliness",
        "deadline",
    ]
    assert qos.incompatible_policies(strong, weak) == []


def test_what_is_unknown_is_no_mismatch():
    unknown = QoSProfile(depth=1, reliability=ReliabilityPolicy.UNKNOWN)
    assert qos.incompatible_policies(unknown, qos.profile("reliable", 1)) == []


@pytest.fixture
def nodes():
    """Two nodes of one context."""
    context = Context()
    rclpy.init(context=context, domain_id=next_domain())
    nodes = Node("ours", context=context), Node("theirs", namespace="rear", context=context)
    yield nodes
    for node in nodes:
        node.destroy_node()
    rclpy.shutdown(context=context)


def test_names_the_publisher_and_both_policies(nodes):
    ours, theirs = nodes
    reliable = qos.profile("reliable", 5)
    theirs.create_publisher(Image, "/image", reliable)
    wait_for(lambda: ours.count_publishers("/image") == 1, "the compatible publisher")
    assert qos.publisher_mismatch(ours, "/image", reliable) == ""
    theirs.create_publisher(Image, "/image", qos.profile("best_effort", 5))
    wait_for(lambda: ours.count_publishers("/image") == 2, "the other publisher")
    assert qos.publisher_mismatch(ours, "/image", reliable) == (
        "/rear/theirs publishes /image with reliability BEST_EFFORT, "
        "but this node asks for reliability RELIABLE"
    )
    assert qos.publisher_mismatch(ours, "/image", qos.profile("best_effort", 5)) == ""


def test_names_the_subscription_and_both_policies(nodes):
    ours, theirs = nodes
    publisher = ours.create_publisher(Image, "depth/dense", qos.profile("best_effort", 1))
    theirs.create_subscription(Image, "/depth/dense", print, qos.profile("best_effort", 1))
    wait_for(lambda: ours.count_subscribers("/depth/dense") == 1, "the compatible subscription")
    assert qos.subscription_mismatch(ours, [publisher]) == ""
    wanted = QoSProfile(
        depth=1,
        durability=DurabilityPolicy.TRANSIENT_LOCAL,
        reliability=ReliabilityPolicy.RELIABLE,
        deadline=Duration(seconds=2),
    )
    theirs.create_subscription(Image, "/depth/dense", print, wanted)
    mismatch = wait_for(lambda: qos.subscription_mismatch(ours, [publisher]), "the subscription")
    assert mismatch == (
        "/rear/theirs asks for /depth/dense with reliability RELIABLE, durability "
        "TRANSIENT_LOCAL, deadline 2 s, but this node offers reliability BEST_EFFORT, durability "
        "VOLATILE, deadline none"
    )


def test_profiles_are_those_of_the_parameters():
    values = CommonParameters(input_reliability="reliable", input_depth=7)
    assert qos.input_profile(values).reliability == ReliabilityPolicy.RELIABLE
    assert qos.input_profile(values).depth == 7
    assert qos.input_profile(CommonParameters()).reliability == ReliabilityPolicy.BEST_EFFORT
    assert qos.output_profile(CommonParameters()).reliability == ReliabilityPolicy.RELIABLE
    assert qos.output_profile(CommonParameters()).durability == DurabilityPolicy.VOLATILE
    assert qos.output_profile(CommonParameters()).depth == 1
