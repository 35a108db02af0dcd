"""A node that is camera and LiDAR at once: a window pans over a photograph with measured depth."""

from __future__ import annotations

import sys

import rclpy
from rcl_interfaces.msg import FloatingPointRange, ParameterDescriptor
from rclpy.executors import ExternalShutdownException
from rclpy.node import Node
from rclpy.qos import QoSProfile, ReliabilityPolicy
from sensor_msgs.msg import CameraInfo, Image
from std_msgs.msg import Header

from starrygazer_ros.demo.pan import Frame, Pan
from starrygazer_ros.output_messages import depth_to_message, rgb_to_message

FRAME_ID = "camera_optical_frame"
WINDOWS = 60  # of one way around the photograph
# Fast DDS drops large best-effort images between processes that have not loaded its profile.
QOS = QoSProfile(depth=1, reliability=ReliabilityPolicy.RELIABLE)


class FramePublishers:
    """The three topics of a camera and of a LiDAR that is projected into it.

    Args:
        node: that publishes.
        image: topic of the image.
        camera_info: topic of its calibration.
        sparse_depth: topic of the sparse depth.
        qos: of all three.
    """

    def __init__(
        self, node: Node, image: str, camera_info: str, sparse_depth: str, qos: QoSProfile
    ) -> None:
        self._image = node.create_publisher(Image, image, qos)
        self._camera_info = node.create_publisher(CameraInfo, camera_info, qos)
        self._sparse_depth = node.create_publisher(Image, sparse_depth, qos)

    @property
    def subscriptions(self) -> int:
        """How many listen to each of them."""
        publishers = (self._image, self._camera_info, self._sparse_depth)
        return min(publisher.get_subscription_count() for publisher in publishers)

    def publish_camera_info(self, frame: Frame, header: Header) -> None:
        """Publish the calibration alone."""
        self._camera_info.publish(_camera_info(frame, header))

    def publish(self, frame: Frame, header: Header) -> None:
        """Publish all three, the image last."""
        self.publish_camera_info(frame, header)
        self._sparse_depth.publish(depth_to_message(frame.sparse_depth, header, "32FC1"))
        self._image.publish(rgb_to_message(frame.image, header))


class DemoCamera(Node):
    """Publishes ``image``, ``camera_info`` and ``sparse_depth`` at the parameter ``rate`` [Hz]."""

    def __init__(self) -> None:
        super().__init__("demo_camera")
        rate = self.declare_parameter(
            "rate",
            2.0,
            ParameterDescriptor(
                description="Frames a second.",
                read_only=True,
                floating_point_range=[FloatingPointRange(from_value=0.01, to_value=1000.0)],
            ),
        ).value
        self._topics = FramePublishers(self, "image", "camera_info", "sparse_depth", QOS)
        self._pan = Pan(WINDOWS)
        self._next = 0
        self.create_timer(1 / rate, self._publish)

    def _publish(self) -> None:
        header = Header(stamp=self.get_clock().now().to_msg(), frame_id=FRAME_ID)
        self._topics.publish(self._pan.frame(self._next), header)
        self._next = (self._next + 1) % WINDOWS


def main(arguments: list[str] | None = None) -> int:
    """Publish until SIGINT or SIGTERM; 1 if the photograph is not there."""
    rclpy.init(args=arguments)
    try:
        rclpy.spin(DemoCamera())
    except (KeyboardInterrupt, ExternalShutdownException):
        pass
    except (ImportError, OSError) as error:
        print(
            f"demo_camera: the photograph is missing ({error}): pip install 'scikit-image>=0.26', "
            "which carries it; older versions need the package pooch and the internet",
            file=sys.stderr,
        )
        return 1
    finally:
        rclpy.try_shutdown()
    return 0


def _camera_info(frame: Frame, header: Header) -> CameraInfo:
    camera = frame.intrinsics
    return CameraInfo(
        header=header,
        height=camera.height,
        width=camera.width,
        distortion_model="plumb_bob",
        d=[0.0] * 5,
        k=[camera.fx, 0.0, camera.cx, 0.0, camera.fy, camera.cy, 0.0, 0.0, 1.0],
        r=[1.0, 0.0, 0.0, 0.0, 1.0, 0.0, 0.0, 0.0, 1.0],
        p=[camera.fx, 0.0, camera.cx, 0.0, 0.0, camera.fy, camera.cy, 0.0, 0.0, 0.0, 1.0, 0.0],
    )


if __name__ == "__main__":
    sys.exit(main())
