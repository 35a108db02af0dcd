from __future__ import annotations

import time
from types import SimpleNamespace

import numpy as np
import pytest

from starrygazer_ros.calibration import MissingCameraInfoError
from starrygazer_ros.cloud_projector import CloudProjector
from starrygazer_ros.completion import SizeMismatchError
from starrygazer_ros.pairs import OtherFrameError, PairReader
from starrygazer_ros.projection_parameters import CloudParameters
from starrygazer_ros.transforms import FixedTransform

HEIGHT, WIDTH = 20, 30
IMAGE = np.full((HEIGHT, WIDTH, 3), 7, np.uint8)
ROI = SimpleNamespace(x_offset=0, y_offset=0, width=0, height=0, do_rectify=False)


def message(frame="camera", **fields):
    stamp = SimpleNamespace(sec=5, nanosec=0)
    return SimpleNamespace(header=SimpleNamespace(frame_id=frame, stamp=stamp), **fields)


def camera_info(frame="camera", width=WIDTH, height=HEIGHT, focal=10.0, **fields):
    p = [focal, 0, width / 2 - 0.5, 0, 0, focal, height / 2 - 0.5, 0, 0, 0, 1, 0]
    same = {"k": [0.0] * 9, "r": [0.0] * 9, "d": [], "distortion_model": "", "roi": ROI}
    binned = {"binning_x": 0, "binning_y": 0}
    values = {**same, **binned, "p": p, "width": width, "height": height, **fields}
    return message(frame, **values)


def cloud(points):
    values = np.array(points, np.float32)
    return message(
        "lidar",
        width=len(points),
        height=1,
        fields=[
            SimpleNamespace(name=name, offset=4 * i, datatype=7, count=1)
            for i, name in enumerate("xyz")
        ],
        point_step=12,
        row_step=12 * len(points),
        is_bigendian=False,
        data=values.tobytes(),
    )


def projecting(image=IMAGE):
    values = CloudParameters(extrinsics_source="parameter", filter_occluded=False)
    still = FixedTransform((0.0, 0.0, 0.0), (0.0, 0.0, 0.0, 1.0))
    return PairReader(lambda _: image, CloudProjector(values, still))


def test_arrays_of_one_size_stay_as_they_are():
    depth = np.eye(HEIGHT, WIDTH, dtype=np.float32)
    arrays = PairReader(lambda _: IMAGE, lambda _: depth).read(message(), message())
    assert arrays.image is IMAGE
    assert arrays.sparse_depth is depth
    assert arrays.hidden == 0


def test_sparse_depth_of_another_size_is_moved_by_both_calibrations():
    half = np.zeros((HEIGHT // 2, WIDTH // 2), np.float32)
    half[4, 5] = 3.0
    reader = PairReader(lambda _: IMAGE, lambda _: half)
    with pytest.raises(SizeMismatchError, match=r"15x10, the image 30x20.*camera_info"):
        reader.read(message(), message("range"))
    reader.calibrations.store(camera_info())
    reader.sparse_calibrations.store(
        camera_info("range", width=WIDTH // 2, height=HEIGHT // 2, focal=5.0)
    )
    arrays = reader.read(message(), message("range"))
    assert arrays.sparse_depth.shape == (HEIGHT, WIDTH)
    (place,) = np.argwhere(arrays.sparse_depth)
    assert np.abs(place - (2 * 4 + 0.5, 2 * 5 + 0.5)).max() <= 0.5


@pytest.mark.parametrize(
    ("frame", "doubted"), [("camera", False), ("/camera", False), ("", False), ("depth", True)]
)
def test_doubts_sparse_depth_of_another_frame(frame, doubted):
    depth = np.eye(HEIGHT, WIDTH, dtype=np.float32)
    arrays = PairReader(lambda _: IMAGE, lambda _: depth).read(message(), message(frame))
    assert arrays.sparse_depth is depth
    assert [type(doubt) for doubt in arrays.doubts] == doubted * [OtherFrameError]
    if doubted:
        assert "in frame 'depth', the image in 'camera'" in str(arrays.doubts[0])


def test_a_cloud_is_projected_by_the_calibration_of_its_image():
    reader = projecting()
    with pytest.raises(MissingCameraInfoError, match="of frame 'camera', 30x20"):
        reader.read(message(), cloud([(0, 0, 2)]))
    reader.calibrations.store(camera_info())
    reader.calibrations.store(camera_info("rear", focal=20.0))  # of another camera
    points = cloud([(1.06, 0.1, 2), (0.12, 0.1, 4)])
    for frame, columns in (("camera", [15, 20]), ("rear", [15, 25])):
        depth = reader.read(message(frame), points).sparse_depth
        assert np.flatnonzero(depth.any(axis=0)).tolist() == columns
        assert depth.max() == 4


def test_a_cloud_is_projected_by_the_calibration_of_its_images_stamp():
    reader = projecting()
    reader.calibrations.store(camera_info())
    later = camera_info(focal=20.0)
    later.header.stamp.sec = 6
    reader.calibrations.store(later)
    depth = reader.read(message(), cloud([(1.06, 0.1, 2)])).sparse_depth
    assert np.flatnonzero(depth.any(axis=0)).tolist() == [20]


def test_a_cloud_is_projected_into_a_binned_part_of_the_sensor():
    part = SimpleNamespace(x_offset=4, y_offset=2, width=20, height=16, do_rectify=False)
    reader = projecting(image=IMAGE[:8, :10])
    reader.calibrations.store(camera_info(binning_x=2, binning_y=2, roi=part))
    arrays = reader.read(message(), cloud([(0.0, 0.0, 2)]))
    assert arrays.sparse_depth.shape == (8, 10)
    # The optical axis meets the sensor at 14.5, 9.5: (14.5 - 4) / 2 and (9.5 - 2) / 2.
    assert np.argwhere(arrays.sparse_depth).tolist() == [[4, 5]]


def test_an_image_that_is_not_that_of_its_binning_is_refused():
    reader = projecting()
    reader.calibrations.store(camera_info(binning_x=2, binning_y=2))
    with pytest.raises(SizeMismatchError, match="image of 15x10 by its binning"):
        reader.read(message(), cloud([(0.1, 0.1, 2)]))


def test_tells_what_reading_and_projecting_took():
    depth = np.eye(HEIGHT, WIDTH, dtype=np.float32)
    arrays = PairReader(lambda _: IMAGE, lambda _: depth).read(message(), message())
    assert set(arrays.timings) == {"convert"}
    reader = projecting()
    reader.calibrations.store(camera_info())
    reader.projector.project = taking(0.02, reader.projector.project)
    arrays = reader.read(message(), cloud([(0.1, 0.1, 2)]))
    assert set(arrays.timings) == {"convert", "projection"}
    assert 0 <= arrays.timings["convert"] < 0.02 <= arrays.timings["projection"]


def taking(seconds, function):
    def slowed(*arguments, **named):
        time.sleep(seconds)
        return function(*arguments, **named)

    return slowed
