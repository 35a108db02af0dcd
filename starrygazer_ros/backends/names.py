"""Names of back ends and precisions; apart, because they are needed before anything is loaded."""

from __future__ import annotations

# In the order in which auto tries them.
AUTO, TENSORRT, TENSORRT_RTX, OPENVINO, ONNXRUNTIME = BACKENDS = (
    "auto",
    "tensorrt",
    "tensorrt_rtx",
    "openvino",
    "onnxruntime",
)
FP32, FP16, BF16, INT8 = "fp32", "fp16", "bf16", "int8"
PRECISIONS = (AUTO, FP32, FP16, BF16, INT8)
