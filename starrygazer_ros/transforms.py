"""Where the sensors are: from tf2, or from parameters."""

from __future__ import annotations

from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray
from rclpy.duration import Duration
from rclpy.node import Node
from rclpy.time import Time

from starrygazer_ros.completion import CompletionError
from starrygazer_ros.messages import MessageError

NANOSECONDS = 10**9


class TransformError(MessageError):
    """A transform is not there, or not at the time of the message."""

    cause = "transform"


class MissingTf2Error(CompletionError):
    """tf2_ros is not installed."""

    cause = "no_tf2_ros"


class Transforms(Protocol):
    """Poses of frames in frames."""

    def lookup(self, target: str, source: str, stamp: int, timeout: float) -> NDArray[np.float64]:
        """Transform [4, 4] from a source frame to a target frame.

        Args:
            target: frame to transform into.
            source: frame to transform from.
            stamp: when, in nanoseconds.
            timeout: seconds to wait for it; not from the thread that receives transforms.

        Raises:
            TransformError: it is not known.
        """

    def clear(self) -> None:
        """Forget what was received, because time has gone back."""

    def destroy(self) -> None:
        """Stop receiving."""


class FixedTransform:
    """One transform whatever the frames.

    Args:
        translation: x, y, z in metres.
        rotation: quaternion x, y, z, w; is brought to length 1.
    """

    def __init__(self, translation: tuple[float, ...], rotation: tuple[float, ...]) -> None:
        self._matrix = matrix(translation, rotation)

    def lookup(self, target: str, source: str, stamp: int, timeout: float) -> NDArray[np.float64]:
        """See :class:`Transforms`."""
        return self._matrix

    def clear(self) -> None:
        """See :class:`Transforms`; there is nothing to forget."""

    def destroy(self) -> None:
        """See :class:`Transforms`; nothing is received."""


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
        # Without the node, whose clock would call a handler that fails when time goes back.
        self._buffer = tf2_ros.Buffer()
        self._listener = tf2_ros.TransformListener(self._buffer, node)

    def lookup(self, target: str, source: str, stamp: int, timeout: float) -> NDArray[np.float64]:
        """See :class:`Transforms`."""
        if not target or not source:
            whose = "camera_info" if not target else "the cloud"
            raise TransformError(f"{whose} has no frame_id: set it in the publisher")
        if target == source:
            return np.eye(4)
        try:
            found = self._buffer.lookup_transform(
                target, source, Time(nanoseconds=stamp), Duration(seconds=timeout)
            ).transform
        except self._not_there as error:
            raise TransformError(
                f"no transform from '{source}' to '{target}' at {stamp / NANOSECONDS:.3f} s within "
                f"{timeout:g} s ({error}): publish it on /tf or /tf_static, or set "
                "extrinsics.source to parameter"
            ) from error
        return matrix(_values(found.translation, "xyz"), _values(found.rotation, "xyzw"))

    def clear(self) -> None:
        """See :class:`Transforms`; static ones stay."""
        self._buffer.clear()

    def destroy(self) -> None:
        """See :class:`Transforms`."""
        self._listener.unregister()


def matrix(translation: tuple[float, ...], rotation: tuple[float, ...]) -> NDArray[np.float64]:
    """Transform [4, 4] of a translation in metres and a quaternion x, y, z, w of any length."""
    x, y, z, w = np.array(rotation, np.float64) / np.linalg.norm(rotation)
    result = np.eye(4)
    result[:3, :3] = [
        [1 - 2 * (y * y + z * z), 2 * (x * y - z * w), 2 * (x * z + y * w)],
        [2 * (x * y + z * w), 1 - 2 * (x * x + z * z), 2 * (y * z - x * w)],
        [2 * (x * z - y * w), 2 * (y * z + x * w), 1 - 2 * (x * x + y * y)],
    ]
    result[:3, 3] = translation
    return result


def _values(vector: Any, names: str) -> tuple[float, ...]:
    return tuple(float(getattr(vector, name)) for name in names)
