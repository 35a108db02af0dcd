"""Dense depth in other pixels, without a depth between the two sides of an edge."""

from __future__ import annotations

from functools import cached_property
from typing import TYPE_CHECKING

import cv2
import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    from starrygazer_ros.completion.completer import CompletionResult

_LARGEST_BEND = np.float32(0.01)  # share of inverse depth; mixed, it shifts a depth by half of it


class Resampling:
    """From the pixels of a depth map to those of another size, larger or smaller.

    A new pixel's centre lies between four old ones. Where these belong to one smooth surface,
    their bilinear mean is taken, of depth as inverse depth, which is linear over the image of a
    plane: a resampled plane is exactly where it was. Elsewhere, at edges and beside unknown depth,
    the old pixel around the centre is taken as it is, up to half an old pixel aside, so that no
    depth arises that was not there.

    Args:
        depth: float32 [H, W] metres, NaN = unknown.
        height: new rows.
        width: new columns.
        across_edges: take the mean wherever all four are known, of one surface or not.
    """

    def __init__(
        self, depth: NDArray[np.float32], height: int, width: int, across_edges: bool = False
    ) -> None:
        self._old = depth
        self._size = (width, height)
        self._across_edges = across_edges

    @cached_property
    def depth(self) -> NDArray[np.float32]:
        """float32 [H', W'] metres, NaN = unknown."""
        inverse = np.asarray(self._between(self._inverse_depth), np.float32)
        means = np.reciprocal(inverse, out=inverse)
        return np.asarray(self._chosen(means, self._old), np.float32)

    def of(self, values: NDArray) -> NDArray:  # type: ignore[type-arg]
        """Other values [H, W] or [H, W, C] of the same pixels, [H', W'] or [H', W', C]."""
        return self._chosen(self._between(values), values)

    def _chosen(self, means: NDArray, values: NDArray) -> NDArray:  # type: ignore[type-arg]
        """Bilinear means where they are of one surface, the old pixels' values elsewhere."""
        if self._smooth is None:
            return means
        # Ten times as fast as numpy.where.
        return cv2.copyTo(means, self._smooth, self._single(values))

    @cached_property
    def _inverse_depth(self) -> NDArray[np.float32]:
        """float32 [H, W], 1/metres, 1 = unknown, which the choice leaves out."""
        known = np.isfinite(self._old)
        return np.divide(1, np.where(known, self._old, np.float32(1)), dtype=np.float32)

    @cached_property
    def _smooth(self) -> NDArray[np.uint8] | None:
        """1 where bilinear means are taken, uint8 [H', W']; ``None`` = everywhere."""
        rough = ~np.isfinite(self._old)
        if not self._across_edges:
            rough |= _bends(self._inverse_depth)
        if not rough.any():
            return None
        # The same weights as those of the values: 0 only if no rough pixel has a share.
        return np.asarray(self._between(rough.astype(np.float32)) == 0).view(np.uint8)

    def _between(self, values: NDArray) -> NDArray:  # type: ignore[type-arg]
        """Bilinear at the new pixels' centres."""
        return cv2.resize(values, self._size, interpolation=cv2.INTER_LINEAR)

    def _single(self, values: NDArray) -> NDArray:  # type: ignore[type-arg]
        """The old pixel in which the new pixel's centre lies."""
        return cv2.resize(values, self._size, interpolation=cv2.INTER_NEAREST_EXACT)


class ScaledResult:
    """A completion and its image in another size; each map is made when it is asked for first.

    The places of the pixels are those of :meth:`Intrinsics.scaled`.

    Args:
        result: of the completer.
        image: uint8 [H, W, 3] RGB of the same size.
        scale: new size over old size, more than 0 and at most 1; sides are rounded.

    Attributes:
        height: rows.
        width: columns.
    """

    def __init__(self, result: CompletionResult, image: NDArray[np.uint8], scale: float) -> None:
        self.height, self.width = (max(1, round(scale * side)) for side in result.depth.shape)
        self._result = result
        self._image = image
        self._resampling = None
        if (self.height, self.width) != result.depth.shape:
            self._resampling = Resampling(result.depth, self.height, self.width)

    @cached_property
    def depth(self) -> NDArray[np.float32]:
        """float32 [H', W'] metres, NaN = unknown."""
        return self._resampling.depth if self._resampling else self._result.depth

    @cached_property
    def confidence(self) -> NDArray[np.float32]:
        """float32 [H', W'] in 0..1."""
        confidence = self._result.confidence
        return self._resampling.of(confidence) if self._resampling else confidence

    @cached_property
    def image(self) -> NDArray[np.uint8]:
        """uint8 [H', W', 3] RGB."""
        return self._resampling.of(self._image) if self._resampling else self._image


def _bends(inverse_depth: NDArray[np.float32]) -> NDArray[np.bool_]:
    """Pixels at which the inverse depth along a row or column is no straight line.

    A step from one surface to another is one on both of its sides, a slope is none.
    """
    bends = np.zeros(inverse_depth.shape, np.bool_)
    limit = _LARGEST_BEND * inverse_depth
    for values, limits, bent in (
        (inverse_depth, limit, bends),
        (inverse_depth.T, limit.T, bends.T),
    ):
        if len(values) < 3:  # too few to tell
            bent[:] = True
            continue
        bend = values[:-2] + values[2:]
        bend -= 2 * values[1:-1]
        bent[1:-1] |= np.abs(bend) > limits[1:-1]
    return bends
