"""What every bundle that is made here needs at its end: hashes and a golden output."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import numpy as np
import yaml

from starrygazer_ros.backends.names import FP32, ONNXRUNTIME
from starrygazer_ros.backends.options import EngineOptions
from starrygazer_ros.completion import ModelBundle
from starrygazer_ros.completion.bundle import MANIFEST
from starrygazer_ros.completion.selection import select_pipeline
from starrygazer_ros.completion.stage_clock import StageClock

CARD = "MODEL_CARD.md"


def write_manifest(folder: Path, manifest: dict[str, Any], files: Iterable[str]) -> None:
    """Write a manifest with the hashes of these files as they are now.

    Args:
        folder: of the bundle.
        manifest: its key ``files`` is made anew.
        files: names in the folder.
    """
    hashes = {name: hashlib.sha256((folder / name).read_bytes()).hexdigest() for name in files}
    text = yaml.safe_dump({**manifest, "files": hashes}, sort_keys=False)
    (folder / MANIFEST).write_text(text, encoding="utf-8")


def make_golden_output(bundle: ModelBundle) -> None:
    """Put what the graphs make of the golden input, by ONNX Runtime in float32, beside it.

    In the size of the golden input, whatever the bundle works in: that is what is checked.
    """
    golden = bundle.golden()
    graphs = select_pipeline(bundle, ONNXRUNTIME, 2, EngineOptions(FP32)).pipeline
    depth = graphs.run(golden.image, golden.sparse_depth, StageClock(), False).depth
    np.savez_compressed(
        bundle.golden_path, image=golden.image, sparse_depth=golden.sparse_depth, depth=depth
    )
