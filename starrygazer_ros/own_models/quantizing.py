"""A bundle with the convolutions of its refinement in int8, calibrated on frames of a camera."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import yaml
from numpy.typing import NDArray
from onnxruntime.quantization import (
    CalibrationDataReader,
    CalibrationMethod,
    QuantFormat,
    QuantType,
    quantize_static,
)

from starrygazer_ros.backends import Engine, load_engine
from starrygazer_ros.backends.names import INT8, ONNXRUNTIME
from starrygazer_ros.backends.options import EngineOptions
from starrygazer_ros.completion import DepthCompleter, ModelBundle
from starrygazer_ros.completion.bundle import MANIFEST
from starrygazer_ros.completion.pipelines import HostPipeline
from starrygazer_ros.completion.stage_clock import StageClock
from starrygazer_ros.completion.working_size import in_working_size
from starrygazer_ros.own_models.bundle_files import write_manifest
from starrygazer_ros.own_models.errors import OwnModelError

FILE = "refinement.int8.onnx"
MARGIN = 2.0  # by which another CPU may differ more from fp32 than this one
Frames = Iterable[tuple[NDArray[np.uint8], NDArray[np.float32]]]
Feed = dict[str, NDArray[np.float32]]


@dataclass(frozen=True)
class Quantized:
    """A new bundle.

    Attributes:
        folder: of the bundle.
        frames: that it was calibrated on.
        difference: largest relative difference of the depth from fp32 on the golden input.
    """

    folder: Path
    frames: int
    difference: float


def quantize(bundle: ModelBundle, frames: Frames, source: str, folder: Path) -> Quantized:
    """Write a copy of a bundle that has graphs in int8, too.

    Weights are quantised by channel, activations by the range that they have on the frames; all
    but convolutions stays float32, the arithmetic on depth above all.

    Args:
        bundle: in float32.
        frames: image, uint8 [H, W, 3] RGB, and sparse depth, float32 [H, W] metres, 0 = none.
        source: what the frames are, for the manifest.
        folder: to make; must not exist.

    Raises:
        OwnModelError: the folder exists, or there are no frames.
    """
    if folder.exists():
        raise OwnModelError(f"{folder} exists: choose another name, or remove it")
    mde, refinement = (
        load_engine(graph.read(), str(graph.path), ONNXRUNTIME, threads=2)
        for graph in (bundle.mde, bundle.refinement)
    )
    recorder = _Recorder(refinement)
    pipeline = in_working_size(HostPipeline(bundle, mde, recorder), bundle)
    for image, sparse_depth in frames:
        pipeline.run(image, sparse_depth, StageClock())
    if not recorder.feeds:
        raise OwnModelError("there are no frames to calibrate on")
    number = len(recorder.feeds)
    folder.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=folder.parent, prefix=".quantizing-") as made:
        partial = Path(made) / folder.name
        shutil.copytree(bundle.path, partial)
        quantize_static(
            bundle.refinement.path,
            partial / FILE,
            _Feeds(recorder.feeds),
            quant_format=QuantFormat.QDQ,
            op_types_to_quantize=["Conv"],
            per_channel=True,
            activation_type=QuantType.QUInt8,
            weight_type=QuantType.QInt8,
            calibrate_method=CalibrationMethod.MinMax,
        )
        said = f"{number} frames of {source}"
        _write_manifest(partial, bundle, said, tolerance=1.0)
        in_int8 = EngineOptions(precision=INT8)
        completer = DepthCompleter.from_bundle(partial, ONNXRUNTIME, options=in_int8)
        difference = completer.self_check()
        _write_manifest(partial, bundle, said, tolerance=_rounded_up(MARGIN * difference))
        partial.rename(folder)
    return Quantized(folder, number, difference)


class _Recorder:
    """An engine that keeps its inputs."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self.inputs, self.outputs = engine.inputs, engine.outputs
        self.description = engine.description
        self.feeds: list[Feed] = []

    def run(self, inputs: Mapping[str, NDArray[np.float32]]) -> Feed:
        self.feeds.append(dict(inputs))
        return self._engine.run(inputs)


class _Feeds(CalibrationDataReader):  # type: ignore[misc]
    """Recorded inputs for the calibration."""

    def __init__(self, feeds: list[Feed]) -> None:
        self._feeds = iter(feeds)

    def get_next(self) -> Feed | None:
        """The next ones, ``None`` at the end."""
        return next(self._feeds, None)


def _write_manifest(folder: Path, bundle: ModelBundle, said: str, tolerance: float) -> None:
    manifest = yaml.safe_load((folder / MANIFEST).read_text(encoding="utf-8"))
    manifest["int8"] = {
        "mde": bundle.mde.path.name,
        "refinement": FILE,
        "tolerance": tolerance,
        "calibrated_on": said,
    }
    write_manifest(folder, manifest, dict.fromkeys((*manifest["files"], FILE)))


def _rounded_up(value: float) -> float:
    """To two digits behind the point."""
    return float(np.ceil(100 * value) / 100)
