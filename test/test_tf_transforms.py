"""Transforms of tf2, whose Python API is played by a module of this test."""

from __future__ import annotations

import sys
import threading
import time
from types import ModuleType, SimpleNamespace

import numpy as np
import pytest

pytest.importorskip("rclpy", reason="rclpy is needed: see requirements/")

from rclpy.time import Time

from starrygazer_ros.tf_transforms import MissingTf2Error, TfTransforms
from starrygazer_ros.transforms import TransformError, matrix

HALF = 0.5**0.5
STAMP = 1_700_000_000_250_000_000


class NoTransformError(Exception):
    """In the place of tf2's exceptions."""


class Buffer:
    """Knows the transform from lidar to camera at one stamp."""

    def __init__(self):
        self.asked, self.cleared = [], 0
        self.late = 0  # so many times it knows nothing

    def lookup_transform(self, target, source, time):
        self.asked.append((target, source, time.nanoseconds))
        if (target, source) != ("camera", "lidar") or len(self.asked) <= self.late:
            raise NoTransformError(f'"{source}" passed to lookupTransform does not exist.')
        return SimpleNamespace(
            transform=SimpleNamespace(
                translation=SimpleNamespace(x=1.0, y=2.0, z=3.0),
                rotation=SimpleNamespace(x=0.0, y=0.0, z=HALF, w=HALF),
            )
        )

    def clear(self):
        self.cleared += 1


@pytest.fixture
def tf2(monkeypatch):
    module = ModuleType("tf2_ros")
    module.TransformException = NoTransformError
    module.Buffer = Buffer
    module.listeners = []

    class Listener:
        def __init__(self, buffer, node):
            self.buffer, self.node, self.registered = buffer, node, True
            module.listeners.append(self)

        def unregister(self):
            self.registered = False

    module.TransformListener = Listener
    monkeypatch.setitem(sys.modules, "tf2_ros", module)
    return module


def test_tf_is_asked_for_the_stamp_of_the_cloud(tf2):
    transforms = TfTransforms("the node")
    found = transforms.lookup("camera", "lidar", STAMP, 0.25)
    np.testing.assert_allclose(found, matrix((1, 2, 3), (0, 0, HALF, HALF)))
    buffer = tf2.listeners[0].buffer
    assert tf2.listeners[0].node == "the node"
    assert buffer.asked == [("camera", "lidar", STAMP)]
    transforms.clear()
    assert buffer.cleared == 1
    transforms.destroy()
    assert not tf2.listeners[0].registered


def test_a_frame_that_is_missing_is_named_with_what_to_do(tf2):
    with pytest.raises(TransformError, match="no transform from 'laser' to 'camera'") as caught:
        TfTransforms(None).lookup("camera", "laser", STAMP, 0.1)
    for part in ("1700000000.250 s", "does not exist", "/tf_static", "within 0.1 s"):
        assert part in str(caught.value)


def test_a_transform_that_comes_late_is_waited_for(tf2):
    transforms = TfTransforms(None)
    tf2.listeners[0].buffer.late = 3
    assert transforms.lookup("/camera", "/lidar", STAMP, 5.0)[0, 3] == 1
    tf2.listeners[0].buffer.late = 99
    with pytest.raises(TransformError):
        transforms.lookup("camera", "lidar", STAMP, 0.0)
    assert len(tf2.listeners[0].buffer.asked) == 5


def test_a_wait_can_be_ended(tf2):
    transforms = TfTransforms(None)
    threading.Timer(0.1, transforms.may_wait, [False]).start()
    started = time.monotonic()
    for _ in range(2):
        with pytest.raises(TransformError):
            transforms.lookup("camera", "laser", STAMP, 60.0)
    assert time.monotonic() - started < 30
    transforms.may_wait(True)
    asked = len(tf2.listeners[0].buffer.asked)
    with pytest.raises(TransformError):
        transforms.lookup("camera", "laser", STAMP, 0.1)
    assert len(tf2.listeners[0].buffer.asked) > asked + 2


@pytest.mark.parametrize(("frames", "whose"), [(("camera", ""), "cloud"), (("", "lidar"), "info")])
def test_a_message_without_frame_is_told(tf2, frames, whose):
    with pytest.raises(TransformError, match=f"{whose} has no frame_id"):
        TfTransforms(None).lookup(*frames, STAMP, 0.1)


def test_a_frame_is_in_its_own_place(tf2):
    found = TfTransforms(None).lookup("lidar", "lidar", STAMP, 0.1)
    np.testing.assert_array_equal(found, np.eye(4))
    assert not tf2.listeners[0].buffer.asked


def test_without_tf2_the_other_source_is_named(monkeypatch):
    monkeypatch.setitem(sys.modules, "tf2_ros", None)
    with pytest.raises(MissingTf2Error, match=r"set extrinsics\.source to parameter"):
        TfTransforms(None)


def test_the_real_tf2_has_what_is_used_of_it():
    tf2_ros = pytest.importorskip("tf2_ros", reason="PyPI has no tf2_ros")
    assert issubclass(tf2_ros.TransformException, Exception)
    for name in ("lookup_transform", "clear"):
        assert callable(getattr(tf2_ros.Buffer, name))
    with pytest.raises(tf2_ros.TransformException):
        tf2_ros.Buffer().lookup_transform("camera", "lidar", Time(nanoseconds=STAMP))
    assert callable(tf2_ros.TransformListener.unregister)
