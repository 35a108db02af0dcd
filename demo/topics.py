"""Topic names and QoS that player, node and recorder agree on."""

from __future__ import annotations

IMAGE = "/camera/image_rect"
CAMERA_INFO = "/camera/camera_info"
SPARSE_DEPTH = "/lidar/sparse_depth"
DEPTH = "/depth/dense"
DEPTH_CAMERA_INFO = "/depth/camera_info"
POINTS = "/depth/points"
CONFIDENCE = "/depth/confidence"
DIAGNOSTICS = "/diagnostics"

# Fast DDS drops large best-effort images between processes (limit near 512 KiB), so all is
# reliable; with some depth so that no frame is lost while the recorder writes the last one.
QOS_DEPTH = 5

NODE_ARGUMENTS = [
    "--ros-args",
    *("-r", f"image:={IMAGE}"),
    *("-r", f"camera_info:={CAMERA_INFO}"),
    *("-r", f"sparse_depth:={SPARSE_DEPTH}"),
    *("-r", f"depth/dense:={DEPTH}"),
    *("-r", f"depth/camera_info:={DEPTH_CAMERA_INFO}"),
    *("-r", f"depth/points:={POINTS}"),
    *("-r", f"depth/confidence:={CONFIDENCE}"),
    *("-p", "qos.input_reliability:=reliable"),
    *("-p", f"qos.input_depth:={QOS_DEPTH}"),
    *("-p", f"qos.output_depth:={QOS_DEPTH}"),
]
