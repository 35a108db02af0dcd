"""Which pixels are measured: random points, scan lines, corners, grids."""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

Mask = NDArray[np.bool_]
Image = NDArray[np.uint8] | NDArray[np.float32]

CORNER_QUALITY = 0.003  # weakest corner over strongest; visual SLAM takes weak ones, too


@dataclass(frozen=True)
class Scanner:
    """A spinning LiDAR as a camera beside it sees its beams.

    Attributes:
        lines: scan lines per image height; fewer are seen where ``missing`` is above 0.
        step: pixels between two points of a line at the image centre.
        field_of_view: of the camera, horizontal, degrees; wide views bend the lines more.
        pitch: degrees by which the LiDAR's horizon lies below the image centre.
        roll: degrees between the LiDAR's and the camera's horizon.
        crowding: 0 = evenly spaced lines; otherwise they stand closer near the horizon, where
            their spacing is 1 - ``crowding`` of that of even lines.
        unevenness: standard deviation of a line's elevation, in line spacings.
        missing: share of beams that return nothing.
        dropout: share of points lost one by one.
        run_dropout: share of points lost in runs along a line (dark or wet surfaces).
    """

    lines: float
    step: float = 1.5
    field_of_view: float = 70.0
    pitch: float = 0.0
    roll: float = 0.0
    crowding: float = 0.0
    unevenness: float = 0.0
    missing: float = 0.0
    dropout: float = 0.0
    run_dropout: float = 0.0


def random_points(
    shape: tuple[int, int], rng: np.random.Generator, count: int, valid: Mask | None = None
) -> Mask:
    """``count`` pixels (all, if there are fewer), each as likely as any other.

    Args:
        shape: rows, columns.
        rng: random source.
        count: number of points.
        valid: bool [H, W], pixels to choose from.
    """
    candidates = np.arange(shape[0] * shape[1]) if valid is None else np.flatnonzero(valid)
    chosen = rng.choice(candidates, min(count, candidates.size), replace=False, shuffle=False)
    mask = np.zeros(shape, bool)
    mask.ravel()[chosen] = True
    return mask


def scan_lines(shape: tuple[int, int], rng: np.random.Generator, scanner: Scanner) -> Mask:
    """Pixels hit by a spinning LiDAR at the camera's place.

    A beam of constant elevation draws a curve on the image plane that bends away from the LiDAR's
    horizon towards the sides.

    Args:
        shape: rows, columns.
        rng: random source of phases, uneven spacing and losses.
        scanner: geometry and losses.
    """
    rows, columns = shape
    focal = columns / 2 / np.tan(np.deg2rad(scanner.field_of_view) / 2)
    pitch, roll = np.deg2rad(scanner.pitch), np.deg2rad(scanner.roll)
    down = np.tan(_beam_angles(rows, focal, rng, scanner) - pitch)[:, None].astype(np.float32)
    reach = np.deg2rad(scanner.field_of_view) / 2 + 0.1  # so that rolled lines reach the corners
    step = scanner.step / focal
    azimuth = np.arange(-reach + step * rng.random(), reach, step).astype(np.float32)[None]
    # Direction in the LiDAR's frame (x right, y down, z forward), then pitched and rolled.
    x, z = np.sin(azimuth), np.cos(azimuth)
    y = np.cos(pitch) * down + np.sin(pitch) * z
    z = np.maximum(np.cos(pitch) * z - np.sin(pitch) * down, 0.05)
    u = np.rint((np.cos(roll) * x - np.sin(roll) * y) / z * focal + (columns - 1) / 2)
    v = np.rint((np.sin(roll) * x + np.cos(roll) * y) / z * focal + (rows - 1) / 2)
    hit = (u >= 0) & (u < columns) & (v >= 0) & (v < rows) & _returned(u.shape, rng, scanner)
    mask = np.zeros(shape, bool)
    mask[v[hit].astype(np.intp), u[hit].astype(np.intp)] = True
    return mask


def corners(image: Image, rng: np.random.Generator, count: int, jitter: float = 0.0) -> Mask:
    """The strongest corners (Shi & Tomasi, CVPR 1994), as visual SLAM tracks them.

    Args:
        image: [H, W, 3] RGB, uint8 or float in 0..1.
        rng: random source of the jitter.
        count: number of corners; a smooth image has fewer.
        jitter: standard deviation of their place, pixels.
    """
    rows, columns = image.shape[:2]
    if image.dtype != np.uint8:
        image = (np.clip(image, 0, 1) * 255).astype(np.uint8)
    grey = cv2.cvtColor(image, cv2.COLOR_RGB2GRAY)
    apart = max(1.0, 0.4 * float(np.sqrt(rows * columns / count)))
    found = cv2.goodFeaturesToTrack(grey, count, CORNER_QUALITY, apart)
    mask = np.zeros((rows, columns), bool)
    if found is None:
        return mask
    place = found.reshape(-1, 2) + rng.normal(0, jitter, (len(found), 2))
    u, v = np.rint(place).astype(np.intp).T
    mask[np.clip(v, 0, rows - 1), np.clip(u, 0, columns - 1)] = True
    return mask


def grid(
    shape: tuple[int, int], rng: np.random.Generator, step: float, jitter: float = 0.0
) -> Mask:
    """A regular grid with a random phase, as of a time-of-flight camera of low resolution.

    Args:
        shape: rows, columns.
        rng: random source of the phase and the jitter.
        step: pixels from point to point.
        jitter: standard deviation of each point's place, pixels.
    """
    v, u = np.meshgrid(
        *(np.arange(step * rng.random(), side, step) for side in shape), indexing="ij"
    )
    v = np.floor(v + rng.normal(0, jitter, v.shape)).astype(np.intp)
    u = np.floor(u + rng.normal(0, jitter, u.shape)).astype(np.intp)
    mask = np.zeros(shape, bool)
    mask[np.clip(v, 0, shape[0] - 1), np.clip(u, 0, shape[1] - 1)] = True
    return mask


def _beam_angles(
    rows: int, focal: float, rng: np.random.Generator, scanner: Scanner
) -> NDArray[np.float64]:
    """Angles below the camera's axis, radians, of the beams that the image can hold."""
    spacing = rows / scanner.lines
    row = np.arange(-0.2 * rows + spacing * rng.random(), 1.2 * rows, spacing)
    horizon = (rows - 1) / 2 + focal * np.tan(np.deg2rad(scanner.pitch))
    away = row - horizon
    reach = np.abs(away).max()
    # A cubic: its slope at the horizon is 1 - crowding, and the outermost lines stay in place.
    away = (1 - scanner.crowding) * away + scanner.crowding * away**3 / reach**2
    away += rng.normal(0, scanner.unevenness * spacing, len(row))
    kept = rng.random(len(row)) >= scanner.missing
    angles: NDArray[np.float64] = np.arctan((horizon + away - (rows - 1) / 2) / focal)
    return angles[kept]


def _returned(shape: tuple[int, ...], rng: np.random.Generator, scanner: Scanner) -> Mask:
    """Which points come back, by line and azimuth."""
    lines, points = shape
    returned = rng.random(shape, dtype=np.float32) >= scanner.dropout
    length = int(rng.integers(4, 25))
    runs = rng.random((lines, points // length + 2), dtype=np.float32) >= scanner.run_dropout
    start = int(rng.integers(length))
    return returned & np.repeat(runs, length, axis=1)[:, start : start + points]
