from __future__ import annotations

import time
from dataclasses import replace

import numpy as np
import pytest

pytest.importorskip("rclpy", reason="rclpy is needed: see requirements/")

from sensor_msgs.msg import CameraInfo, PointCloud2, PointField

from bundles import expected_depth
from integration.harness import (
    HEIGHT,
    WIDTH,
    image_message,
    sparse_depth_array,
    sparse_depth_message,
)
from starrygazer_ros.cloud_projector import CloudProjector
from starrygazer_ros.completion import DepthCompleter
from starrygazer_ros.completion.resizing import ScaledResult
from starrygazer_ros.completion_parameters import CompletionParameters
from starrygazer_ros.messages import image_from_message, sparse_depth_from_message
from starrygazer_ros.nodes.pair_completer import Pair, PairCompleter
from starrygazer_ros.pairs import PairReader
from starrygazer_ros.transforms import TransformError

# The depth of the tiny bundle has little to do with the points.
NO_DOUBTS = CompletionParameters(max_contradicted_share=0.0)


class FakeOutputs:
    """Everything is wanted; what is named in ``broken`` raises."""

    wanted = calibration_wanted = True

    def __init__(self, *broken):
        self.broken = broken
        self.published = []

    def change(self, _):
        """What is published does not depend on parameters."""

    def scaled(self, result, image):
        return ScaledResult(result, image, 1.0)

    def _publish(self, name):
        if name in self.broken:
            raise ArithmeticError(name)
        self.published.append(name)

    def publish_depth(self, *_):
        self._publish("depth")

    def publish_calibrated(self, *_):
        self._publish("calibrated")

    def publish_confidence(self, *_):
        self._publish("confidence")


class FakeLogger:
    def __init__(self):
        self.lines = []

    def warning(self, line):
        self.lines.append(line)

    error = warning


def make_reader():
    return PairReader(image_from_message, sparse_depth_from_message)


@pytest.fixture
def complete_with(tiny_bundle):
    """Completes one good pair with such outputs; what was counted and logged."""
    completer = DepthCompleter.from_bundle(str(tiny_bundle))

    def complete_with(outputs, with_calibration=True):
        logger = FakeLogger()
        reader = make_reader()
        pairs = PairCompleter(reader, completer, outputs, logger)
        if with_calibration:
            reader.calibrations.find = lambda *_: object()
        pairs.change(NO_DOUBTS)
        pairs.statistics.count_matched()
        pairs.process(Pair(image_message(), sparse_depth_message(), 0.0))
        return pairs.statistics.snapshot(), logger.lines

    return complete_with


def test_counts_a_pair_as_completed_once(complete_with):
    outputs = FakeOutputs()
    counts, lines = complete_with(outputs)
    assert outputs.published == ["depth", "calibrated", "confidence"]
    assert (counts.completed, counts.in_work) == (1, 0)
    assert lines == []
    assert {"node", "cloud", "completer"} <= set(counts.latencies)
    assert counts.sparse_points == np.count_nonzero(
        np.frombuffer(sparse_depth_message().data, "f4")
    )


@pytest.mark.parametrize(
    ("broken", "others"), [("calibrated", "confidence"), ("confidence", "calibrated")]
)
def test_trouble_after_the_depth_is_a_warning_and_spares_the_other_outputs(
    complete_with, broken, others
):
    outputs = FakeOutputs(broken)
    counts, lines = complete_with(outputs)
    assert outputs.published == ["depth", others]
    assert (counts.completed, counts.failures, counts.in_work) == (1, 0, 0)
    assert counts.warnings == {"internal_error": 1}
    assert len(lines) == 1
    assert "ArithmeticError" in lines[0]


def test_a_missing_calibration_is_a_warning_that_names_its_cause(complete_with):
    counts, lines = complete_with(FakeOutputs(), with_calibration=False)
    assert (counts.completed, counts.warnings) == (1, {"no_camera_info": 1})
    assert lines[0].startswith("no_camera_info: ")


def test_sparse_depth_of_another_frame_is_completed_with_a_warning(tiny_bundle):
    logger = FakeLogger()
    completer = DepthCompleter.from_bundle(str(tiny_bundle))
    pairs = PairCompleter(make_reader(), completer, FakeOutputs(), logger)
    pairs._reader.calibrations.find = lambda *_: object()
    image, sparse_depth = image_message(), sparse_depth_message()
    image.header.frame_id, sparse_depth.header.frame_id = "camera", "elsewhere"
    pairs.change(NO_DOUBTS)
    pairs.process(Pair(image, sparse_depth, 0.0))
    counts = pairs.statistics.snapshot()
    assert (counts.completed, counts.warnings) == (1, {"other_frame": 1})
    assert logger.lines[0].startswith("other_frame: sparse depth is in frame 'elsewhere'")


def test_a_depth_that_may_be_wrong_is_published_with_a_warning(tiny_bundle):
    outputs, logger = FakeOutputs(), FakeLogger()
    completer = DepthCompleter.from_bundle(str(tiny_bundle))
    pairs = PairCompleter(make_reader(), completer, outputs, logger)
    pairs._reader.calibrations.find = lambda *_: object()
    pairs.process(Pair(image_message(), sparse_depth_message(), 0.0))
    counts = pairs.statistics.snapshot()
    # The tiny bundle's depth is 3.6 m everywhere, half of the points are 2 m away.
    assert (counts.completed, counts.warnings) == (1, {"contradicted_points": 1})
    assert counts.contradicted_points == np.count_nonzero(sparse_depth_array() == 2)
    assert "doubts" in counts.latencies
    assert logger.lines[0].startswith("contradicted_points: ")
    pairs.change(NO_DOUBTS)  # as a parameter of the running node
    pairs.process(Pair(image_message(), sparse_depth_message(), 0.0))
    assert pairs.statistics.snapshot().warnings == {"contradicted_points": 1}


@pytest.mark.parametrize(
    ("milliseconds", "changed", "warnings"),
    [
        (17, {}, {}),
        (20, {}, {"stamp_offset": 1}),
        (-30, {}, {"stamp_offset": 1}),
        (30, {"max_offset": 0.04}, {}),
        (30, {"max_offset": 0.0}, {}),
        (30, {"sync_policy": "latest"}, {}),
    ],
)
def test_stamps_that_differ_are_a_warning(tiny_bundle, milliseconds, changed, warnings):
    logger = FakeLogger()
    completer = DepthCompleter.from_bundle(str(tiny_bundle))
    pairs = PairCompleter(make_reader(), completer, FakeOutputs(), logger)
    pairs._reader.calibrations.find = lambda *_: object()
    image, sparse_depth = image_message(), sparse_depth_message()
    image.header.stamp.sec = sparse_depth.header.stamp.sec = 100
    image.header.stamp.nanosec = 500_000_000
    sparse_depth.header.stamp.nanosec = 500_000_000 + milliseconds * 1_000_000
    pairs.change(replace(NO_DOUBTS, **changed))
    pairs.process(Pair(image, sparse_depth, 0.0))
    assert pairs.statistics.snapshot().warnings == warnings
    if warnings:
        difference = f"{abs(milliseconds)} ms {'later' if milliseconds > 0 else 'older'}"
        assert f"{difference} than its image (limit 18 ms)" in logger.lines[0]


def test_one_pair_sees_one_set_of_parameters(tiny_bundle):
    completer = DepthCompleter.from_bundle(str(tiny_bundle))
    outputs = FakeOutputs()
    outputs.change = lambda values: outputs.published.append(values.depth_encoding)
    pairs = PairCompleter(make_reader(), completer, outputs, FakeLogger())
    points = int(np.count_nonzero(sparse_depth_array()))
    changed = CompletionParameters(min_sparse_points=points + 1, depth_encoding="16UC1")

    def newest(pair):
        pairs.change(changed)  # while this pair is in work
        return pair

    pair = Pair(image_message(), sparse_depth_message(), 0.0)
    pairs.process(pair, newest)
    assert outputs.published == ["depth", "confidence"]  # no calibration
    pairs.process(pair)
    pairs.process(pair)
    assert outputs.published[2:] == ["16UC1"]
    assert pairs.statistics.snapshot().failed == {"too_few_sparse_points": 2}


def test_completes_the_pair_that_is_newest_when_its_turn_comes(tiny_bundle):
    completer = DepthCompleter.from_bundle(str(tiny_bundle))
    outputs = FakeOutputs()
    depths = []
    outputs.publish_depth = lambda scaled, header: depths.append(
        (scaled.depth[0, 0], header.frame_id)
    )
    pairs = PairCompleter(make_reader(), completer, outputs, FakeLogger())
    old, new = (Pair(image_message(grey), sparse_depth_message(), 0.0) for grey in (51, 102))
    old.image.header.frame_id, new.image.header.frame_id = "old", "new"
    in_turn = []

    def newest(pair):
        in_turn.append(completer.turn._owner is not None)
        assert pair is old
        return new

    pairs.process(old, newest)
    assert in_turn == [True]
    assert depths == [(pytest.approx(expected_depth(sparse_depth_array(), 102)), "new")]


class LateTransforms:
    """Those of the newest cloud have not come yet: only who waits gets them."""

    def __init__(self):
        self.late = False
        self.timeouts = []

    def lookup(self, target, source, stamp, timeout):
        self.timeouts.append(timeout)
        if self.late and not timeout:
            raise TransformError("not yet")
        return np.eye(4)


def cloud_message(depth=3.0):
    """Eight points around the optical axis."""
    values = np.array([(x / 10, y / 10, depth) for x in range(4) for y in range(2)], np.float32)
    message = PointCloud2(height=1, width=8, point_step=12, row_step=96)
    message.fields = [
        PointField(name=name, offset=4 * i, datatype=PointField.FLOAT32, count=1)
        for i, name in enumerate("xyz")
    ]
    message.header.frame_id = "lidar"
    message.data.frombytes(values.tobytes())
    return message


@pytest.fixture
def projecting(tiny_bundle):
    """Completes clouds: pairs, transforms, and stamps of what was published."""
    completer = DepthCompleter.from_bundle(str(tiny_bundle), filter_occluded=False)
    transforms, outputs, published = LateTransforms(), FakeOutputs(), []
    outputs.publish_depth = lambda _, header: published.append(header.frame_id)
    outputs.change = lambda _: None
    values = CompletionParameters(extrinsics_timeout=0.3)
    reader = PairReader(image_from_message, CloudProjector(values, transforms))
    for frame in ("old", "new"):
        info = CameraInfo(width=WIDTH, height=HEIGHT)
        info.header.frame_id = frame
        info.k = [80.0, 0.0, WIDTH / 2, 0.0, 80.0, HEIGHT / 2, 0.0, 0.0, 1.0]
        reader.calibrations.store(info)
    logger = FakeLogger()
    return PairCompleter(reader, completer, outputs, logger), transforms, published, completer


def cloud_pair(frame):
    pair = Pair(image_message(), cloud_message(), time.perf_counter())
    pair.image.header.frame_id = frame
    return pair


def test_a_cloud_is_projected_and_its_time_is_a_stage(projecting):
    pairs, transforms, published, _ = projecting
    pairs.process(cloud_pair("old"))
    counts = pairs.statistics.snapshot()
    assert (published, counts.completed, counts.sparse_points) == (["old"], 1, 8)
    assert {"waiting", "convert", "projection", "completer", "node"} <= set(counts.latencies)
    stages = ("waiting", "convert", "projection", "completer", "publish")
    total = sum(counts.latencies[stage].p50 for stage in stages)
    assert total == pytest.approx(counts.latencies["node"].p50, abs=2e-3)
    assert transforms.timeouts == [0.3]


@pytest.mark.parametrize(("late", "completed"), [(False, "new"), (True, "old")])
def test_nobody_waits_for_a_transform_while_it_is_a_cameras_turn(projecting, late, completed):
    pairs, transforms, published, completer = projecting
    turns = []

    def newest(_):
        transforms.late = late
        turns.append(completer.turn._owner is not None)
        return cloud_pair("new")

    pairs.process(cloud_pair("old"), newest)
    assert turns == [True]
    assert transforms.timeouts == [0.3, 0.0]
    assert published == [completed]
    counts = pairs.statistics.snapshot()
    assert (counts.completed, counts.failed) == (1, {})


def test_a_cloud_that_cannot_be_projected_is_counted_by_its_cause(projecting):
    pairs, *_ = projecting
    malformed = cloud_pair("old")
    malformed.sparse_depth.fields[0].name = "a"
    pairs.process(malformed)
    pairs.process(cloud_pair("elsewhere"))
    assert pairs.statistics.snapshot().failed == {"point_fields": 1, "no_camera_info": 1}
    pairs.process(cloud_pair("old"))
    assert pairs.statistics.snapshot().completed == 1


def test_filters_clouds_once_where_the_place_of_the_lidar_is_known(projecting):
    pairs, _, _, completer = projecting
    for wanted in (False, True):
        pairs.change(CompletionParameters(filter_occluded=wanted))
        pairs.process(cloud_pair("old"))
        assert not completer.filter_occluded
        assert pairs._reader.projector._values.filter_occluded is wanted


def test_trouble_with_the_depth_is_a_failure(complete_with):
    outputs = FakeOutputs("depth")
    counts, _ = complete_with(outputs)
    assert outputs.published == []
    assert (counts.completed, counts.failed, counts.in_work) == (0, {"internal_error": 1}, 0)


def test_a_newer_pair_that_cannot_be_read_leaves_the_one_at_hand(tiny_bundle):
    outputs, logger = FakeOutputs(), FakeLogger()
    pairs = PairCompleter(
        make_reader(), DepthCompleter.from_bundle(str(tiny_bundle)), outputs, logger
    )
    good = Pair(image_message(), sparse_depth_message(), 0.0)
    bad = Pair(image_message(encoding="odd"), sparse_depth_message(), 0.0)
    pairs.statistics.count_matched()
    pairs.process(good, lambda pair: bad)
    assert outputs.published[0] == "depth"
    assert pairs.statistics.snapshot().completed == 1
    assert any("image_encoding" in line for line in logger.lines)
