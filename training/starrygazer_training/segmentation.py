"""Graph segments of a photograph, whose depths are rescaled against each other.

A monocular network is right inside an object and wrong between objects, so the paper segments its
relative depth, not the photograph. The default is a graph segmentation of relative depth alone;
colour beside it or instead of it is an option. :mod:`sam` segments by a model, for a user who has
its weights, and :mod:`segment_cache` keeps results on disk.
"""

from __future__ import annotations

import warnings
from dataclasses import dataclass
from typing import Any, Literal

import cv2
import numpy as np
from numpy.typing import NDArray
from skimage.segmentation import felzenszwalb, watershed

FloatMap = NDArray[np.float32]
LabelMap = NDArray[np.int32]
Image = NDArray[np.uint8]
Channels = Literal["depth", "depth+rgb", "rgb"]

SURFACE_STRIDE = 3  # pixels; a smooth surface needs no more
SURFACE_ITERATIONS = 5
CLEAR_STEP = 0.05  # of the range of depth, between a thin object and what is around it
ALL_AROUND = 0.9  # of its border, where that holds
SURFACE_TOLERANCE = 0.1  # distance from the surface at which a pixel's weight has halved

_CHANNELS = ("depth", "depth+rgb", "rgb")


@dataclass(frozen=True)
class SegmentParams:
    """Options of :func:`segment`.

    Attributes:
        channels: what is segmented. ``depth+rgb`` takes sharp edges from the photograph where those
            of relative depth are blurred; ``rgb`` is there for the ablation.
        scale: of Felzenszwalb and Huttenlocher; larger gives larger segments.
        sigma: of the Gaussian that smooths first, pixels.
        min_size: smallest segment, pixels at ``side``.
        side: longest side in pixels at which is segmented; the time grows with the area.
        colour_weight: a step of colour (CIELAB, 0..1) beside one of relative depth (0..1).
        snap_band: pixels by which borders may move to the photograph's edges, see :func:`snap`.
    """

    channels: Channels = "depth"
    scale: float = 60.0
    sigma: float = 0.6
    min_size: int = 40
    side: int = 288
    colour_weight: float = 0.5
    snap_band: int = 0

    def __post_init__(self) -> None:
        if self.channels not in _CHANNELS:
            raise ValueError(f"channels '{self.channels}': choose one of {', '.join(_CHANNELS)}")


def segment(
    relative_depth: FloatMap, image: Image | None = None, params: SegmentParams | None = None
) -> LabelMap:
    """Graph segments (Felzenszwalb & Huttenlocher, IJCV 2004) of relative depth.

    Relative depth is brought to 0..1 and freed of its smooth ramp first. A ramp, such as that of a
    road, would be cut into strips although it is one surface.

    Args:
        relative_depth: float32 [H, W] relative inverse depth in any scale and offset.
        image: uint8 [H, W, 3] RGB, needed for channels with colour and to snap.
        params: options.

    Returns:
        int32 [H, W] labels 0..N-1.

    Raises:
        ValueError: no image where it is needed, another size, or depth that is not finite.
    """
    params = params or SegmentParams()
    height, width = relative_depth.shape
    scale = min(1.0, params.side / max(height, width))
    size = max(1, round(width * scale)), max(1, round(height * scale))
    layers = []
    if params.channels != "rgb":
        layers.append(_without_ramp(_normalised(_resize(relative_depth, size)))[..., None])
    if params.channels != "depth":
        require_image(image, relative_depth.shape, params.channels)
        colour = cv2.cvtColor(_resize(image, size), cv2.COLOR_RGB2LAB).astype(np.float32)
        weight = params.colour_weight if params.channels == "depth+rgb" else 1.0
        layers.append(weight * colour / 255.0)
    with warnings.catch_warnings():  # one and four channels are meant
        warnings.filterwarnings("ignore", "Got image with third dimension")
        labels = felzenszwalb(
            np.concatenate(layers, -1),
            scale=params.scale,
            sigma=params.sigma,
            min_size=params.min_size,
            channel_axis=-1,
        )
    full = cv2.resize(labels.astype(np.int32), (width, height), interpolation=cv2.INTER_NEAREST)
    full = np.asarray(full, np.int32)
    if not params.snap_band:
        return full
    require_image(image, relative_depth.shape, f"{params.channels}, snapped to edges,")
    assert image is not None
    return snap(full, relative_depth, image, params.snap_band)


def snap(labels: LabelMap, relative_depth: FloatMap, image: Image, band: int) -> LabelMap:
    """Move the borders of segments to the photograph's edges: a watershed of its gradient.

    Relative depth tells what is one object, but its edges are blurred by a few pixels. A real
    step in depth lies where the photograph has an edge, and a pair that puts it beside teaches a
    network not to trust edges. The blur itself often becomes thin segments between two objects,
    which share them. A thin object keeps its middle line.

    Args:
        labels: int32 [H, W] segments.
        relative_depth: float32 [H, W] that they are of.
        image: uint8 [H, W, 3] RGB.
        band: pixels from a border within which it may move.

    Returns:
        int32 [H, W] labels 0..N-1.
    """
    smooth = cv2.GaussianBlur(cv2.cvtColor(image, cv2.COLOR_RGB2LAB), (0, 0), 0.8)
    across, down = (cv2.Sobel(smooth, cv2.CV_32F, *order) for order in ((1, 0), (0, 1)))
    gradient = np.hypot(across, down).max(-1)
    inside = distance_to_border(labels)
    middle_line = inside >= cv2.dilate(inside, np.ones((3, 3), np.uint8)) - 0.5
    slivers = _slivers(labels, relative_depth, inside, band)
    kept = ((inside >= band) | middle_line) & ~slivers[labels]
    if not kept.any():
        return labels
    moved = watershed(gradient, np.where(kept, labels + 1, 0))
    _, relabelled = np.unique(moved, return_inverse=True)
    return relabelled.reshape(labels.shape).astype(np.int32)


def distance_to_border(labels: LabelMap) -> FloatMap:
    """Pixels to the nearest pixel with a neighbour in another segment, 0 on both sides of it."""
    inner = np.ones(labels.shape, np.uint8)
    for axis in (0, 1):
        same = np.diff(labels, axis=axis) == 0
        ahead, behind = [slice(None)] * 2, [slice(None)] * 2
        ahead[axis], behind[axis] = slice(1, None), slice(None, -1)
        inner[tuple(ahead)] &= same
        inner[tuple(behind)] &= same
    return np.asarray(cv2.distanceTransform(inner, cv2.DIST_L2, 3), np.float32)


def _slivers(
    labels: LabelMap, relative_depth: FloatMap, inside: FloatMap, band: int
) -> NDArray[np.bool_]:
    """For each label, whether it is a part of a blurred edge: thin, but nothing that stands out.

    A pole is thin, too, but almost all around it is clearly farther; behind a slit, nearer.
    """
    count = int(labels.max()) + 1
    widest = np.zeros(count, np.float32)
    np.maximum.at(widest, labels.ravel(), inside.ravel())
    sizes = np.maximum(np.bincount(labels.ravel(), minlength=count), 1)
    depth = np.bincount(labels.ravel(), relative_depth.ravel(), minlength=count) / sizes
    beside = [(labels[:, :-1], labels[:, 1:]), (labels[:-1], labels[1:])]
    own = np.concatenate([part.ravel() for pair in beside for part in pair])
    other = np.concatenate([part.ravel() for pair in beside for part in reversed(pair)])
    own, other = own[own != other], other[own != other]
    step = (depth[other] - depth[own]) / max(np.ptp(depth), 1e-6)
    borders = np.maximum(np.bincount(own, minlength=count), 1)
    nearer = np.bincount(own, step > CLEAR_STEP, minlength=count) / borders
    farther = np.bincount(own, step < -CLEAR_STEP, minlength=count) / borders
    return (widest < band / 2) & (np.maximum(nearer, farther) < ALL_AROUND)


def _normalised(depth: FloatMap) -> FloatMap:
    """Most of the range to 0..1; a few extreme pixels stay outside, but not far."""
    if not np.isfinite(depth).all():
        raise ValueError("relative depth holds values that are not finite")
    low, high = np.percentile(depth, (2, 98))
    if high <= low:  # flat, or flat but for a few pixels
        low, high = float(depth.min()), max(float(depth.max()), float(depth.min()) + 1e-6)
    return np.asarray(np.clip((depth - low) / (high - low), -0.5, 1.5), np.float32)


def _without_ramp(depth: FloatMap) -> FloatMap:
    """What is left of the best quadratic surface over the whole image.

    The inverse depth of a plane is linear in pixel coordinates; the squares take gentle bends.
    Iteratively re-weighted least squares: objects before the surface must not tilt it.
    """
    height, width = depth.shape
    v, u = np.mgrid[0:height, 0:width] / max(height, width) - 0.5
    terms = np.stack([np.ones_like(u), u, v, u * u, u * v, v * v], -1)
    some_terms = terms[::SURFACE_STRIDE, ::SURFACE_STRIDE].reshape(-1, 6)
    some = depth[::SURFACE_STRIDE, ::SURFACE_STRIDE].ravel().astype(np.float64)
    root = np.ones_like(some)  # of the weights
    for _ in range(SURFACE_ITERATIONS):
        surface, *_ = np.linalg.lstsq(root[:, None] * some_terms, root * some, rcond=None)
        root = 1 / np.hypot(1, (some_terms @ surface - some) / SURFACE_TOLERANCE)
    return np.asarray(depth - terms @ surface, np.float32)


def require_image(image: Image | None, shape: tuple[int, ...], channels: str) -> None:
    """Raise ValueError without an image of this size; ``channels`` says who needs it."""
    if image is None:
        raise ValueError(f"segments of channels '{channels}' need the image")
    if image.shape != (*shape, 3):
        raise ValueError(f"image is {image.shape} but relative depth is {shape}")


def _resize(array: Any, size: tuple[int, int]) -> NDArray[Any]:
    return np.asarray(cv2.resize(array, size, interpolation=cv2.INTER_AREA))
