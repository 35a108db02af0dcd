"""Rendered scenes as frames with depth, for the teacher and the student."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from starrygazer_training import datasets
from starrygazer_training.datasets import Frame
from starrygazer_training.renders import FARTHEST, decode_depth, make_renders, render_paths

RENDERS = "renders"


def render_folder(work: Path) -> Path:
    """Where the rendered scenes lie; they depend on no network."""
    return work / "cache" / RENDERS


def rendered_frames(root: Path, work: Path, count: int) -> list[Frame]:
    """The first ``count`` scenes; those that are missing are rendered now.

    The sky is at the farthest depth here, because a monocular network has to say so.
    """
    folder = render_folder(work)
    make_renders([frame.image_path for frame in datasets.photographs(root)], folder, count)
    return [
        Frame(RENDERS, folder, *render_paths(folder, index), _with_far_sky)
        for index in range(count)
    ]


def _with_far_sky(code: NDArray[Any]) -> NDArray[np.floating]:
    depth = decode_depth(code)
    return np.where(depth > 0, depth, np.float32(FARTHEST))
