"""Points between the views of a sensor and of a camera that do not stand in one place."""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float32]

NEAREST_QUANTILE = 0.05  # of depth; no single point sets the scale of a parallax


class SensorBeside:
    """A depth sensor whose optical centre is not that of the camera.

    It sees past the edges of near objects: some background points come to lie in an object's
    silhouette, among the object's own points, and on the opposite side there are none.

    Args:
        depth: float32 [H, W] metres, 0 = none, of the camera.
        offset: pixels right and down from a nearest point in the camera's image to its place in the
            sensor's view; less for others in proportion to inverse depth.
    """

    def __init__(self, depth: Array, offset: tuple[float, float]) -> None:
        self._depth, self._offset = depth, offset
        self._nearest = nearest_depth(depth)

    def view(self) -> Array:
        """Depth of the sensor's own view, float32 [H, W].

        What the camera does not see, but the sensor does, continues the background beside it.
        """
        seen = move(self._depth, (0, 0), self._offset, self._nearest)
        inverse = np.divide(1, seen, out=np.zeros_like(seen), where=seen > 0)
        cracks = cv2.morphologyEx(inverse, cv2.MORPH_CLOSE, np.ones((3, 3), np.uint8))
        np.divide(1, cracks, out=seen, where=(seen == 0) & (cracks > 0))
        seen[(self._depth == 0) & (seen == 0)] = np.inf  # nothing there, and nothing came there
        reach = 2 * int(np.ceil(np.abs(self._offset).max())) + 3
        farthest_around = cv2.dilate(seen, np.ones((reach, reach), np.uint8))
        seen = np.where(seen == 0, farthest_around, seen)
        seen[np.isinf(seen)] = 0
        return seen

    def in_camera(self, sparse: Array) -> Array:
        """Points of the sensor's view in the camera's image, float32 [H, W]."""
        x, y = self._offset
        return move(sparse, (0, 0), (-x, -y), self._nearest)


def nearest_depth(depth: Array) -> float:
    """Depth of the nearest points, 1 if there are none."""
    known = depth[depth > 0]
    return float(np.quantile(known, NEAREST_QUANTILE)) if known.size else 1.0


def move(
    sparse: Array, shift: tuple[float, float], parallax: tuple[float, float], nearest: float
) -> Array:
    """Move points within the image; of several that meet in a pixel, the nearest stays.

    Args:
        sparse: float32 [H, W] metres, 0 = none.
        shift: pixels right and down for all points.
        parallax: pixels right and down for points at ``nearest``, less for farther ones in
            proportion to inverse depth.
        nearest: metres; nearer points move no farther.
    """
    v, u = np.nonzero(sparse)
    z = sparse[v, u]
    near = np.minimum(nearest / z, 1.0)
    u = np.rint(u + shift[0] + parallax[0] * near).astype(np.intp)
    v = np.rint(v + shift[1] + parallax[1] * near).astype(np.intp)
    inside = (u >= 0) & (u < sparse.shape[1]) & (v >= 0) & (v < sparse.shape[0])
    order = np.argsort(-z[inside], kind="stable")  # of several written to a pixel, the last stays
    moved = np.zeros_like(sparse)
    moved[v[inside][order], u[inside][order]] = z[inside][order]
    return moved
