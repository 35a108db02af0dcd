"""What the projection node does with one cloud, for any node that wants sparse depth of clouds."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from starrygazer_ros.calibration import MissingCameraInfoError
from starrygazer_ros.camera_models import camera_from_message
from starrygazer_ros.completion.cameras import Camera
from starrygazer_ros.completion.motion import Sweep, Trajectory, together
from starrygazer_ros.completion.projection import Projection, project
from starrygazer_ros.headers import NANOSECONDS, stamp_of
from starrygazer_ros.messages import MessageError
from starrygazer_ros.point_clouds import points_from_message
from starrygazer_ros.projection_parameters import TF, CloudParameters
from starrygazer_ros.sweep_history import ReceivedCloud, SweepHistory
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
        doubts: why earlier sweeps are not in it, each told once.
    """

    frame_id: str
    projection: Projection
    doubts: tuple[MessageError, ...] = ()


class CloudProjector:
    """PointCloud2 to sparse depth.

    Every cloud is given to :meth:`receive` as it arrives, those that are wanted to :meth:`project`,
    which is used by one thread at a time and may wait for a transform. All else is called by any
    thread.

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
        self._sweeps = SweepHistory()
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

    def start(self) -> None:
        """Let :meth:`project` wait for transforms, as it may from the beginning."""
        self._transforms.may_wait(True)

    def stop(self) -> None:
        """End the wait of :meth:`project` and forget the clouds so far."""
        self._transforms.may_wait(False)
        self._sweeps.clear()

    def receive(self, message: PointCloud2) -> None:
        """A cloud arrived, which later ones are projected with if ``sweeps.count`` says so."""
        if self._values.sweeps_count > 1:
            self._sweeps.add(message, self._values.sweeps_count)

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
        stamp, frame = stamp_of(message), message.header.frame_id
        self._watch_time(stamp)
        extrinsics = self._transforms.lookup(camera_frame, frame, stamp, values.extrinsics_timeout)
        points, origins, doubts = self._in_one_place(message, values)
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
        return ProjectedCloud(camera_frame, projection, doubts)

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
        self, message: PointCloud2, values: CloudParameters
    ) -> tuple[NDArray[np.floating], NDArray[np.floating] | None, tuple[MessageError, ...]]:
        """Points of a cloud, and of those before it, from where the LiDAR is at its stamp.

        Returns:
            points, where each was measured from or ``None`` if from there, and why earlier clouds
            are missing.
        """
        if values.sweeps_count == 1:
            return self._points(message, values), None, ()
        sweeps, doubts = [], []
        *earlier, now = self._sweeps.before(message, values.sweeps_count)
        for cloud in earlier:
            known = cloud.sweep
            try:
                sweeps.append(self._sweep(cloud, values))
            except MessageError as error:
                if error is not known:
                    doubts.append(error)
        points, origins = together([*sweeps, self._sweep(now, values)])
        return points, origins, tuple(doubts)

    def _sweep(self, cloud: ReceivedCloud, values: CloudParameters) -> Sweep:
        """Points and pose of a cloud, made once.

        Raises:
            MessageError: it has none; the same error again.
        """
        by = values.sweeps_fixed_frame, values.sweeps_compensate_motion
        if cloud.sweep is None or cloud.by != by:
            cloud.by = by
            try:
                cloud.sweep = self._made(cloud.message, values)
            except MessageError as error:
                # Without the time to wait its transform may still come.
                cloud.sweep = error if values.extrinsics_timeout > 0 else None
                raise
        if isinstance(cloud.sweep, MessageError):
            raise cloud.sweep
        return cloud.sweep

    def _made(self, message: PointCloud2, values: CloudParameters) -> Sweep:
        points, fixed = self._points(message, values), values.sweeps_fixed_frame
        frame, stamp = message.header.frame_id, stamp_of(message)
        pose = self._transforms.lookup(fixed, frame, stamp, values.extrinsics_timeout)
        return Sweep(points, pose)

    def _points(self, message: PointCloud2, values: CloudParameters) -> NDArray[np.floating]:
        """Points of a cloud from where the LiDAR was at its stamp."""
        cloud = points_from_message(message, values.sweeps_compensate_motion)
        if cloud.times is None:
            return cloud.points
        stamp, frame = stamp_of(message), message.header.frame_id
        trajectory = self._trajectory(cloud.times, stamp, frame, values)
        return trajectory.to_one_moment(cloud.points, cloud.times, 0.0)

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
            self._newest = None
        self._newest = stamp if self._newest is None else max(stamp, self._newest)


def fixed_transform(values: CloudParameters) -> FixedTransform:
    """The pose of the LiDAR that the parameters give."""
    return FixedTransform(values.extrinsics_translation, values.extrinsics_rotation)
