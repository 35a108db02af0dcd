"""Where the sensors are, by tf2."""

from __future__ import annotations

import threading
import time

import numpy as np
from numpy.typing import NDArray
from rclpy.node import Node
from rclpy.time import Time

from starrygazer_ros.cloud_projector import fixed_transform
from starrygazer_ros.completion import CompletionError
from starrygazer_ros.headers import NANOSECONDS, plain_frame
from starrygazer_ros.projection_parameters import TF, CloudParameters
from starrygazer_ros.transforms import (
    TransformError,
    Transforms,
    matrix_of,
    require_frames,
)

POLL_PERIOD = 0.01  # s between two looks for a transform


class MissingTf2Error(CompletionError):
    """tf2_ros is not installed."""

    cause = "no_tf2_ros"


class TfTransforms:
    """Transforms of ``/tf`` and ``/tf_static``.

    Args:
        node: whose executor receives them.

    Raises:
        MissingTf2Error: tf2_ros is not installed.
    """

    def __init__(self, node: Node) -> None:
        try:
            import tf2_ros
        except ImportError as error:
            raise MissingTf2Error(
                f"extrinsics.source is tf, but tf2_ros cannot be imported ({error}): install it, "
                "or set extrinsics.source to parameter and extrinsics.translation and .rotation to "
                "the pose of the LiDAR in the camera's optical frame"
            ) from error
        self._not_there = tf2_ros.TransformException
        self._hurry = threading.Event()
        # Without the node, whose clock would call a handler that fails when time goes back.
        self._buffer = tf2_ros.Buffer()
        self._listener = tf2_ros.TransformListener(self._buffer, node)

    def lookup(self, target: str, source: str, stamp: int, timeout: float) -> NDArray[np.float64]:
        """See :class:`Transforms`."""
        target, source = plain_frame(target), plain_frame(source)
        require_frames(target, source)
        if target == source:
            return np.eye(4)
        end = time.monotonic() + timeout
        while True:
            try:
                found = self._buffer.lookup_transform(target, source, Time(nanoseconds=stamp))
            except self._not_there as error:
                # Not tf2's own wait, which nothing can end.
                if time.monotonic() < end and not self._hurry.wait(POLL_PERIOD):
                    continue
                raise TransformError(
                    f"no transform from '{source}' to '{target}' at {stamp / NANOSECONDS:.3f} s "
                    f"within {timeout:g} s ({error}): publish it on /tf or /tf_static, or set "
                    "extrinsics.source to parameter"
                ) from error
            return matrix_of(found.transform)

    def may_wait(self, may: bool) -> None:
        """See :class:`Transforms`."""
        (self._hurry.clear if may else self._hurry.set)()

    def clear(self) -> None:
        """See :class:`Transforms`; static ones stay."""
        self._buffer.clear()

    def destroy(self) -> None:
        """See :class:`Transforms`."""
        self._listener.unregister()


def make_transforms(node: Node, values: CloudParameters) -> Transforms:
    """Where the sensors are by the parameters of a node.

    Raises:
        MissingTf2Error: that is tf, which is not installed.
    """
    return TfTransforms(node) if values.extrinsics_source == TF else fixed_transform(values)
