"""Publishers of the completion node; each message is only made when somebody listens."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from rclpy.lifecycle import LifecycleNode
from sensor_msgs.msg import CameraInfo, Image, PointCloud2
from std_msgs.msg import Header

from starrygazer_ros.calibration import Calibration
from starrygazer_ros.clouds import make_cloud
from starrygazer_ros.completion import CompletionResult
from starrygazer_ros.completion.resizing import ScaledResult
from starrygazer_ros.completion_parameters import CompletionParameters
from starrygazer_ros.output_messages import (
    camera_info_to_message,
    cloud_to_message,
    confidence_to_message,
    depth_to_message,
)
from starrygazer_ros.qos import output_profile


class Outputs:
    """The four output topics.

    Args:
        node: owner of the publishers.
        parameters: encodings and QoS.

    Attributes:
        publishers: all of them.
    """

    def __init__(self, node: LifecycleNode, parameters: CompletionParameters) -> None:
        qos = output_profile(parameters)
        self._node = node
        self._parameters = parameters
        self._depth = node.create_lifecycle_publisher(Image, "depth/dense", qos)
        self._camera_info = node.create_lifecycle_publisher(CameraInfo, "depth/camera_info", qos)
        self._points = node.create_lifecycle_publisher(PointCloud2, "depth/points", qos)
        self._confidence = node.create_lifecycle_publisher(Image, "depth/confidence", qos)
        self.publishers = (self._depth, self._camera_info, self._points, self._confidence)

    def change(self, parameters: CompletionParameters) -> None:
        """Use other encodings from the next message on; the QoS stays."""
        self._parameters = parameters

    def destroy(self) -> None:
        """Destroy the publishers."""
        for publisher in self.publishers:
            self._node.destroy_lifecycle_publisher(publisher)

    @property
    def wanted(self) -> bool:
        """Somebody listens to an output; camera_info, too, is only there for completed depth."""
        return any(_wanted(publisher) for publisher in self.publishers)

    @property
    def calibration_wanted(self) -> bool:
        """Somebody listens to an output that needs the camera's calibration."""
        return _wanted(self._camera_info) or _wanted(self._points)

    def scaled(self, result: CompletionResult, image: NDArray[np.uint8]) -> ScaledResult:
        """A completion and its image in the size of the outputs."""
        return ScaledResult(result, image, self._parameters.output_scale)

    def publish_depth(self, scaled: ScaledResult, header: Header) -> None:
        """Publish the dense depth."""
        if _wanted(self._depth):
            encoding = self._parameters.depth_encoding
            self._depth.publish(depth_to_message(scaled.depth, header, encoding))

    def publish_confidence(self, scaled: ScaledResult, header: Header) -> None:
        """Publish the confidence."""
        if _wanted(self._confidence):
            self._confidence.publish(confidence_to_message(scaled.confidence, header))

    def publish_calibrated(
        self, scaled: ScaledResult, header: Header, calibration: Calibration
    ) -> None:
        """Publish what needs the camera's calibration: camera_info and the cloud."""
        height, width = scaled.height, scaled.width
        if _wanted(self._camera_info):
            info = camera_info_to_message(calibration, header, (height, width))
            self._camera_info.publish(info)
        if _wanted(self._points):
            cloud = make_cloud(
                scaled.depth,
                scaled.image,
                scaled.confidence,
                calibration.intrinsics.scaled(height, width),
                self._parameters.cloud_options(),
            )
            self._points.publish(cloud_to_message(cloud, header))


def _wanted(publisher: object) -> bool:
    return publisher.get_subscription_count() > 0  # type: ignore[attr-defined]
