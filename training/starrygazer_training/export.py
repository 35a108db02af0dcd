"""Exports trained networks to ONNX and packs them into a model bundle."""

from __future__ import annotations

import hashlib
from pathlib import Path

import cv2
import numpy as np
import onnx
import torch
import yaml
from numpy.typing import NDArray
from torch import nn

from starrygazer_ros.completion import DepthCompleter
from starrygazer_ros.completion.bundle import MANIFEST, SCHEMA

OPSET = 18
MAXIMUM_SIDE = 4096
GOLDEN_SIZE = (120, 160)
GOLDEN_TOLERANCE = 0.01


def export_onnx(
    model: nn.Module, inputs: dict[str, int], outputs: list[str], multiple: int, path: Path
) -> None:
    """Write a graph with dynamic height and width.

    Args:
        model: network in evaluation mode.
        inputs: channels of each input by name.
        outputs: names of the outputs.
        multiple: height and width are multiples of this.
        path: ONNX file to write.
    """
    rows = torch.export.Dim("rows", min=2, max=MAXIMUM_SIDE // multiple)
    columns = torch.export.Dim("columns", min=2, max=MAXIMUM_SIDE // multiple)
    example = tuple(torch.rand(1, c, 5 * multiple, 7 * multiple) for c in inputs.values())
    shapes = {2: multiple * rows, 3: multiple * columns}
    program = torch.onnx.export(
        model.eval(),
        example,
        input_names=list(inputs),
        output_names=outputs,
        dynamic_shapes=tuple(shapes for _ in inputs),
        opset_version=OPSET,
        dynamo=True,
        external_data=False,
        verbose=False,
    )
    graph = program.model_proto
    del graph.metadata_props[:]
    for node in graph.graph.node:  # the exporter records file names of the training machine
        node.doc_string = ""
        del node.metadata_props[:]
    onnx.checker.check_model(graph, full_check=True)
    onnx.save(graph, str(path))


def golden_input() -> tuple[NDArray[np.uint8], NDArray[np.float32]]:
    """A drawn scene, free of any licence: a textured floor, a wall and two boxes."""
    rows, columns = GOLDEN_SIZE
    v, u = np.mgrid[0:rows, 0:columns].astype(np.float32)
    depth = np.minimum(6.0, 90.0 / np.maximum(v - 40.0, 1.0)).astype(np.float32)
    colour = np.dstack([120 + 60 * np.sin(u / 7), 110 + 50 * np.sin(v / 5), 140 - v / 2])
    for top, left, bottom, right, z, tint in (
        (50, 20, 95, 60, 2.2, 60),
        (30, 95, 80, 130, 3.4, 200),
    ):
        depth[top:bottom, left:right] = z
        colour[top:bottom, left:right] = (tint, 255 - tint, 90)
    image = cv2.GaussianBlur(np.clip(colour, 0, 255).astype(np.uint8), (3, 3), 0)
    sparse = np.zeros_like(depth)
    sparse[10::12, 5::4] = depth[10::12, 5::4]
    return image, sparse


def write_bundle(
    folder: Path,
    name: str,
    version: str,
    mde: nn.Module,
    mde_multiple: int,
    mde_pixels: int,
    refinement: nn.Module,
    refinement_multiple: int,
    training: dict[str, object],
) -> None:
    """Export both networks and write the manifest with hashes and a golden pair.

    ``MODEL_CARD.md`` in the folder is kept and hashed.
    """
    folder.mkdir(parents=True, exist_ok=True)
    export_onnx(mde, {"image": 3}, ["relative_depth"], mde_multiple, folder / "mde.onnx")
    export_onnx(
        refinement,
        {"image": 3, "relative_depth": 1, "sparse_depth": 1},
        ["depth", "confidence"],
        refinement_multiple,
        folder / "refinement.onnx",
    )
    manifest: dict[str, object] = {
        "schema": SCHEMA,
        "name": name,
        "version": version,
        "license": "Apache-2.0",
        "opset": OPSET,
        "mde": {
            "file": "mde.onnx",
            "pixels": mde_pixels,
            "multiple": mde_multiple,
            "minimum": 2 * mde_multiple,
            "maximum": MAXIMUM_SIDE,
        },
        "refinement": {
            "file": "refinement.onnx",
            "multiple": refinement_multiple,
            "minimum": refinement_multiple + 1,
            "maximum": MAXIMUM_SIDE,
        },
        "golden": {"file": "golden.npz", "tolerance": GOLDEN_TOLERANCE},
        "training": training,
    }
    image, sparse = golden_input()
    np.savez_compressed(folder / "golden.npz", image=image, sparse_depth=sparse, depth=sparse)
    _write_manifest(folder, manifest)
    # The reference is what ONNX Runtime computes with the exported graphs.
    depth = DepthCompleter.from_bundle(folder, backend="onnxruntime").complete(image, sparse).depth
    np.savez_compressed(folder / "golden.npz", image=image, sparse_depth=sparse, depth=depth)
    _write_manifest(folder, manifest)
    DepthCompleter.from_bundle(folder).self_check()


def _write_manifest(folder: Path, manifest: dict[str, object]) -> None:
    files = sorted(p for p in folder.iterdir() if p.is_file() and p.name != MANIFEST)
    hashes = {p.name: hashlib.sha256(p.read_bytes()).hexdigest() for p in files}
    text = yaml.safe_dump({**manifest, "files": hashes}, sort_keys=False)
    (folder / MANIFEST).write_text(text, encoding="utf-8")
