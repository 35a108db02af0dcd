"""The CameraInfo that holds for an image, of those that have arrived."""

from __future__ import annotations

import threading
from bisect import bisect_right
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from starrygazer_ros.camera_models import image_size, sensor_to_image
from starrygazer_ros.completion import Intrinsics
from starrygazer_ros.headers import frame_of, plain_frame, stamp_of
from starrygazer_ros.messages import (
    MessageError,
    UnusableCameraInfoError,
    intrinsics_from_message,
)

if TYPE_CHECKING:
    from sensor_msgs.msg import CameraInfo

LARGEST_CACHE = 16  # cameras times image sizes
LARGEST_HISTORY = 64  # changes of one camera, as many as images may wait for their turn and more


class MissingCameraInfoError(MessageError):
    """No CameraInfo of the image's frame and size has arrived."""

    cause = "no_camera_info"


@dataclass(frozen=True, eq=False)
class Calibration:
    """A usable CameraInfo and the image that it describes.

    Attributes:
        camera_info: as it came; its matrices are those of the sensor.
        to_image: float64 [3, 3], pixels of the sensor to those of the image.
        intrinsics: of the rectified image.
    """

    camera_info: CameraInfo
    to_image: NDArray[np.float64]
    intrinsics: Intrinsics

    def matrices(self, size: tuple[int, int]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """K and P of an image that shows the same with other pixels, as :meth:`Intrinsics.scaled`.

        Args:
            size: its rows and columns.

        Returns:
            float64 [9] and [12], row by row; the translation of P is scaled, too.
        """
        rows, columns = size[0] / self.intrinsics.height, size[1] / self.intrinsics.width
        shrink = np.array([[columns, 0, columns / 2 - 0.5], [0, rows, rows / 2 - 0.5], [0, 0, 1]])
        with np.errstate(over="ignore", invalid="ignore"):  # of numbers that mean nothing
            k = shrink @ self.to_image @ np.reshape(self.camera_info.k, (3, 3))
            p = shrink @ self.to_image @ np.reshape(self.camera_info.p, (3, 4))
        return k.ravel(), p.ravel()


def of_image(camera_info: CameraInfo) -> Calibration:
    """Calibration of the image that binning and region of interest make of the sensor's.

    Raises:
        UnusableCameraInfoError: no usable calibration.
    """
    sensor, to_image = intrinsics_from_message(camera_info), sensor_to_image(camera_info)
    cx, cy, _ = to_image @ (sensor.cx, sensor.cy, 1.0)
    fx, fy = sensor.fx * to_image[0, 0], sensor.fy * to_image[1, 1]
    try:
        intrinsics = Intrinsics(fx, fy, float(cx), float(cy), *image_size(camera_info))
    except ValueError as error:
        raise UnusableCameraInfoError(
            f"camera_info of frame '{camera_info.header.frame_id}' cannot be used: with its "
            f"binning and region of interest, {error}"
        ) from error
    return Calibration(camera_info, to_image, intrinsics)


def of_sensor(camera_info: CameraInfo) -> Calibration:
    """Calibration of an image of the whole sensor, whatever binning and region of interest say.

    Raises:
        UnusableCameraInfoError: no usable calibration.
    """
    return Calibration(camera_info, np.eye(3), intrinsics_from_message(camera_info))


@dataclass
class _Changes:
    """What a camera has said of one image size, by stamp; the last one came last."""

    stamps: list[int] = field(default_factory=list)
    calibrations: list[Calibration] = field(default_factory=list)

    def add(self, stamp: int, calibration: Calibration) -> None:
        """Take what holds from a stamp on; all from behind it was before time went back."""
        first_behind = bisect_right(self.stamps, stamp)
        del self.stamps[first_behind:], self.calibrations[first_behind:]
        if self.stamps and said(self.calibrations[-1].camera_info) == said(calibration.camera_info):
            return
        self.stamps.append(stamp)
        self.calibrations.append(calibration)
        del self.stamps[:-LARGEST_HISTORY], self.calibrations[:-LARGEST_HISTORY]

    def at(self, stamp: int | None) -> Calibration:
        """The newest up to a stamp, else the first; without a stamp the newest of all."""
        if stamp is None:
            return self.calibrations[-1]
        return self.calibrations[max(bisect_right(self.stamps, stamp) - 1, 0)]


class CalibrationCache:
    """CameraInfo by frame, size and stamp, so that a lost one costs nothing.

    Thread-safe. Beyond ``LARGEST_CACHE`` entries the one that was stored longest ago leaves.

    Attributes:
        received: CameraInfo messages so far, the unusable ones included.
    """

    def __init__(self) -> None:
        self.received = 0
        self._lock = threading.Lock()
        # By frame, width and height of the image, width and height of the sensor.
        self._changes: dict[tuple[str, int, int, int, int], _Changes] = {}

    def store(self, camera_info: CameraInfo) -> None:
        """Keep a CameraInfo; one that cannot be used leaves the last good one in place.

        Raises:
            UnusableCameraInfoError: no usable calibration.
        """
        self.received += 1
        calibration = of_image(camera_info)
        size = image_size(camera_info)
        key = (frame_of(camera_info), *size, camera_info.width, camera_info.height)
        with self._lock:
            changes = self._changes.pop(key, None) or _Changes()
            changes.add(stamp_of(camera_info), calibration)
            self._changes[key] = changes  # so that the newest comes last
            if len(self._changes) > LARGEST_CACHE:
                del self._changes[next(iter(self._changes))]

    def clear(self) -> None:
        """Forget all."""
        with self._lock:
            self._changes.clear()

    def find(self, frame_id: str, width: int, height: int, stamp: int | None = None) -> Calibration:
        """Calibration of an image: by its binning and region of interest of this size, else whole.

        Args:
            frame_id: of the image.
            width: of the image in pixels.
            height: of the image in pixels.
            stamp: of the image in nanoseconds; ``None`` = the newest calibration.

        Raises:
            MissingCameraInfoError: none of this frame and size; says which ones there are.
        """
        with self._lock:
            of_frame = [
                (key[1:3], key[3:5], changes.at(stamp))
                for key, changes in reversed(self._changes.items())
                if key[0] == plain_frame(frame_id)
            ]
            others = list(self._changes)
        for size, _, calibration in of_frame:
            if size == (width, height):
                return calibration
        for _, sensor, calibration in of_frame:
            if sensor == (width, height):
                return of_sensor(calibration.camera_info)
        known = ", ".join(f"'{f}' {w}x{h}" for f, w, h, *_ in others) or "none"
        raise MissingCameraInfoError(
            f"no usable camera_info for images of frame '{frame_id}', {width}x{height} "
            f"(received: {known}): its publisher has to send the images' frame_id and size"
        )


def said(camera_info: Any) -> tuple[Any, ...]:
    """What a CameraInfo says, to be compared; frame and size aside."""
    roi = camera_info.roi
    return (
        camera_info.distortion_model,
        *(tuple(getattr(camera_info, name)) for name in "dkrp"),
        (camera_info.binning_x, camera_info.binning_y),
        (roi.x_offset, roi.y_offset, roi.height, roi.width, roi.do_rectify),
    )
