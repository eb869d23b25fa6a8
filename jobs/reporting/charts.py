"""Charts of results. Pure; aggregated data only, a few hundred rows a chart.

Marks carry names, by which a style sheet finds them: before, after, exact, target, and
before_line, after_line, floor_line.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from functools import cache
from typing import Any

import altair as alt

from distalign.convergence import RunningError, RunningShares
from distalign.noise import mean_absolute_deviation
from distalign.results import ContextResult, Pair
from jobs.reporting.layers import (
    AFTER,
    BAND,
    BEFORE,
    INK,
    MAX_CONTEXTS,
    OTHER,
    category_colour,
    finish,
    lane,
    lane_names,
    largest_columns,
    share_axis,
    table,
)

# How the contexts of a chart may be sorted, with what a person reads.
ORDERS = {"gap": "Largest gap first", "name": "Name, A to Z", "target": "Largest target first"}
LINES_HEIGHT = 300

REALIZED_FIELDS = (
    "place", "context", "phase", "latest", "realized", "low", "high", "target", "floor_low", "floor_high", "exact",
)  # fmt: skip
SHARES_FIELDS = ("round", "category", "share", "target", "low", "high", "banded")
ERROR_FIELDS = ("round", "phase", "latest", "mae", "floor", "low", "high")


# --- realized against target ---------------------------------------------------------


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


def noise_band(result: ContextResult, category: int) -> tuple[float, float]:
    """The target of a category, less and plus what a perfect sampler would be off on average."""
    target = result.target[category]
    floor = mean_absolute_deviation(target, max(1, result.rounds - result.unclassified))
    return max(0.0, target - floor), min(1.0, target + floor)


def _realized_row(c: ContextResult, name: str, place: int, phase: str, k: int) -> dict[str, Any]:
    floor_low, floor_high = noise_band(c, k)
    return {
        "place": place,
        "context": name,
        "phase": phase,
        "target": c.target[k],
        "realized": _known(c.realized[k]),
        "low": _known(c.low[k]),
        "high": _known(c.high[k]),
        "floor_low": floor_low,
        "floor_high": floor_high,
        "exact": exact_share(c, k),
    }


def _known(value: float) -> float | None:
    """JSON has no NaN."""
    return float(value) if math.isfinite(value) else None


# --- convergence ------------------------------------------------------------------------


def shares_chart(running: RunningShares, names: Sequence[str]) -> alt.Chart:
    """A context's shares as its rounds accumulate, each within the band of a perfect sampler."""
    rows = shares_rows(running, names)
    categories = list(dict.fromkeys(row["category"] for row in rows))
    source = table(rows, SHARES_FIELDS)
    base = alt.Chart(source).encode(x=_rounds_axis(running.rounds[-1]))
    share = alt.Y("share:Q", scale=alt.Scale(domain=[0, 1]), axis=_value_axis("%"))
    tips = ["category:N", "round:Q"] + [
        alt.Tooltip(f"{name}:Q", format=".1%") for name in ("share", "target", "low", "high")
    ]
    once = base.transform_filter("datum.banded")
    layers = [
        once.mark_area(color=BAND, opacity=0.22).encode(
            y=alt.Y("low:Q", axis=_value_axis("%")), y2="high:Q", detail="category:N"
        ),
        once.mark_line(strokeDash=[5, 4], strokeWidth=1.4, color=INK)
        .encode(y="target:Q", detail="category:N")
        .properties(name="floor_line"),
        base.mark_line(strokeWidth=2.2, interpolate="step-after").encode(
            y=share, color=category_colour(categories)
        ),
        # Without a colour of their own, these would hide the legend's.
        base.mark_circle(size=70, opacity=0.001).encode(y=share, detail="category:N", tooltip=tips),
    ]
    said = f"Shares of {len(categories)} categories by number of rounds, beside the band of a perfect sampler"
    return finish(alt.layer(*layers), LINES_HEIGHT, 6, said)


def shares_rows(running: RunningShares, names: Sequence[str]) -> list[dict[str, Any]]:
    """One row a category and number of rounds; small categories beyond the palette are summed.

    Categories with the same target have the same band: the first of them is ``banded``.
    """
    kept = largest_columns(len(names), [running.target])
    seen: set[tuple[float, ...]] = set()
    rows = []
    for k in kept:
        band = tuple(running.high[:, k])
        rows += [
            {
                "round": n, "category": names[k], "share": _known(running.realized[p, k]),
                "target": running.target[k], "low": float(running.low[p, k]), "high": float(running.high[p, k]),
                "banded": (running.target[k], *band) not in seen,
            }
            for p, n in enumerate(running.rounds)
        ]  # fmt: skip
        seen.add((running.target[k], *band))
    if len(kept) < len(names):
        rest = [k for k in range(len(names)) if k not in kept]
        target = sum(running.target[k] for k in rest)
        rows += [
            {
                "round": n, "category": OTHER, "share": _known(running.realized[p, rest].sum()),
                "target": target, "low": target, "high": target, "banded": False,
            }
            for p, n in enumerate(running.rounds)
        ]  # fmt: skip
    return rows


def error_chart(before: RunningError | None, after: RunningError | None) -> alt.Chart:
    """The mean error over contexts as rounds accumulate, beside that of a perfect sampler with its band."""
    return _error_layers().properties(data=table(error_rows(before, after), ERROR_FIELDS))


@cache
def _error_layers() -> alt.Chart:
    base = alt.Chart(alt.Data(values=[])).encode(x=_rounds_axis())
    axis = _value_axis(".2f")
    tips = ["phase:N", "round:Q"] + [
        alt.Tooltip(f"{name}:Q", format=".3f") for name in ("mae", "floor", "low", "high")
    ]
    once = base.transform_filter("datum.latest")
    layers = [
        once.mark_area(color=BAND, opacity=0.3).encode(y=alt.Y("low:Q", axis=axis), y2="high:Q"),
        once.mark_line(strokeDash=[5, 4], strokeWidth=1.4, color=INK)
        .encode(y="floor:Q")
        .properties(name="floor_line"),
    ]
    for phase, colour in (("before", BEFORE), ("after", AFTER)):
        one = base.transform_filter(alt.datum.phase == phase)
        layers += [
            one.mark_line(strokeWidth=2.2, color=colour).encode(y="mae:Q").properties(name=f"{phase}_line"),
            one.mark_circle(size=24, opacity=1, color=colour)
            .encode(y="mae:Q", tooltip=tips)
            .properties(name=phase),
        ]
    said = "Mean error by number of rounds, beside that of a perfect sampler"
    return finish(alt.layer(*layers), LINES_HEIGHT, 6, said)


def error_rows(before: RunningError | None, after: RunningError | None) -> list[dict[str, Any]]:
    """One row a phase and number of rounds; the last measured phase has the band."""
    latest = after or before
    return [
        {
            "round": n, "phase": phase, "latest": running is latest, "mae": _known(running.mae[p]),
            "floor": float(running.floor[p]), "low": float(running.low[p]), "high": float(running.high[p]),
        }
        for phase, running in (("before", before), ("after", after))
        if running is not None
        for p, n in enumerate(running.rounds)
    ]  # fmt: skip


def _rounds_axis(last: int | None = None) -> alt.X:
    axis = alt.Axis(
        title="rounds of each context, on a log scale" if last is None else "rounds, on a log scale",
        format="~s", tickCount=6, domain=False, ticks=False, labelPadding=6, titleFontWeight="normal",
        titleColor="#475569", grid=False,
    )  # fmt: skip
    return alt.X("round:Q", scale=alt.Scale(type="log", nice=False), axis=axis)


def _value_axis(form: str) -> alt.Axis:
    return alt.Axis(format=form, title=None, tickCount=5, domain=False, ticks=False, labelPadding=6)
