"""What runs told of their training, by step: for charts and tables of one run or of several."""

from __future__ import annotations

import bisect
import math
from collections.abc import Mapping, Sequence

from distalign.progress import TRAINING_STAGES
from storage import Run, Store

Point = tuple[int, Mapping[str, float]]
MOST_POINTS = 400
# What a step may tell, with its name to a reader.
VALUES = {
    "loss": "Loss (nats)",
    "error": "Exact error, step’s prompts",
    "kl": "KL term (nats)",
    "kto": "KTO term",
    "sft": "Supervised term (nats)",
    "dpo": "DPO loss",
    "retain": "Penalty on side effects (nats)",
    "mass": "Probability of the steering tokens",
    "learning_rate": "Learning rate",
}


def training_points(store: Store, run: Run, most: int = MOST_POINTS) -> list[Point]:
    """Steps of a run's present attempt, about ``most`` of them, evenly spread, with their values."""
    last = store.last_event(run.id, run.attempt)
    if last is None:
        return []
    events = store.spread_steps(run.id, run.attempt, 0, last.seq, most)
    return [(e.step, e.values) for e in events if e.stage in TRAINING_STAGES]


def value_at(points: Sequence[Point], name: str, step: int) -> float | None:
    """The newest value at a step; None before the first, or where the run has none."""
    place = bisect.bisect_right(points, step, key=lambda point: point[0])
    if not place:
        return None
    value = points[place - 1][1].get(name, math.nan)
    return value if math.isfinite(value) else None


def rows_of(
    curves: Sequence[Sequence[Point]], name: str, parts: int = 10
) -> list[tuple[int, list[float | None]]]:
    """A value of several runs at evenly spread steps, up to the last step of the longest.

    A run has no value behind its own last step.
    """
    longest = max((points[-1][0] for points in curves if points), default=0)
    steps = sorted({1, *(round(longest * part / parts) for part in range(1, parts + 1))}) if longest else []
    return [
        (
            step,
            [value_at(points, name, step) if points and step <= points[-1][0] else None for points in curves],
        )
        for step in steps
    ]
