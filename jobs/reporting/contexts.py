"""What the charts draw, as tables: shares of contexts, and how they settle. Pure."""

from __future__ import annotations

import math
from collections.abc import Sequence

from distalign.convergence import RunningError, RunningShares
from distalign.results import ContextResult, Pair
from distalign.wording import NONE, figure, percent
from jobs.reporting.charts import exact_share, ordered_contexts
from jobs.reporting.layers import MAX_CONTEXTS
from jobs.reporting.tables import Cell, html_table

# So many lines of how shares settle are shown, evenly spread, the last among them.
MOST_LINES = 12


def contexts_table(
    pair: Pair,
    contexts: Sequence[str],
    category: int,
    order: str = "gap",
    first: int = 0,
    most: int = MAX_CONTEXTS,
    linked: bool = False,
) -> str:
    """Realized shares of one category against its target, in the order of the chart.

    ``linked``: a context's name is a button that leads to its rounds.
    """
    rows = []
    before, after = ({c.context: c for c in result.contexts} if result else {} for result in pair)
    for i in ordered_contexts(pair, contexts, category, order)[first : first + most]:
        now = after.get(i) or before[i]
        low, high = now.noise_band(category)
        rows.append([
            Cell(contexts[i], context=i if linked else None),
            percent(now.target[category], 1),
            percent(before[i].realized[category], 1) if i in before and i in after else NONE,
            Cell(percent(now.realized[category], 1), _interval(now, category)),
            percent(exact_share(now, category), 1),
            f"{percent(low, 1)} to {percent(high, 1)}",
            figure(now.mae),
            figure(now.chi2_p, 2),
            _unclassified(now),
        ])  # fmt: skip
    headers = [
        "Context", "Target", "Before", "Realized", "Exact", "Target ± noise", "MAE", "χ² p", "Unclassified",
    ]  # fmt: skip
    return html_table("Contexts", headers, rows)


def _interval(now: ContextResult, category: int) -> str:
    return f"{percent(now.low[category], 1)} to {percent(now.high[category], 1)}"


def _unclassified(now: ContextResult) -> str:
    return f"{now.unclassified:,} of {now.rounds:,}"


def shares_table(running: RunningShares, categories: Sequence[str]) -> str:
    """A context's shares after some numbers of rounds, each with the band of a perfect sampler."""
    rows = [
        [f"{running.rounds[p]:,}"]
        + [
            Cell(percent(running.realized[p, k], 1), f"{percent(running.low[p, k])} to {percent(running.high[p, k])}")
            for k in range(len(categories))
        ]
        for p in _spread(len(running.rounds))
    ]  # fmt: skip
    return html_table("Shares by number of rounds", ["Rounds", *categories], rows)


def error_table(before: RunningError | None, after: RunningError | None) -> str:
    """The mean error after some numbers of rounds, beside that of a perfect sampler."""
    now = after or before
    was = dict(zip(before.rounds, before.mae, strict=True)) if before and after else {}
    rows = [
        [
            f"{now.rounds[p]:,}",
            figure(was.get(now.rounds[p], math.nan)),
            figure(now.mae[p]),
            Cell(figure(now.floor[p]), f"{figure(now.low[p])} to {figure(now.high[p])}"),
        ]
        for p in _spread(len(now.rounds))
    ]
    headers = ["Rounds a context", "MAE before", "MAE", "Perfect sampler"]
    return html_table("Mean error by number of rounds", headers, rows)


def _spread(count: int) -> list[int]:
    if count <= MOST_LINES:
        return list(range(count))
    return [round(i * (count - 1) / (MOST_LINES - 1)) for i in range(MOST_LINES)]
