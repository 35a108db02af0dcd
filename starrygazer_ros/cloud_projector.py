"""What the projection node does with one cloud, for any node that wants sparse depth of clouds."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from starrygazer_ros.calibration import MissingCameraInfoError
from starrygazer_ros.camera_models import camera_from_message
from starrygazer_ros.completion.cameras import Camera
from starrygazer_ros.completion.motion import Sweep, SweepAccumulator, Trajectory
from starrygazer_ros.completion.projection import Projection, project
from starrygazer_ros.matching import NANOSECONDS, stamp_of
from starrygazer_ros.messages import MessageError
from starrygazer_ros.point_clouds import PointCloud, points_from_message
from starrygazer_ros.projection_parameters import TF, CloudParameters
from starrygazer_ros.synchronization import LARGEST_REORDERING, NegativeStampError
from starrygazer_ros.transforms import FixedTransform, Transforms

if TYPE_CHECKING:
    from sensor_msgs.msg import CameraInfo, PointCloud2

POSE_PERIOD = 0.025  # s between the poses that the motion during a sweep is interpolated of


class NoPointsInImageError(MessageError):
    """No point of the cloud lies in the image."""

    cause = "no_points_in_image"


@dataclass(frozen=True)
class ProjectedCloud:
    """Sparse depth of a cloud.

    Attributes:
        frame_id: optical frame of the camera.
        projection: the sparse depth and what became of the points.
    """

    frame_id: str
    projection: Projection


class CloudProjector:
    """PointCloud2 to sparse depth.

    :meth:`project` is used by one thread at a time and may wait for a transform; all else is called
    by any thread.

    Args:
        values: how clouds are projected.
        transforms: where the sensors are.

    Attributes:
        time_jumps: how often the stamps went back.
    """

    def __init__(self, values: CloudParameters, transforms: Transforms) -> None:
        self.time_jumps = 0
        self._values = values
        self._transforms = transforms
        self._calibration: tuple[CameraInfo, bool, Camera] | None = None
        self._sweeps = SweepAccumulator(1)
        self._sweeps_of: tuple[int, str, str] | None = None
        self._newest: int | None = None

    def store(self, camera_info: CameraInfo) -> None:
        """Keep a CameraInfo; one that cannot be used leaves the last good one in place.

        Raises:
            UnusableCameraInfoError: no usable calibration.
        """
        if self._calibration is not None and self._calibration[0] is camera_info:
            return
        rectified = self._values.rectified
        camera = camera_from_message(camera_info, rectified)
        self._calibration = camera_info, rectified, camera

    def change(self, values: CloudParameters) -> None:
        """Use other parameters from the next cloud on."""
        self._values = values
        if values.extrinsics_source != TF:
            self._transforms = fixed_transform(values)

    def project(self, message: PointCloud2, wait: bool = True) -> ProjectedCloud:
        """Sparse depth of a cloud.

        Args:
            message: the cloud.
            wait: for transforms that have not come yet, up to ``extrinsics.timeout`` each.

        Raises:
            MissingCameraInfoError: no usable camera_info has arrived.
            NegativeStampError: the cloud's stamp lies before 1970.
            TransformError: where a sensor is at the cloud's stamp is not known.
            NoPointsInImageError: nothing of the cloud is in the image.
            MessageError: another one of its subclasses: the cloud is malformed.
        """
        values = self._values if wait else replace(self._values, extrinsics_timeout=0.0)
        camera_frame, camera = self._camera(values)
        if message.header.stamp.sec < 0:
            raise NegativeStampError(
                f"the cloud has a stamp of {message.header.stamp.sec} s: set header.stamp in the "
                "publisher from the node's clock"
            )
        cloud = points_from_message(message, values.sweeps_compensate_motion)
        stamp, frame = stamp_of(message), message.header.frame_id
        self._watch_time(stamp)
        extrinsics = self._transforms.lookup(camera_frame, frame, stamp, values.extrinsics_timeout)
        points, origins = self._in_one_place(cloud, stamp, frame, values)
        projection = project(
            points,
            camera,
            extrinsics,
            values.range_min,
            values.range_max or np.inf,
            values.filter_occluded,
            origins,
        )
        if not projection.in_image:
            raise NoPointsInImageError(
                f"none of {projection.points} points of frame '{frame}' is in the image of "
                f"'{camera_frame}' ({projection.in_range} are within the range): check the "
                "extrinsics; the optical frame has z forward, x right and y down"
            )
        return ProjectedCloud(camera_frame, projection)

    def _camera(self, values: CloudParameters) -> tuple[str, Camera]:
        """Optical frame and model of the camera."""
        if self._calibration is None:
            raise MissingCameraInfoError(
                "no usable camera_info has arrived: clouds cannot be projected without it"
            )
        camera_info, rectified, camera = self._calibration
        if rectified != values.rectified:  # which has changed since
            camera = camera_from_message(camera_info, values.rectified)
            self._calibration = camera_info, values.rectified, camera
        return values.camera_frame or camera_info.header.frame_id, camera

    def _in_one_place(
        self, cloud: PointCloud, stamp: int, frame: str, values: CloudParameters
    ) -> tuple[NDArray[np.floating], NDArray[np.floating] | None]:
        """Points of the cloud, and of those before, from where the LiDAR is at its stamp."""
        points, fixed = cloud.points, values.sweeps_fixed_frame
        if cloud.times is not None:
            trajectory = self._trajectory(cloud.times, stamp, frame, values)
            points = trajectory.to_one_moment(points, cloud.times, 0.0)
        if values.sweeps_count == 1:
            self._sweeps.clear()
            return points, None
        if self._sweeps_of != (values.sweeps_count, fixed, frame):
            self._sweeps = SweepAccumulator(values.sweeps_count)
            self._sweeps_of = values.sweeps_count, fixed, frame
        pose = self._transforms.lookup(fixed, frame, stamp, values.extrinsics_timeout)
        # A view would keep the whole message.
        kept = np.array(points) if points.base is not None else points
        return self._sweeps.add(Sweep(kept, pose, stamp))

    def _trajectory(
        self, times: NDArray[np.float64], stamp: int, frame: str, values: CloudParameters
    ) -> Trajectory:
        """Poses of the LiDAR during a sweep, times in seconds from its stamp."""
        known = times[np.isfinite(times)]
        first, last = (float(known.min()), float(known.max())) if len(known) else (0.0, 0.0)
        first, last = min(first, 0.0), max(last, 0.0)
        number = 1 + int(np.ceil((last - first) / POSE_PERIOD))
        moments = np.linspace(first, last, number)
        poses = [
            self._transforms.lookup(
                values.sweeps_fixed_frame,
                frame,
                stamp + round(moment * NANOSECONDS),
                values.extrinsics_timeout,
            )
            for moment in moments
        ]
        return Trajectory(moments, np.stack(poses))

    def _watch_time(self, stamp: int) -> None:
        """Without this a restarted bag would find no transform among those of before."""
        if self._newest is not None and stamp < self._newest - LARGEST_REORDERING:
            self.time_jumps += 1
            self._transforms.clear()
            self._sweeps.clear()
            self._newest = None
        self._newest = stamp if self._newest is None else max(stamp, self._newest)


def fixed_transform(values: CloudParameters) -> FixedTransform:
    """The pose of the LiDAR that the parameters give."""
    return FixedTransform(values.extrinsics_translation, values.extrinsics_rotation)
