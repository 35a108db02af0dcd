"""Every back end for GPUs on this machine: builds, compares with ONNX Runtime, times.

Writes a report that can be attached to an issue. Nothing of the code for GPUs has run where it was
written; this is the command that verifies it.
"""

from __future__ import annotations

import argparse
import json
import sys
import time
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from starrygazer_ros import __version__, doctor
from starrygazer_ros.backends.names import FP16, FP32, ONNXRUNTIME, TENSORRT, TENSORRT_RTX
from starrygazer_ros.backends.options import EngineOptions
from starrygazer_ros.completion import CompletionError, DepthCompleter, ModelBundle
from starrygazer_ros.completion.errors import in_one_line

SIZES = ((480, 640), (352, 1216), (720, 1280))
SPARSE_SHARE = 0.03
WARM_UP = 5
BACKENDS = (TENSORRT, TENSORRT_RTX)


@dataclass(frozen=True)
class Measured:
    """One size of images.

    Attributes:
        size: rows and columns.
        median_difference: of the depth, relative to ONNX Runtime's.
        largest_difference: of 99.9% of the pixels.
        milliseconds: p50 and p95 by stage.
        reference_milliseconds: p50 of ONNX Runtime on the CPU, in the same run.
    """

    size: tuple[int, int]
    median_difference: float
    largest_difference: float
    milliseconds: dict[str, tuple[float, float]]
    reference_milliseconds: float


@dataclass
class Checked:
    """One back end in one precision.

    Attributes:
        backend: name.
        precision: that was asked for.
        error: why it does not run; empty if it does.
        description: what really runs.
        first_load: seconds, plans built or not.
        second_load: seconds, with plans from the cache.
        self_check: largest difference from the golden output.
        warnings: of the back end.
        sizes: measurements.
    """

    backend: str
    precision: str
    error: str = ""
    description: str = ""
    first_load: float = 0.0
    second_load: float = 0.0
    self_check: float = 0.0
    warnings: tuple[str, ...] = ()
    sizes: list[Measured] = field(default_factory=list)


def main(arguments: list[str] | None = None) -> int:
    """Check everything; 1 if a back end is wrong or none could run."""
    parser = argparse.ArgumentParser(prog="make gpu-check", description=__doc__)
    parser.add_argument("--bundle", default="default", help="model bundle: name or folder")
    parser.add_argument("--frames", type=int, default=100, help="timed images of each size")
    parser.add_argument("--report", type=Path, default=Path("gpu_report.json"))
    options = parser.parse_args(arguments)
    bundle = ModelBundle.load(options.bundle)
    precisions = [FP32] + ([FP16] if bundle.fp16 is not None else [])
    checks = [
        check(bundle, backend, precision, options.frames)
        for backend in BACKENDS
        for precision in precisions
    ]
    findings = [asdict(finding) for finding in doctor.examine(options.bundle)]
    report: dict[str, Any] = {
        "version": __version__,
        "model": f"{bundle.name} {bundle.version}",
        "machine": findings,
        "checks": [asdict(checked) for checked in checks],
    }
    options.report.write_text(json.dumps(report, indent=2) + "\n", encoding="utf-8")
    for checked in checks:
        print(as_text(checked))
    print(f"\nreport: {options.report}")
    return verdict(checks, bundle.golden_tolerance)


def check(bundle: ModelBundle, backend: str, precision: str, frames: int) -> Checked:
    """Load a back end twice, compare it and time it; an error is part of the result."""
    checked = Checked(backend, precision)
    options = EngineOptions(precision)
    try:
        began = time.perf_counter()
        DepthCompleter(bundle, backend, options=options, say=_say)
        built = time.perf_counter()
        completer = DepthCompleter(bundle, backend, options=options, say=_say)
        checked.first_load = built - began
        checked.second_load = time.perf_counter() - built
        checked.description = completer.backend_description
        checked.warnings = completer.backend_warnings
        checked.self_check = completer.self_check()
        reference = DepthCompleter(bundle, ONNXRUNTIME)
        for size in SIZES:
            checked.sizes.append(measure(completer, reference, size, frames))
    except CompletionError as error:
        checked.error = in_one_line(error)
    return checked


def measure(
    completer: DepthCompleter, reference: DepthCompleter, size: tuple[int, int], frames: int
) -> Measured:
    """Compare with the reference on one image and time both."""
    image, sparse_depth = scene(*size)
    expected = reference.complete(image, sparse_depth)
    found = completer.complete(image, sparse_depth).depth
    differences = np.abs(found - expected.depth) / expected.depth
    # NaN in one of them only is as wrong as can be.
    differences[np.isnan(found) != np.isnan(expected.depth)] = np.inf
    known = differences[~np.isnan(differences)]
    timings = [completer.complete(image, sparse_depth).timings for _ in range(WARM_UP + frames)]
    of_reference = [reference.complete(image, sparse_depth).timings["total"] for _ in range(3)]
    stages = {
        stage: tuple(
            round(1000 * float(np.percentile([t[stage] for t in timings[WARM_UP:]], p)), 3)
            for p in (50, 95)
        )
        for stage in timings[-1]
    }
    return Measured(
        size,
        float(np.median(known)),
        float(np.percentile(known, 99.9, method="higher")),
        stages,  # type: ignore[arg-type]
        round(1000 * float(np.median(of_reference)), 1),
    )


def scene(height: int, width: int) -> tuple[NDArray[np.uint8], NDArray[np.float32]]:
    """Smooth colours with edges, and some points of planes at different depths.

    Returns:
        image uint8 [H, W, 3], sparse depth float32 [H, W] metres.
    """
    v, u = np.mgrid[0 : 1 : height * 1j, 0 : 1 : width * 1j]
    blocks = (np.floor(4 * u) + np.floor(3 * v)) % 5
    image = np.stack([50 * blocks, 255 * u, 255 * v], -1).astype(np.uint8)
    depth = (2 + 3 * blocks + 4 * v).astype(np.float32)
    chosen = np.random.default_rng(0).uniform(size=depth.shape) < SPARSE_SHARE
    return image, np.where(chosen, depth, np.float32(0))


def verdict(checks: list[Checked], tolerance: float) -> int:
    """0 if at least one back end runs and none that runs is wrong."""
    ran = [checked for checked in checks if not checked.error]
    wrong = [c for c in ran for m in c.sizes if not m.largest_difference <= 2 * tolerance]
    if not ran:
        print("no back end for GPUs runs here", file=sys.stderr)
    for checked in wrong:
        print(f"{checked.description} differs from ONNX Runtime", file=sys.stderr)
    return int(not ran or bool(wrong))


def as_text(checked: Checked) -> str:
    """A few lines."""
    head = f"{checked.backend} {checked.precision}"
    if checked.error:
        return f"{head}: {checked.error}"
    lines = [
        f"{head}: {checked.description}, loaded in {checked.first_load:.1f} s, again in "
        f"{checked.second_load:.1f} s, self-check differs by {checked.self_check:.1e}"
    ]
    for measured in checked.sizes:
        height, width = measured.size
        p50, p95 = measured.milliseconds["total"]
        lines.append(
            f"  {width}x{height}: {p50:.1f} ms (p95 {p95:.1f}), ONNX Runtime "
            f"{measured.reference_milliseconds:.0f} ms; depth differs by "
            f"{measured.median_difference:.1e} (median), {measured.largest_difference:.1e} (99.9%)"
        )
    return "\n".join([*lines, *(f"  warning: {warning}" for warning in checked.warnings)])


def _say(sentence: str) -> None:
    print(f"  {sentence}", file=sys.stderr)


if __name__ == "__main__":
    sys.exit(main())
