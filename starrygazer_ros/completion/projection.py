"""LiDAR points into the pixels of a camera: sparse depth."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from starrygazer_ros.completion.cameras import Camera
from starrygazer_ros.completion.occlusion import occluded_points, points_hidden_from_camera

NEAREST = 1e-3  # metres along the optical axis; nothing that a lens images is nearer
FARTHEST = 1e5  # metres; no LiDAR reaches as far, so that such a point is none


@dataclass(frozen=True)
class Projection:
    """Sparse depth and what became of the points.

    Attributes:
        depth: float32 [H, W], metres along the optical axis, 0 = none; pixel centres at integers.
        points: how many were given.
        in_range: of these, those within the limits of the range.
        in_image: of these, those that the camera has in its image.
        hidden: pixels that are left empty because what the LiDAR sees there is hidden from the
            camera by something nearer.
    """

    depth: NDArray[np.float32]
    points: int
    in_range: int
    in_image: int
    hidden: int

    @property
    def pixels(self) -> int:
        """How many pixels have depth."""
        return int(np.count_nonzero(self.depth))


def project(
    points: NDArray[np.floating],
    camera: Camera,
    frame_from_points: NDArray[np.float64],
    nearest: float = 0.0,
    farthest: float = np.inf,
    filter_occluded: bool = True,
    origins: NDArray[np.floating] | None = None,
) -> Projection:
    """Sparse depth of LiDAR points; of several in one pixel the nearest.

    Args:
        points: float [N, 3], metres, in the frame in which they are given; NaN = no return.
        camera: whose image the depth is for.
        frame_from_points: extrinsics, float [4, 4], from the points' frame to the camera's optical
            frame.
        nearest: points no farther than this from where they were measured are left out, metres.
        farthest: those farther away are left out, too.
        filter_occluded: leave out background that the LiDAR sees past the edges of nearer objects:
            what :func:`~.occlusion.points_hidden_from_camera` finds from where the sensors are, and
            :func:`~.occlusion.occluded_points` in the image, because a sensor that turns while it
            moves, and glass, let more points through than the sensors' places explain.
        origins: float [N, 3], where each point was measured from, in the points' frame; ``None`` =
            its origin.
    """
    measured = _in_range(points, nearest, farthest, origins)
    camera_from_points = camera.from_frame @ frame_from_points
    seen = moved(points, camera_from_points)
    kept = np.flatnonzero(measured & (seen[:, 2] > NEAREST) & (seen[:, 2] < FARTHEST))
    seen = seen.T.take(kept, axis=1).T
    columns, rows = np.rint(camera.project(seen)).T
    width, height = camera.intrinsics.width, camera.intrinsics.height
    # Compared before they become integers, which hold neither NaN nor what is far off.
    inside = np.flatnonzero((columns >= 0) & (columns < width) & (rows >= 0) & (rows < height))
    pixels = rows[inside].astype(np.intp) * width + columns[inside].astype(np.intp)

    seen = seen.T.take(inside, axis=1).T
    z = seen[:, 2].astype(np.float32)
    depth = np.zeros(height * width, np.float32)
    depth[pixels] = np.inf
    np.minimum.at(depth, pixels, z)
    hidden = 0
    if filter_occluded:
        shown = _one_of_each_pixel(np.flatnonzero(z == depth[pixels]), pixels, depth.size)
        where: NDArray[np.floating] = camera_from_points[:3, 3]
        if origins is not None:
            where = moved(origins[kept[inside[shown]]], camera_from_points)
        dropped = occluded_points(depth.reshape(height, width)).ravel()[pixels[shown]]
        dropped |= points_hidden_from_camera(
            seen[shown].astype(np.float32),
            pixels[shown],
            width,
            camera.intrinsics.fx,
            where.astype(np.float32),
        )
        depth[pixels[shown[dropped]]] = 0
        hidden = int(np.count_nonzero(dropped))
    return Projection(
        depth.reshape(height, width),
        points=len(points),
        in_range=int(np.count_nonzero(measured)),
        in_image=len(inside),
        hidden=hidden,
    )


def moved(points: NDArray[np.floating], transform: NDArray[np.float64]) -> NDArray[np.floating]:
    """Points in another frame.

    Args:
        points: float [N, 3].
        transform: float [4, 4], from their frame to the other one.

    Returns:
        float [N, 3] of the same type, each column in one piece.
    """
    # Not a matrix product: starting the threads of a BLAS takes longer than the product.
    columns: NDArray[np.floating] = np.ascontiguousarray(points.T)
    turned: NDArray[np.floating] = np.empty(points.shape, points.dtype, order="F")
    with np.errstate(invalid="ignore", over="ignore"):
        for row, result in zip(transform[:3].astype(points.dtype), turned.T, strict=True):
            np.multiply(columns[0], row[0], out=result)
            result += columns[1] * row[1]
            result += columns[2] * row[2]
            result += row[3]
    return turned


def _in_range(
    points: NDArray[np.floating],
    nearest: float,
    farthest: float,
    origins: NDArray[np.floating] | None,
) -> NDArray[np.bool_]:
    """Which points are measurements; many LiDARs put what did not return at their own origin."""
    with np.errstate(invalid="ignore", over="ignore"):
        rays = points if origins is None else points - origins
        squared = np.einsum("ij,ij->i", rays, rays)
        in_range = (squared > nearest**2) & (squared <= farthest**2)
        return np.asarray(in_range & np.isfinite(squared))


def _one_of_each_pixel(
    candidates: NDArray[np.intp], pixels: NDArray[np.intp], size: int
) -> NDArray[np.intp]:
    """Of candidates that share a pixel, being equally near, one."""
    at_pixel = np.empty(size, np.int32)
    at_pixel[pixels[candidates]] = candidates
    chosen: NDArray[np.intp] = candidates[at_pixel[pixels[candidates]] == candidates]
    return chosen
