"""Transforms of a bag's /tf and /tf_static."""

from __future__ import annotations

import math
from array import array
from bisect import bisect_left, bisect_right
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from starrygazer_ros.bags.passes import NEVER, Moment, Pass, Passes
from starrygazer_ros.completion.motion import Trajectory
from starrygazer_ros.headers import NANOSECONDS, stamp_of
from starrygazer_ros.projection_parameters import QUATERNION_TOLERANCE
from starrygazer_ros.transforms import TransformError, matrix, require_frames

# What tf2 remembers by default; over a longer gap nothing is interpolated.
LONGEST_GAP = 10 * NANOSECONDS


@dataclass
class _Poses(Pass):
    """Poses of a frame in its parent by stamp."""

    stamps: array[int] = field(default_factory=lambda: array("q"))  # nanoseconds
    # x y z and quaternion x y z w; a drive has millions of them
    values: array[float] = field(default_factory=lambda: array("d"))
    sorted: bool = True

    def add(self, stamp: int, transform: Any) -> None:
        """Take a geometry_msgs/Transform."""
        self.sorted = self.sorted and not (self.stamps and stamp <= self.stamps[-1])
        self.stamps.append(stamp)
        self.values.extend(_numbers(transform))

    def at(self, stamp: int) -> NDArray[np.float64] | None:
        """Pose [4, 4], between two recorded ones by interpolation, or ``None``."""
        self._sort()
        after = bisect_left(self.stamps, stamp)
        if after == len(self.stamps) or stamp < self.stamps[0]:
            return None
        if self.stamps[after] == stamp:
            return self._pose(after)
        start, end = self.stamps[after - 1], self.stamps[after]
        if end - start > LONGEST_GAP:
            return None
        poses = np.stack([self._pose(after - 1), self._pose(after)])
        return Trajectory(np.array([0.0, 1.0]), poses).at((stamp - start) / (end - start))

    def _pose(self, index: int) -> NDArray[np.float64]:
        return _matrix(self.values[7 * index : 7 * index + 7])

    def _sort(self) -> None:
        """By stamp; of those with one stamp the last counts."""
        if self.sorted:
            return
        by_stamp = dict(zip(self.stamps, range(len(self.stamps)), strict=True))
        stamps = sorted(by_stamp)
        poses = np.array(self.values).reshape(-1, 7)[[by_stamp[stamp] for stamp in stamps]]
        self.stamps, self.values = array("q", stamps), array("d", poses.ravel())
        self.sorted = True


class _MovingLink:
    """From a frame to its parent, as /tf has it.

    Args:
        parent: frame.
    """

    def __init__(self, parent: str) -> None:
        self.parent = parent
        self._passes = Passes(_Poses)

    def add(self, stamp: int, recorded: int, transform: Any) -> None:
        """Take a geometry_msgs/Transform."""
        self._passes.of(stamp, recorded).add(stamp, transform)

    def at(self, stamp: int, moment: Moment) -> NDArray[np.float64] | None:
        """Pose [4, 4] in the parent, or ``None``."""
        poses = (found.at(stamp) for found in self._passes.near(moment))
        return next((pose for pose in poses if pose is not None), None)

    def recorded(self, moment: Moment) -> int:
        """When it was recorded last; what is still to come counts from behind."""
        near = self._passes.near(moment)
        if not near:
            return NEVER
        return -near[0].first if near[0].first > moment.now else min(near[0].last, moment.now)


class _StaticLink:
    """From a frame to its parent, as /tf_static has it: one pose until another one is recorded.

    Args:
        parent: frame.
    """

    def __init__(self, parent: str) -> None:
        self.parent = parent
        self._recorded: list[int] = []
        self._poses: list[NDArray[np.float64]] = []

    def add(self, stamp: int, recorded: int, transform: Any) -> None:
        """Take a geometry_msgs/Transform."""
        self._recorded.append(recorded)
        self._poses.append(_matrix(_numbers(transform)))

    def at(self, stamp: int, moment: Moment) -> NDArray[np.float64]:
        """Pose [4, 4] in the parent."""
        return self._poses[self._index(moment)]

    def recorded(self, moment: Moment) -> int:
        """When it was recorded last; what is still to come counts from behind."""
        recorded = self._recorded[self._index(moment)]
        return -recorded if recorded > moment.now else recorded

    def _index(self, moment: Moment) -> int:
        """The last one that was recorded by then, else the first."""
        return max(bisect_right(self._recorded, moment.now) - 1, 0)


class RecordedTransforms:
    """All transforms of a bag, so that nothing has to be waited for.

    They are found by stamp in the pass of the recording that a message is in, so that time may go
    back in a bag; of static ones the last that was recorded by then counts.

    Args:
        moment: how far the reading has come.
    """

    def __init__(self, moment: Moment) -> None:
        self._moment = moment
        # By frame; to several parents, the one that was recorded last first.
        self._links: dict[str, list[_MovingLink | _StaticLink]] = {}

    def add(self, message: Any, static: bool, recorded: int) -> None:
        """Take a tf2_msgs/TFMessage of /tf or of /tf_static, in the order of recording.

        Args:
            message: with any number of transforms.
            static: of /tf_static.
            recorded: when, in nanoseconds.

        Raises:
            TransformError: a transform is no pose; those before it are taken.
        """
        kind = _StaticLink if static else _MovingLink
        for entry in message.transforms:
            parent, child = (_name(entry.header.frame_id), _name(entry.child_frame_id))
            _require_pose(entry.transform, parent, child)
            links = self._links.setdefault(child, [])
            link = next((k for k in links if k.parent == parent and isinstance(k, kind)), None)
            if link is None:
                link = kind(parent)
            else:
                links.remove(link)
            links.insert(0, link)
            link.add(stamp_of(entry), recorded, entry.transform)

    def lookup(self, target: str, source: str, stamp: int, timeout: float) -> NDArray[np.float64]:
        """See :class:`~starrygazer_ros.transforms.Transforms`."""
        require_frames(target, source)
        target, source = _name(target), _name(source)
        up_target, up_source = self._upwards(target, stamp), self._upwards(source, stamp)
        common = next((frame for frame in up_source if frame in up_target), None)
        if common is None:
            raise TransformError(self._why_not(target, source, stamp, [*up_source, *up_target]))
        return np.asarray(np.linalg.inv(up_target[common]) @ up_source[common])

    def may_wait(self, may: bool) -> None:
        """See :class:`~starrygazer_ros.transforms.Transforms`; there is nothing to wait for."""

    def clear(self) -> None:
        """See :class:`~starrygazer_ros.transforms.Transforms`; passes that ended are forgotten."""
        self._moment.since = self._moment.now

    def destroy(self) -> None:
        """See :class:`~starrygazer_ros.transforms.Transforms`; nothing is received."""

    def _upwards(self, frame: str, stamp: int) -> dict[str, NDArray[np.float64]]:
        """Pose [4, 4] of a frame in itself, in its parent and so on, as far as they are known."""
        poses = {frame: np.eye(4)}
        while True:
            newest_first = sorted(
                self._links.get(frame, []), key=lambda k: k.recorded(self._moment), reverse=True
            )
            steps = ((link.parent, link.at(stamp, self._moment)) for link in newest_first)
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
                if link.at(stamp, self._moment) is None:
                    return (
                        f"/tf says nothing of '{frame}' in '{link.parent}' at "
                        f"{stamp / NANOSECONDS:.3f} s: its recording begins later, ends before, or "
                        f"has a gap of more than {LONGEST_GAP / NANOSECONDS:g} s"
                    )
        parents = {link.parent for links in self._links.values() for link in links}
        known = ", ".join(sorted({*self._links, *parents}))
        return f"{asked}: the bag's /tf and /tf_static connect only {known}; {advice}"


def _numbers(transform: Any) -> tuple[float, ...]:
    """Translation x y z and quaternion x y z w of a geometry_msgs/Transform."""
    translation, rotation = transform.translation, transform.rotation
    place = (translation.x, translation.y, translation.z)
    return (*place, rotation.x, rotation.y, rotation.z, rotation.w)


def _matrix(numbers: Sequence[float]) -> NDArray[np.float64]:
    """Transform [4, 4] of translation and quaternion."""
    return matrix(tuple(numbers[:3]), tuple(numbers[3:]))


def _require_pose(transform: Any, parent: str, child: str) -> None:
    """A finite translation and a quaternion of length 1.

    Raises:
        TransformError: it is no pose.
    """
    *place, x, y, z, w = _numbers(transform)
    length = math.hypot(x, y, z, w)
    if not (abs(length - 1) <= QUATERNION_TOLERANCE and all(map(math.isfinite, place))):
        raise TransformError(
            f"the transform from '{child}' to '{parent}' is no pose: its quaternion has length "
            f"{length:.3g}, its translation is {', '.join(f'{value:g}' for value in place)}"
        )


def _name(frame: str) -> str:
    """As tf2 takes names: without the slash that ROS 1 put in front."""
    return frame.removeprefix("/")
