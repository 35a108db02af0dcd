from __future__ import annotations

import pytest

pytest.importorskip("sensor_msgs", reason="sensor_msgs is needed: see requirements/")

from sensor_msgs.msg import CameraInfo

from starrygazer_ros.calibration import CalibrationCache, MissingCameraInfoError
from starrygazer_ros.messages import ZeroFocalLengthError


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
    with pytest.raises(ZeroFocalLengthError):
        cache.store(camera_info(focal=0.0))
    assert cache.find("camera", 64, 48).intrinsics.fx == 50.0
