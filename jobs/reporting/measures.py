"""The tables of measures: splits at a glance, every measure, parts of an attribute, side effects. Pure."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from distalign.results import Interval, Marginal, SideEffects, SplitResult, of_split, split_name, splits_of
from distalign.wording import NONE, figure, percent
from jobs.reporting.tables import Cell, html_table


@dataclass(frozen=True)
class Measure:
    """A line of the table of measures; ``read`` takes an interval, a number or None from a result."""

    label: str
    hint: str
    read: Callable[[SplitResult], Interval | float | None]
    rate: bool = False
    digits: int = 3


MEASURES = (
    Measure("MAE", "mean |target − realized| over categories and contexts", lambda r: r.mae),
    Measure("Noise floor", "expected MAE of a perfect sampler", lambda r: r.noise_floor),
    Measure("Ratio", "MAE ÷ noise floor; about 1 is perfect", lambda r: r.ratio, digits=2),
    Measure("KL divergence", "KL(target ‖ realized), nats", lambda r: r.kl),
    Measure("Jensen-Shannon distance", "0 to 1", lambda r: r.js_distance),
    Measure("Total variation", "0 to 1", lambda r: r.total_variation),
    Measure("χ² p-value", "small: the shares differ from the target", lambda r: r.chi2_p),
    Measure("Exact error", "of the steering distribution, free of sampling noise", lambda r: r.exact_error),
    Measure("Restricted error", "the same over the steering tokens only", lambda r: r.restricted_error),
    Measure("Steering mass", "probability on the steering tokens", lambda r: r.steering_mass, rate=True),
    Measure("Agreement", "answers that name what their token stands for", lambda r: r.agreement, rate=True),
    Measure(
        "Exact MAE", "of the answers’ exact distribution: MAE without sampling noise", lambda r: r.exact_mae
    ),
    Measure(
        "Exactly unclassified",
        "probability of answers that name no category",
        lambda r: r.exact_unclassified,
        rate=True,
    ),
    Measure(
        "Bound of the exact figures",
        "probability that was not worked out",
        lambda r: r.exact_bound,
        rate=True,
    ),
    Measure(
        "Unclassified",
        "answers that name no category; stories that the judge cannot tell or that are too short",
        lambda r: r.unclassified,
        rate=True,
    ),
)


def titled(split: str) -> str:
    """A split as the head of a column or line: "Held-out templates"."""
    return split_name(split).capitalize()


def interval(value: Interval, digits: int = 3) -> str:
    return f"{figure(value.low, digits)} to {figure(value.high, digits)}"


def splits_table(results: Sequence[SplitResult]) -> str:
    """One line a split: how far off before and after, and how much of it is noise."""
    rows = []
    for split in splits_of(results):
        before, after = of_split(results, split)
        now = after or before
        rows.append([
            Cell(titled(split), f"{now.rounds:,} rounds"),
            figure(before.mae.value) if before and after else NONE,
            Cell(figure(now.mae.value), interval(now.mae)),
            figure(now.noise_floor),
            f"{figure(now.ratio.value, 2)}×",
            figure(now.exact_mae),
            percent(now.unclassified, 1),
        ])  # fmt: skip
    headers = ["Prompts", "MAE\nbefore", "MAE", "Noise\nfloor", "Ratio", "Exact\nMAE", "Unclassified"]
    return html_table("Splits", headers, rows, name="splits")


def measures_table(results: Sequence[SplitResult]) -> str:
    """Every measure, before and after, for each split."""
    columns = [(s, r) for s in splits_of(results) for r in of_split(results, s) if r is not None]
    headers = ["Measure", *(f"{titled(s)}\n{r.phase}" for s, r in columns)]
    rows = [[Cell(m.label, m.hint), *(_measured(m, r) for _, r in columns)] for m in MEASURES]
    return html_table("Measures", headers, rows)


def _measured(measure: Measure, result: SplitResult) -> Cell:
    value = measure.read(result)
    if value is None:
        return Cell(NONE)
    if isinstance(value, Interval):
        return Cell(figure(value.value, measure.digits), interval(value, measure.digits))
    return Cell(percent(value, 1) if measure.rate else figure(value))


def marginals_table(results: Sequence[SplitResult]) -> str:
    """The parts of a joint attribute, and unseen attributes, by themselves; empty where there are none."""
    rows = [
        [
            Cell(m.attribute, f"{titled(s)}, {r.phase}"),
            _shares(m),
            Cell(figure(m.mae.value), interval(m.mae)),
            figure(m.noise_floor),
            figure(m.ratio.value, 2),
        ]
        for s in splits_of(results)
        for r in of_split(results, s)
        if r
        for m in r.marginals
    ]
    headers = ["By itself", "Realized, and target", "MAE", "Noise floor", "Ratio"]
    return html_table("Attributes by themselves", headers, rows, words=2, name="marginals") if rows else ""


def _shares(marginal: Marginal) -> Cell:
    """Each category with its realized share and, small, the targets; means over the contexts."""
    realized = zip(marginal.categories, marginal.realized, strict=True)
    target = zip(marginal.categories, marginal.target, strict=True)
    return Cell(
        ", ".join(f"{name} {percent(p, 1)}" for name, p in realized),
        "target: " + ", ".join(f"{name} {percent(q, 1)}" for name, q in target),
    )


def effects_table(effects: SideEffects) -> str:
    """What the adapter cost on unrelated prompts."""
    rows = [
        [
            Cell("Perplexity", "of good answers to unrelated prompts"),
            f"{effects.perplexity_before:,.1f}",
            f"{effects.perplexity_after:,.1f}",
        ],
        [Cell("KL divergence", "KL(base ‖ tuned), nats a token"), NONE, Cell(figure(effects.kl.value), interval(effects.kl))],
        [
            Cell("Steering tokens", "answers that open with one"),
            percent(effects.leak_before, 1),
            percent(effects.leak_after, 1),
        ],
        [Cell("First token changed", "share of prompts"), NONE, percent(effects.first_token_changed, 1)],
    ]  # fmt: skip
    return html_table("Side effects", ["Measure", "Before", "After"], rows)
