"""The goals for quality, and whether what was measured meets them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from bench.quality.cells import ANSWERS, CONTEXTS, PAPER, STORIES
from bench.quality.figures import HELDOUT, HELDOUT_CONTEXTS, SEEN, Figure, Quality
from jobs.display import table

HEADERS = ["measure", "at most", "measured", ""]
EVEN = tuple(name for name in PAPER if name.endswith("even"))
JOINT = "gender-race"
Found = dict[str, float]


@dataclass(frozen=True)
class Goal:
    """A limit that the highest of some figures must not pass.

    ``value`` gives the figures that were measured, by what they belong to;
    ``count`` is how many there are to be.
    """

    measure: str
    limit: float
    shown: Callable[[float], str]
    count: int
    value: Callable[[Quality], Found]

    def row(self, quality: Quality) -> list[str]:
        """measure, limit, measured, verdict. One figure that is too high misses a goal for all."""
        found = self.value(quality)
        limit = self.shown(self.limit)
        if not found:
            return [self.measure, limit, "–", "not measured"]
        worst = max(found, key=lambda name: found[name])
        text = self.shown(found[worst])
        if self.count > 1:
            text += f" ({worst}; {len(found)} of {self.count})"
        verdict = "met" if len(found) == self.count else "not all measured"
        return [self.measure, limit, text, "missed" if found[worst] > self.limit else verdict]


def _each(datasets: Sequence[str], kind: str, split: str, measure: str) -> Callable[[Quality], Found]:
    """A measure of hybrid on each dataset, the mean over seeds."""
    return lambda q: _there({d: q.split(kind, d, "hybrid", split, measure) for d in datasets})


def _there(found: dict[str, Figure | None]) -> Found:
    return {name: figure.mean for name, figure in found.items() if figure}


def _mean_mae(quality: Quality) -> Found:
    value = quality.mean_of_six("hybrid")
    return {} if value is None else {"all six": value}


def _unseen(quality: Quality) -> Found:
    figure = quality.unseen_targets_error()
    return {"unseen targets": figure.mean} if figure else {}


def _unclassified(quality: Quality) -> Found:
    found = {}
    for dataset in PAPER:
        figures = [quality.split(ANSWERS, dataset, "hybrid", s, "unclassified") for s in (SEEN, HELDOUT)]
        if rates := [figure.high for figure in figures if figure]:
            found[dataset] = max(rates)
    return found


def _training(quality: Quality) -> Found:
    return _there({d: quality.whole(ANSWERS, d, "hybrid", "train_seconds") for d in PAPER})


def times(value: float) -> str:
    return f"{value:.2f}"


def error(value: float) -> str:
    return f"{value:.3f}"


def percent(value: float) -> str:
    return f"{100 * value:.1f} %"


def minutes(seconds: float) -> str:
    return f"{seconds / 60:.1f} min"


GOALS = (
    Goal("hybrid, seen templates, each of the six: MAE / noise floor", 1.15, times, len(PAPER),
         _each(PAPER, ANSWERS, SEEN, "ratio")),
    Goal("hybrid, held-out templates, each of the six: MAE / noise floor", 1.2, times, len(PAPER),
         _each(PAPER, ANSWERS, HELDOUT, "ratio")),
    Goal("hybrid, held-out templates: mean MAE over the six", 0.042, error, 1, _mean_mae),
    Goal("hybrid, held-out templates, each of the six: exact error", 0.015, error, len(PAPER),
         _each(PAPER, ANSWERS, HELDOUT, "exact_error")),
    Goal("even targets, held-out contexts: MAE / noise floor", 1.4, times, len(EVEN),
         _each(EVEN, CONTEXTS, HELDOUT_CONTEXTS, "ratio")),
    Goal("stories, each of the six: MAE", 0.10, error, len(PAPER), _each(PAPER, STORIES, "stories", "mae")),
    Goal("joint gender × race, 10 cells, held-out templates: MAE / noise floor", 1.5, times, 1,
         _each((JOINT,), ANSWERS, HELDOUT, "ratio")),
    Goal("many-target adapter, unseen targets: exact error", 0.05, error, 1, _unseen),
    Goal("unclassified, short answers, each of the six", 0.005, percent, len(PAPER), _unclassified),
    Goal("training, one dataset, short answers", 300, minutes, len(PAPER), _training),
)  # fmt: skip


def goal_rows(quality: Quality) -> list[list[str]]:
    return [goal.row(quality) for goal in GOALS]


def goals_table(quality: Quality) -> str:
    """All goals as a plain table."""
    return table(HEADERS, goal_rows(quality))
