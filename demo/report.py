"""What came of a run of the demo: counts, errors against the true depth, pictures."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks import metrics
from benchmarks.baselines import affine_fit, barycentric
from benchmarks.metrics import Metrics
from demo.exchange import Exchange, Values
from demo.pan import HEIGHT, SCAN_LINES, WIDTH, Pan
from starrygazer_ros.completion import DepthCompleter
from starrygazer_ros.files import write_image
from starrygazer_ros.visualization import render_points, strip

OURS, BARYCENTRIC, AFFINE = "ours", "barycentric", "affine"

_ON_THE_WAY = ("no_partner", "not_finished", "lost_before_node", "lost_after_node")


@dataclass(frozen=True)
class Counts:
    """What became of the frames.

    Attributes:
        sent: published by the player.
        completed: dense depth images that reached the recorder.
        dropped: the others, by cause.
    """

    sent: int
    completed: int
    dropped: dict[str, int]

    @property
    def consistent(self) -> bool:
        """Every frame is accounted for exactly once."""
        return self.sent == self.completed + sum(self.dropped.values())

    @property
    def settled(self) -> bool:
        """No frame is still on its way."""
        return self.consistent and not any(cause in self.dropped for cause in _ON_THE_WAY)


def count(sent: int, received: int, diagnostics: Values) -> Counts:
    """Account for every frame with the node's own counters.

    Args:
        sent: frames that the player published.
        received: dense depth images that the recorder got.
        diagnostics: the node's last.
    """

    def number(key: str) -> int:
        return int(diagnostics.get(key, "0"))

    dropped = {
        key.removeprefix("dropped "): int(value)
        for key, value in diagnostics.items()
        if key.startswith("dropped ")
    }
    dropped["no_partner"] = number("unmatched image") + number("waiting image")
    dropped["not_finished"] = number("in work")
    dropped["lost_before_node"] = sent - number("received image")
    dropped["lost_after_node"] = number("completed") - received
    return Counts(sent, received, {cause: n for cause, n in dropped.items() if n})


def latencies(diagnostics: Values) -> dict[str, dict[str, float]]:
    """Milliseconds by stage and percentile."""
    stages: dict[str, dict[str, float]] = {}
    for key, value in diagnostics.items():
        if match := re.fullmatch(r"latency (\w+) (p\d+) ms", key):
            stages.setdefault(match[1], {})[match[2]] = float(value)
    return stages


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


def summarise(
    counts: Counts, errors: dict[str, Metrics], diagnostics: Values, rate: float
) -> dict[str, Any]:
    """Everything in numbers, as written to ``summary.json``."""
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
