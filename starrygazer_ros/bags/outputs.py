"""What one completed frame adds to a bag."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from starrygazer_ros.bags.messages import (
    CAMERA_INFO,
    IMAGE,
    POINT_CLOUD,
    camera_info_message,
    cloud_message,
    image_message,
)
from starrygazer_ros.bags.recording import TYPES
from starrygazer_ros.calibration import Calibration
from starrygazer_ros.clouds import make_cloud
from starrygazer_ros.completion.resizing import ScaledResult
from starrygazer_ros.completion_parameters import CompletionParameters
from starrygazer_ros.depth_encodings import METRES, encode_depth

# As the node's topics are called, behind its namespace.
DENSE, CAMERA_INFO_OUTPUT, POINTS, CONFIDENCE = OUTPUTS = (
    "depth/dense",
    "depth/camera_info",
    "depth/points",
    "depth/confidence",
)
OUTPUT_TYPES = {
    DENSE: IMAGE,
    CAMERA_INFO_OUTPUT: CAMERA_INFO,
    POINTS: POINT_CLOUD,
    CONFIDENCE: IMAGE,
}
NEED_CALIBRATION = (CAMERA_INFO_OUTPUT, POINTS)


def serialized_outputs(
    scaled: ScaledResult,
    header: Any,
    calibration: Calibration | None,
    values: CompletionParameters,
    wanted: tuple[str, ...],
) -> dict[str, bytes]:
    """Messages of a frame by output, as a bag holds them.

    Args:
        scaled: completed depth.
        header: of the camera image.
        calibration: of the camera image; without it what needs it is left out.
        values: encodings and the contents of the cloud.
        wanted: some of ``OUTPUTS``.
    """
    size = scaled.height, scaled.width

    def camera_info() -> Any:
        assert calibration is not None
        return camera_info_message(calibration, header, size)

    def cloud() -> Any:
        assert calibration is not None
        intrinsics = calibration.intrinsics.scaled(*size)
        depth, confidence, options = scaled.depth, scaled.confidence, values.cloud_options()
        return cloud_message(
            make_cloud(depth, scaled.image, confidence, intrinsics, options), header
        )

    make: dict[str, Callable[[], Any]] = {
        DENSE: lambda: image_message(
            encode_depth(scaled.depth, values.depth_encoding), header, values.depth_encoding
        ),
        CAMERA_INFO_OUTPUT: camera_info,
        POINTS: cloud,
        CONFIDENCE: lambda: image_message(scaled.confidence, header, METRES),
    }
    return {
        name: bytes(TYPES.serialize_cdr(make[name](), OUTPUT_TYPES[name]))
        for name in wanted
        if calibration is not None or name not in NEED_CALIBRATION
    }
