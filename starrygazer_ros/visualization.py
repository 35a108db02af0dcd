"""Pictures for people: coloured depth, error maps, image strips and point cloud renders."""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from starrygazer_ros.completion.geometry import Intrinsics

_UNKNOWN = (0, 0, 0)
_BACKGROUND = (24, 24, 28)
_INK = (235, 235, 235)
_FONT = cv2.FONT_HERSHEY_SIMPLEX
_FONT_HEIGHT = 24  # pixels of a line of the font in size 1, about
_LEAST_SPAN = 1.2  # farthest over nearest; a wall must not look as deep as a street


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

        It reaches from one depth to 1.2 times that depth at least, so that a nearly flat scene does
        not get all colours.

        Args:
            depth: float32, metres, 0 or NaN = unknown; 1 to 2 metres if all is unknown.
        """
        known = depth[depth > 0]
        if known.size == 0:
            return cls(1.0, 2.0)
        nearest, farthest = map(float, np.percentile(known, (1, 99)))
        widen = max(1.0, float(np.sqrt(_LEAST_SPAN * nearest / farthest)))
        return cls(nearest / widen, farthest * widen)


def metres(depth: float) -> str:
    """A depth with its unit and three digits, such as ``2.98 m`` or ``0.213 m``."""
    decimals = max(0, 2 - int(np.floor(np.log10(depth)))) if depth > 0 else 0
    return f"{depth:.{decimals}f} m"


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


def with_depth_scale(picture: NDArray[np.uint8], depth_range: DepthRange) -> NDArray[np.uint8]:
    """Set the colour scale of a coloured depth map to its right, near below and far above.

    Args:
        picture: uint8 [H, W, 3] RGB, of :func:`colour_depth`.
        depth_range: its colours.

    Returns:
        uint8 [H, W + some, 3] RGB.
    """
    height = picture.shape[0]
    size = float(np.clip(height / 900, 0.4, 3))
    line = round(_FONT_HEIGHT * size)
    ticks = int(np.clip(height // (3 * line), 2, 7))
    labels = [metres(depth) for depth in _depths(depth_range, ticks)]
    text = max(_width(label, size) for label in labels)
    scale = np.full((height, 3 * line + text, 3), _BACKGROUND, np.uint8)
    rows = slice(min(line, height // 4), height - min(line, height // 4))  # room for half a label
    bar = slice(line // 2, 2 * line)
    length = rows.stop - rows.start
    scale[rows, bar] = colour_depth(_depths(depth_range, length)[:, None], depth_range)
    for label, v in zip(labels, np.linspace(rows.start, rows.stop - 1, ticks), strict=True):
        scale[round(v), bar.stop : bar.stop + line // 4] = _INK
        _write(scale, label, 2 * line + line // 2, round(v + 0.4 * line), size)
    return np.hstack([picture, scale])


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
    points = np.count_nonzero(sparse_depth > 0)
    near_to_far = colour_depth(_depths(span, 256)[None, ::-1], span)
    small_to_large = colour_error(np.linspace(0, 1, 256, dtype=np.float32)[None], 1)
    ends = metres(span.nearest), metres(span.farthest)
    panels = [
        captioned(image, "image"),
        captioned(
            colour_depth(enlarge_points(sparse_depth, 3), span), f"sparse depth, {points} points"
        ),
        captioned(colour_depth(depth, span), "dense depth", (near_to_far, *ends)),
        captioned(
            colour_error(error, error_limit), "error", (small_to_large, "0", f"{error_limit:g} m")
        ),
    ]
    return np.hstack(panels)


def captioned(
    panel: NDArray[np.uint8],
    caption: str,
    scale: tuple[NDArray[np.uint8], str, str] | None = None,
) -> NDArray[np.uint8]:
    """A picture under a line of text.

    Args:
        panel: uint8 [H, W, 3] RGB.
        caption: a few words.
        scale: colours, uint8 [1, N, 3] RGB, that stand at the line's right end between two words.

    Returns:
        uint8 [H + some, W, 3] RGB.
    """
    width = panel.shape[1]
    size = float(np.clip(width / 850, 0.5, 2))
    line = round(_FONT_HEIGHT * size)
    bar = np.full((2 * line, width, 3), _BACKGROUND, np.uint8)
    baseline = 4 * line // 3
    _write(bar, caption, line // 2, baseline, size)
    if scale is not None:
        colours, first, last = scale
        u = width - line // 2 - _width(last, size)
        _write(bar, last, u, baseline, size)
        right = u - line // 2
        left = max(0, right - width // 4)
        if right > left:  # a very small picture has no room
            bar[line // 2 : -line // 2, left:right] = cv2.resize(
                colours, (right - left, line), interpolation=cv2.INTER_LINEAR
            )
        _write(bar, first, left - line // 2 - _width(first, size), baseline, size)
    return np.vstack([bar, panel])


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


def _depths(span: DepthRange, count: int) -> NDArray[np.float32]:
    """Depths from far to near whose colours are equally far apart."""
    return np.geomspace(span.farthest, span.nearest, count).astype(np.float32)


def _width(text: str, size: float) -> int:
    """Of a text, in pixels."""
    return int(cv2.getTextSize(text, _FONT, size, 1)[0][0])


def _write(picture: NDArray[np.uint8], text: str, u: int, v: int, size: float) -> None:
    """Write a line whose baseline begins at a pixel."""
    cv2.putText(picture, text, (u, v), _FONT, size, _INK, max(1, round(size)), cv2.LINE_AA)


def _rotation(yaw_degrees: float, pitch_degrees: float) -> NDArray[np.float64]:
    """Rotation of the scene that looks as if the camera went right (yaw) and up (pitch)."""
    yaw, pitch = np.deg2rad([yaw_degrees, pitch_degrees])
    about_y = np.array([[np.cos(yaw), 0, np.sin(yaw)], [0, 1, 0], [-np.sin(yaw), 0, np.cos(yaw)]])
    about_x = np.array(
        [[1, 0, 0], [0, np.cos(pitch), -np.sin(pitch)], [0, np.sin(pitch), np.cos(pitch)]]
    )
    return np.asarray(about_x @ about_y, np.float64)
