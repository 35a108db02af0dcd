"""Everything that can be wrong with an input or a model bundle.

Each class has a ``cause``: a short stable name that diagnostics count by.
"""

from __future__ import annotations

from typing import ClassVar


class CompletionError(Exception):
    """Base of all errors raised by ``starrygazer_ros.completion`` and ``.backends``."""

    cause: ClassVar[str] = "completion_error"


class InputError(CompletionError, ValueError):
    """The image or the sparse depth cannot be completed; the next pair may be fine."""

    cause = "bad_input"


class ImageFormatError(InputError):
    """The image is not uint8 [H, W, 3]."""

    cause = "image_format"


class ImageSizeError(InputError):
    """The image is smaller or larger than the bundle's engines take."""

    cause = "image_size"


class SparseDepthFormatError(InputError):
    """The sparse depth is not float32 [H, W]."""

    cause = "sparse_depth_format"


class SizeMismatchError(InputError):
    """Image and sparse depth differ in size."""

    cause = "size_mismatch"


class SparseDepthValueError(InputError):
    """The sparse depth holds infinite or negative values."""

    cause = "sparse_depth_value"


class TooFewSparsePointsError(InputError):
    """Fewer valid sparse points than ``min_sparse_points``."""

    cause = "too_few_sparse_points"


class BundleError(CompletionError):
    """The model bundle cannot be used."""

    cause = "bundle"


class BundleNotFoundError(BundleError, FileNotFoundError):
    """No bundle of this name, or one of its files is missing."""

    cause = "bundle_not_found"


class BundleManifestError(BundleError):
    """``manifest.yaml`` cannot be understood."""

    cause = "bundle_manifest"


class BundleIntegrityError(BundleError):
    """A file of the bundle differs from the hash in its manifest."""

    cause = "bundle_integrity"


class BundleGraphError(BundleError):
    """An ONNX graph does not have the inputs and outputs of the contract."""

    cause = "bundle_graph"


class BackendUnavailableError(CompletionError):
    """The requested back end is unknown or cannot run here."""

    cause = "backend_unavailable"


class InferenceError(CompletionError):
    """The back end failed while it ran a graph."""

    cause = "inference"


class HungError(CompletionError):
    """An engine did not answer for longer than the watchdog waits."""

    cause = "hung"


class ReloadingError(CompletionError):
    """The engines are being loaded again."""

    cause = "reloading"


class SelfCheckError(CompletionError):
    """The engines do not reproduce the bundle's golden output on this machine."""

    cause = "self_check"


def in_one_line(error: BaseException) -> str:
    """The words of any error without line breaks; its class's name if it has none."""
    return " ".join(str(error).split()) or type(error).__name__
