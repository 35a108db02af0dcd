"""Whatever comes in: one log line, one counter, and the next good pair is completed."""

from __future__ import annotations

import time

import numpy as np
import pytest

pytest.importorskip("rclpy", reason="rclpy is needed: see requirements/")

from integration.harness import (
    HEIGHT,
    WIDTH,
    accounted,
    image_message,
    sparse_depth_array,
    sparse_depth_message,
    wait_for,
)
from starrygazer_ros.nodes.faults import LOG_PERIOD

pytestmark = pytest.mark.integration


def truncated_image():
    image = image_message()
    del image.data[-100:]
    return image


def truncated_sparse_depth():
    sparse_depth = sparse_depth_message()
    del sparse_depth.data[-100:]
    return sparse_depth


def image_with_short_step():
    image = image_message()
    image.step -= 1
    return image


def sparse_depth_of_encoding(encoding):
    sparse_depth = sparse_depth_message()
    sparse_depth.encoding = encoding
    return sparse_depth


def constant_sparse_depth(value):
    return sparse_depth_message(np.full((HEIGHT, WIDTH), value, np.float32))


BAD_PAIRS = {
    "sparse depth of another size": (
        image_message,
        lambda: sparse_depth_message(sparse_depth_array(width=48)),
        "size_mismatch",
    ),
    "unknown image encoding": (
        lambda: image_message(encoding="rgb24"),
        sparse_depth_message,
        "image_encoding",
    ),
    "unknown sparse depth encoding": (
        image_message,
        lambda: sparse_depth_of_encoding("64FC1"),
        "sparse_depth_encoding",
    ),
    "empty sparse map": (
        image_message,
        lambda: constant_sparse_depth(0),
        "too_few_sparse_points",
    ),
    "all-NaN depth": (
        image_message,
        lambda: constant_sparse_depth(np.nan),
        "too_few_sparse_points",
    ),
    "truncated image": (truncated_image, sparse_depth_message, "truncated_data"),
    "truncated sparse depth": (image_message, truncated_sparse_depth, "truncated_data"),
    "step shorter than a row": (image_with_short_step, sparse_depth_message, "image_step"),
    "image without pixels": (
        lambda: image_message(width=0),
        sparse_depth_message,
        "empty_image",
    ),
}


@pytest.mark.parametrize("name", BAD_PAIRS)
def test_survives_and_tells(running, name):
    process, peer = running
    make_image, make_sparse_depth, cause = BAD_PAIRS[name]
    dropped = f"dropped {cause}"
    before = int(peer.diagnostics()[1].get(dropped, 0))
    lines = process.log.count(f"{cause}: ")

    def logged():
        # Again and again, because the line of a cause is throttled.
        peer.send_pair(make_image(), make_sparse_depth(), peer.new_stamp())
        _, values = peer.diagnostics()
        return int(values.get(dropped, 0)) > before and process.log.count(f"{cause}: ") > lines

    wait_for(logged, f"a counter and a log line for {cause}")
    peer.complete_good_pair()


def test_logs_a_repeated_cause_only_now_and_then(running):
    process, peer = running
    cause = "size_mismatch"
    lines = process.log.count(f"{cause}: ")
    before = int(peer.diagnostics()[1].get(f"dropped {cause}", 0))
    start = time.monotonic()

    def dropped_often():
        for _ in range(10):
            small = sparse_depth_message(sparse_depth_array(width=48))
            peer.send_pair(image_message(), small, peer.new_stamp())
            time.sleep(0.05)
        _, values = peer.diagnostics()
        return int(values[f"dropped {cause}"]) - before > 10

    wait_for(dropped_often, "more than 10 dropped pairs")
    periods = (time.monotonic() - start) / LOG_PERIOD
    assert process.log.count(f"{cause}: ") - lines <= 1 + periods
    peer.complete_good_pair()


def test_zero_focal_length_costs_the_cloud_but_not_the_depth(start_node, tiny_bundle):
    process, peer = start_node(model=tiny_bundle)
    peer.wait_until_connected()

    def send(stamp):
        peer.send_camera_info(stamp, focal=0.0)
        peer.send_pair(image_message(), sparse_depth_message(), stamp)

    def told():
        peer.send_until_completed(send)
        return "unusable_camera_info: " in process.log and "zero focal length" in process.log

    wait_for(told, "depth and a log line for the zero focal length")
    _, values = peer.diagnostics()
    assert int(values["warning unusable_camera_info"]) >= 1
    assert not peer.received["/depth/points"]

    peer.complete_good_pair()


def test_a_negative_stamp_is_refused_and_the_node_goes_on(running):
    process, peer = running

    def told():
        peer.send_pair(image_message(), sparse_depth_message(), -5 * 10**9)
        return int(peer.diagnostics()[1].get("dropped sparse_depth negative_stamp", 0)) > 0

    wait_for(told, "a refused message")
    assert "negative_stamp: " in process.log
    outputs = peer.complete_good_pair()
    assert len(outputs) == 4
    _, values = peer.diagnostics()
    dropped = int(values["dropped image negative_stamp"])
    assert int(values["warning negative_stamp"]) >= dropped >= 1
    assert accounted(values, "image")
    assert accounted(values, "sparse_depth")


def test_a_restarted_bag_is_completed_again(running):
    _, peer = running
    jumps = int(peer.diagnostics()[1]["time jumps"])
    peer._stamp -= 3600 * 10**9
    peer.complete_good_pair()
    assert int(peer.diagnostics()[1]["time jumps"]) > jumps
