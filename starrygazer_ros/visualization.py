"""Pictures for people: coloured depth, error maps, image strips and point cloud renders."""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from starrygazer_ros.completion.geometry import Intrinsics

_UNKNOWN = (0, 0, 0)
_BACKGROUND = (24, 24, 28)
_CAPTION_HEIGHT = 28


@dataclass(frozen=True)
class DepthRange:
    """Depths that get the two ends of the colour map.

    Attributes:
        nearest: metres, red end.
        farthest: metres, blue end.
    """

    nearest: float
    farthest: float

    @classmethod
    def of(cls, depth: NDArray[np.float32]) -> DepthRange:
        """Range of a depth map without its outermost 1% at both ends.

        Args:
            depth: float32, metres, 0 or NaN = unknown; 1 to 2 metres if all is unknown.
        """
        known = depth[depth > 0]
        if known.size == 0:
            return cls(1.0, 2.0)
        nearest, farthest = np.percentile(known, (1, 99))
        return cls(float(nearest), float(max(farthest, nearest * 1.001)))


def colour_depth(
    depth: NDArray[np.float32], depth_range: DepthRange | None = None
) -> NDArray[np.uint8]:
    """Colour by the logarithm of depth, near = red, far = blue, unknown = black.

    Args:
        depth: float32 [H, W] metres, 0 or NaN = unknown.
        depth_range: same colours for several maps; default: of this map.

    Returns:
        uint8 [H, W, 3] RGB.
    """
    span = depth_range or DepthRange.of(depth)
    known = depth > 0
    nearness = np.log(span.farthest / np.where(known, depth, span.farthest))
    nearness /= np.log(span.farthest / span.nearest)
    return _colour(nearness, cv2.COLORMAP_TURBO, known)


def colour_error(error: NDArray[np.float32], limit: float) -> NDArray[np.uint8]:
    """Colour an absolute error, 0 = dark, ``limit`` and above = bright, NaN = black.

    Args:
        error: float32 [H, W], metres.
        limit: metres.

    Returns:
        uint8 [H, W, 3] RGB.
    """
    known = np.isfinite(error)
    return _colour(np.where(known, np.abs(error), 0) / limit, cv2.COLORMAP_INFERNO, known)


def enlarge_points(sparse_depth: NDArray[np.float32], size: int) -> NDArray[np.float32]:
    """Draw each sparse point as a square of ``size`` pixels so that the eye can see it.

    Where squares overlap, the nearer point wins. 0 = none.
    """
    known = sparse_depth > 0
    nearness = np.where(known, 1.0 / np.where(known, sparse_depth, 1), 0).astype(np.float32)
    grown = cv2.dilate(nearness, np.ones((size, size), np.uint8))
    return np.where(grown > 0, 1.0 / np.where(grown > 0, grown, 1), 0).astype(np.float32)


def strip(
    image: NDArray[np.uint8],
    sparse_depth: NDArray[np.float32],
    depth: NDArray[np.float32],
    true_depth: NDArray[np.float32],
    error_limit: float = 0.5,
) -> NDArray[np.uint8]:
    """Image, sparse depth, dense depth and absolute error side by side, each with a caption.

    Args:
        image: uint8 [H, W, 3] RGB.
        sparse_depth: float32 [H, W] metres, 0 = none.
        depth: float32 [H, W] metres, NaN = unknown.
        true_depth: float32 [H, W] metres, 0 = unknown; the error is drawn where it is known.
        error_limit: metres that get the brightest colour.

    Returns:
        uint8 RGB.
    """
    span = DepthRange.of(true_depth)
    error = np.where(true_depth > 0, np.abs(depth - true_depth), np.float32(np.nan))
    panels = {
        "image": image,
        f"sparse depth, {np.count_nonzero(sparse_depth > 0)} points": colour_depth(
            enlarge_points(sparse_depth, 3), span
        ),
        f"dense depth, {span.nearest:.1f} to {span.farthest:.1f} m": colour_depth(depth, span),
        f"error, dark 0 to bright {error_limit:g} m": colour_error(error, error_limit),
    }
    return np.hstack([_captioned(panel, caption) for caption, panel in panels.items()])


def render_points(
    points: NDArray[np.float32],
    colours: NDArray[np.uint8],
    intrinsics: Intrinsics,
    yaw_degrees: float = 15.0,
    pitch_degrees: float = 8.0,
    splat: int = 2,
) -> NDArray[np.uint8]:
    """See a point cloud from a viewpoint that is turned around the cloud's middle.

    Args:
        points: float32 [N, 3], metres in the optical frame; rows with NaN are left out.
        colours: uint8 [N, 3] RGB.
        intrinsics: of the virtual camera; before turning it stands at the origin.
        yaw_degrees: to the right.
        pitch_degrees: upwards.
        splat: side of the square drawn for a point, pixels.

    Returns:
        uint8 [H, W, 3] RGB.
    """
    known = np.isfinite(points).all(axis=1)
    points, colours = points[known].astype(np.float64), colours[known]
    picture = np.full((intrinsics.height, intrinsics.width, 3), _BACKGROUND, np.uint8)
    if len(points) == 0:
        return picture
    pivot = np.array([0.0, 0.0, np.median(points[:, 2])])
    x, y, z = ((points - pivot) @ _rotation(yaw_degrees, pitch_degrees).T + pivot).T
    front = z > 1e-3
    x, y, z, colours = x[front], y[front], z[front], colours[front]
    u = np.rint(intrinsics.cx + intrinsics.fx * x / z).astype(int)
    v = np.rint(intrinsics.cy + intrinsics.fy * y / z).astype(int)

    offsets = np.indices((splat, splat)).reshape(2, 1, -1)
    v, u = ((np.stack([v, u])[:, :, None]) + offsets).reshape(2, -1)
    far_to_near = np.argsort(-np.repeat(z, splat * splat), kind="stable")
    inside = (u >= 0) & (u < intrinsics.width) & (v >= 0) & (v < intrinsics.height)
    order = far_to_near[inside[far_to_near]]
    # The last assignment to a pixel stays: the nearest point.
    picture[v[order], u[order]] = np.repeat(colours, splat * splat, axis=0)[order]
    return picture


def _colour(
    values: NDArray[np.floating], colour_map: int, known: NDArray[np.bool_]
) -> NDArray[np.uint8]:
    """Values in 0..1 through an OpenCV colour map to RGB."""
    steps = np.rint(np.clip(values, 0, 1) * 255).astype(np.uint8)
    coloured = cv2.cvtColor(cv2.applyColorMap(steps, colour_map), cv2.COLOR_BGR2RGB)
    return np.where(known[..., None], coloured, _UNKNOWN).astype(np.uint8)


def _captioned(panel: NDArray[np.uint8], caption: str) -> NDArray[np.uint8]:
    bar = np.full((_CAPTION_HEIGHT, panel.shape[1], 3), _BACKGROUND, np.uint8)
    position = (8, _CAPTION_HEIGHT - 9)
    cv2.putText(
        bar, caption, position, cv2.FONT_HERSHEY_SIMPLEX, 0.5, (235, 235, 235), 1, cv2.LINE_AA
    )
    return np.vstack([bar, panel])


def _rotation(yaw_degrees: float, pitch_degrees: float) -> NDArray[np.float64]:
    """Rotation of the scene that looks as if the camera went right (yaw) and up (pitch)."""
    yaw, pitch = np.deg2rad([yaw_degrees, pitch_degrees])
    about_y = np.array([[np.cos(yaw), 0, np.sin(yaw)], [0, 1, 0], [-np.sin(yaw), 0, np.cos(yaw)]])
    about_x = np.array(
        [[1, 0, 0], [0, np.cos(pitch), -np.sin(pitch)], [0, np.sin(pitch), np.cos(pitch)]]
    )
    return np.asarray(about_x @ about_y, np.float64)
