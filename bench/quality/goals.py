"""The goals for quality, and whether what was measured meets them."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from statistics import mean

from bench.quality.cells import ANSWERS, CONTEXTS, PAPER, STORIES
from bench.quality.figures import HELDOUT, HELDOUT_CONTEXTS, MANY_TARGETS, SEEN, Quality
from jobs.display import table

HEADERS = ["measure", "at most", "measured", ""]
ABOUT = (
    "Figures of hybrid, means over its seeds; of unclassified answers and of the training time the highest "
    "over its seeds. The worst dataset counts."
)
EVEN = tuple(name for name in PAPER if name.endswith("even"))
JOINT = "gender-race"
ALL = "all six"
Seeds = dict[int, float]


@dataclass(frozen=True)
class Of:
    """A measure of hybrid on a split, by seed."""

    kind: str
    split: str
    name: str

    def __call__(self, quality: Quality, dataset: str) -> Seeds:
        runs = quality.by_seed(self.kind, dataset, "hybrid")
        return _known({s: r["report"]["splits"].get(self.split, {}).get(self.name) for s, r in runs.items()})


@dataclass(frozen=True)
class Goal:
    """A limit that no dataset's figure must pass.

    ``seeds`` gives what was measured of a dataset, by seed, and ``over`` makes a figure of it. ``averaged``
    goals are about the mean over their datasets.
    """

    measure: str
    limit: float
    shown: Callable[[float], str]
    datasets: Sequence[str]
    seeds: Callable[[Quality, str], Seeds]
    over: Callable[[Iterable[float]], float] = mean
    averaged: bool = False

    def found(self, quality: Quality) -> dict[str, float]:
        """The figures that were measured, by dataset."""
        seeds = {dataset: self.seeds(quality, dataset) for dataset in self.datasets}
        figures = {dataset: self.over(values.values()) for dataset, values in seeds.items() if values}
        if not self.averaged:
            return figures
        return {ALL: mean(figures.values())} if len(figures) == len(self.datasets) else {}

    def worst(self, quality: Quality) -> tuple[str, float] | None:
        """The dataset with the highest figure, and the figure."""
        found = self.found(quality)
        return max(found.items(), key=lambda item: item[1]) if found else None

    def is_missed(self, quality: Quality) -> bool:
        """One figure that is too high misses a goal for all."""
        worst = self.worst(quality)
        return worst is not None and worst[1] > self.limit

    def row(self, quality: Quality) -> list[str]:
        """measure, limit, measured, verdict."""
        limit = self.shown(self.limit)
        if (worst := self.worst(quality)) is None:
            return [self.measure, limit, "–", "not measured"]
        count = 1 if self.averaged else len(self.datasets)
        measured = len(self.found(quality))
        text = self.shown(worst[1]) + (f" ({worst[0]}; {measured} of {count})" if count > 1 else "")
        verdict = "met" if measured == count else "not all measured"
        return [self.measure, limit, text, "missed" if self.is_missed(quality) else verdict]


def _known(values: dict[int, float | None]) -> Seeds:
    return {seed: value for seed, value in values.items() if value is not None}


def _unclassified(quality: Quality, dataset: str) -> Seeds:
    """The higher rate of the seen and the held-out templates."""
    found = [Of(ANSWERS, split, "unclassified")(quality, dataset) for split in (SEEN, HELDOUT)]
    return {seed: max(f[seed] for f in found if seed in f) for seed in {**found[0], **found[1]}}


def _training(quality: Quality, dataset: str) -> Seeds:
    runs = quality.by_seed(ANSWERS, dataset, "hybrid")
    return _known({seed: run["report"].get("train_seconds") for seed, run in runs.items()})


def times(value: float) -> str:
    return f"{value:.2f}"


def error(value: float) -> str:
    return f"{value:.3f}"


def percent(value: float) -> str:
    return f"{100 * value:.1f} %"


def minutes(seconds: float) -> str:
    return f"{seconds / 60:.1f} min"


GOALS = (
    Goal("hybrid, seen templates, each of the six: MAE / noise floor", 1.15, times, PAPER,
         Of(ANSWERS, SEEN, "ratio")),
    Goal("hybrid, held-out templates, each of the six: MAE / noise floor", 1.2, times, PAPER,
         Of(ANSWERS, HELDOUT, "ratio")),
    Goal("hybrid, held-out templates: mean MAE over the six", 0.042, error, PAPER,
         Of(ANSWERS, HELDOUT, "mae"), averaged=True),
    Goal("hybrid, held-out templates, each of the six: exact error", 0.015, error, PAPER,
         Of(ANSWERS, HELDOUT, "exact_error")),
    Goal("even targets, held-out contexts: MAE / noise floor", 1.4, times, EVEN,
         Of(CONTEXTS, HELDOUT_CONTEXTS, "ratio")),
    Goal("stories, each of the six: MAE", 0.10, error, PAPER, Of(STORIES, "stories", "mae")),
    Goal("joint gender × race, 10 cells, held-out templates: MAE / noise floor", 1.5, times, (JOINT,),
         Of(ANSWERS, HELDOUT, "ratio")),
    Goal("many-target adapter, unseen targets: exact error", 0.05, error, (MANY_TARGETS,),
         Of(ANSWERS, HELDOUT, "exact_error")),
    Goal("unclassified, short answers, each of the six", 0.005, percent, PAPER, _unclassified, max),
    Goal("training, one dataset, short answers", 300, minutes, PAPER, _training, max),
)  # fmt: skip


def goal_rows(quality: Quality) -> list[list[str]]:
    return [goal.row(quality) for goal in GOALS]


def goals_table(quality: Quality) -> str:
    """All goals as a plain table."""
    return table(HEADERS, goal_rows(quality))
