"""Transforms of a bag's /tf and /tf_static."""

from __future__ import annotations

from array import array
from bisect import bisect_left
from typing import Any

import numpy as np
from numpy.typing import NDArray

from starrygazer_ros.completion.motion import Trajectory
from starrygazer_ros.matching import NANOSECONDS, stamp_of
from starrygazer_ros.transforms import TransformError, matrix, require_frames


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

    A frame has one parent at a time; of several that were recorded the last one counts.
    """

    def __init__(self) -> None:
        self._links: dict[str, _Link] = {}

    def __bool__(self) -> bool:
        return bool(self._links)

    def add(self, message: Any, static: bool) -> None:
        """Take a tf2_msgs/TFMessage of /tf or of /tf_static."""
        for entry in message.transforms:
            parent, child = (_name(entry.header.frame_id), _name(entry.child_frame_id))
            known = self._links.get(child)
            if known is None or (known.parent, known.static) != (parent, static):
                known = self._links[child] = _Link(parent, static)
            known.add(stamp_of(entry), entry.transform)

    def lookup(self, target: str, source: str, stamp: int, timeout: float) -> NDArray[np.float64]:
        """See :class:`~starrygazer_ros.transforms.Transforms`."""
        require_frames(target, source)
        target, source = _name(target), _name(source)
        of_target, of_source = self._ancestors(target), self._ancestors(source)
        common = next((frame for frame in of_source if frame in of_target), None)
        if common is None:
            known = ", ".join(sorted({*self._links, *(k.parent for k in self._links.values())}))
            raise TransformError(
                f"no transform from '{source}' to '{target}': the bag's /tf and /tf_static connect "
                f"only {known or 'nothing'}; give it by extrinsics.source:=parameter"
            )
        up_source = self._to_ancestor(source, common, stamp)
        up_target = self._to_ancestor(target, common, stamp)
        return np.asarray(np.linalg.inv(up_target) @ up_source)

    def clear(self) -> None:
        """See :class:`~starrygazer_ros.transforms.Transforms`; a bag's are those of all times."""

    def destroy(self) -> None:
        """See :class:`~starrygazer_ros.transforms.Transforms`; nothing is received."""

    def _ancestors(self, frame: str) -> list[str]:
        """A frame, its parent and so on."""
        frames = [frame]
        while frames[-1] in self._links and self._links[frames[-1]].parent not in frames:
            frames.append(self._links[frames[-1]].parent)
        return frames

    def _to_ancestor(self, frame: str, ancestor: str, stamp: int) -> NDArray[np.float64]:
        """Pose [4, 4] of a frame in one of its ancestors."""
        pose = np.eye(4)
        while frame != ancestor:
            link = self._links[frame]
            step = link.at(stamp)
            if step is None:
                raise TransformError(
                    f"/tf says nothing of '{frame}' in '{link.parent}' at "
                    f"{stamp / NANOSECONDS:.3f} s: the recording of /tf begins later or ends before"
                )
            pose = step @ pose
            frame = link.parent
        return pose


def _name(frame: str) -> str:
    """As tf2 takes names: without the slash that ROS 1 put in front."""
    return frame.removeprefix("/")
