"""Transforms of a bag's /tf and /tf_static."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from starrygazer_ros.completion.motion import Trajectory
from starrygazer_ros.matching import NANOSECONDS, stamp_of
from starrygazer_ros.transforms import TransformError, matrix_of, require_frames


@dataclass
class _Link:
    """From a frame to its parent: poses by stamp in nanoseconds, one for all times if static."""

    parent: str
    poses: dict[int, NDArray[np.float64]]
    static: bool

    @cached_property
    def _stamps(self) -> list[int]:
        return sorted(self.poses)

    @cached_property
    def _trajectory(self) -> Trajectory:
        seconds = np.array([(s - self._stamps[0]) / NANOSECONDS for s in self._stamps])
        return Trajectory(seconds, np.stack([self.poses[stamp] for stamp in self._stamps]))

    def at(self, stamp: int) -> NDArray[np.float64] | None:
        """Pose [4, 4] in the parent, between two recorded ones by interpolation, or ``None``."""
        if self.static:
            return self.poses[self._stamps[-1]]
        if not self._stamps[0] <= stamp <= self._stamps[-1]:
            return None
        return self._trajectory.at((stamp - self._stamps[0]) / NANOSECONDS)


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
                known = self._links[child] = _Link(parent, {}, static)
            known.poses[stamp_of(entry)] = matrix_of(entry.transform)

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
