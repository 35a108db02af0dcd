"""What came of a run of the demo: errors against the true depth, pictures, the summary."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks import metrics
from benchmarks.baselines import affine_fit, barycentric
from benchmarks.metrics import Metrics
from demo.counts import Counts, latencies
from demo.exchange import Exchange
from demo.pan import HEIGHT, SCAN_LINES, WIDTH, Pan
from starrygazer_ros.completion import DepthCompleter
from starrygazer_ros.files import write_image
from starrygazer_ros.visualization import render_points, strip

OURS, BARYCENTRIC, AFFINE = "ours", "barycentric", "affine"


def score(
    exchange: Exchange,
    pan: Pan,
    completer: DepthCompleter,
    progress: Callable[[Iterable[int]], Iterable[int]],
) -> dict[str, Metrics]:
    """Mean errors over all completed frames; every method on the same pixels.

    Args:
        exchange: with the received depth.
        pan: that was played.
        completer: for the relative depth of the affine fit, which the node does not publish.
        progress: wraps the stamps that are worked through.
    """
    sent = exchange.sent()
    frames: list[dict[str, Metrics]] = []
    for stamp in progress(exchange.depth_stamps()):
        frame, depth = pan.frame(sent[stamp]), exchange.depth(stamp)
        relative_depth = completer.complete(frame.image, frame.sparse_depth).relative_depth
        dense = {
            OURS: depth,
            BARYCENTRIC: barycentric(frame.sparse_depth),
            AFFINE: affine_fit(relative_depth, frame.sparse_depth),
        }
        known = depth > 0
        frames.append(
            {name: metrics.compare(d, frame.true_depth, known) for name, d in dense.items()}
        )
    return {name: metrics.mean(frame[name] for frame in frames) for name in frames[0]}


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
        write_image(
            folder / "points.png", render_points(cloud.points, cloud.colours, frame.intrinsics)
        )


def summarise(counts: Counts, errors: dict[str, Metrics], exchange: Exchange) -> dict[str, Any]:
    """Everything in numbers, as written to ``summary.json``."""
    diagnostics, sent = exchange.diagnostics(), sorted(exchange.sent())
    rate = (len(sent) - 1) * 1e9 / (sent[-1] - sent[0]) if len(sent) > 1 else 0.0
    ours = errors[OURS]
    others = [errors[BARYCENTRIC], errors[AFFINE]]
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
        "compared_pixels": ours.pixels,
        "ours_beats_both": all(ours.rmse < o.rmse and ours.mae < o.mae for o in others),
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
    lines = [
        "",
        f"sent {summary['sent']} at {summary['rate_hz']:.1f} Hz, completed "
        f"{summary['completed']}, dropped: {dropped}",
        "",
        f"{'error against the true depth':<34}{'RMSE m':>9}{'MAE m':>9}",
    ]
    for name, errors in summary["errors"].items():
        lines.append(f"  {names[name]:<32}{errors['rmse_m']:>9.3f}{errors['mae_m']:>9.3f}")
    lines += ["", f"{'latency in the node':<34}{'p50 ms':>9}{'p95 ms':>9}"]
    for stage, values in summary["latency_ms"].items():
        lines.append(f"  {stage:<32}{values['p50']:>9.1f}{values['p95']:>9.1f}")
    verdict = (
        "beats both baselines" if summary["ours_beats_both"] else "does NOT beat both baselines"
    )
    return "\n".join([*lines, "", f"Ours {verdict} in RMSE and MAE."])
