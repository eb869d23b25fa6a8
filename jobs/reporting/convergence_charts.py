"""Charts of shares and errors as rounds accumulate. Pure; aggregated data only.

Marks carry names, by which a style sheet finds them: before, after, before_line, after_line, floor_line.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache
from typing import Any

import altair as alt

from distalign.convergence import RunningError, RunningShares
from jobs.reporting.charts import known
from jobs.reporting.layers import (
    AFTER,
    BAND,
    BEFORE,
    INK,
    OTHER,
    category_colour,
    category_dash,
    finish,
    largest_columns,
    table,
)

HEIGHT = 300
SHARES_FIELDS = ("round", "category", "share", "target", "low", "high", "banded")
ERROR_FIELDS = ("round", "phase", "latest", "mae", "floor", "low", "high")


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
            y=share,
            color=category_colour(categories),
            strokeDash=category_dash(categories),
        ),
        # Without a colour of their own, these would hide the legend's.
        base.mark_circle(size=70, opacity=0.001).encode(y=share, detail="category:N", tooltip=tips),
    ]
    said = f"Shares of {len(categories)} categories by number of rounds, beside the band of a perfect sampler"
    return finish(alt.layer(*layers), HEIGHT, 6, said)


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
                "round": n, "category": names[k], "share": known(running.realized[p, k]),
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
                "round": n, "category": OTHER, "share": known(running.realized[p, rest].sum()),
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
    return finish(alt.layer(*layers), HEIGHT, 6, said)


def error_rows(before: RunningError | None, after: RunningError | None) -> list[dict[str, Any]]:
    """One row a phase and number of rounds; the last measured phase has the band."""
    latest = after or before
    return [
        {
            "round": n, "phase": phase, "latest": running is latest, "mae": known(running.mae[p]),
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
