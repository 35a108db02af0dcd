from __future__ import annotations

import sys
import threading

import pytest

pytest.importorskip("sensor_msgs", reason="sensor_msgs is needed: see requirements/")

from sensor_msgs.msg import CameraInfo

from starrygazer_ros.calibration import (
    LARGEST_CACHE,
    CalibrationCache,
    MissingCameraInfoError,
)
from starrygazer_ros.messages import UnusableCameraInfoError


def camera_info(focal=50.0, frame="camera", width=64, height=48):
    info = CameraInfo(width=width, height=height)
    info.header.frame_id = frame
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
