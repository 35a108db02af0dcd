"""What came of a run of the demo: errors against the true depth, pictures, the summary."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from benchmarks import metrics
from benchmarks.baselines import affine_fit, barycentric
from benchmarks.metrics import Metrics
from demo.counts import Counts, latencies
from demo.exchange import Cloud, Exchange
from starrygazer_ros.completion import DepthCompleter, Intrinsics
from starrygazer_ros.completion.flying_pixels import flying_pixels
from starrygazer_ros.demo.pan import HEIGHT, SCAN_LINES, WIDTH, Frame, Pan
from starrygazer_ros.files import write_image
from starrygazer_ros.visualization import captioned, render_points, strip

OURS, BARYCENTRIC, AFFINE = "ours", "barycentric", "affine"
EDGE_RATIO = 0.015  # of depth, from pixel to pixel; flatter slopes than this are surfaces


def score(
    exchange: Exchange,
    pan: Pan,
    completer: DepthCompleter,
    progress: Callable[[Iterable[int]], Iterable[int]],
) -> tuple[dict[str, Metrics], int]:
    """Mean errors over all completed frames; every method on the same pixels.

    Ctrl-C ends it: then the mean is over the frames up to there, if there are any.

    Args:
        exchange: with the received depth.
        pan: that was played.
        completer: for the relative depth of the affine fit, which the node does not publish.
        progress: wraps the stamps that are worked through.

    Returns:
        Errors by method, and over how many frames.

    Raises:
        KeyboardInterrupt: before the first frame was scored.
    """
    sent = exchange.sent()
    frames: list[dict[str, Metrics]] = []
    try:
        for stamp in progress(exchange.depth_stamps()):
            frames.append(_compare(pan.frame(sent[stamp]), exchange.depth(stamp), completer))
    except KeyboardInterrupt:
        if not frames:
            raise
    errors = {name: metrics.mean(frame[name] for frame in frames) for name in frames[0]}
    return errors, len(frames)


def _compare(
    frame: Frame, depth: NDArray[np.float32], completer: DepthCompleter
) -> dict[str, Metrics]:
    """Errors of one completed frame by method."""
    relative_depth = completer.complete(frame.image, frame.sparse_depth).relative_depth
    dense = {OURS: depth, BARYCENTRIC: barycentric(frame.sparse_depth)}
    if np.ptp(relative_depth) > 0:  # else a bundle without networks: nothing to fit
        dense[AFFINE] = affine_fit(relative_depth, frame.sparse_depth)
    known = depth > 0
    return {name: metrics.compare(d, frame.true_depth, known) for name, d in dense.items()}


def draw(exchange: Exchange, pan: Pan, folder: Path) -> None:
    """Write ``strip.png`` and ``points.png`` of the last frame and cloud that came."""
    stamp = exchange.depth_stamps()[-1]
    frame = pan.frame(exchange.sent()[stamp])
    depth = exchange.depth(stamp)
    depth = np.where(depth > 0, depth, np.float32(np.nan))
    write_image(
        folder / "strip.png", strip(frame.image, frame.sparse_depth, depth, frame.true_depth)
    )
    cloud = exchange.cloud()
    if cloud is not None:
        write_image(folder / "points.png", picture_of(cloud, frame.intrinsics))


def picture_of(cloud: Cloud, intrinsics: Intrinsics) -> NDArray[np.uint8]:
    """The cloud from another viewpoint, without what hangs between the sides of depth edges.

    Such points are few, but seen from the side they are long streaks across the picture.

    Args:
        cloud: organized, a point per pixel.
        intrinsics: of the image that it was made from.

    Returns:
        uint8 RGB, with a caption that says what was left out.
    """
    depth = cloud.points[:, 2].reshape(intrinsics.height, intrinsics.width)
    flying = flying_pixels(depth, EDGE_RATIO).ravel()
    kept = ~flying
    picture = render_points(cloud.points[kept], cloud.colours[kept], intrinsics)
    left_out = f"{flying.mean():.0%} at depth edges left out"
    return captioned(picture, f"depth/points from above right; {left_out}")


def summarise(
    counts: Counts, errors: dict[str, Metrics], scored: int, exchange: Exchange
) -> dict[str, Any]:
    """Everything in numbers, as written to ``summary.json``."""
    diagnostics, sent = exchange.diagnostics(), sorted(exchange.sent())
    rate = (len(sent) - 1) * 1e9 / (sent[-1] - sent[0]) if len(sent) > 1 else 0.0
    ours = errors[OURS]
    others = [e for name, e in errors.items() if name != OURS]
    return {
        "image_size": [WIDTH, HEIGHT],
        "scan_lines": SCAN_LINES,
        "model": diagnostics.get("model", ""),
        "backend": diagnostics.get("backend", ""),
        "rate_hz": round(rate, 2),
        "sent": counts.sent,
        "completed": counts.completed,
        "dropped": counts.dropped,
        "accounted_for": counts.consistent,
        "errors": {
            name: {"rmse_m": round(e.rmse, 4), "mae_m": round(e.mae, 4)}
            for name, e in errors.items()
        },
        "scored": scored,
        "compared_pixels": ours.pixels,
        "ours_beats_baselines": all(ours.rmse < o.rmse and ours.mae < o.mae for o in others),
        "latency_ms": latencies(diagnostics),
    }


def as_text(summary: dict[str, Any]) -> str:
    """The summary for the console."""
    names = {
        OURS: "ours",
        BARYCENTRIC: "barycentric interpolation",
        AFFINE: "globally fitted monocular depth",
    }
    dropped = ", ".join(f"{n} {cause}" for cause, n in summary["dropped"].items()) or "none"
    scored, completed = summary["scored"], summary["completed"]
    over = f"mean of {scored} of {completed} frames" if scored < completed else ""
    lines = [
        "",
        f"sent {summary['sent']} at {summary['rate_hz']:.1f} Hz, completed "
        f"{summary['completed']}, dropped: {dropped}",
        "",
        f"{'error against the true depth':<34}{'RMSE m':>9}{'MAE m':>9}  {over}".rstrip(),
    ]
    for name, errors in summary["errors"].items():
        lines.append(f"  {names[name]:<32}{errors['rmse_m']:>9.3f}{errors['mae_m']:>9.3f}")
    lines += ["", f"{'latency in the node':<34}{'p50 ms':>9}{'p95 ms':>9}"]
    for stage, values in summary["latency_ms"].items():
        lines.append(f"  {stage:<32}{values['p50']:>9.1f}{values['p95']:>9.1f}")
    verdict = "beats" if summary["ours_beats_baselines"] else "does NOT beat"
    baselines = "both baselines" if AFFINE in summary["errors"] else "the baseline"
    return "\n".join([*lines, "", f"Ours {verdict} {baselines} in RMSE and MAE."])
