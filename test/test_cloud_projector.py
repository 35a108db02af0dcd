"""What becomes of one cloud, with transforms that the test says."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

pytest.importorskip("rclpy", reason="rclpy is needed: see requirements/")

from sensor_msgs.msg import CameraInfo, PointCloud2, PointField

from starrygazer_ros.calibration import MissingCameraInfoError
from starrygazer_ros.cloud_projector import CloudProjector, NoPointsInImageError
from starrygazer_ros.messages import UnusableCameraInfoError
from starrygazer_ros.point_clouds import PointFieldError, PointTimeError
from starrygazer_ros.projection_parameters import CloudParameters
from starrygazer_ros.synchronization import NegativeStampError
from starrygazer_ros.transforms import TransformError

SECOND = 10**9
START = 1_700_000_000 * SECOND
# x forward, y left, z up to x right, y down, z forward.
TO_OPTICAL = np.array([[0.0, -1, 0, 0], [0, 0, -1, 0], [1, 0, 0, 0], [0, 0, 0, 1]])
VALUES = CloudParameters()
MOVING = replace(VALUES, sweeps_count=2, sweeps_fixed_frame="odom")
COMPENSATING = replace(VALUES, sweeps_compensate_motion=True, sweeps_fixed_frame="odom")


class Driving:
    """A LiDAR that drives forward with ``speed`` in odom, with the camera in its place."""

    def __init__(self, speed=0.0):
        self.speed, self.asked, self.cleared = speed, [], 0

    def lookup(self, target, source, stamp, timeout):
        self.asked.append((target, source, stamp, timeout))
        if target == "odom":
            pose = np.eye(4)
            pose[0, 3] = self.speed * (stamp - START) / SECOND
            return pose
        if target == "nowhere":
            raise TransformError("no transform")
        return TO_OPTICAL

    def may_wait(self, may):
        self.waits = may

    def clear(self):
        self.cleared += 1

    def destroy(self):
        raise AssertionError("the owner of the transforms destroys them")


def camera_info(frame="camera", focal=100.0):
    info = CameraInfo(width=81, height=41, distortion_model="plumb_bob")
    info.header.frame_id = frame
    info.k = [focal, 0.0, 40.0, 0.0, focal, 20.0, 0.0, 0.0, 1.0]
    info.p = [focal, 0.0, 40.0, 0.0, 0.0, focal, 20.0, 0.0, 0.0, 0.0, 1.0, 0.0]
    info.r = [1.0, 0.0, 0.0, 0.0, 1.0, 0.0, 0.0, 0.0, 1.0]
    info.d = [-0.5, 0.0, 0.0, 0.0, 0.0]
    return info


def cloud(points, stamp=START, times=None, frame="lidar"):
    """Float32 points with a field ``t`` in nanoseconds where times are given."""
    names = ("x", "y", "z")
    fields = [
        PointField(name=name, offset=4 * i, datatype=PointField.FLOAT32, count=1)
        for i, name in enumerate(names)
    ]
    dtype = [(name, "<f4") for name in names]
    if times is not None:
        fields.append(PointField(name="t", offset=12, datatype=PointField.UINT32, count=1))
        dtype.append(("t", "<u4"))
    values = np.zeros(len(points), dtype)
    for i, name in enumerate(names):
        values[name] = np.asarray(points, float)[:, i]
    if times is not None:
        values["t"] = np.asarray(times) * 1e9
    message = PointCloud2(
        height=1,
        width=len(points),
        fields=fields,
        point_step=values.itemsize,
        row_step=values.nbytes,
    )
    message.header.frame_id = frame
    message.header.stamp.sec, message.header.stamp.nanosec = divmod(stamp, SECOND)
    message.data.frombytes(values.tobytes())
    return message


def projector(values=VALUES, transforms=None):
    made = CloudProjector(values, transforms or Driving())
    made.store(camera_info())
    return made


def depth_of(made, message):
    """Depth by (row, column) of a cloud that has just arrived."""
    made.receive(message)
    depth = made.project(message).projection.depth
    return {(int(v), int(u)): round(float(depth[v, u]), 3) for v, u in np.argwhere(depth)}


def test_a_cloud_becomes_sparse_depth_in_the_cameras_frame():
    result = projector().project(cloud([(10, -1, 0.5), (-10, 0, 0)]))
    assert result.frame_id == "camera"
    assert result.projection.depth.shape == (41, 81)
    assert np.argwhere(result.projection.depth).tolist() == [[15, 50]]


def test_the_transform_is_that_at_the_clouds_stamp():
    transforms = Driving()
    values = replace(VALUES, camera_frame="other", extrinsics_timeout=0.3)
    result = projector(values, transforms).project(cloud([(10, 0, 0)], START + 5))
    assert transforms.asked == [("other", "lidar", START + 5, 0.3)]
    assert result.frame_id == "other"


def test_without_calibration_nothing_is_projected():
    made = CloudProjector(VALUES, Driving())
    with pytest.raises(MissingCameraInfoError, match="camera_info"):
        made.project(cloud([(10, 0, 0)]))


def test_an_unusable_calibration_leaves_the_last_good_one():
    made = projector()
    with pytest.raises(UnusableCameraInfoError):
        made.store(camera_info(focal=0.0))
    assert depth_of(made, cloud([(10, 0, 0)])) == {(20, 40): 10}


def test_a_new_calibration_is_used_from_the_next_cloud_on():
    made = projector()
    made.store(camera_info(focal=200.0))
    assert depth_of(made, cloud([(10, -1, 0)])) == {(20, 60): 10}


def test_parameters_are_used_from_the_next_cloud_on():
    made = projector()
    message = cloud([(10, -3, 0), (30, 0, 0)])
    assert depth_of(made, message) == {(20, 70): 10, (20, 40): 30}
    made.change(replace(VALUES, rectified=False, range_max=20.0))
    # 0.3 (1 - 0.5 * 0.09) of the raw image.
    assert depth_of(made, message) == {(20, 69): 10}
    made.change(replace(VALUES, range_min=20.0))
    assert depth_of(made, message) == {(20, 40): 30}


@pytest.mark.parametrize("points", [[(-10, 0, 0)], [(10, 50, 0), (0, 0, 0)], np.empty((0, 3))])
def test_a_cloud_beside_the_image_is_told(points):
    with pytest.raises(NoPointsInImageError, match="check the extrinsics"):
        projector().project(cloud(points))


def test_a_stamp_before_all_time_is_refused():
    with pytest.raises(NegativeStampError, match="stamp of -2 s"):
        projector().project(cloud([(10, 0, 0)], -2 * SECOND))


def test_a_missing_transform_costs_its_cloud_only():
    made = projector(replace(VALUES, camera_frame="nowhere"))
    with pytest.raises(TransformError):
        made.project(cloud([(10, 0, 0)]))
    made.change(VALUES)
    assert depth_of(made, cloud([(10, 0, 0)])) == {(20, 40): 10}


def test_sweeps_are_projected_together_from_where_the_lidar_is():
    made = projector(MOVING, Driving(speed=20.0))
    still = 30.0
    assert depth_of(made, cloud([(still, 0, 0)])) == {(20, 40): 30}
    # 0.1 s and 2 m later another thing is seen.
    assert depth_of(made, cloud([(10, -1, 0)], START + SECOND // 10)) == {
        (20, 50): 10,
        (20, 40): 28,
    }
    assert len(depth_of(made, cloud([(10, 1, 0)], START + SECOND // 5))) == 2


def test_sweeps_that_found_no_image_are_projected_with_later_ones():
    made = projector(replace(MOVING, sweeps_count=3), Driving(speed=20.0))
    made.receive(cloud([(50.0, 0, 0)], START - SECOND // 10))
    made.receive(cloud([(30.0, 0, 0)]))
    now, later = (cloud([(10, -y, 0)], START + y * SECOND // 10) for y in (1, 2))
    made.receive(later)  # which arrives before the one before it is projected
    assert depth_of(made, now) == {(20, 50): 10, (20, 40): 28}
    assert len(depth_of(made, later)) == 3


def test_a_sweep_is_made_once_and_one_that_cannot_be_is_told_once():
    transforms = Driving()
    made = projector(replace(MOVING, sweeps_count=4), transforms)
    bad = cloud([(30, 0, 0)])
    bad.fields[0].name = "a"
    made.receive(bad)
    told = []
    for index in range(1, 4):
        message = cloud([(10, -index, 0)], START + index)
        made.receive(message)
        told.append([type(error) for error in made.project(message).doubts])
    assert told == [[PointFieldError], [], []]
    asked = [stamp - START for target, _, stamp, _ in transforms.asked if target == "odom"]
    assert asked == [1, 2, 3]


def test_a_transform_that_was_not_waited_for_is_looked_for_again():
    transforms = Driving()
    made = projector(replace(MOVING, sweeps_fixed_frame="nowhere"), transforms)
    clouds = [cloud([(10, -i, 0)], START + i) for i in range(2)]
    for message in clouds:
        made.receive(message)
    with pytest.raises(TransformError):
        made.project(clouds[1], wait=False)
    made.change(MOVING)
    assert len(depth_of(made, clouds[1])) == 2


def test_a_cloud_that_several_images_get_keeps_the_sweeps_before_it():
    made = projector(MOVING, Driving(speed=20.0))
    made.receive(cloud([(30.0, 0, 0)]))
    message = cloud([(10, -1, 0)], START + SECOND // 10)
    for _ in range(2):
        assert depth_of(made, message) == {(20, 50): 10, (20, 40): 28}


def test_forgets_the_sweeps_and_waits_no_more_when_it_is_stopped():
    transforms = Driving()
    made = projector(MOVING, transforms)
    made.receive(cloud([(30, 0, 0)]))
    made.stop()
    assert not transforms.waits
    made.start()
    assert transforms.waits
    assert depth_of(made, cloud([(10, -1, 0)], START + 1)) == {(20, 50): 10}


def test_waits_for_a_transform_only_if_it_may():
    transforms = Driving()
    made = projector(replace(MOVING, extrinsics_timeout=0.3), transforms)
    made.project(cloud([(10, 0, 0)]), wait=False)
    assert {timeout for *_, timeout in transforms.asked} == {0.0}
    made.project(cloud([(10, 0, 0)], START + 1))
    assert {timeout for *_, timeout in transforms.asked} == {0.0, 0.3}


def test_a_sweep_of_another_lidar_starts_anew():
    made = projector(MOVING)
    made.receive(cloud([(30, 0, 0)]))
    message = cloud([(10, -1, 0)], START + 1, frame="rear_lidar")
    assert depth_of(made, message) == {(20, 50): 10}


def test_time_that_goes_back_forgets_sweeps_and_transforms():
    transforms = Driving()
    made = projector(MOVING, transforms)
    depth_of(made, cloud([(30, 0, 0)], START + SECOND))
    depth_of(made, cloud([(30, 0, 0)], START + SECOND - SECOND // 10))  # overtaken, no restart
    assert (made.time_jumps, transforms.cleared) == (0, 0)
    assert depth_of(made, cloud([(10, -1, 0)], START)) == {(20, 50): 10}
    assert (made.time_jumps, transforms.cleared) == (1, 1)


def test_motion_during_a_sweep_is_compensated_by_the_times_of_the_points():
    speed, times = 20.0, np.array([0.0, 0.05, 0.1])
    transforms = Driving(speed)
    made = projector(COMPENSATING, transforms)
    # Three things that are 30 m ahead of where the LiDAR was at the stamp.
    measured = [(30 - speed * t, -3 * i, 0.0) for i, t in enumerate(times)]
    seen = depth_of(made, cloud(measured, times=times))
    assert seen == {(20, 40): 30, (20, 50): 30, (20, 60): 30}
    asked = [stamp for target, _, stamp, _ in transforms.asked if target == "odom"]
    assert min(asked) == START
    assert max(asked) == START + SECOND // 10
    assert len(asked) == 5


def test_compensation_needs_times():
    with pytest.raises(PointTimeError):
        projector(COMPENSATING).project(cloud([(10, 0, 0)]))


def test_another_pose_by_parameters_is_used_from_the_next_cloud_on():
    made = projector()
    pose = {"extrinsics_source": "parameter", "extrinsics_rotation": (0.5, -0.5, 0.5, 0.5)}
    for x, column in ((1.0, 50), (-1.0, 30)):
        made.change(replace(VALUES, extrinsics_translation=(x, 0.0, 0.0), **pose))
        assert depth_of(made, cloud([(10, 0, 0)])) == {(20, column): 10}
