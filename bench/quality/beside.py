"""What stands beside the error of a dataset: that of each part of a joint attribute and of each stated share, and the side effects."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from statistics import mean
from typing import Any

from bench.quality.cells import ANSWERS, PAPER
from bench.quality.figures import HELDOUT, Quality, over_seeds
from bench.quality.goals import error, percent, times

Shown = Sequence[tuple[str, Callable[[float], str]]]
PART_HEADERS = ["dataset", "method", "seeds", "of", "MAE", "noise floor", "ratio"]
EFFECT_HEADERS = [
    "dataset", "method", "seeds", "KL, nats a token", "perplexity before", "after", "steering tokens before", "after",
    "first token changed",
]  # fmt: skip
SHARE_HEADERS = ["dataset", "method", "stated", "times", "probability", "absolute error"]
EFFECTS: Shown = (
    ("kl", error), ("perplexity_before", times), ("perplexity_after", times), ("leak_before", percent),
    ("leak_after", percent), ("first_token_changed", percent),
)  # fmt: skip
PART_FIGURES: Shown = (("mae", error), ("noise_floor", error), ("ratio", times))


def part_rows(quality: Quality) -> list[list[str]]:
    """A row for the cells of each joint attribute and one for each of its parts; means over seeds."""
    rows = []
    for dataset, method, reports in _reports(quality):
        measured = [report["splits"].get(HELDOUT, {}) for report in reports]
        splits = [split for split in measured if split.get("marginals")]
        if splits:
            rows.append([dataset, method, str(len(splits)), "the cells", *_means(splits, PART_FIGURES)])
        for name in splits[0]["marginals"] if splits else ():
            means = _means([s["marginals"][name] for s in splits], PART_FIGURES)
            rows.append([dataset, method, str(len(splits)), name, *means])
    return rows


def share_rows(quality: Quality) -> list[list[str]]:
    """A row for each share that prompts state of a category, with the exact probability of its steering token."""
    rows = []
    for dataset in quality.datasets(ANSWERS):
        for method in quality.methods(ANSWERS, dataset):
            found: dict[int, list[tuple[float, float]]] = {}
            for wanted, probability in _stated(quality.runs(ANSWERS, dataset, method)):
                found.setdefault(round(100 * wanted), []).append((wanted, probability))
            for percentage in sorted(found):
                pairs = found[percentage]
                off = mean(abs(wanted - probability) for wanted, probability in pairs)
                told = [f"{percentage} %", str(len(pairs)), percent(mean(p for _, p in pairs)), error(off)]
                rows.append([dataset, method, *told])
    return rows


def _stated(runs: Sequence[dict[str, Any]]) -> Iterator[tuple[float, float]]:
    """The share and the probability of each category in each context, as far as runs kept them."""
    for kept in (run.get("by_context") for run in runs):
        for wanted, steering in zip(kept["target"], kept["steering"], strict=True) if kept else ():
            yield from zip(wanted, steering, strict=True)


def effect_rows(quality: Quality) -> list[list[str]]:
    """A row for each dataset and method whose side effects were measured; means over seeds."""
    rows = []
    for dataset, method, reports in _reports(quality):
        found = [report["side_effects"] for report in reports if report.get("side_effects")]
        if found:
            rows.append([dataset, method, str(len(found)), *_means(found, EFFECTS)])
    return rows


def mean_effect(quality: Quality, method: str, name: str) -> float | None:
    """The mean of a side effect over the paper's six datasets and their seeds, once all are there."""
    found = []
    for dataset in PAPER:
        runs = [run["report"].get("side_effects") or {} for run in quality.runs(ANSWERS, dataset, method)]
        if not (
            of_dataset := over_seeds([effects[name] for effects in runs if effects.get(name) is not None])
        ):
            return None
        found.append(of_dataset.mean)
    return mean(found)


def _reports(quality: Quality) -> Iterator[tuple[str, str, list[dict[str, Any]]]]:
    for dataset in quality.datasets(ANSWERS):
        for method in quality.methods(ANSWERS, dataset):
            yield dataset, method, [run["report"] for run in quality.runs(ANSWERS, dataset, method)]


def _means(found: Sequence[dict[str, Any]], figures: Shown) -> list[str]:
    """Each figure's mean as it is shown, of what was measured."""
    means = [over_seeds([f[name] for f in found if f.get(name) is not None]) for name, _ in figures]
    return ["–" if mean is None else show(mean.mean) for mean, (_, show) in zip(means, figures, strict=True)]
