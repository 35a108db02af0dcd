"""A bundle on TensorRT: plans from the cache or built, checked, and if need be in fp32."""

from __future__ import annotations

from dataclasses import replace

from starrygazer_ros.backends.cache_folder import cache_folder
from starrygazer_ros.backends.names import AUTO, FP16, FP32
from starrygazer_ros.backends.options import EngineOptions, Say
from starrygazer_ros.backends.tensorrt.building import BuildOptions, InputShapes, build_plan
from starrygazer_ros.backends.tensorrt.device import Device
from starrygazer_ros.backends.tensorrt.execution import PlanError, PlanRunner
from starrygazer_ros.backends.tensorrt.pipeline import DevicePipeline
from starrygazer_ros.backends.tensorrt.plan_cache import NoPlanCache, PlanCache, plan_key
from starrygazer_ros.backends.tensorrt.platform import Platform
from starrygazer_ros.completion.bundle import EngineSpec, ModelBundle
from starrygazer_ros.completion.errors import (
    BackendUnavailableError,
    BundleGraphError,
    SelfCheckError,
)
from starrygazer_ros.completion.selection import Selection
from starrygazer_ros.completion.self_check import self_check
from starrygazer_ros.completion.working_size import working_size

BEST_SIZE = 480, 640
WIDEST = 4  # the MDE sees images up to this many times as wide as high, or as high as wide
CONTRACT = {
    "mde": frozenset({"image", "relative_depth"}),
    "refinement": frozenset({"image", "relative_depth", "sparse_depth", "depth", "confidence"}),
}


def load_pipeline(
    bundle: ModelBundle,
    platform: Platform,
    options: EngineOptions,
    say: Say,
    cache: PlanCache | None = None,
) -> Selection:
    """Load both engines of a bundle and let them complete its golden input.

    With the precision ``auto`` the graphs in fp16 are taken where the bundle has them, and those in
    fp32 where these compute something else: vision transformers in fp16 are known to be silently
    wrong on TensorRT 10.3. TF32 is allowed in ``auto`` only, and not where fp16 was wrong. Plans
    that cannot be kept are used all the same, and the selection warns of it.

    Args:
        bundle: a verified model bundle.
        platform: TensorRT and GPU.
        options: precision ``auto``, ``fp32`` or ``fp16``, sizes and memory.
        say: is told the progress of builds.
        cache: of plans; ``None`` = in the user's cache folder.

    Raises:
        BackendUnavailableError: a plan cannot be built or loaded, or there are no such graphs.
        BundleGraphError: a graph has other inputs or outputs than the contract.
        SelfCheckError: the GPU computes something else than the bundle says.
    """
    precision = options.precision
    if precision not in (AUTO, FP32, FP16):
        raise BackendUnavailableError(f"TensorRT computes in fp32 or fp16 here, not {precision}")
    if precision == FP16 and bundle.fp16 is None:
        raise BackendUnavailableError(
            f"bundle '{bundle.name}' has no graphs in fp16: set precision to auto or fp32, or "
            "export it with --fp16 true"
        )
    used = cache or _user_cache(platform.trt.__name__)
    selection = _select(bundle, precision, _Loader(platform, options, say, used))
    if used.problem:
        return replace(selection, warnings=(*selection.warnings, used.problem))
    return selection


def _select(bundle: ModelBundle, precision: str, loader: _Loader) -> Selection:
    """The engines in the precision that is asked for, or for ``auto`` the best that is right."""
    if precision == FP32 or bundle.fp16 is None:
        pipeline, _ = loader.load(bundle, FP32, tf32=precision == AUTO)
        return Selection(pipeline, bundle)
    try:
        pipeline, _ = loader.load(bundle.fp16, FP16, tf32=precision == AUTO)
        return Selection(pipeline, bundle.fp16)
    except SelfCheckError as error:
        if precision == FP16:
            raise
        in_fp16 = str(error)
    pipeline, difference = loader.load(bundle, FP32, tf32=False)
    warning = f"fp16 was given up: {in_fp16}; fp32 differs by {difference:.2g}"
    return Selection(pipeline, bundle, warnings=(warning,))


def _user_cache(name: str) -> PlanCache | NoPlanCache:
    folder = cache_folder(name)
    try:
        return PlanCache(folder)
    except OSError as error:
        return NoPlanCache(folder, error)


class _Loader:
    """Loads bundles with the same platform, options and cache."""

    def __init__(
        self,
        platform: Platform,
        options: EngineOptions,
        say: Say,
        cache: PlanCache | NoPlanCache,
    ) -> None:
        self._platform = platform
        self._options = options
        self._say = say
        self._cache = cache

    def load(self, bundle: ModelBundle, precision: str, tf32: bool) -> tuple[DevicePipeline, float]:
        """Both engines in one precision, and by how much they differ from the golden output."""
        device = self._platform.make_device()
        build = BuildOptions(self._options.workspace_mib, tf32=tf32)
        mde, mde_key = self._runner(bundle, bundle.mde, "mde", precision, device, build)
        refinement, refinement_key = self._runner(
            bundle, bundle.refinement, "refinement", precision, device, build
        )
        trt, gpu = self._platform.trt, self._platform.gpu
        description = f"{trt.__name__} {trt.__version__}, {gpu.name}, {precision}"
        pipeline = DevicePipeline(bundle, mde, refinement, device, description)
        try:
            return pipeline, self_check(pipeline, bundle)
        except SelfCheckError as error:
            for key in (mde_key, refinement_key):  # so that nobody starts with them again
                self._cache.quarantine(key, str(error))
            raise

    def _runner(
        self,
        bundle: ModelBundle,
        spec: EngineSpec,
        graph: str,
        precision: str,
        device: Device,
        build_options: BuildOptions,
    ) -> tuple[PlanRunner, str]:
        """One engine, and the key of its plan."""
        shapes = _shapes(bundle, graph, self._options)
        content = spec.read()
        trt, gpu = self._platform.trt, self._platform.gpu
        name = f"{bundle.name} {graph} ({precision})"
        about = {
            "model": f"{bundle.name} {bundle.version}",
            "graph": graph,
            "precision": precision,
            "builder": f"{trt.__name__} {trt.__version__}",
            "gpu": gpu.as_dict(),
            "shapes": {tensor: vars(sizes) for tensor, sizes in shapes.items()},
            "options": vars(build_options),
        }
        key = plan_key(onnx=content, **about)

        def build() -> bytes:
            return build_plan(trt, content, shapes, build_options, name, self._say)

        plan = self._cache.get_or_build(key, about, build)
        try:
            runner = PlanRunner(trt, plan, device, name)
        except PlanError as error:
            self._say(f"{error}: it is built anew")
            self._cache.quarantine(key, str(error))
            runner = PlanRunner(trt, self._cache.get_or_build(key, about, build), device, name)
        if runner.inputs | runner.outputs != CONTRACT[graph]:
            raise BundleGraphError(
                f"{spec.path} maps {sorted(runner.inputs)} to {sorted(runner.outputs)}, expected "
                f"{sorted(CONTRACT[graph])} together: export the bundle again"
            )
        return runner, key


def _shapes(bundle: ModelBundle, graph: str, options: EngineOptions) -> dict[str, InputShapes]:
    """Sizes of the inputs that a plan takes, from the manifest and the largest image."""
    if graph == "mde":
        spec = bundle.mde
        smallest = spec.minimum, spec.minimum
        best = bundle.mde_size(*BEST_SIZE)
        side = max(bundle.mde_size(1, WIDEST))
        largest = min(side, spec.maximum), min(side, spec.maximum)
        return {"image": _three(3, smallest, best, largest)}
    spec = bundle.refinement

    def filled(side: int) -> int:
        return spec.filled(min(side, spec.maximum))

    smallest = filled(spec.minimum), filled(spec.minimum)
    largest = filled(options.max_height), filled(options.max_width)
    usual = BEST_SIZE
    if bundle.working_pixels is not None:
        usual = working_size(*BEST_SIZE, bundle.working_pixels, spec.minimum)
    best = min(filled(usual[0]), largest[0]), min(filled(usual[1]), largest[1])
    return {
        "image": _three(3, smallest, best, largest),
        "relative_depth": _three(1, smallest, best, largest),
        "sparse_depth": _three(1, smallest, best, largest),
    }


def _three(
    channels: int, smallest: tuple[int, int], best: tuple[int, int], largest: tuple[int, int]
) -> InputShapes:
    first, second, third = ((1, channels, *size) for size in (smallest, best, largest))
    return InputShapes(first, second, third)
