"""Where the sensors are."""

from __future__ import annotations

from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from starrygazer_ros.messages import MessageError


class TransformError(MessageError):
    """A transform is not there, or not at the time of the message."""

    cause = "transform"


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

    def may_wait(self, may: bool) -> None:
        """Let :meth:`lookup` wait; or not, and end the wait of one that does."""

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

    def may_wait(self, may: bool) -> None:
        """See :class:`Transforms`; there is nothing to wait for."""

    def clear(self) -> None:
        """See :class:`Transforms`; there is nothing to forget."""

    def destroy(self) -> None:
        """See :class:`Transforms`; nothing is received."""


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


def matrix_of(transform: Any) -> NDArray[np.float64]:
    """Transform [4, 4] of a geometry_msgs/Transform."""
    translation, rotation = transform.translation, transform.rotation
    return matrix(
        (translation.x, translation.y, translation.z),
        (rotation.x, rotation.y, rotation.z, rotation.w),
    )


def require_frames(target: str, source: str) -> None:
    """Both frames of a transform are named.

    Raises:
        TransformError: one is not.
    """
    if not target or not source:
        whose = "camera_info" if not target else "the cloud"
        raise TransformError(f"{whose} has no frame_id: set it in the publisher")
