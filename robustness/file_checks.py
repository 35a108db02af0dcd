"""What reads files, each with one kind of them; in a folder with a good bundle.

The checks run in a process of their own, see :mod:`robustness.isolated`.
"""

from __future__ import annotations

import contextlib
import hashlib
import io
import json
import shutil
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import yaml

from robustness.refusals import FINE, BrokenError, attempt, require
from starrygazer_ros import cli
from starrygazer_ros.backends.cache_folder import cache_folder
from starrygazer_ros.backends.tensorrt.execution import PlanError, PlanRunner
from starrygazer_ros.backends.tensorrt.plan_cache import PlanCache
from starrygazer_ros.bags.parameters import read_parameters
from starrygazer_ros.bags.partial import PartialBag, partial_folder
from starrygazer_ros.completion import DepthCompleter, ModelBundle
from starrygazer_ros.files import read_image, read_sparse_depth
from starrygazer_ros.messages import LARGEST_IMAGE

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "test"))
from fake_tensorrt import MAGIC, FakeTensorRt

BYTES_PER_BYTE = 64  # that a file of this many may need while it is read …
FIXED_BYTES = 192 << 20  # … and as many, whatever it is
BYTES_PER_PIXEL = 32  # of the largest image that a header alone may ask for
FROM_PIXELS = ("image file", "depth file", "complete command")  # these may need that, too
IMAGE_SIZES = ((64, 96), (480, 640), (16, 2000), (3000, 4000))
UNPICKLED = "unpickled"  # what the pickles among the cases make when they are read
PLAN_KEY = "0" * 64


class FileChecks:
    """Gives each damaged file to what reads such files.

    Args:
        folder: with the tiny bundle in ``tiny``; the current one.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._bundle = folder / "tiny"
        self._good = {file.name: file.read_bytes() for file in self._bundle.iterdir()}
        self._pipeline = DepthCompleter.from_bundle(self._bundle, "onnxruntime", 1).pipeline
        self._golden = ModelBundle.load(self._bundle).golden()
        self._cases = 0
        self._checks: dict[str, Callable[[Any], None]] = {
            "manifest": self._manifest,
            "golden pair": self._golden_pair,
            "graph": self._graph,
            "cached plan": self._cached_plan,
            "image file": self._image_file,
            "depth file": self._depth_file,
            "complete command": self._complete_command,
            "bag sqlite3": self._bag,
            "bag mcap": self._bag,
            "parameters file": self._parameters_file,
            "unfinished bag": self._unfinished_bag,
        }

    def __call__(self, name: str, case: Any) -> str:
        """The cause of the refusal, or ``fine``."""
        self._cases += 1
        for file, content in self._good.items():
            (self._bundle / file).write_bytes(content)
        allowed = FIXED_BYTES + BYTES_PER_BYTE * _bytes_in(case)
        if name in FROM_PIXELS:
            allowed += BYTES_PER_PIXEL * LARGEST_IMAGE
        self._said = ""
        cause = attempt(self._checks[name], case, allowed)
        if Path(UNPICKLED).exists():
            Path(UNPICKLED).rmdir()
            raise BrokenError("data was run as a program")
        return self._said if cause == FINE and self._said else cause

    def _manifest(self, content: bytes) -> None:
        (self._bundle / "manifest.yaml").write_bytes(content)
        bundle = ModelBundle.load(self._bundle)
        for spec in (bundle.mde, bundle.refinement):
            require(spec.path.parent == self._bundle and len(spec.read()) > 0)
        require(0 < bundle.golden_tolerance < np.inf)
        require(len(bundle.name) < 1000 and len(bundle.version) < 1000)
        for size in IMAGE_SIZES:
            require(0 < np.prod([float(side) for side in bundle.mde_size(*size)]) <= LARGEST_IMAGE)
        bundle.golden()
        completer = DepthCompleter(bundle, "onnxruntime", 1)
        self._complete(completer)

    def _golden_pair(self, content: bytes) -> None:
        self._replace("golden.npz", content)
        bundle = ModelBundle.load(self._bundle)
        golden = bundle.golden()
        require((golden.image.dtype, golden.sparse_depth.dtype) == (np.uint8, np.float32))
        DepthCompleter(bundle, "onnxruntime", 1).self_check()

    def _graph(self, case: tuple[str, bytes]) -> None:
        self._replace(*case)
        completer = DepthCompleter.from_bundle(self._bundle, "onnxruntime", 1)
        self._complete(completer)
        completer.self_check()

    def _complete(self, completer: DepthCompleter) -> None:
        """The golden input; the result is what the docstring says."""
        image, sparse_depth = self._golden.image, self._golden.sparse_depth
        result = completer.complete(image, sparse_depth)
        for values in (result.depth, result.confidence, result.relative_depth):
            require(values is not None and values.dtype == np.float32)
            require(values is not None and values.shape == sparse_depth.shape)
        known = result.depth[~np.isnan(result.depth)]
        require(bool(np.isfinite(known).all() and (known > 0).all()))

    def _replace(self, name: str, content: bytes) -> None:
        """Put a file into the bundle, and its hash into the manifest."""
        (self._bundle / name).write_bytes(content)
        manifest = yaml.safe_load(self._good["manifest.yaml"])
        manifest["files"][name] = hashlib.sha256(content).hexdigest()
        (self._bundle / "manifest.yaml").write_text(yaml.safe_dump(manifest))

    def _cached_plan(self, case: tuple[bytes | None, bytes | None, bool]) -> None:
        """A plan whatever lies in the cache: that or a new one, and ``engines list`` shows it."""
        plan, sidecar, hash_matches = case
        shutil.rmtree(cache_folder("tensorrt"), ignore_errors=True)
        cache = PlanCache(cache_folder("tensorrt"))
        if plan is not None:
            (cache.folder / f"{PLAN_KEY}.plan").write_bytes(plan)
        if sidecar is not None:
            if hash_matches and plan is not None:
                with contextlib.suppress(ValueError, TypeError, RecursionError):
                    about = {**json.loads(sidecar), "sha256": hashlib.sha256(plan).hexdigest()}
                    sidecar = json.dumps(about).encode()
            (cache.folder / f"{PLAN_KEY}.json").write_bytes(sidecar)
        self._run("engines", "list")
        trt = FakeTensorRt()
        device: Any = None
        # As TensorRT's loading does.
        content = cache.get_or_build(PLAN_KEY, {}, lambda: self._good_plan)
        try:
            runner = PlanRunner(trt, content, device, "mde")  # type: ignore[arg-type]
        except PlanError as error:
            cache.quarantine(PLAN_KEY, str(error))
            content = cache.get_or_build(PLAN_KEY, {}, lambda: self._good_plan)
            runner = PlanRunner(trt, content, device, "mde")  # type: ignore[arg-type]
            self._said = "built_again"
        require((runner.inputs, runner.outputs) == ({"image"}, {"relative_depth"}))
        require(bool(cache.plans()))
        self._run("engines", "list")
        if plan is not None and content != plan:
            self._said = "built_again"

    @property
    def _good_plan(self) -> bytes:
        return good_plan(self._good["mde.onnx"])

    def _image_file(self, case: tuple[str, bytes]) -> None:
        pixels = read_image(self._file("image", case))
        require(pixels.dtype == np.uint8 and pixels.ndim == 3 and pixels.shape[2] == 3)

    def _depth_file(self, case: tuple[str, bytes]) -> None:
        depth = read_sparse_depth(self._file("sparse", case))
        require(depth.dtype == np.float32 and depth.ndim == 2 and not (depth < 0).any())

    def _complete_command(self, case: tuple[tuple[str, bytes], tuple[str, bytes]]) -> None:
        image, sparse = self._file("image", case[0]), self._file("sparse", case[1])
        output = Path("dense.npy")
        output.unlink(missing_ok=True)
        of_bundle = ("--bundle", self._bundle, "--backend", "onnxruntime", "--threads", "1")
        code = self._run("complete", image, sparse, "-o", output, *of_bundle)
        require(output.exists() == (code == 0))

    def _file(self, stem: str, case: tuple[str, bytes]) -> Path:
        path = Path(stem).with_suffix(case[0])
        path.write_bytes(case[1])
        return path

    def _bag(self, files: dict[str, bytes]) -> None:
        recording, output = Path("in"), Path("out")
        for folder in (recording, output, partial_folder(output)):
            shutil.rmtree(folder, ignore_errors=True)
        recording.mkdir()
        for name, content in files.items():
            (recording / name).write_bytes(content)
        single = [*files] if len(files) == 1 else []
        given = recording / single[0] if single else recording
        values = [f"model:={self._bundle}", "backend:=onnxruntime", "threads:=1"]
        options = [word for value in values for word in ("-p", value)]
        code = self._run("bag", given, output, *options)
        require(output.exists() == (code == 0))

    def _parameters_file(self, content: bytes) -> None:
        file = Path("parameters.yaml")
        file.write_bytes(content)
        with contextlib.redirect_stderr(io.StringIO()):
            values = read_parameters(file, ())
        require(isinstance(values.model, str) and isinstance(values.threads, int))

    def _unfinished_bag(self, case: tuple[bytes, bytes]) -> None:
        """What an interrupted ``starrygazer bag`` has left: whole frames only are there."""
        note, frame = case
        output, outputs = Path("out"), {"depth/dense": b"depth" * 9, "depth/points": b"x"}
        shutil.rmtree(output, ignore_errors=True)
        shutil.rmtree(partial_folder(output), ignore_errors=True)
        job = {"version": "1", "input": [["a", 1, 2]]}
        with PartialBag(output, job) as partial:
            partial.add("image-1", outputs)
        (partial_folder(output) / "job.json").write_bytes(note)
        (partial_folder(output) / "frames" / "image-1.npz").write_bytes(frame)
        with PartialBag(output, job) as partial:
            found = partial.outputs("image-1")
            require(bool(found) == ("image-1" in partial))
        self._said = "" if found else "made_again"

    def _run(self, *arguments: Any) -> int:
        """Exit code of ``starrygazer``: 0, or 2 with one line that says what is wrong."""
        said, errors = io.StringIO(), io.StringIO()
        with contextlib.redirect_stdout(said), contextlib.redirect_stderr(errors):
            code = cli.main([str(argument) for argument in arguments])
        text = said.getvalue() + errors.getvalue()
        text.encode()  # what is no text could not be written
        reasons = [line for line in text.splitlines() if line.startswith("starrygazer: error: ")]
        if "Traceback" in text or code not in (0, 2) or len(reasons) != (code == 2):
            raise BrokenError(f"exit code {code} with {text[-500:]!r}")
        if code == 2:
            self._said = f"exit_{code}"
            if not 30 < len(reasons[0]) < 1000:
                raise BrokenError(f"no clear reason: {reasons[0][:300]!r}")
        return code


def good_plan(graph: bytes) -> bytes:
    """As the fake TensorRT builds it."""
    head = {"version": FakeTensorRt().__version__, "profile": {}}
    return MAGIC + json.dumps(head).encode() + b"\n" + graph


def _bytes_in(case: Any) -> int:
    if isinstance(case, dict):
        return sum(map(_bytes_in, case.values()))
    if isinstance(case, tuple):
        return sum(map(_bytes_in, case))
    return len(case) if isinstance(case, bytes) else 0
