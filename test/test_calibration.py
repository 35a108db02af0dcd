from __future__ import annotations

import sys
import threading

import pytest

pytest.importorskip("sensor_msgs", reason="sensor_msgs is needed: see requirements/")

from sensor_msgs.msg import CameraInfo, RegionOfInterest

from starrygazer_ros.calibration import (
    LARGEST_CACHE,
    LARGEST_HISTORY,
    CalibrationCache,
    MissingCameraInfoError,
)
from starrygazer_ros.completion import Intrinsics
from starrygazer_ros.messages import UnusableCameraInfoError


def camera_info(focal=50.0, frame="camera", width=64, height=48, stamp=0, **values):
    info = CameraInfo(width=width, height=height, **values)
    info.header.frame_id = frame
    info.header.stamp.nanosec = stamp
    info.k = [focal, 0.0, 32.0, 0.0, focal, 24.0, 0.0, 0.0, 1.0]
    return info


def test_gives_the_newest_calibration_of_a_frame_and_size():
    cache = CalibrationCache()
    cache.store(camera_info(focal=50.0))
    cache.store(camera_info(focal=60.0))
    cache.store(camera_info(focal=70.0, width=128))
    cache.store(camera_info(focal=80.0, frame="other"))
    assert cache.find("camera", 64, 48).intrinsics.fx == 60.0
    assert cache.find("camera", 128, 48).camera_info.k[0] == 70.0


@pytest.mark.parametrize(("stored", "asked"), [("/camera", "camera"), ("camera", "/camera")])
def test_a_slash_in_front_of_a_frame_is_none(stored, asked):
    cache = CalibrationCache()
    cache.store(camera_info(frame=stored))
    assert cache.find(asked, 64, 48).camera_info.header.frame_id == stored


def test_says_what_is_there_instead_of_what_is_missing():
    cache = CalibrationCache()
    with pytest.raises(MissingCameraInfoError, match="received: none"):
        cache.find("camera", 64, 48)
    cache.store(camera_info(width=128))
    with pytest.raises(MissingCameraInfoError, match="'camera' 128x48"):
        cache.find("camera", 64, 48)


def test_a_useless_camera_info_leaves_the_last_good_one():
    cache = CalibrationCache()
    cache.store(camera_info())
    with pytest.raises(UnusableCameraInfoError):
        cache.store(camera_info(focal=0.0))
    assert cache.find("camera", 64, 48).intrinsics.fx == 50.0
    assert cache.received == 2


def focal_lengths(cache, *stamps):
    return [cache.find("camera", 64, 48, stamp).intrinsics.fx for stamp in stamps]


def test_an_image_gets_the_calibration_of_its_stamp():
    cache = CalibrationCache()
    for stamp, focal in ((10, 50.0), (15, 50.0), (20, 60.0), (30, 70.0)):  # a zoom lens
        cache.store(camera_info(focal, stamp=stamp))
    assert focal_lengths(cache, 5, 10, 19, 20, 29, 30, 99) == [50, 50, 50, 60, 60, 70, 70]
    assert cache.find("camera", 64, 48).intrinsics.fx == 70


def test_a_calibration_from_before_time_went_back_does_not_stay():
    cache = CalibrationCache()
    for stamp, focal in ((10, 50.0), (20, 60.0), (10, 70.0)):
        cache.store(camera_info(focal, stamp=stamp))
    assert focal_lengths(cache, 10, 20) == [70, 70]


def test_a_camera_without_stamps_has_its_last_calibration():
    cache = CalibrationCache()
    cache.store(camera_info(50.0))
    cache.store(camera_info(60.0))
    assert focal_lengths(cache, 0, 99) == [60, 60]


def test_remembers_so_many_changes_of_one_camera():
    cache = CalibrationCache()
    for stamp in range(2 * LARGEST_HISTORY):
        cache.store(camera_info(50.0 + stamp, stamp=stamp))
    last = 2 * LARGEST_HISTORY - 1
    assert focal_lengths(cache, last - LARGEST_HISTORY + 2) == [50 + last - LARGEST_HISTORY + 2]
    assert focal_lengths(cache, 0) == [50 + last - LARGEST_HISTORY + 1]


def test_the_intrinsics_are_those_of_the_binned_part_of_the_sensor():
    cache = CalibrationCache()
    part = RegionOfInterest(x_offset=10, y_offset=4, width=40, height=32)
    cache.store(camera_info(binning_x=2, binning_y=4, roi=part))
    intrinsics = cache.find("camera", 20, 8).intrinsics
    assert intrinsics == Intrinsics(25.0, 12.5, 11.0, 5.0, 20, 8)


def test_prefers_the_image_of_a_size_to_the_sensor_of_it():
    cache = CalibrationCache()
    cache.store(camera_info(focal=50.0, width=128, height=96, binning_x=2, binning_y=2))
    cache.store(camera_info(focal=60.0, binning_x=2, binning_y=2))  # a driver that errs
    assert cache.find("camera", 64, 48).intrinsics.fx == 25
    assert cache.find("camera", 128, 96).intrinsics.fx == 50
    assert cache.find("camera", 32, 24).intrinsics.fx == 30


def test_a_binning_that_leaves_nothing_is_refused():
    with pytest.raises(UnusableCameraInfoError, match=r"binning.*size must be positive"):
        CalibrationCache().store(camera_info(binning_x=100))


def test_forgets_all_when_it_is_cleared():
    cache = CalibrationCache()
    cache.store(camera_info())
    cache.clear()
    with pytest.raises(MissingCameraInfoError, match="received: none"):
        cache.find("camera", 64, 48)


def test_forgets_what_was_stored_longest_ago_beyond_its_size():
    cache = CalibrationCache()
    for index in range(LARGEST_CACHE):
        cache.store(camera_info(frame=f"camera {index}"))
    cache.store(camera_info(frame="camera 0"))  # again, so that camera 1 is the oldest now
    cache.store(camera_info(frame="one more"))
    for frame in ("camera 0", "camera 2", "one more"):
        assert cache.find(frame, 64, 48)
    with pytest.raises(MissingCameraInfoError):
        cache.find("camera 1", 64, 48)


def test_may_be_searched_while_another_thread_stores():
    cache = CalibrationCache()
    cache.store(camera_info(frame="always there"))
    done = threading.Event()

    def store():
        for index in range(3000):
            if index % 5 == 0:
                cache.store(camera_info(frame="always there"))
            cache.store(camera_info(frame=f"camera {index}"))
        done.set()

    interval = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)
    thread = threading.Thread(target=store)
    thread.start()
    try:
        while not done.is_set():
            assert cache.find("always there", 64, 48)
            with pytest.raises(MissingCameraInfoError):
                cache.find("missing", 64, 48)
    finally:
        sys.setswitchinterval(interval)
        thread.join()
