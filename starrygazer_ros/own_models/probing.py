"""What a user's network expects and gives, by comparison with measured depth."""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
import onnx
from numpy.typing import NDArray

from starrygazer_ros.completion.errors import in_one_line
from starrygazer_ros.own_models.wrapping import (
    NORMALISATIONS,
    Network,
    Normalisation,
    OwnModelError,
    wrap,
)

WEAKEST = 0.5  # rank correlation with the measured inverse depth; less is no depth network
MULTIPLES = (14, 32, 64, 1)  # of vision transformers, of CNNs with five or six halvings, of none
_LONG_SIDE = 448  # pixels about which a network of any size is probed


@dataclass(frozen=True)
class Probe:
    """What was found.

    Attributes:
        normalisation: with which the output fits best.
        gives_depth: larger = farther.
        correlation: Spearman's, of the relative inverse depth that results with the measured one.
        all: correlation of the network's own output by normalisation.
        multiple: of the sides that the network takes.
    """

    normalisation: Normalisation
    gives_depth: bool
    correlation: float
    all: dict[str, float]
    multiple: int


def probe(network: Network, image: NDArray[np.uint8], sparse_depth: NDArray[np.float32]) -> Probe:
    """Try all normalisations on an image with measured depth.

    Args:
        network: the user's.
        image: uint8 [H, W, 3] RGB.
        sparse_depth: float32 [H, W] metres, 0 = none.

    Raises:
        OwnModelError: no size runs, or the output has nothing to do with the depth.
    """
    multiple = _multiple(network)
    small = _of_size(image, multiple)
    measured = sparse_depth > 0
    inverse_depth = 1 / sparse_depth[measured]
    correlations = {}
    for normalisation in NORMALISATIONS:
        found = _run(wrap(network, normalisation, gives_depth=False), small)
        height, width = sparse_depth.shape
        values = cv2.resize(found, (width, height), interpolation=cv2.INTER_LINEAR)[measured]
        correlations[normalisation.name] = _rank_correlation(values, inverse_depth)
    best = max(NORMALISATIONS, key=lambda norm: abs(correlations[norm.name]))
    strength = correlations[best.name]
    if not abs(strength) >= WEAKEST:
        table = ", ".join(f"{name} {value:+.2f}" for name, value in correlations.items())
        raise OwnModelError(
            "the network's output has little to do with the measured depth of the sample (rank "
            f"correlation by normalisation of the image: {table}; at least {WEAKEST} is needed): "
            "is it a depth network, and is its input RGB?"
        )
    return Probe(best, strength < 0, abs(strength), correlations, multiple)


def _multiple(network: Network) -> int:
    """The first of ``MULTIPLES`` of which odd and even multiples run."""
    if network.size is not None:
        return 1  # it is resized inside
    model = wrap(network, NORMALISATIONS[0], gives_depth=False)
    reasons = []
    for multiple in MULTIPLES:
        base = max(1, 196 // multiple)
        try:
            for sides in ((base, base + 1), (base + 1, base + 3)):
                height, width = (multiple * side for side in sides)
                _run(model, np.zeros((height, width, 3), np.uint8))
        except OwnModelError as error:
            reasons.append(str(error))
        else:
            return multiple
    raise OwnModelError(f"the network runs on no size that was tried: {reasons[0]}")


def _of_size(image: NDArray[np.uint8], multiple: int) -> NDArray[np.uint8]:
    """The image with sides that the network takes, the longer one of about ``_LONG_SIDE``."""
    scale = min(1.0, _LONG_SIDE / max(image.shape[:2]))
    height, width = (max(1, round(scale * side / multiple)) * multiple for side in image.shape[:2])
    return np.asarray(cv2.resize(image, (width, height), interpolation=cv2.INTER_AREA), np.uint8)


def _run(model: onnx.ModelProto, image: NDArray[np.uint8]) -> NDArray[np.float32]:
    """Relative depth [h, w] of an image."""
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.log_severity_level = 4  # what fails is told by us
    values = image.transpose(2, 0, 1)[None].astype(np.float32) / np.float32(255)
    try:
        session = onnxruntime.InferenceSession(
            model.SerializeToString(), options, providers=["CPUExecutionProvider"]
        )
        (result,) = session.run(["relative_depth"], {"image": values})
    except Exception as error:  # the binding's exception classes are not public
        raise OwnModelError(
            f"it fails at {image.shape[1]}x{image.shape[0]}: {in_one_line(error)}"
        ) from error
    return np.asarray(result[0, 0], np.float32)


def _rank_correlation(first: NDArray[np.float32], second: NDArray[np.float32]) -> float:
    """Spearman's; 0 for what is constant or not finite."""
    if not np.isfinite(first).all() or np.ptp(first) == 0 or np.ptp(second) == 0:
        return 0.0
    ranks = [np.argsort(np.argsort(values)).astype(float) for values in (first, second)]
    return float(np.corrcoef(*ranks)[0, 1])
