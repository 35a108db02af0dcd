"""Which back end runs a bundle here, checked against the bundle's own answer."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass, replace

from starrygazer_ros import backends
from starrygazer_ros.backends.cpu import multiplies_int8
from starrygazer_ros.backends.names import (
    AUTO,
    BACKENDS,
    FP32,
    INT8,
    ONNXRUNTIME,
    TENSORRT,
    TENSORRT_RTX,
)
from starrygazer_ros.backends.options import EngineOptions, Say, say_nothing
from starrygazer_ros.completion.bundle import ModelBundle
from starrygazer_ros.completion.errors import (
    BackendUnavailableError,
    InferenceError,
    SelfCheckError,
)
from starrygazer_ros.completion.pipelines import HostPipeline, Pipeline
from starrygazer_ros.completion.self_check import self_check

DEFAULT_OPTIONS = EngineOptions()


@dataclass(frozen=True)
class Selection:
    """A pipeline that runs here.

    Attributes:
        pipeline: loaded.
        bundle: the one given, or that with its graphs of another precision: those that run.
        notes: why not a back end that would have been better, a sentence each.
        warnings: what is wrong although it runs, a sentence each; there may be more later on.
    """

    pipeline: Pipeline
    bundle: ModelBundle
    notes: tuple[str, ...] = ()
    warnings: Collection[str] = ()


def select_pipeline(
    bundle: ModelBundle,
    backend: str,
    threads: int,
    options: EngineOptions = DEFAULT_OPTIONS,
    say: Say = say_nothing,
) -> Selection:
    """Load the back end that is asked for, or the first of ``BACKENDS`` that is usable.

    Args:
        bundle: a verified model bundle.
        backend: one of ``BACKENDS``; all but ``auto`` fail instead of giving way to another.
        threads: CPU threads of one inference.
        options: precision, and sizes and memory on a GPU.
        say: is told what takes long.

    Raises:
        BackendUnavailableError: the back end is unknown or cannot run here.
        BundleGraphError: a graph has other inputs or outputs than the contract.
        InferenceError: it failed in its self-check.
        SelfCheckError: it computes something else than the bundle says.
    """
    if backend not in BACKENDS:
        raise BackendUnavailableError(
            f"unknown back end '{backend}': choose one of {', '.join(BACKENDS)}"
        )
    if backend != AUTO:
        return _load(bundle, backend, threads, options, say)
    notes: list[str] = []
    for candidate in BACKENDS[1:]:
        try:
            selected = _load(bundle, candidate, threads, options, say)
        except (BackendUnavailableError, InferenceError, SelfCheckError) as error:
            notes.append(f"{candidate}: {error}")
        else:
            return replace(selected, notes=tuple(notes))
    raise BackendUnavailableError(f"no back end can run here: {'; '.join(notes)}")


def _load(
    bundle: ModelBundle, backend: str, threads: int, options: EngineOptions, say: Say
) -> Selection:
    if backend in (TENSORRT, TENSORRT_RTX):
        from starrygazer_ros.backends.tensorrt.platform import find_platform

        platform = find_platform(backend)
        from starrygazer_ros.backends.tensorrt.loading import load_pipeline  # not on every system

        return load_pipeline(bundle, platform, options, say)
    if options.precision == AUTO and bundle.int8 is not None and multiplies_int8():
        try:
            return _on_host(bundle, backend, threads, INT8)
        except (BackendUnavailableError, InferenceError, SelfCheckError) as error:
            exact = _on_host(bundle, backend, threads, FP32)
            not_int8 = f"{backend} runs in fp32, not in int8: {error}"
            return replace(exact, warnings=(not_int8, *exact.warnings))
    return _on_host(bundle, backend, threads, options.precision)


def _on_host(bundle: ModelBundle, backend: str, threads: int, precision: str) -> Selection:
    if precision == INT8:
        bundle = _in_int8(bundle)
    warnings: dict[str, None] = {}  # each once, although there are two engines
    mde, refinement = (
        backends.load_engine(
            graph.read(), str(graph.path), backend, threads, precision, warnings.setdefault
        )
        for graph in (bundle.mde, bundle.refinement)
    )
    pipeline = HostPipeline(bundle, mde, refinement)
    if backend != ONNXRUNTIME or precision == INT8:  # else the one that made the golden output
        self_check(pipeline, bundle)
    return Selection(pipeline, bundle, warnings=warnings.keys())


def _in_int8(bundle: ModelBundle) -> ModelBundle:
    """The bundle's graphs in int8."""
    if bundle.int8 is None:
        raise BackendUnavailableError(
            f"bundle '{bundle.name}' has no graphs in int8: set precision to auto, or make them "
            "with starrygazer models quantize"
        )
    return bundle.int8
