"""A moving LiDAR: points of one sweep brought to one moment, and several sweeps to one place."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from starrygazer_ros.completion.projection import moved

SMALLEST_ANGLE = 1e-9  # radians, below which a rotation has no axis


@dataclass(frozen=True, eq=False)
class Trajectory:
    """Poses of a sensor in a fixed frame; between two of them it moves and turns evenly.

    Translation is interpolated linearly, rotation by slerp (Shoemake 1985).

    Attributes:
        times: float64 [K], seconds, increasing.
        poses: float64 [K, 4, 4], from the sensor to the fixed frame.

    Raises:
        ValueError: there is no pose, the times do not increase, or the shapes differ.
    """

    times: NDArray[np.float64]
    poses: NDArray[np.float64]

    def __post_init__(self) -> None:
        number = len(self.times)
        if number == 0 or self.poses.shape != (number, 4, 4):
            raise ValueError(
                f"a trajectory has a pose [4, 4] per time, got {number} times and poses "
                f"{list(self.poses.shape)}"
            )
        if np.any(np.diff(self.times) <= 0):
            raise ValueError("the times of a trajectory increase")

    def at(self, time: float) -> NDArray[np.float64]:
        """Pose [4, 4] at a time; before the first and after the last pose, that one."""
        segment = self._segment(np.array([time]))[0]
        turn, share = self._turn(segment), self._shares(np.array([time]), segment)[0]
        pose = np.eye(4)
        pose[:3, :3] = self.poses[segment, :3, :3] @ _rotation(turn * share)
        start, end = self._ends(segment)
        pose[:3, 3] = start[:3, 3] + share * (end[:3, 3] - start[:3, 3])
        return pose

    def to_one_moment(
        self, points: NDArray[np.floating], times: NDArray[np.float64], moment: float
    ) -> NDArray[np.floating]:
        """Points as the sensor would have measured them at one moment.

        Args:
            points: float [N, 3], metres, each in the sensor's frame at its own time.
            times: float64 [N], seconds, when each was measured.
            moment: seconds.

        Returns:
            float [N, 3] of the same type, in the sensor's frame at ``moment``. A point without time
            (NaN) is NaN.
        """
        now_from_fixed = np.linalg.inv(self.at(moment))
        result = np.full(points.shape, np.nan, points.dtype)
        segments = self._segment(times)
        for segment in range(max(1, len(self.times) - 1)):
            chosen = np.flatnonzero((segments == segment) & np.isfinite(times))
            shares = self._shares(times[chosen], segment).astype(points.dtype)[:, None]
            start, end = self._ends(segment)
            turned = _turned(points[chosen], self._turn(segment), shares)
            there = moved(turned, now_from_fixed @ start)
            way = now_from_fixed[:3, :3] @ (end[:3, 3] - start[:3, 3])
            result[chosen] = there + shares * way.astype(points.dtype)
        return result

    def _segment(self, times: NDArray[np.float64]) -> NDArray[np.intp]:
        """Index of the pose before each time that a pose follows."""
        last = max(0, len(self.times) - 2)
        return np.clip(np.searchsorted(self.times, times, side="right") - 1, 0, last)

    def _ends(self, segment: int) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        return self.poses[segment], self.poses[min(segment + 1, len(self.poses) - 1)]

    def _shares(self, times: NDArray[np.float64], segment: int) -> NDArray[np.float64]:
        """How much of a segment has passed, 0..1."""
        if len(self.times) == 1:
            return np.zeros(len(times))
        start, end = self.times[segment : segment + 2]
        return np.asarray(np.clip((times - start) / (end - start), 0, 1))

    def _turn(self, segment: int) -> NDArray[np.float64]:
        """Rotation of a segment as axis times angle, in the sensor's frame at its start."""
        start, end = self._ends(segment)
        return _axis_times_angle(start[:3, :3].T @ end[:3, :3])


@dataclass(frozen=True)
class Sweep:
    """Points of one sweep.

    Attributes:
        points: float [N, 3], metres in the sensor's frame at its stamp.
        pose: float64 [4, 4], from that frame to the fixed frame.
    """

    points: NDArray[np.floating]
    pose: NDArray[np.float64]


def together(sweeps: Sequence[Sweep]) -> tuple[NDArray[np.floating], NDArray[np.floating]]:
    """Points of several sweeps, as the sensor sees them from where it was at the last one.

    Args:
        sweeps: at least one.

    Returns:
        points and where each was measured from, float [N, 3] each, in the frame of the last sweep.
    """
    last = sweeps[-1]
    now_from_fixed = np.linalg.inv(last.pose)
    points, origins = [], []
    for sweep in sweeps:
        now_from_then = now_from_fixed @ sweep.pose
        points.append(sweep.points if sweep is last else moved(sweep.points, now_from_then))
        origin = np.zeros(3) if sweep is last else now_from_then[:3, 3]
        origins.append(np.broadcast_to(origin.astype(last.points.dtype), sweep.points.shape))
    return np.concatenate(points), np.concatenate(origins)


def _axis_times_angle(rotation: NDArray[np.float64]) -> NDArray[np.float64]:
    """Logarithm of a rotation matrix, by its quaternion, which is exact up to half a turn."""
    x, y, z, w = _quaternion(rotation)
    vector = np.array([x, y, z]) * (1.0 if w >= 0 else -1.0)
    length = float(np.linalg.norm(vector))
    if length < SMALLEST_ANGLE:
        return 2 * vector
    return np.asarray(vector * (2 * np.arctan2(length, abs(w)) / length))


def _quaternion(rotation: NDArray[np.float64]) -> NDArray[np.float64]:
    """x, y, z, w of a rotation matrix: the eigenvector of Bar-Itzhack (2000)."""
    r = rotation
    symmetric = np.array(
        [
            [r[0, 0] - r[1, 1] - r[2, 2], 0, 0, 0],
            [r[0, 1] + r[1, 0], r[1, 1] - r[0, 0] - r[2, 2], 0, 0],
            [r[0, 2] + r[2, 0], r[1, 2] + r[2, 1], r[2, 2] - r[0, 0] - r[1, 1], 0],
            [r[2, 1] - r[1, 2], r[0, 2] - r[2, 0], r[1, 0] - r[0, 1], np.trace(r)],
        ]
    )
    return np.asarray(np.linalg.eigh(symmetric)[1][:, -1])


def _rotation(turn: NDArray[np.float64]) -> NDArray[np.float64]:
    """Rotation matrix of axis times angle."""
    return np.asarray(_turned(np.eye(3), turn, np.ones((3, 1))).T)


def _turned(
    points: NDArray[np.floating], turn: NDArray[np.float64], shares: NDArray[np.floating]
) -> NDArray[np.floating]:
    """Points [N, 3] after shares [N, 1] of a rotation (Rodrigues' formula)."""
    angle = float(np.linalg.norm(turn))
    if angle < SMALLEST_ANGLE:
        return points
    axis = (turn / angle).astype(points.dtype)
    angles = shares * points.dtype.type(angle)
    x, y, z = points.T
    crossed = np.stack(
        [axis[1] * z - axis[2] * y, axis[2] * x - axis[0] * z, axis[0] * y - axis[1] * x], axis=1
    )
    along = (axis[0] * x + axis[1] * y + axis[2] * z)[:, None] * axis
    cosine = np.cos(angles)
    turned: NDArray[np.floating] = points * cosine + crossed * np.sin(angles) + along * (1 - cosine)
    return turned
