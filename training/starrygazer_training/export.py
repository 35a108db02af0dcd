"""Exports trained networks to ONNX and packs them into a model bundle."""

from __future__ import annotations

import hashlib
import os
import shutil
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Protocol

import numpy as np
import onnx
import torch
import yaml
from torch import Tensor, nn
from torch.nn import functional as F

from starrygazer_ros.backends import load_engine
from starrygazer_ros.completion import DepthCompleter, ModelBundle
from starrygazer_ros.completion.bundle import MANIFEST, SCHEMA, EngineSpec, mde_input_size
from starrygazer_ros.completion.working_size import working_size
from starrygazer_ros.own_models.bundle_files import CARD, make_golden_output, write_manifest
from starrygazer_training.config import ConfigError
from starrygazer_training.features import image_tensor
from starrygazer_training.golden import golden_input, moved_to
from starrygazer_training.graph_check import check_graph
from starrygazer_training.half_precision import in_half_precision

OPSET = 18
MAXIMUM_SIDE = 4096
GOLDEN_TOLERANCE = 0.01
GOLDEN = "golden.npz"
FP16_FILES = {"mde": "mde.fp16.onnx", "refinement": "refinement.fp16.onnx"}
FILES = {MANIFEST, CARD, GOLDEN, "mde.onnx", "refinement.onnx", *FP16_FILES.values()}

# Images at whose sizes every graph is compared with PyTorch: tiny, landscape, portrait, wide.
CHECKED_IMAGES = ((64, 64), (480, 640), (640, 480), (375, 1242))
FP32_BOUND = 1e-3  # measured: 1e-5 for MDEs, 3e-4 for the refinement's plane fits
FP16_BOUND = 1e-2  # measured: 1e-3; where all of float16 is rounded, see half_precision, 2e-3

Example = dict[str, Tensor]


class _Refinement(Protocol):
    """A module that completes depth."""

    @property
    def multiple(self) -> int:
        """Height and width of its inputs are multiples of this."""


@dataclass(frozen=True)
class Network:
    """A network that becomes a graph with dynamic height and width.

    Attributes:
        name: of the graph's file, without its ending.
        model: in evaluation mode.
        multiple: height and width are multiples of this.
        inputs: channels of each input by name.
        outputs: names of the outputs.
        given: a graph that is taken as it is, with its sizes; ``model`` runs it.
    """

    name: str
    model: nn.Module
    multiple: int
    inputs: dict[str, int]
    outputs: tuple[str, ...]
    given: EngineSpec | None = None

    @classmethod
    def mde(cls, model: nn.Module, multiple: int) -> Network:
        """Maps an image to relative inverse depth."""
        return cls("mde", model, multiple, {"image": 3}, ("relative_depth",))

    @classmethod
    def given_mde(cls, graph: EngineSpec) -> Network:
        """The MDE of a bundle."""
        mde = cls.mde(_OnnxMde(graph), graph.multiple)
        return replace(mde, given=graph)

    @classmethod
    def refinement(cls, model: _Refinement) -> Network:
        """Maps image, relative depth and sparse depth to depth and confidence."""
        inputs = {"image": 3, "relative_depth": 1, "sparse_depth": 1}
        return cls("refinement", model, model.multiple, inputs, ("depth", "confidence"))

    @property
    def minimum(self) -> int:
        """Smallest height and width."""
        return self.given.minimum if self.given else 2 * self.multiple

    @property
    def least(self) -> int:
        """Smallest side of an image that is filled up to a multiple."""
        return self.multiple + 1

    @property
    def maximum(self) -> int:
        """Largest height and width."""
        return self.given.maximum if self.given else MAXIMUM_SIDE // self.multiple * self.multiple


class _OnnxMde(nn.Module):
    """An MDE that is there as a graph only; it cannot be trained or exported."""

    def __init__(self, graph: EngineSpec) -> None:
        super().__init__()
        self._engine = load_engine(graph.read(), str(graph.path), "onnxruntime", threads=2)

    def forward(self, image: Tensor) -> Tensor:
        """[1, 3, H, W] to relative inverse depth [1, 1, H, W]."""
        outputs = self._engine.run({"image": image.numpy()})
        return torch.from_numpy(outputs["relative_depth"])


def export_onnx(
    model: nn.Module, inputs: dict[str, int], outputs: Sequence[str], multiple: int, path: Path
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
        output_names=list(outputs),
        dynamic_shapes=tuple(shapes for _ in inputs),
        opset_version=OPSET,
        dynamo=True,
        external_data=False,
        verbose=False,
    )
    assert program is not None  # only the older exporter returns nothing
    graph = program.model_proto
    del graph.metadata_props[:]
    for node in graph.graph.node:  # the exporter records file names of the training machine
        node.doc_string = ""
        del node.metadata_props[:]
    onnx.checker.check_model(graph, full_check=True)
    onnx.save(graph, str(path))


@torch.inference_mode()
def check_inputs(
    mde: Network, mde_pixels: int, refinement: Network, working_pixels: int | None = None
) -> tuple[list[Example], list[Example]]:
    """Inputs at which the graphs are compared with PyTorch, for the MDE and for the refinement.

    They are the golden input, stretched to ``CHECKED_IMAGES``, or to the sizes in which a bundle
    completes these, and to the smallest size.
    """
    image, sparse = golden_input()
    smallest = {"image": image_tensor(image, mde.minimum, mde.minimum)}
    of_mde, of_refinement = [smallest], []
    sizes: Sequence[tuple[int, int]] = CHECKED_IMAGES
    if working_pixels is not None:
        sizes = [working_size(*size, working_pixels, refinement.least) for size in sizes]
    for size in sizes:
        limits = mde_pixels, mde.multiple, mde.minimum, mde.maximum
        small = {"image": image_tensor(image, *mde_input_size(*size, *limits))}
        height, width = (side + -side % refinement.multiple for side in size)
        relative_depth = F.interpolate(mde.model(small["image"]), (height, width), mode="bilinear")
        moved = moved_to(sparse, height, width)
        of_mde.append(small)
        of_refinement.append(
            {
                "image": image_tensor(image, height, width),
                "relative_depth": relative_depth,
                "sparse_depth": torch.from_numpy(moved)[None, None],
            }
        )
    return of_mde, of_refinement


def write_bundle(
    folder: Path,
    name: str,
    version: str,
    mde: Network,
    mde_pixels: int,
    refinement: Network,
    training: dict[str, object],
    fp16: bool = False,
    working_pixels: int | None = None,
    across_edges: bool = False,
) -> None:
    """Export both networks and write the manifest with hashes and a golden pair.

    Everything is written and checked in a folder beside, which takes the place of ``folder`` at the
    end; when something is wrong, an older bundle stays as it is. Its ``MODEL_CARD.md`` is kept.

    Args:
        folder: of the bundle; new, empty, or a bundle that is replaced.
        name: of the bundle.
        version: of the bundle.
        mde: monocular depth network.
        mde_pixels: images are resized to about this many pixels for it.
        refinement: refinement network.
        training: where the weights come from, for the manifest.
        fp16: also write graphs that compute in float16.
        working_pixels: larger images are completed in about so many; as they are by default.
        across_edges: their depth is then enlarged smoothly, also between two surfaces.

    Raises:
        ConfigError: the folder holds something else than a bundle.
        GraphMismatchError: a graph computes something else than its network.
        SelfCheckError: the float16 graphs are too far from the golden output.
    """
    manifest: dict[str, object] = {
        "schema": SCHEMA,
        "name": name,
        "version": version,
        "license": "Apache-2.0",
        "opset": OPSET,
        "mde": {
            "file": "mde.onnx",
            "pixels": mde_pixels,
            "multiple": mde.multiple,
            "minimum": mde.minimum,
            "maximum": mde.maximum,
        },
        "refinement": {
            "file": "refinement.onnx",
            "multiple": refinement.multiple,
            "minimum": refinement.least,
            "maximum": refinement.maximum,
            **({} if working_pixels is None else {"pixels": working_pixels}),
            **({"across_edges": True} if across_edges else {}),
        },
        "golden": {"file": GOLDEN, "tolerance": GOLDEN_TOLERANCE},
    }
    if fp16:
        manifest["fp16"] = dict(FP16_FILES)
    with _replacement(folder) as new:
        of_mde, of_refinement = check_inputs(mde, mde_pixels, refinement, working_pixels)
        differences = _write_graphs(new, mde, of_mde, fp16)
        differences |= _write_graphs(new, refinement, of_refinement, fp16)
        manifest["differences"] = differences
        manifest["training"] = training
        _write_golden_pair(new, manifest)


def write_card(folder: Path, text: str) -> None:
    """Write a bundle's card and its hash into the manifest.

    Args:
        folder: of the bundle.
        text: Markdown.
    """
    (folder / CARD).write_text(text, encoding="utf-8")
    path = folder / MANIFEST
    manifest = yaml.safe_load(path.read_text(encoding="utf-8"))
    files = {**manifest["files"], CARD: hashlib.sha256(text.encode()).hexdigest()}
    manifest["files"] = dict(sorted(files.items()))
    path.write_text(yaml.safe_dump(manifest, sort_keys=False), encoding="utf-8")


def _write_graphs(
    folder: Path, network: Network, examples: Sequence[Example], fp16: bool
) -> dict[str, float]:
    """Write the graphs of a network; return how far each is from it, by file."""
    if network.given:
        if fp16:
            raise ConfigError("the MDE of a bundle is taken as it is: export without --fp16 true")
        shutil.copy(network.given.path, folder / f"{network.name}.onnx")
        return {}
    graphs = [(f"{network.name}.onnx", network.model, FP32_BOUND)]
    if fp16:
        half = in_half_precision(network.model)
        graphs.append((FP16_FILES[network.name], half, FP16_BOUND))
    differences = {}
    for file, model, bound in graphs:
        path = folder / file
        export_onnx(model, network.inputs, network.outputs, network.multiple, path)
        found = check_graph(path, network.model, network.outputs, examples, bound)
        differences[file] = float(f"{found:.2g}")
        print(f"{file} is within {found:.2g} of the network in PyTorch")
    return differences


def _write_golden_pair(folder: Path, manifest: dict[str, object]) -> None:
    """Write golden pair and manifest; what ONNX Runtime computes in float32 is the reference."""
    image, sparse = golden_input()
    unmade = np.ones_like(sparse)
    np.savez_compressed(folder / GOLDEN, image=image, sparse_depth=sparse, depth=unmade)
    files = sorted(path.name for path in folder.iterdir())
    write_manifest(folder, manifest, files)
    make_golden_output(ModelBundle.load(folder))
    write_manifest(folder, manifest, files)
    bundle = ModelBundle.load(folder)
    for kind, checked in (("float32", bundle), ("float16", bundle.fp16)):
        if checked is not None:
            difference = DepthCompleter(checked, backend="onnxruntime").self_check()
            print(f"golden pair: {kind} is within {difference:.2g} of the reference")


@contextmanager
def _replacement(folder: Path) -> Iterator[Path]:
    """A new folder that takes the place of ``folder`` if the block succeeds, else is removed.

    Raises:
        ConfigError: ``folder`` holds something else than a bundle.
    """
    folder = folder.resolve()
    _require_bundle_or_nothing(folder)
    new, old = (folder.with_name(f".{folder.name}.{os.getpid()}.{s}") for s in ("new", "old"))
    new.mkdir(parents=True)
    try:
        if (folder / CARD).exists():
            shutil.copy(folder / CARD, new)
        yield new
        if folder.exists():
            folder.rename(old)
        new.rename(folder)
    finally:
        if old.exists() and not folder.exists():
            old.rename(folder)
        for leftover in (new, old):
            if leftover.exists():
                shutil.rmtree(leftover)


def _require_bundle_or_nothing(folder: Path) -> None:
    """Refuse to replace a folder that holds what no export has written."""
    if not folder.exists():
        return
    if not folder.is_dir():
        raise ConfigError(f"output is {folder}, which is not a folder")
    if foreign := sorted({path.name for path in folder.iterdir()} - FILES):
        raise ConfigError(
            f"output is {folder}, which holds {', '.join(foreign[:3])}: the whole folder would be "
            "replaced, so choose another one or an older bundle"
        )
