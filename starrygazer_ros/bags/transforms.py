"""Transforms of a bag's /tf and /tf_static."""

from __future__ import annotations

import math
from array import array
from bisect import bisect_left
from typing import Any

import numpy as np
from numpy.typing import NDArray

from starrygazer_ros.completion.motion import Trajectory
from starrygazer_ros.matching import NANOSECONDS, stamp_of
from starrygazer_ros.projection_parameters import QUATERNION_TOLERANCE
from starrygazer_ros.transforms import TransformError, matrix, require_frames

# What tf2 remembers by default; over a longer gap nothing is interpolated.
LONGEST_GAP = 10 * NANOSECONDS


class _Link:
    """From a frame to its parent: poses by stamp, one for all times if static.

    Args:
        parent: frame.
        static: it never moves.
    """

    def __init__(self, parent: str, static: bool) -> None:
        self.parent = parent
        self.static = static
        self._stamps = array("q")  # nanoseconds
        self._poses = array("d")  # x y z and quaternion x y z w; a drive has millions of them
        self._sorted = True

    def add(self, stamp: int, transform: Any) -> None:
        """Take a geometry_msgs/Transform."""
        self._sorted = self._sorted and not (self._stamps and stamp <= self._stamps[-1])
        translation, rotation = transform.translation, transform.rotation
        self._stamps.append(stamp)
        self._poses.extend((translation.x, translation.y, translation.z))
        self._poses.extend((rotation.x, rotation.y, rotation.z, rotation.w))

    def at(self, stamp: int) -> NDArray[np.float64] | None:
        """Pose [4, 4] in the parent, between two recorded ones by interpolation, or ``None``."""
        if self.static:
            return self._pose(len(self._stamps) - 1)
        self._sort()
        after = bisect_left(self._stamps, stamp)
        if after == len(self._stamps) or stamp < self._stamps[0]:
            return None
        if self._stamps[after] == stamp:
            return self._pose(after)
        start, end = self._stamps[after - 1], self._stamps[after]
        if end - start > LONGEST_GAP:
            return None
        poses = np.stack([self._pose(after - 1), self._pose(after)])
        return Trajectory(np.array([0.0, 1.0]), poses).at((stamp - start) / (end - start))

    def _pose(self, index: int) -> NDArray[np.float64]:
        x, y, z, *rotation = self._poses[7 * index : 7 * index + 7]
        return matrix((x, y, z), tuple(rotation))

    def _sort(self) -> None:
        """By stamp; of those with one stamp the last counts."""
        if self._sorted:
            return
        by_stamp = dict(zip(self._stamps, range(len(self._stamps)), strict=True))
        stamps = sorted(by_stamp)
        poses = np.array(self._poses).reshape(-1, 7)[[by_stamp[stamp] for stamp in stamps]]
        self._stamps, self._poses = array("q", stamps), array("d", poses.ravel())
        self._sorted = True


class RecordedTransforms:
    """All transforms of a bag, so that nothing has to be waited for.

    They are found by stamp alone: where time goes back in a bag, those that were recorded last
    count, and so do the last static ones for the whole bag.
    """

    def __init__(self) -> None:
        self._links: dict[str, list[_Link]] = {}  # by frame; to several parents, the last first

    def add(self, message: Any, static: bool) -> None:
        """Take a tf2_msgs/TFMessage of /tf or of /tf_static.

        Raises:
            TransformError: a transform is no pose; those before it are taken.
        """
        for entry in message.transforms:
            parent, child = (_name(entry.header.frame_id), _name(entry.child_frame_id))
            _require_pose(entry.transform, parent, child)
            links = self._links.setdefault(child, [])
            link = next((k for k in links if (k.parent, k.static) == (parent, static)), None)
            if link is None:
                link = _Link(parent, static)
            else:
                links.remove(link)
            links.insert(0, link)
            link.add(stamp_of(entry), entry.transform)

    def lookup(self, target: str, source: str, stamp: int, timeout: float) -> NDArray[np.float64]:
        """See :class:`~starrygazer_ros.transforms.Transforms`."""
        require_frames(target, source)
        target, source = _name(target), _name(source)
        up_target, up_source = self._upwards(target, stamp), self._upwards(source, stamp)
        common = next((frame for frame in up_source if frame in up_target), None)
        if common is None:
            raise TransformError(self._why_not(target, source, stamp, [*up_source, *up_target]))
        return np.asarray(np.linalg.inv(up_target[common]) @ up_source[common])

    def clear(self) -> None:
        """See :class:`~starrygazer_ros.transforms.Transforms`; a bag's are those of all times."""

    def destroy(self) -> None:
        """See :class:`~starrygazer_ros.transforms.Transforms`; nothing is received."""

    def _upwards(self, frame: str, stamp: int) -> dict[str, NDArray[np.float64]]:
        """Pose [4, 4] of a frame in itself, in its parent and so on, as far as they are known."""
        poses = {frame: np.eye(4)}
        while True:
            steps = ((link.parent, link.at(stamp)) for link in self._links.get(frame, []))
            parent, step = next((found for found in steps if found[1] is not None), ("", None))
            if step is None or parent in poses:
                return poses
            poses[parent] = step @ poses[frame]
            frame = parent

    def _why_not(self, target: str, source: str, stamp: int, reached: list[str]) -> str:
        """Why nothing connects two frames.

        Args:
            target: one of them.
            source: the other one.
            stamp: when, in nanoseconds.
            reached: frames to which one of the two has a way at this time.
        """
        asked = f"no transform from '{source}' to '{target}'"
        advice = "give it by extrinsics.source:=parameter, .translation and .rotation"
        if not self._links:
            return f"{asked}: the bag has no /tf and no /tf_static; {advice}"
        for frame in reached:
            for link in self._links.get(frame, []):
                if link.at(stamp) is None:
                    return (
                        f"/tf says nothing of '{frame}' in '{link.parent}' at "
                        f"{stamp / NANOSECONDS:.3f} s: its recording begins later, ends before, or "
                        f"has a gap of more than {LONGEST_GAP / NANOSECONDS:g} s"
                    )
        parents = {link.parent for links in self._links.values() for link in links}
        known = ", ".join(sorted({*self._links, *parents}))
        return f"{asked}: the bag's /tf and /tf_static connect only {known}; {advice}"


def _require_pose(transform: Any, parent: str, child: str) -> None:
    """A finite translation and a quaternion of length 1.

    Raises:
        TransformError: it is no pose.
    """
    translation, rotation = transform.translation, transform.rotation
    place = (translation.x, translation.y, translation.z)
    length = math.hypot(rotation.x, rotation.y, rotation.z, rotation.w)
    if not (abs(length - 1) <= QUATERNION_TOLERANCE and all(map(math.isfinite, place))):
        raise TransformError(
            f"the transform from '{child}' to '{parent}' is no pose: its quaternion has length "
            f"{length:.3g}, its translation is {', '.join(f'{value:g}' for value in place)}"
        )


def _name(frame: str) -> str:
    """As tf2 takes names: without the slash that ROS 1 put in front."""
    return frame.removeprefix("/")
