"""StarryGazer pairs: dense pseudo-ground-truth from photographs.

A monocular network is right inside an object and wrong between objects. So its relative depth is
segmented and each segment is moved to another depth at random. The refinement network sees the
*student's* relative depth and has to reach pseudo-ground-truth made from the *teacher's*: the
difference of the two is a real error of a monocular network, beside those made at random here.

The law of the rescaling, in log depth, where a factor is a sum: a contrast and a flatness for the
scene; a normal scale for each group of segments and a smaller one for each segment; a tilt for each
group, which takes the place of a shift of inverse depth because it keeps depth positive; smooth
warps. There is no global metric range such as 0.3 to 200 m: the network sees log depth minus the
mean of the sparse points, so a factor for the whole scene changes nothing.
"""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from starrygazer_training.segmentation import FloatMap, LabelMap, distance_to_border

BLUR = 6.0  # pixels from a border within which relative depth is blurred


@dataclass(frozen=True)
class RescalingLaw:
    """Ranges from which each pair draws; see ``pseudo_ground_truth``."""

    contrast: tuple[float, float] = (1.5, 25.0)  # farthest over nearest depth of a scene
    flatness: tuple[float, float] = (0.2, 1.2)  # exponent of the relative depth
    group_scale: tuple[float, float] = (0.05, 0.5)  # standard deviation of log scale per group
    segment_scale: tuple[float, float] = (0.0, 0.08)  # the same for every segment on its own
    tilt: tuple[float, float] = (0.0, 0.4)  # log-depth change over the image's longer side
    warp: tuple[float, float] = (0.0, 0.35)  # standard deviation of the smooth warp in log depth


def pseudo_ground_truth(
    relative_depth: FloatMap,
    segments: LabelMap,
    rng: np.random.Generator,
    law: RescalingLaw | None = None,
) -> FloatMap:
    """Dense log depth D_sg of one photograph: a random scene with this photograph's layout.

    Args:
        relative_depth: float32 [H, W] teacher's relative inverse depth, about 0..1.
        segments: int32 [H, W] labels.
        rng: random source; the same state gives the same scene.
        law: ranges to draw from.

    Returns:
        float32 [H, W] natural logarithm of depth, mean near 0.
    """
    law = law or RescalingLaw()
    contrast = np.exp(rng.uniform(*np.log(law.contrast)))
    inverse = np.clip(relative_depth, 0.0, 1.2) + 1.0 / contrast
    log_depth = -np.log(inverse) * rng.uniform(*law.flatness)
    log_depth = _sharpen(log_depth, segments, rng.uniform(0.5, 1.0))
    groups = _merge(log_depth, segments, rng)
    log_depth = log_depth + _rescale(groups, rng, law)
    offsets = rng.normal(0, rng.uniform(*law.segment_scale), int(segments.max()) + 1)
    log_depth = log_depth + offsets[segments]
    for _ in range(int(rng.integers(0, 3))):
        warp = smooth_noise(log_depth.shape, rng)
        log_depth = log_depth + rng.uniform(*law.warp) * rng.random() * warp
    return (log_depth - log_depth.mean()).astype(np.float32)


def _means(values: FloatMap, labels: LabelMap, count: int) -> NDArray[np.float64]:
    sizes = np.maximum(np.bincount(labels.ravel(), minlength=count), 1)
    return np.bincount(labels.ravel(), values.ravel(), minlength=count) / sizes


def _sharpen(log_depth: FloatMap, segments: LabelMap, strength: float) -> FloatMap:
    """Pull each segment towards its own plane, so that depth steps where the photograph does.

    The plane is fitted with less weight near the segment's border, where relative depth is blurred.
    """
    count = int(segments.max()) + 1
    rows, columns = log_depth.shape
    distance = distance_to_border(segments)
    weight = (0.05 + np.minimum(distance, BLUR)).astype(np.float64)
    v, u = np.mgrid[0:rows, 0:columns] / max(rows, columns)

    flat = segments.ravel()

    def total(values: NDArray[np.float64]) -> NDArray[np.float64]:
        return np.bincount(flat, (weight * values).ravel(), minlength=count)

    w = total(np.ones_like(weight))
    mu, mv, mz = (total(x) / w for x in (u, v, log_depth))
    du, dv, dz = u - mu[segments], v - mv[segments], log_depth - mz[segments]
    ridge = 1e-5 * w
    uu, vv, uv = total(du * du) + ridge, total(dv * dv) + ridge, total(du * dv)
    uz, vz = total(du * dz), total(dv * dz)
    determinant = uu * vv - uv * uv
    a, b = (vv * uz - uv * vz) / determinant, (uu * vz - uv * uz) / determinant
    plane = mz[segments] + a[segments] * du + b[segments] * dv
    # At the border itself nothing but the plane: what relative depth says there is a blurred step.
    share = np.maximum(strength, 1 - distance / BLUR)
    return (share * plane + (1 - share) * log_depth).astype(np.float32)


def _merge(log_depth: FloatMap, segments: LabelMap, rng: np.random.Generator) -> LabelMap:
    """Merge segments into a random number of groups of similar depth and, at times, place.

    Groups follow depth layers, because that is where a monocular network goes wrong; sometimes they
    are cut in space too, so that a wrong step inside one object is also seen in training.
    """
    count = int(segments.max()) + 1
    depth = _means(log_depth, segments, count)
    layers = int(rng.integers(1, 9))
    cuts = np.sort(rng.uniform(depth.min(), depth.max() + 1e-6, layers - 1))
    group = np.searchsorted(cuts, depth)
    if rng.random() < 0.6:
        rows, columns = segments.shape
        v, u = np.mgrid[0:rows, 0:columns].astype(np.float32)
        centres = np.stack([_means(v, segments, count), _means(u, segments, count)], 1)
        seeds = rng.uniform((0, 0), (rows, columns), (int(rng.integers(2, 9)), 2))
        nearest = np.argmin(((centres[:, None] - seeds[None]) ** 2).sum(-1), axis=1)
        group = group * len(seeds) + nearest
    if rng.random() < 0.4:  # some segments on their own
        alone = rng.random(count) < rng.uniform(0, 0.5)
        group = np.where(alone, group.max() + 1 + np.arange(count), group)
    _, group = np.unique(group, return_inverse=True)
    return group.astype(np.int32)[segments]


def _rescale(groups: LabelMap, rng: np.random.Generator, law: RescalingLaw) -> FloatMap:
    """Log-normal scale and a tilt for each group, as an addition to log depth."""
    count = int(groups.max()) + 1
    rows, columns = groups.shape
    v, u = np.mgrid[0:rows, 0:columns] / max(rows, columns) - 0.5
    scale = rng.normal(0, rng.uniform(*law.group_scale), count)
    tilt = rng.normal(0, rng.uniform(*law.tilt), (2, count))
    return (scale[groups] + tilt[0][groups] * u + tilt[1][groups] * v).astype(np.float32)


def smooth_noise(shape: tuple[int, ...], rng: np.random.Generator) -> FloatMap:
    """Unit-variance noise with a random correlation length of 1/20 to half of the image."""
    cells = round(np.exp(rng.uniform(np.log(2), np.log(20))))
    noise = rng.normal(size=(cells, cells)).astype(np.float32)
    return cv2.resize(noise, (shape[1], shape[0]), interpolation=cv2.INTER_CUBIC)
