"""What other nodes rely on: REP 103 (frames, units), REP 117 (no measurement), REP 118 (depth)."""

from __future__ import annotations

import numpy as np
import pytest

pytest.importorskip("rclpy", reason="rclpy is needed: see requirements/")

from bundles import GREY, expected_depth
from integration.harness import (
    FRAME,
    HEIGHT,
    WIDTH,
    image_message,
    sparse_depth_array,
    sparse_depth_message,
)

pytestmark = pytest.mark.integration
FOCAL = 80.0  # of the peer's camera_info; the principal point is the middle


def complete(peer, sparse_depth, grey=GREY):
    """Dense depth of a sparse depth message, float32 [H, W] metres."""
    outputs = peer.send_until_completed(
        lambda stamp: peer.send_pair(image_message(grey), sparse_depth, stamp)
    )
    message = outputs["/depth/dense"]
    return np.frombuffer(message.data, np.float32).reshape(message.height, message.width)


def points_of(cloud):
    """x, y, z float32 [H, W, 3] of an organised cloud."""
    offsets = {field.name: field.offset for field in cloud.fields}
    raw = np.frombuffer(cloud.data, np.uint8).reshape(cloud.height, cloud.width, cloud.point_step)
    axes = [raw[..., offsets[axis] : offsets[axis] + 4] for axis in "xyz"]
    return np.stack([np.ascontiguousarray(axis).view(np.float32)[..., 0] for axis in axes], -1)


def test_rep_103_the_optical_frame_has_x_right_y_down_z_forward_in_metres(running):
    _, peer = running
    points = points_of(peer.complete_good_pair(grey=GREY)["/depth/points"])

    assert (points[..., 2] > 0).all()
    left, right = points[:, : WIDTH // 2, 0], points[:, WIDTH // 2 + 1 :, 0]
    above, below = points[: HEIGHT // 2, :, 1], points[HEIGHT // 2 + 1 :, :, 1]
    assert left.max() < 0 < right.min()
    assert above.max() < 0 < below.min()
    metres = expected_depth(sparse_depth_array())
    assert points[0, 0] == pytest.approx(
        [-WIDTH / 2 / FOCAL * metres, -HEIGHT / 2 / FOCAL * metres, metres], rel=1e-5
    )


def test_rep_118_depth_is_along_the_optical_axis_and_not_the_distance(running):
    _, peer = running
    outputs = peer.complete_good_pair(grey=GREY)
    depth = np.frombuffer(outputs["/depth/dense"].data, np.float32).reshape(HEIGHT, WIDTH)
    points = points_of(outputs["/depth/points"])

    assert np.array_equal(points[..., 2], depth)
    assert np.linalg.norm(points[0, 0]) > 1.1 * depth[0, 0]


def test_rep_118_16uc1_is_millimetres_and_32fc1_metres(running):
    _, peer = running
    metres = sparse_depth_array()
    millimetres = sparse_depth_message()
    millimetres.encoding, millimetres.step = "16UC1", 2 * WIDTH
    millimetres.data = type(millimetres.data)("B", (1000 * metres).astype("<u2").tobytes())

    from_metres = complete(peer, sparse_depth_message(metres))
    assert from_metres == pytest.approx(expected_depth(metres), rel=1e-5)
    assert np.allclose(complete(peer, millimetres), from_metres, rtol=1e-5)


def test_rep_118_every_image_of_a_frame_has_its_header_and_size(running):
    _, peer = running
    outputs = peer.complete_good_pair(grey=GREY)

    headers = [message.header for message in outputs.values()]
    assert {header.frame_id for header in headers} == {FRAME}
    assert len({(header.stamp.sec, header.stamp.nanosec) for header in headers}) == 1
    assert {(message.width, message.height) for message in outputs.values()} == {(WIDTH, HEIGHT)}


def test_rep_117_what_is_no_measurement_is_not_used(running):
    _, peer = running
    clean = sparse_depth_array()
    marked = clean.copy()
    rows = marked[0:3]  # no point of the scan lines lies here
    assert not rows.any()
    rows[0], rows[1], rows[2, ::2], rows[2, 1::2] = np.nan, np.inf, -np.inf, -1.0

    assert np.array_equal(
        complete(peer, sparse_depth_message(marked)), complete(peer, sparse_depth_message(clean))
    )


def test_rep_117_unknown_depth_is_nan_and_never_infinite(running):
    _, peer = running
    assert np.isnan(complete(peer, sparse_depth_message(), grey=0)).all()
    assert np.isfinite(complete(peer, sparse_depth_message(), grey=GREY)).all()
