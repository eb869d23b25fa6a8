"""Data → Altair charts. Pure; aggregated data only, never more rows than Gradio can draw.

Context names stand above their bars, inside the plot, so that a chart reads
the same at 390 and at 1440 pixels. Text and axes take the theme's colours from
style.css (marks are found there by the names given here).
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from functools import cache
from typing import Any

import altair as alt
from gradio.components.plot import PlotData

from distalign.attributes import Attribute
from distalign.contexts import Contexts
from distalign.noise import mean_absolute_deviation
from distalign.results import ContextResult
from distalign.targets import Target

# Okabe and Ito's palette, safe for colour-blind readers; the yellow last, as it is faint on white.
PALETTE = ("#0072B2", "#E69F00", "#009E73", "#CC79A7", "#56B4E9", "#D55E00", "#999999", "#F0E442")
BEFORE, AFTER, INK, BAND = "#7c8797", "#0d9488", "#1f2937", "#7f8999"
MAX_ROWS = 5000
MAX_CONTEXTS = 60
OTHER = "all others"
EXPORT_WIDTH = 900


class ChartError(ValueError):
    """The data of a chart lacks a field that it draws, or is too long to draw."""


def table(rows: Sequence[Mapping[str, Any]], needed: Sequence[str]) -> alt.Data:
    """Rows as a chart's inline data.

    Vega draws an empty chart, without an error, for a field that is missing.

    Raises:
        ChartError: for a missing field, or more than :data:`MAX_ROWS` rows.
    """
    if len(rows) > MAX_ROWS:
        raise ChartError(f"{len(rows)} rows are more than a chart can draw ({MAX_ROWS})")
    for row in rows:
        missing = [name for name in needed if name not in row]
        if missing:
            raise ChartError(f"a row has no {missing[0]!r}")
    return alt.Data(values=[dict(row) for row in rows])


def target_chart(attribute: Attribute, contexts: Contexts, target: Target) -> alt.Chart:
    """Stacked bars of q, one a context; one bar in all where the rows are the same."""
    names = list(contexts.names)
    rows = list(target.rows)
    if len(set(rows)) == 1 and len(rows) > 1:
        names, rows = [f"All {len(names)} contexts"], rows[:1]
    categories, rows = _largest(attribute.names, rows[:MAX_CONTEXTS])
    data = [
        {"place": i, "context": names[i], "category": name, "order": k, "share": share}
        for i, row in enumerate(rows)
        for k, (name, share) in enumerate(zip(categories, row, strict=True))
    ]
    source = table(data, ["place", "context", "category", "order", "share"])
    bars = (
        alt.Chart(source)
        .mark_bar(height=12, yOffset=8)
        .encode(
            x=alt.X("share:Q", stack="zero", scale=alt.Scale(domain=[0, 1]), axis=_share_axis()),
            y=_lane("place"),
            color=alt.Color(
                "category:N",
                sort=categories,
                scale=alt.Scale(domain=categories, range=list(PALETTE[: len(categories)])),
                legend=alt.Legend(orient="top", title=None, labelLimit=320, columns=_columns(categories)),
            ),
            order="order:Q",
            tooltip=["context:N", "category:N", alt.Tooltip("share:Q", format=".1%", title="target")],
        )
    )
    said = f"Target shares of {len(categories)} categories, a bar a context"
    return _finish(bars + _lane_names(source, [0]), len(rows), 36).properties(description=said)


def _largest(
    names: Sequence[str], rows: Sequence[tuple[float, ...]]
) -> tuple[list[str], list[tuple[float, ...]]]:
    """At most as many categories as the palette has colours; the rest are summed."""
    if len(names) <= len(PALETTE):
        return list(names), list(rows)
    weights = [sum(row[k] for row in rows) for k in range(len(names))]
    kept = sorted(sorted(range(len(names)), key=lambda k: -weights[k])[: len(PALETTE) - 1])
    folded = [(*(row[k] for k in kept), 1 - sum(row[k] for k in kept)) for row in rows]
    return [*(names[k] for k in kept), OTHER], folded


def _columns(categories: Sequence[str]) -> int:
    """Long names share the legend's line with fewer others."""
    longest = max(map(len, categories))
    return 1 if longest > 24 else 2 if longest > 12 else 4


REALIZED_FIELDS = (
    "place", "context", "phase", "latest", "realized", "low", "high", "target", "floor_low", "floor_high",
)  # fmt: skip


def realized_chart(
    before: Sequence[ContextResult], after: Sequence[ContextResult], names: Sequence[str], category: int
) -> alt.LayerChart:
    """Realized share of one category against its target for each context, largest gap first.

    Lines are 95 % intervals; the band around the target is the noise floor.
    """
    rows = realized_rows(before, after, names, category)
    source = table(rows, REALIZED_FIELDS)
    lanes = len({row["place"] for row in rows})
    said = f"Realized share beside its target and noise floor, a line for each of {lanes} contexts"
    return _finish(_realized_layers(), lanes, 50).properties(data=source, description=said)


# Altair takes 60 ms to compose and check these layers, which do not depend on the data.
@cache
def _realized_layers() -> alt.LayerChart:
    source = alt.Data(values=[])
    x = alt.X("realized:Q", scale=alt.Scale(domain=[0, 1]), axis=_share_axis())
    base = alt.Chart(source).encode(y=_lane("place"))
    tips = ["context:N", "phase:N"] + [
        alt.Tooltip(f"{name}:Q", format=".1%") for name in ("target", "realized", "low", "high")
    ]
    # The target and its band are drawn once a context, though it has a row for each phase.
    once = base.transform_filter("datum.latest")
    band = once.mark_bar(height=20, yOffset=10, color=BAND, opacity=0.3, cornerRadius=3).encode(
        x=alt.X("floor_low:Q", axis=_share_axis()), x2="floor_high:Q"
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
    layers += [target.properties(name="target"), _lane_names(source, [0])]
    return alt.layer(*layers)


def realized_rows(
    before: Sequence[ContextResult], after: Sequence[ContextResult], names: Sequence[str], category: int
) -> list[dict[str, Any]]:
    """One row a context and phase, contexts with the largest gap first (after training, where measured)."""
    latest = {c.context: c for c in [*before, *after]}
    order = sorted(latest, key=lambda i: -_gap(latest[i], category))[:MAX_CONTEXTS]
    rows = []
    for place, i in enumerate(order):
        for phase, group in (("before", before), ("after", after)):
            rows += [
                _realized_row(c, names[i], place, phase, category) | {"latest": c is latest[i]}
                for c in group
                if c.context == i
            ]
    return rows


def _gap(result: ContextResult, category: int) -> float:
    gap = abs(result.realized[category] - result.target[category]) if result.realized else math.nan
    return gap if math.isfinite(gap) else 1.0


def _realized_row(c: ContextResult, name: str, place: int, phase: str, k: int) -> dict[str, Any]:
    classified = max(1, c.rounds - c.unclassified)
    floor = mean_absolute_deviation(c.target[k], classified)
    return {
        "place": place,
        "context": name,
        "phase": phase,
        "target": c.target[k],
        "realized": _drawn(c.realized[k]),
        "low": _drawn(c.low[k]),
        "high": _drawn(c.high[k]),
        "floor_low": max(0.0, c.target[k] - floor),
        "floor_high": min(1.0, c.target[k] + floor),
    }


def _drawn(share: float) -> float | None:
    """A share as JSON has it: of a context without a classified round there is none."""
    return share if math.isfinite(share) else None


def _share_axis() -> alt.Axis:
    return alt.Axis(
        format="%", title=None, orient="top", tickCount=5, domain=False, ticks=False, labelPadding=6
    )


def _lane(field: str) -> alt.Y:
    # The lane's lower part holds the marks, its upper part the context's name.
    return alt.Y(f"{field}:O", axis=None, scale=alt.Scale(paddingInner=0, paddingOuter=0))


def _lane_names(source: alt.Data, at: Sequence[float]) -> alt.Chart:
    return (
        alt.Chart(source)
        .transform_aggregate(groupby=["place", "context"])
        .mark_text(align="left", baseline="bottom", fontSize=12.5, dy=-2, limit=620, color=INK)
        .encode(y=_lane("place"), text="context:N", x=alt.value(at[0]))
        .properties(name="names")
    )


def _finish(chart: alt.Chart | alt.LayerChart, lanes: int, step: int) -> alt.Chart:
    return (
        chart.properties(
            width="container",
            height=lanes * step,
            autosize=alt.AutoSizeParams(type="fit-x", contains="padding"),
            padding={"left": 2, "right": 14, "top": 2, "bottom": step // 3},
            background="transparent",
            usermeta={"embedOptions": {"renderer": "svg", "actions": False}},
        )
        .configure_view(stroke=None)
        .configure_axis(gridColor="#cbd5e1", gridOpacity=0.55, labelColor="#475569", labelFontSize=12)
        .configure_legend(labelColor=INK, labelFontSize=12.5, symbolType="square", offset=14)
    )


def plot_data(chart: alt.Chart) -> PlotData:
    """The chart as gr.Plot takes it.

    Gradio carries an older Vega-Lite than Altair names, and warns; what is drawn here is common to both.
    The tests check the charts against the schema; here it would take longer than all else.
    """
    spec = chart.to_dict(validate=False)
    spec.pop("$schema", None)
    return PlotData(type="altair", plot=json.dumps(spec))


def for_export(chart: alt.Chart, title: str, subtitle: Sequence[str]) -> dict[str, Any]:
    """The chart as a Vega-Lite specification to be read by itself: white, titled, of fixed width."""
    spec = chart.to_dict()
    spec.pop("usermeta", None)
    return spec | {
        "width": EXPORT_WIDTH,
        "autosize": {"type": "pad"},
        "background": "white",
        "padding": 24,
        "title": {"text": title, "subtitle": list(subtitle), "anchor": "start", "offset": 16},
    }
