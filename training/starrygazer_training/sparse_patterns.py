"""Sparse depth D_ss as sensors give it, sampled from a dense map: patterns, coverage, faults.

A pattern says at which pixels a sensor measures; a coverage takes measurements away (range limit,
no view upwards, missing sectors); a fault falsifies some of those that are left. ``sample_sparse``
draws one of everything at random from a :class:`PatternLaw`; each part is a function with explicit
strengths, too, so that evaluations and ablations can call it alone.

Depth is float32 [H, W] in metres with 0 = none throughout, and nothing depends on the scale of the
scene: multiplying the depth by k multiplies the result by k.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import cv2
import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float32]
Mask = NDArray[np.bool_]
Image = NDArray[np.uint8] | NDArray[np.float32]
Range = tuple[float, float]

MINIMUM_POINTS = 5  # the completer refuses fewer
CORNER_QUALITY = 0.003  # weakest corner over strongest; visual SLAM takes weak ones, too
BEHIND = 1.05  # a surface so many times farther counts as background
OUTLIER_MARGIN = 2.0  # outliers lie up to so many times nearer or farther than all other points
LARGEST_LOG_NOISE = 1.0


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


@dataclass(frozen=True)
class PatternLaw:
    """Ranges and probabilities from which ``sample_sparse`` draws.

    Numbers of points and lines, steps and noise are drawn log-uniformly, everything else uniformly.
    With the defaults about 60% of the draws have no fault and no missing sector.
    """

    # How often each pattern comes, relative to the others.
    points: float = 0.35
    lines: float = 0.4
    corners: float = 0.15
    grid: float = 0.1

    point_count: Range = (5, 20_000)
    largest_share: float = 0.25  # of the pixels that any pattern may measure
    line_count: Range = (4, 128)
    line_step: Range = (0.8, 6.0)  # pixels
    field_of_view: Range = (35.0, 100.0)  # degrees
    pitch: Range = (-8.0, 8.0)  # degrees
    roll: Range = (-4.0, 4.0)  # degrees
    crowding: Range = (0.0, 0.7)
    unevenness: Range = (0.0, 0.3)
    missing_beams: Range = (0.0, 0.3)
    dropout: Range = (0.0, 0.2)
    run_dropout: Range = (0.0, 0.3)
    corner_count: Range = (30, 1500)
    corner_jitter: Range = (0.0, 1.5)  # standard deviation, pixels
    grid_step: Range = (3.0, 40.0)  # pixels
    grid_jitter: Range = (0.0, 0.15)  # standard deviation, grid steps

    range_limit_probability: float = 0.15
    range_quantile: Range = (0.4, 0.95)
    no_view_up_probability: float = 0.35  # of scan lines and grids
    no_view_up_share: Range = (0.1, 0.55)  # of the rows
    missing_sector_probability: float = 0.08
    sector_count: tuple[int, int] = (1, 3)
    sector_width: Range = (0.08, 0.35)  # of the columns, each

    noise_probability: float = 0.12
    noise: Range = (0.002, 0.03)  # standard deviation over depth
    quadratic_noise: Range = (0.002, 0.02)  # the same at the median depth, growing with depth
    outlier_probability: float = 0.1
    outlier_share: Range = (0.003, 0.08)  # of the points
    misregistration_probability: float = 0.06
    misregistration: Range = (0.5, 4.0)  # pixels at the nearest points
    bleed_probability: float = 0.08
    bleed: Range = (1.0, 6.0)  # pixels at the nearest points
    bleed_share: Range = (0.2, 0.8)  # of the points that have background behind them
    quantisation_probability: float = 0.06
    quantisation: Range = (0.002, 0.04)  # step over median depth

    @classmethod
    def without_faults(cls) -> PatternLaw:
        """The same patterns, range limits and views with perfect measurements and no lost sector.

        For the ablation of fault simulation.
        """
        return replace(
            cls(),
            missing_sector_probability=0.0,
            noise_probability=0.0,
            outlier_probability=0.0,
            misregistration_probability=0.0,
            bleed_probability=0.0,
            quantisation_probability=0.0,
        )


def sample_sparse(
    log_depth: Array,
    rng: np.random.Generator,
    image: Image | None = None,
    valid: Mask | None = None,
    law: PatternLaw | None = None,
) -> Array:
    """Sparse depth as a random sensor would measure the scene.

    Args:
        log_depth: float32 [H, W] natural logarithm of depth.
        rng: random source; the same state gives the same points.
        image: [H, W, 3] RGB, uint8 or float in 0..1, where corners are looked for; without it
            corners become random points.
        valid: bool [H, W], where depth exists; nothing is measured elsewhere. Default: everywhere.
        law: ranges to draw from.

    Returns:
        float32 [H, W] metres, 0 = none; at least ``MINIMUM_POINTS`` points.

    Raises:
        ValueError: ``valid`` or ``image`` has another size, or too few pixels are valid.
    """
    law = law or PatternLaw()
    depth = _dense(log_depth, valid)
    if image is not None and image.shape[:2] != depth.shape:
        raise ValueError(f"image is {image.shape[:2]} but depth is {depth.shape}")
    kind = _kind(rng, law)
    sparse = np.where(_pattern(kind, depth, rng, image, law), depth, np.float32(0))
    sparse = _cover(kind, sparse, rng, law)
    sparse = _falsify(sparse, depth, rng, law)
    sparse[depth == 0] = 0  # where a misregistered point may have gone
    return _top_up(sparse, depth, rng)


# Patterns: which pixels are measured.


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


# Coverage: which measurements are missing.


def limit_range(sparse: Array, quantile: float) -> Array:
    """Keep the points nearer than this quantile of their depths."""
    known = sparse > 0
    if not known.any():
        return sparse
    farthest = np.quantile(sparse[known], quantile)
    return np.where(sparse <= farthest, sparse, np.float32(0))


def drop_above(sparse: Array, share: float) -> Array:
    """Remove the uppermost ``share`` of the rows: a LiDAR does not see upwards."""
    kept: Array = sparse.copy()
    kept[: round(share * len(sparse))] = 0
    return kept


def drop_sectors(
    sparse: Array, rng: np.random.Generator, count: int = 1, width: float = 0.2
) -> Array:
    """Remove ``count`` vertical wedges, as where a LiDAR is blocked by the robot or switched off.

    Args:
        sparse: float32 [H, W] metres, 0 = none.
        rng: random source of their places.
        count: number of wedges.
        width: of each at its middle, share of the columns.
    """
    rows, columns = sparse.shape
    down = np.linspace(-1, 1, rows)[:, None]
    u = (np.arange(columns) + 0.5)[None] / columns
    kept: Array = sparse.copy()
    for centre, slant in zip(rng.random(count), rng.uniform(-0.3, 0.3, count), strict=True):
        kept[np.abs(u - centre) < width / 2 * (1 + slant * down)] = 0
    return kept


# Faults: which measurements are wrong.


def add_range_noise(
    sparse: Array, rng: np.random.Generator, relative: float = 0.0, quadratic: float = 0.0
) -> Array:
    """Gaussian noise of log depth.

    Args:
        sparse: float32 [H, W] metres, 0 = none.
        rng: random source.
        relative: standard deviation over depth, the same for all points.
        quadratic: standard deviation over depth at the points' median depth; it grows with depth,
            so that the error in metres grows with its square, as from stereo and weak ToF echoes.
    """
    place, z = _points(sparse)
    if not len(z):
        return sparse
    sigma = np.hypot(relative, quadratic * z / np.median(z))
    noise = np.clip(sigma * rng.standard_normal(len(z)), -LARGEST_LOG_NOISE, LARGEST_LOG_NOISE)
    return _with_points(sparse, place, z * np.exp(noise))


def add_outliers(sparse: Array, rng: np.random.Generator, share: float) -> Array:
    """Replace a share of the points by depths that have nothing to do with the scene.

    They are log-uniform over the range of the points, widened by ``OUTLIER_MARGIN`` at both ends.

    Args:
        sparse: float32 [H, W] metres, 0 = none.
        rng: random source.
        share: of the points, 0..1.
    """
    place, z = _points(sparse)
    count = round(share * len(z))
    if not count:
        return sparse
    chosen = rng.choice(len(z), count, replace=False, shuffle=False)
    nearest, farthest = np.log(z.min() / OUTLIER_MARGIN), np.log(z.max() * OUTLIER_MARGIN)
    return _with_points(sparse, place[chosen], np.exp(rng.uniform(nearest, farthest, count)))


def misregister(
    sparse: Array, shift: tuple[float, float] = (0, 0), parallax: tuple[float, float] = (0, 0)
) -> Array:
    """Move points as a wrong calibration between sensor and camera does; the nearest one wins.

    Args:
        sparse: float32 [H, W] metres, 0 = none.
        shift: pixels right and down for all points (wrong rotation).
        parallax: pixels right and down for the nearest points, less for others in proportion to
            inverse depth (wrong translation, or motion between the exposures).
    """
    place, z = _points(sparse)
    if not len(z):
        return sparse
    v, u = np.divmod(place, sparse.shape[1])
    near = _nearness(z)
    u = np.rint(u + shift[0] + parallax[0] * near).astype(np.intp)
    v = np.rint(v + shift[1] + parallax[1] * near).astype(np.intp)
    inside = (u >= 0) & (u < sparse.shape[1]) & (v >= 0) & (v < sparse.shape[0])
    order = np.argsort(-z[inside], kind="stable")  # of several written to a pixel, the last stays
    moved = np.zeros_like(sparse)
    moved[v[inside][order], u[inside][order]] = z[inside][order]
    return moved


def bleed_through(
    sparse: Array,
    depth: Array,
    rng: np.random.Generator,
    offset: tuple[float, float],
    share: float = 0.5,
) -> Array:
    """Give points inside the edge of a near object the depth of what lies behind it.

    A LiDAR beside the camera sees past an object's edge. Those background points are projected into
    the object's silhouette, in a strip as wide as the parallax, among its own points.

    Args:
        sparse: float32 [H, W] metres, 0 = none.
        depth: float32 [H, W] metres, 0 = none; dense depth where the background is looked up.
        rng: random source.
        offset: pixels right and down from a nearest point to the place that the LiDAR sees instead;
            less for others in proportion to inverse depth.
        share: of the points with background in that place which get its depth, 0..1.
    """
    place, z = _points(sparse)
    if not len(z):
        return sparse
    rows, columns = sparse.shape
    v, u = np.divmod(place, columns)
    near = _nearness(z)
    u = np.clip(np.rint(u + offset[0] * near), 0, columns - 1).astype(np.intp)
    v = np.clip(np.rint(v + offset[1] * near), 0, rows - 1).astype(np.intp)
    seen = depth[v, u]
    swapped = (seen > BEHIND * z) & (rng.random(len(z)) < share)
    return _with_points(sparse, place[swapped], seen[swapped])


def quantise(sparse: Array, step: float) -> Array:
    """Round to multiples of ``step`` metres, upwards where 0 (none) would come out."""
    place, z = _points(sparse)
    return _with_points(sparse, place, np.maximum(np.rint(z / step), 1) * step)


# The draws of ``sample_sparse``.


def _dense(log_depth: Array, valid: Mask | None) -> Array:
    exists = np.isfinite(log_depth)
    if valid is not None:
        if valid.shape != log_depth.shape:
            raise ValueError(f"valid is {valid.shape} but depth is {log_depth.shape}")
        exists &= valid
    if np.count_nonzero(exists) < MINIMUM_POINTS:
        raise ValueError(f"fewer than {MINIMUM_POINTS} pixels have depth: nothing to sample")
    return np.exp(log_depth, where=exists, out=np.zeros(log_depth.shape, np.float32))


def _kind(rng: np.random.Generator, law: PatternLaw) -> str:
    weights = np.array([law.points, law.lines, law.corners, law.grid])
    return str(rng.choice(["points", "lines", "corners", "grid"], p=weights / weights.sum()))


def _pattern(
    kind: str, depth: Array, rng: np.random.Generator, image: Image | None, law: PatternLaw
) -> Mask:
    shape = depth.shape[0], depth.shape[1]
    if kind == "lines":
        return scan_lines(shape, rng, _scanner(shape[0], rng, law))
    if kind == "grid":
        step = max(_log_uniform(rng, law.grid_step), law.largest_share**-0.5)
        return grid(shape, rng, step, step * rng.uniform(*law.grid_jitter))
    if kind == "corners":
        count = round(_log_uniform(rng, law.corner_count))
        if image is not None:
            return corners(image, rng, count, rng.uniform(*law.corner_jitter))
    else:
        count = round(_log_uniform(rng, law.point_count))
    exists = depth > 0
    count = min(count, int(law.largest_share * np.count_nonzero(exists)))
    return random_points(shape, rng, count, exists)


def _scanner(rows: int, rng: np.random.Generator, law: PatternLaw) -> Scanner:
    lines = _log_uniform(rng, law.line_count)
    return Scanner(
        lines=lines,
        step=max(_log_uniform(rng, law.line_step), lines / (rows * law.largest_share)),
        field_of_view=rng.uniform(*law.field_of_view),
        pitch=rng.uniform(*law.pitch),
        roll=rng.uniform(*law.roll),
        crowding=rng.uniform(*law.crowding),
        unevenness=rng.uniform(*law.unevenness),
        missing=rng.uniform(*law.missing_beams),
        dropout=rng.uniform(*law.dropout),
        run_dropout=rng.uniform(*law.run_dropout),
    )


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


def _cover(kind: str, sparse: Array, rng: np.random.Generator, law: PatternLaw) -> Array:
    if rng.random() < law.range_limit_probability:
        sparse = limit_range(sparse, rng.uniform(*law.range_quantile))
    if kind in ("lines", "grid") and rng.random() < law.no_view_up_probability:
        sparse = drop_above(sparse, rng.uniform(*law.no_view_up_share))
    if rng.random() < law.missing_sector_probability:
        count = int(rng.integers(law.sector_count[0], law.sector_count[1] + 1))
        sparse = drop_sectors(sparse, rng, count, rng.uniform(*law.sector_width))
    return sparse


def _falsify(sparse: Array, depth: Array, rng: np.random.Generator, law: PatternLaw) -> Array:
    """Geometry goes wrong before the measured range does."""
    if rng.random() < law.bleed_probability:
        offset = _direction(rng, _log_uniform(rng, law.bleed))
        sparse = bleed_through(sparse, depth, rng, offset, rng.uniform(*law.bleed_share))
    if rng.random() < law.misregistration_probability:
        rigid = rng.random()
        pixels = _log_uniform(rng, law.misregistration)
        shift, parallax = (_direction(rng, part * pixels) for part in (rigid, 1 - rigid))
        sparse = misregister(sparse, shift, parallax)
    if rng.random() < law.noise_probability:
        quadratic = rng.random() < 0.5
        sigma = _log_uniform(rng, law.quadratic_noise if quadratic else law.noise)
        sparse = add_range_noise(sparse, rng, **{"quadratic" if quadratic else "relative": sigma})
    if rng.random() < law.outlier_probability:
        sparse = add_outliers(sparse, rng, _log_uniform(rng, law.outlier_share))
    if rng.random() < law.quantisation_probability:
        step = _log_uniform(rng, law.quantisation)
        _, z = _points(sparse)
        sparse = quantise(sparse, step * float(np.median(z))) if len(z) else sparse
    return sparse


def _top_up(sparse: Array, depth: Array, rng: np.random.Generator) -> Array:
    lacking = MINIMUM_POINTS - np.count_nonzero(sparse)
    if lacking > 0:
        more = random_points(sparse.shape, rng, lacking, (depth > 0) & (sparse == 0))
        sparse[more] = depth[more]
    return sparse


def _points(sparse: Array) -> tuple[NDArray[np.intp], NDArray[np.float64]]:
    """Flat index and depth of every point."""
    place = np.flatnonzero(sparse > 0)
    return place, sparse.ravel()[place].astype(np.float64)


def _with_points(sparse: Array, place: NDArray[np.intp], z: NDArray[np.floating]) -> Array:
    changed: Array = sparse.copy()
    changed.ravel()[place] = z
    return changed


def _nearness(z: NDArray[np.float64]) -> NDArray[np.float64]:
    """Inverse depth over that of the nearest points (5%, so that no single point sets it)."""
    return np.minimum(np.quantile(z, 0.05) / z, 1.0)


def _direction(rng: np.random.Generator, length: float) -> tuple[float, float]:
    angle = rng.uniform(0, 2 * np.pi)
    return length * float(np.cos(angle)), length * float(np.sin(angle))


def _log_uniform(rng: np.random.Generator, ends: Range) -> float:
    return float(np.exp(rng.uniform(*np.log(ends))))
