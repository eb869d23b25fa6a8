"""What a person looks at of a run's results, and the charts of it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any

import altair as alt

from distalign.convergence import RunningError, RunningShares, running_error, running_shares
from distalign.results import ContextResult, Pair, SplitResult, of_split, split_name, splits_of
from distalign.spec import RunSpec
from jobs.reporting import charts, convergence_charts
from jobs.reporting.layers import MAX_CONTEXTS


@dataclass(frozen=True)
class View:
    """What is looked at.

    Attributes:
        split: the prompts.
        category: whose share is drawn.
        order: how contexts are sorted, one of ``charts.ORDERS``.
        first: how many of the sorted contexts are left out.
        context: whose convergence is drawn; None for the mean error over all.
    """

    split: str = ""
    category: int = 0
    order: str = "gap"
    first: int = 0
    context: int | None = None


def settled(view: View, spec: RunSpec, results: Sequence[SplitResult]) -> View:
    """The view with what there is in place of what there is not."""
    measured = splits_of(results)
    split = view.split if view.split in measured else next(iter(measured), "")
    known = {c.context for result in of_split(results, split) if result for c in result.contexts}
    return replace(
        view,
        split=split,
        category=view.category if view.category in range(len(spec.attribute)) else 0,
        order=view.order if view.order in charts.ORDERS else "gap",
        first=view.first if 0 <= view.first < len(known) else 0,
        context=view.context if view.context in known else None,
    )


def realized_chart(
    spec: RunSpec, results: Sequence[SplitResult], view: View, most: int = MAX_CONTEXTS
) -> alt.Chart:
    pair = of_split(results, view.split)
    return charts.realized_chart(pair, spec.contexts.names, view.category, view.order, view.first, most)


def convergence_chart(spec: RunSpec, results: Sequence[SplitResult], view: View) -> alt.Chart | None:
    """None where a split has no contexts."""
    pair = of_split(results, view.split)
    if view.context is None:
        before, after = errors_of(spec, pair)
        return convergence_charts.error_chart(before, after) if before or after else None
    running = shares_of(spec, pair, view.context)
    return convergence_charts.shares_chart(running, spec.attribute.names) if running else None


def errors_of(spec: RunSpec, pair: Pair) -> tuple[RunningError | None, RunningError | None]:
    """How the mean error settled, before and after training."""
    before, after = (
        running_error(result.contexts, _seed(spec, result)) if result and result.contexts else None
        for result in pair
    )
    return before, after


def shares_of(spec: RunSpec, pair: Pair, context: int) -> RunningShares | None:
    """How a context's shares settled, after training where they were measured then."""
    for result in reversed(pair):
        found: ContextResult | None = next(
            (c for c in (result.contexts if result else ()) if c.context == context), None
        )
        if found is not None:
            return running_shares(found, _seed(spec, result))
    return None


def convergence_rows(
    spec: RunSpec, results: Sequence[SplitResult], view: View
) -> Iterator[dict[str, Any]]:  # fmt: skip
    """The convergence that the view is of, one number of rounds (and category) a row."""
    pair = of_split(results, view.split)
    if view.context is None:
        for row in convergence_charts.error_rows(*errors_of(spec, pair)):
            yield {"split": view.split, "context": ""} | {k: v for k, v in row.items() if k != "latest"}
        return
    running = shares_of(spec, pair, view.context)
    phase = "after" if pair[1] else "before"
    for k, name in enumerate(spec.attribute.names if running else ()):
        for p, n in enumerate(running.rounds):
            yield {
                "split": view.split, "context": spec.contexts.names[view.context], "round": n, "phase": phase,
                "category": name, "share": float(running.realized[p, k]), "target": running.target[k],
                "low": float(running.low[p, k]), "high": float(running.high[p, k]),
            }  # fmt: skip


def subtitle(spec: RunSpec, view: View, kind: str) -> list[str]:
    """What a chart by itself says of its marks."""
    where = split_name(view.split)
    if kind == "chart":
        return [
            f"Share of “{spec.attribute.names[view.category]}” on {where}: target (tick), noise floor (band),",
            "before (grey) and after (teal) with 95 % intervals, exact distribution (diamond)",
        ]
    if view.context is None:
        return [
            f"Mean error (MAE) on {where} as rounds accumulate: before (grey), after (teal),",
            "a perfect sampler (dashed) and where it lies in 95 of 100 runs (band)",
        ]
    return [
        f"Shares of “{spec.contexts.names[view.context]}” on {where} as rounds accumulate: targets (dashed),",
        "and where a perfect sampler lies in 95 of 100 runs (band)",
    ]


def _seed(spec: RunSpec, result: SplitResult) -> str:
    return f"{spec.seed} {result.phase} {result.split}"
