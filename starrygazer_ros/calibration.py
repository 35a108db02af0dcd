"""The last good CameraInfo of each camera frame and image size."""

from __future__ import annotations

import threading
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from starrygazer_ros.camera_models import image_size
from starrygazer_ros.completion import Intrinsics
from starrygazer_ros.messages import MessageError, intrinsics_from_message

if TYPE_CHECKING:
    from sensor_msgs.msg import CameraInfo

LARGEST_CACHE = 16  # cameras times image sizes


class MissingCameraInfoError(MessageError):
    """No CameraInfo of the image's frame and size has arrived."""

    cause = "no_camera_info"


@dataclass(frozen=True)
class Calibration:
    """A usable CameraInfo and what it says."""

    camera_info: CameraInfo
    intrinsics: Intrinsics


class CalibrationCache:
    """CameraInfo by frame and size, so that a lost one costs nothing.

    Thread-safe. Beyond ``LARGEST_CACHE`` entries the one that was stored longest ago leaves.

    Attributes:
        received: CameraInfo messages so far, the unusable ones included.
    """

    def __init__(self) -> None:
        self.received = 0
        self._lock = threading.Lock()
        self._calibrations: dict[tuple[str, int, int], Calibration] = {}

    def store(self, camera_info: CameraInfo) -> None:
        """Keep a CameraInfo; one that cannot be used leaves the last good one in place.

        Raises:
            UnusableCameraInfoError: no usable calibration.
        """
        self.received += 1
        calibration = Calibration(camera_info, intrinsics_from_message(camera_info))
        key = camera_info.header.frame_id, camera_info.width, camera_info.height
        with self._lock:
            self._calibrations.pop(key, None)  # so that the newest comes last
            self._calibrations[key] = calibration
            if len(self._calibrations) > LARGEST_CACHE:
                del self._calibrations[next(iter(self._calibrations))]

    def find(self, frame_id: str, width: int, height: int) -> Calibration:
        """Calibration of an image.

        Raises:
            MissingCameraInfoError: none of this frame and size; says which ones there are.
        """
        with self._lock:
            calibration = self._calibrations.get((frame_id, width, height))
            others = list(self._calibrations)
        if calibration is None:
            known = ", ".join(f"'{f}' {w}x{h}" for f, w, h in others) or "none"
            raise MissingCameraInfoError(
                f"no usable camera_info for images of frame '{frame_id}', {width}x{height} "
                f"(received: {known}): what needs it is left out"
            )
        return calibration

    def find_binned(self, frame_id: str, width: int, height: int) -> Calibration:
        """Newest calibration whose binning and region of interest give an image of this size.

        If there is none, that of a sensor of this size. Its intrinsics are those of the sensor.

        Raises:
            MissingCameraInfoError: none of this frame and size; says which ones there are.
        """
        with self._lock:
            newest_first = list(reversed(self._calibrations.values()))
        for calibration in newest_first:
            camera_info = calibration.camera_info
            if (camera_info.header.frame_id, image_size(camera_info)) == (
                frame_id,
                (width, height),
            ):
                return calibration
        return self.find(frame_id, width, height)


def scaled_matrices(
    camera_info: CameraInfo, size: tuple[int, int]
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """K and P of an image that shows the same with other pixels, as in :meth:`Intrinsics.scaled`.

    Args:
        camera_info: of the original image.
        size: rows and columns of the other one.

    Returns:
        float64 [9] and [12], row by row; the translation of P is scaled, too.
    """
    rows, columns = size[0] / camera_info.height, size[1] / camera_info.width
    shrink = np.array([[columns, 0, columns / 2 - 0.5], [0, rows, rows / 2 - 0.5], [0, 0, 1]])
    k = shrink @ np.reshape(camera_info.k, (3, 3))
    p = shrink @ np.reshape(camera_info.p, (3, 4))
    return k.ravel(), p.ravel()
