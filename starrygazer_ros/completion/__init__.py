"""Depth completion without ROS: arrays in, arrays out."""

from starrygazer_ros.completion.bundle import ModelBundle
from starrygazer_ros.completion.completer import CompletionResult, DepthCompleter
from starrygazer_ros.completion.engines import SharedEngines
from starrygazer_ros.completion.errors import (
    BackendUnavailableError,
    BundleError,
    BundleGraphError,
    BundleIntegrityError,
    BundleManifestError,
    BundleNotFoundError,
    CompletionError,
    ImageFormatError,
    ImageSizeError,
    InferenceError,
    InputError,
    SelfCheckError,
    SizeMismatchError,
    SparseDepthFormatError,
    SparseDepthValueError,
    TooFewSparsePointsError,
)
from starrygazer_ros.completion.geometry import Intrinsics, back_project, seen_by

__all__ = [
    "BackendUnavailableError",
    "BundleError",
    "BundleGraphError",
    "BundleIntegrityError",
    "BundleManifestError",
    "BundleNotFoundError",
    "CompletionError",
    "CompletionResult",
    "DepthCompleter",
    "ImageFormatError",
    "ImageSizeError",
    "InferenceError",
    "InputError",
    "Intrinsics",
    "ModelBundle",
    "SelfCheckError",
    "SharedEngines",
    "SizeMismatchError",
    "SparseDepthFormatError",
    "SparseDepthValueError",
    "TooFewSparsePointsError",
    "back_project",
    "seen_by",
]
