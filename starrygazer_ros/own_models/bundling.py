"""A new bundle out of a user's network and the refinement of another bundle."""

from __future__ import annotations

import hashlib
import shutil
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import onnx
from numpy.typing import NDArray

from starrygazer_ros.backends.names import FP32, ONNXRUNTIME
from starrygazer_ros.backends.options import EngineOptions
from starrygazer_ros.completion import DepthCompleter, ModelBundle
from starrygazer_ros.completion.bundle import SCHEMA
from starrygazer_ros.own_models.bundle_files import CARD, make_golden_output, write_manifest
from starrygazer_ros.own_models.errors import OwnModelError
from starrygazer_ros.own_models.probing import Probe, probe
from starrygazer_ros.own_models.wrapping import read_network, wrap

LARGEST_SIDE = 4096
FILES = (CARD, "golden.npz", "mde.onnx", "refinement.onnx")
DEFAULT_PIXELS = 166_600  # about 476x350, what the accurate bundle's network sees
_SMALLEST = 64


@dataclass(frozen=True)
class Added:
    """A new bundle.

    Attributes:
        folder: of the bundle.
        probe: what was found out about the network.
        error: root of the mean squared error [m] at held-out points of the sample.
        reference_error: the same of the bundle whose refinement it has.
    """

    folder: Path
    probe: Probe
    error: float
    reference_error: float


def add_model(
    name: str,
    mde: Path,
    folder: Path,
    image: NDArray[np.uint8],
    sparse_depth: NDArray[np.float32],
    refinement: str = "default",
    output: str | None = None,
    pixels: int | None = None,
) -> Added:
    """Wrap a network, put it beside a refinement, and try both on a sample.

    Args:
        name: of the bundle.
        mde: ONNX file of the network.
        folder: to make; must not exist.
        image: of the sample, uint8 [H, W, 3] RGB.
        sparse_depth: of the sample, float32 [H, W] metres, 0 = none.
        refinement: bundle whose refinement is taken: name or folder.
        output: of the network, if it has several.
        pixels: of the image that the network sees; ``None`` = its own size, or ``DEFAULT_PIXELS``.

    Raises:
        OwnModelError: the network cannot be used, the refinement does not read what it gives, or
            the folder exists.
        BundleError: there is no such refinement.
    """
    if folder.exists():
        raise OwnModelError(f"{folder} exists: choose another name, or remove it")
    network = read_network(mde, output)
    base = ModelBundle.load(refinement)
    _require_relative_depth_is_read(base)
    found = probe(network, image, sparse_depth)
    size = network.size
    pixels = pixels or (size[0] * size[1] if size else DEFAULT_PIXELS)
    folder.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=folder.parent, prefix=".adding-") as made:
        partial = Path(made) / folder.name
        partial.mkdir()
        onnx.save(wrap(network, found.normalisation, found.gives_depth), partial / "mde.onnx")
        shutil.copy(base.refinement.path, partial / "refinement.onnx")
        source = f"{mde.name}, SHA-256 {hashlib.sha256(mde.read_bytes()).hexdigest()}"
        card = _card(name, source, base, found)
        (partial / CARD).write_text(card, encoding="utf-8")
        shutil.copyfile(base.golden_path, partial / "golden.npz")  # to be written again
        manifest = _manifest(name, base, found, pixels)
        write_manifest(partial, manifest, FILES)
        make_golden_output(ModelBundle.load(partial))
        write_manifest(partial, manifest, FILES)
        exact = EngineOptions(precision=FP32)  # the reference may have graphs in int8
        completer = DepthCompleter.from_bundle(partial, ONNXRUNTIME, options=exact)
        completer.self_check()
        reference = DepthCompleter.from_bundle(refinement, ONNXRUNTIME, options=exact)
        errors = [_held_out_error(c, image, sparse_depth) for c in (completer, reference)]
        partial.rename(folder)
    return Added(folder, found, *errors)


def _require_relative_depth_is_read(bundle: ModelBundle) -> None:
    graph = onnx.load_from_string(bundle.refinement.read()).graph
    if not any("relative_depth" in node.input for node in graph.node):
        raise OwnModelError(
            f"the refinement of bundle '{bundle.name}' does not look at relative depth: take that "
            "of another bundle, such as default"
        )


def _manifest(name: str, base: ModelBundle, found: Probe, pixels: int) -> dict[str, Any]:
    multiple = found.multiple
    smallest = _SMALLEST + -_SMALLEST % multiple
    refinement = base.refinement
    working: dict[str, Any] = {}
    if base.working_pixels is not None:
        working = {"pixels": base.working_pixels, "across_edges": base.across_edges}
    return {
        "schema": SCHEMA,
        "name": name,
        "version": base.version,
        "mde": {
            "file": "mde.onnx",
            "pixels": pixels,
            "multiple": multiple,
            "minimum": smallest,
            "maximum": LARGEST_SIDE // multiple * multiple,
        },
        "refinement": {
            "file": "refinement.onnx",
            "multiple": refinement.multiple,
            "minimum": refinement.minimum,
            "maximum": refinement.maximum,
            **working,
        },
        "golden": {"file": "golden.npz", "tolerance": base.golden_tolerance},
    }


def _card(name: str, source: str, base: ModelBundle, found: Probe) -> str:
    sense = "depth, of which the inverse is taken" if found.gives_depth else "inverse depth"
    table = "\n".join(f"| {norm} | {value:+.3f} |" for norm, value in found.all.items())
    return f"""# {name}

Made by `starrygazer models add`. The monocular network is the user's own: {source}; its licence
holds. The refinement is that of bundle {base.name} {base.version}, which was trained with another
monocular network and has not seen this one: compare both before you trust it.

The network takes images normalised as {found.normalisation.name} and gives {sense}, as a comparison
with the measured depth of a sample shows (Spearman's rank correlation with the inverse depth):

| normalisation of the image | correlation |
|---|---|
{table}
"""


def _held_out_error(
    completer: DepthCompleter, image: NDArray[np.uint8], sparse_depth: NDArray[np.float32]
) -> float:
    """RMSE [m] at every second point, completed from the others."""
    rows, columns = np.nonzero(sparse_depth > 0)
    held_out = np.zeros(sparse_depth.shape, np.bool_)
    chosen = np.random.default_rng(0).permutation(len(rows))[::2]
    held_out[rows[chosen], columns[chosen]] = True
    depth = completer.complete(image, np.where(held_out, np.float32(0), sparse_depth)).depth
    differences = (depth - sparse_depth)[held_out & np.isfinite(depth)]
    return float(np.sqrt(np.mean(differences**2)))
