"""Charts of results. Pure; aggregated data only, a few hundred rows a chart.

Marks carry names, by which a style sheet finds them: before, after, exact, target.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from functools import cache
from typing import Any

import altair as alt

from distalign.results import ContextResult, Pair
from jobs.reporting.layers import (
    AFTER,
    BAND,
    BEFORE,
    INK,
    MAX_CONTEXTS,
    finish,
    lane,
    lane_names,
    share_axis,
    table,
)

# How the contexts of a chart may be sorted, with what a person reads.
ORDERS = {"gap": "Largest gap first", "name": "Name, A to Z", "target": "Largest target first"}

REALIZED_FIELDS = (
    "place", "context", "phase", "latest", "realized", "low", "high", "target", "floor_low", "floor_high", "exact",
)  # fmt: skip


def ordered_contexts(pair: Pair, names: Sequence[str], category: int, order: str = "gap") -> list[int]:
    """The contexts of a split, sorted by one of :data:`ORDERS`; equal ones as the specification has them."""
    latest = _latest(pair)
    keys = {
        "gap": lambda i: -_gap(latest[i], category),
        "name": lambda i: names[i].casefold(),
        "target": lambda i: -latest[i].target[category],
    }
    return sorted(sorted(latest), key=keys[order])


def realized_chart(
    pair: Pair,
    names: Sequence[str],
    category: int,
    order: str = "gap",
    first: int = 0,
    most: int = MAX_CONTEXTS,
) -> alt.Chart:
    """Realized share of one category against its target, one lane a context.

    Lines are 95 % intervals, a diamond is the exact distribution; the band around the target is the noise floor.

    Args:
        first, most: how many of the sorted contexts are left out, and how many are drawn.
    """
    rows = realized_rows(pair, names, category, order, first, most)
    source = table(rows, REALIZED_FIELDS)
    lanes = len({row["place"] for row in rows})
    said = f"Realized share beside its target and noise floor, a line for each of {lanes} contexts"
    return finish(_realized_layers(), 50 * lanes, 16, said).properties(data=source)


# Altair takes 60 ms to compose and check these layers, which do not depend on the data.
@cache
def _realized_layers() -> alt.LayerChart:
    source = alt.Data(values=[])
    x = alt.X("realized:Q", scale=alt.Scale(domain=[0, 1]), axis=share_axis())
    base = alt.Chart(source).encode(y=lane("place"))
    tips = ["context:N", "phase:N"] + [
        alt.Tooltip(f"{name}:Q", format=".1%") for name in ("target", "realized", "low", "high", "exact")
    ]
    # The target and its band are drawn once a context, though it has a row for each phase.
    once = base.transform_filter("datum.latest")
    band = once.mark_bar(height=20, yOffset=10, color=BAND, opacity=0.3, cornerRadius=3).encode(
        x=alt.X("floor_low:Q", axis=share_axis()), x2="floor_high:Q"
    )
    target = once.mark_tick(thickness=2.5, height=20, opacity=1, yOffset=10, color=INK).encode(
        x="target:Q", tooltip=tips
    )
    layers = [band]
    for phase, colour, shift in (("before", BEFORE, 6), ("after", AFTER, 14)):
        one = base.transform_filter(alt.datum.phase == phase)
        layers.append(
            one.mark_rule(strokeWidth=1.8, color=colour, yOffset=shift).encode(x="low:Q", x2="high:Q")
        )
        layers.append(
            one.mark_circle(size=64, opacity=1, color=colour, yOffset=shift)
            .encode(x=x, tooltip=tips)
            .properties(name=phase)
        )
    exact = (
        base.transform_filter("datum.exact !== null")
        .mark_point(shape="diamond", size=90, filled=False, strokeWidth=1.8, opacity=1, color=INK, yOffset=14)
        .encode(x="exact:Q", tooltip=tips)
        .properties(name="exact")
    )
    layers += [target.properties(name="target"), exact, lane_names(source, [0])]
    return alt.layer(*layers)


def realized_rows(
    pair: Pair,
    names: Sequence[str],
    category: int,
    order: str = "gap",
    first: int = 0,
    most: int = MAX_CONTEXTS,
) -> list[dict[str, Any]]:
    """One row a context and phase, of the contexts that :func:`realized_chart` draws."""
    latest = _latest(pair)
    chosen = ordered_contexts(pair, names, category, order)[first : first + most]
    rows = []
    for place, i in enumerate(chosen):
        for phase, result in zip(("before", "after"), pair, strict=True):
            rows += [
                _realized_row(c, names[i], place, phase, category) | {"latest": c is latest[i]}
                for c in (result.contexts if result else ())
                if c.context == i
            ]
    return rows


def _latest(pair: Pair) -> dict[int, ContextResult]:
    """The results of contexts, after training where they were measured then."""
    return {c.context: c for result in pair if result for c in result.contexts}


def _gap(result: ContextResult, category: int) -> float:
    gap = abs(result.realized[category] - result.target[category]) if result.realized else math.nan
    return gap if math.isfinite(gap) else 1.0


def exact_share(result: ContextResult, category: int) -> float | None:
    """The exact probability of a category among answers that name one; None where it was not measured."""
    total = sum(result.exact or ())
    return result.exact[category] / total if result.exact and total > 0 else None


def _realized_row(c: ContextResult, name: str, place: int, phase: str, k: int) -> dict[str, Any]:
    floor_low, floor_high = c.noise_band(k)
    return {
        "place": place,
        "context": name,
        "phase": phase,
        "target": c.target[k],
        "realized": known(c.realized[k]),
        "low": known(c.low[k]),
        "high": known(c.high[k]),
        "floor_low": floor_low,
        "floor_high": floor_high,
        "exact": exact_share(c, k),
    }


def known(value: float) -> float | None:
    """JSON has no NaN."""
    return float(value) if math.isfinite(value) else None
