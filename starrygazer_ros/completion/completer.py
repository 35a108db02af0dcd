"""The method at run time: relative depth of the image, then refinement with the sparse depth."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from starrygazer_ros.backends.options import EngineOptions, Say, say_nothing
from starrygazer_ros.completion.bundle import ModelBundle
from starrygazer_ros.completion.engines import Engines, SharedEngines
from starrygazer_ros.completion.errors import (
    ImageFormatError,
    ImageSizeError,
    SizeMismatchError,
    SparseDepthFormatError,
    SparseDepthValueError,
    TooFewSparsePointsError,
)
from starrygazer_ros.completion.geometry import measured_places
from starrygazer_ros.completion.occlusion import occluded_points
from starrygazer_ros.completion.pipelines import Pipeline, Prediction
from starrygazer_ros.completion.selection import DEFAULT_OPTIONS
from starrygazer_ros.completion.self_check import self_check
from starrygazer_ros.completion.stage_clock import StageClock, Timings
from starrygazer_ros.fair_lock import FairLock

DEFAULT_MIN_SPARSE_POINTS = 5
NEAREST = 1e-6  # metres; what is nearer is no measurement, and its logarithm would spoil the others
CONTRADICTED = 1.25  # ratio of depth and measurement, either way; that of the metric delta1


@dataclass(frozen=True)
class CompletionResult:
    """Output of one completion, all of the image's size.

    Attributes:
        depth: float32 [H, W], metres along the optical axis, NaN = unknown.
        confidence: float32 [H, W] in 0..1, higher = more reliable.
        relative_depth: float32 [H, W], relative inverse depth, larger = nearer; ``None`` if the
            completer does not keep it.
        timings: seconds per stage (``check``, ``occlusion``, ``prepare_mde``, ``mde``,
            ``prepare_refinement``, ``refinement``, ``finish``, and around them ``shrink`` and
            ``enlarge`` where the bundle works in fewer pixels) and ``total``; its attribute
            ``backend`` says on what.
        occluded_points: sparse points that were left out as background seen past an edge.
        contradicted_points: others, at which the depth differs by more than ``CONTRADICTED``: they
            do not go with what is around them.
    """

    depth: NDArray[np.float32]
    confidence: NDArray[np.float32]
    relative_depth: NDArray[np.float32] | None
    timings: Timings
    occluded_points: int = 0
    contradicted_points: int = 0


class DepthCompleter:
    """Completes sparse metric depth with the help of the image.

    Not thread-safe: use one completer per thread. Completers of several threads may share their
    engines, which then work for one at a time, the longest waiting first.

    Args:
        bundle: a verified model bundle.
        backend: ``auto`` or the name of a back end.
        threads: CPU threads of one inference.
        min_sparse_points: fewer valid sparse points than this are refused.
        filter_occluded: leave out background points seen past edges where the sparse depth is full
            of them, see :func:`~starrygazer_ros.completion.occlusion.occluded_points`.
        shared: where engines that others use already come from; ``None`` loads them for this
            completer alone.
        options: precision of the back end, and sizes and memory on a GPU.
        say: is told what takes long while the engines are loaded.

    Attributes:
        bundle: the model bundle, with the graphs that run: those of another precision, perhaps.
        min_sparse_points: as given; may change between two images.
        filter_occluded: as given; may change between two images.
        keep_relative_depth: results hold the relative depth, too; those who do not need it spare a
            GPU the way back.

    Raises:
        BackendUnavailableError: the back end cannot run here.
        BundleGraphError: a graph has other inputs or outputs than the contract.
        SelfCheckError: the back end computes something else than the bundle says.
        ValueError: ``threads`` or ``min_sparse_points`` is less than 1.
    """

    def __init__(
        self,
        bundle: ModelBundle,
        backend: str = "auto",
        threads: int = 2,
        min_sparse_points: int = DEFAULT_MIN_SPARSE_POINTS,
        filter_occluded: bool = True,
        shared: SharedEngines | None = None,
        options: EngineOptions = DEFAULT_OPTIONS,
        say: Say = say_nothing,
    ) -> None:
        if threads < 1:
            raise ValueError(f"threads must be at least 1, got {threads}")
        if min_sparse_points < 1:
            raise ValueError(f"min_sparse_points must be at least 1, got {min_sparse_points}")
        self.min_sparse_points = min_sparse_points
        self.filter_occluded = filter_occluded
        self.keep_relative_depth = True
        load = Engines if shared is None else shared.load
        self._engines = load(bundle, backend, threads, options, say)
        self.bundle = self._engines.bundle

    @classmethod
    def from_bundle(
        cls,
        name_or_path: str | Path,
        backend: str = "auto",
        threads: int = 2,
        min_sparse_points: int = DEFAULT_MIN_SPARSE_POINTS,
        filter_occluded: bool = True,
        shared: SharedEngines | None = None,
        options: EngineOptions = DEFAULT_OPTIONS,
        say: Say = say_nothing,
    ) -> DepthCompleter:
        """Load a bundle by name (``"default"``) or folder; see the constructor.

        Raises:
            BundleError: the bundle is missing, malformed or was changed.
            BackendUnavailableError: the back end cannot run here.
        """
        bundle = ModelBundle.load(name_or_path)
        return cls(
            bundle, backend, threads, min_sparse_points, filter_occluded, shared, options, say
        )

    @property
    def backend_description(self) -> str:
        """Back end and device that really run."""
        return self._engines.pipeline.description

    @property
    def pipeline(self) -> Pipeline:
        """The engines and what is between them."""
        return self._engines.pipeline

    @property
    def backend_notes(self) -> tuple[str, ...]:
        """Why not a back end that would have been better, a sentence each."""
        return self._engines.notes

    @property
    def backend_warnings(self) -> tuple[str, ...]:
        """What is wrong with the back end although it runs, a sentence each."""
        return tuple(self._engines.warnings)

    @property
    def turn(self) -> FairLock:
        """Held by :meth:`complete`; take it before to choose the image when one's turn has come."""
        return self._engines.turn

    def give_up(self) -> None:
        """Whoever loads this model next gets other engines than those of this completer."""
        self._engines.given_up = True

    def complete(
        self, image: NDArray[np.uint8], sparse_depth: NDArray[np.float32]
    ) -> CompletionResult:
        """Dense metric depth of one image.

        Args:
            image: uint8 [H, W, 3] RGB.
            sparse_depth: float32 [H, W], metres along the optical axis; 0, NaN or less than
                ``NEAREST`` = none.

        Raises:
            InputError: one of its subclasses, each with what is wrong and what to do.
            InferenceError: the back end failed.
        """
        with self.turn:
            clock = StageClock()
            sparse_depth = self._check(image, sparse_depth)
            clock.lap("check")
            occluded = 0
            if self.filter_occluded:
                hidden = occluded_points(sparse_depth)
                occluded = int(np.count_nonzero(hidden))
                sparse_depth[hidden] = 0  # a copy, made by the check
                clock.lap("occlusion")
            prediction = self._engines.pipeline.run(
                image, sparse_depth, clock, self.keep_relative_depth
            )
            return _result(prediction, sparse_depth, occluded, clock, self.backend_description)

    def self_check(self) -> float:
        """Complete the bundle's golden input and compare with its stored output.

        Returns:
            The largest relative depth difference.

        Raises:
            SelfCheckError: the difference is above the bundle's tolerance or not finite.
        """
        with self.turn:
            return self_check(self._engines.graphs, self.bundle)

    def _check(
        self, image: NDArray[np.uint8], sparse_depth: NDArray[np.float32]
    ) -> NDArray[np.float32]:
        """Refuse what cannot be completed; a copy of the sparse depth with 0 instead of NaN."""
        if not _is_array(image, np.uint8, 3) or image.shape[2] != 3:
            raise ImageFormatError(f"image must be uint8 [H, W, 3] RGB, got {_form(image)}")
        if not _is_array(sparse_depth, np.float32, 2):
            raise SparseDepthFormatError(
                f"sparse depth must be float32 [H, W] in metres, got {_form(sparse_depth)}"
            )
        height, width = image.shape[:2]
        if sparse_depth.shape != (height, width):
            raise SizeMismatchError(
                f"image is {width}x{height} but sparse depth is "
                f"{sparse_depth.shape[1]}x{sparse_depth.shape[0]}: "
                "project the sparse depth into this image's size"
            )
        spec = self.bundle.refinement
        shrinks = self.bundle.working_pixels is not None
        too_large = max(height, width) > spec.maximum and not shrinks
        if min(height, width) < spec.smallest_image or too_large:
            most = "" if shrinks else f" to {spec.maximum}"
            raise ImageSizeError(
                f"image is {width}x{height}; bundle '{self.bundle.name}' takes sides from "
                f"{spec.smallest_image}{most} pixels: resize image and sparse depth"
            )
        valid = sparse_depth >= NEAREST  # False for NaN
        if np.isinf(sparse_depth).any() or (sparse_depth < 0).any():
            raise SparseDepthValueError(
                "sparse depth holds infinite or negative values: mark pixels without "
                "measurement with 0 or NaN"
            )
        points = int(np.count_nonzero(valid))
        if points < self.min_sparse_points:
            raise TooFewSparsePointsError(
                f"sparse depth has {points} valid points, at least {self.min_sparse_points} are "
                "needed: check the projection into the image, or lower min_sparse_points"
            )
        # Zeros where nothing is copied; ten times as fast as numpy.where.
        return np.asarray(cv2.copyTo(sparse_depth, valid.view(np.uint8)), np.float32)


def _result(
    prediction: Prediction,
    sparse_depth: NDArray[np.float32],
    occluded: int,
    clock: StageClock,
    backend: str,
) -> CompletionResult:
    """Unknown depth is NaN and of no confidence; ``sparse_depth`` as the engines had it."""
    known = (prediction.depth > 0) & (prediction.depth < np.inf)  # False for NaN
    depth, confidence = map(np.ascontiguousarray, (prediction.depth, prediction.confidence))
    if not known.all():
        depth[~known], confidence[~known] = np.nan, 0
    points = measured_places(sparse_depth)
    with np.errstate(over="ignore"):  # beyond every number is contradicted, too
        ratio = depth.ravel()[points] / sparse_depth.ravel()[points]
        agreeing = np.count_nonzero((ratio < CONTRADICTED) & (ratio * CONTRADICTED > 1))
    clock.lap("finish")
    return CompletionResult(
        depth,
        confidence,
        prediction.relative_depth,
        clock.timings(backend),
        occluded,
        contradicted_points=len(points) - agreeing,
    )


def _is_array(value: object, dtype: type[np.generic], dimensions: int) -> bool:
    return isinstance(value, np.ndarray) and value.dtype == dtype and value.ndim == dimensions


def _form(value: object) -> str:
    """What a caller passed, for error sentences."""
    if isinstance(value, np.ndarray):
        return f"{value.dtype} {list(value.shape)}"
    return f"a {type(value).__name__}"
