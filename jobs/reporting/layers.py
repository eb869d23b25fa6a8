"""What charts share: colours, inline data that is checked, lanes with names above, the looks of an axis."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import altair as alt

# Each is at least 3:1 against the white and against the dark page (WCAG 1.4.11), and told from each other by
# colour-blind readers; tests compute both.
PALETTE = ("#196CDA", "#F06E07", "#29735C", "#BC0296", "#0D98CF", "#AE451F", "#8E949E", "#9C9060")
DASHES = ([1, 0], [7, 3], [2, 2], [9, 3, 2, 3], [4, 2], [12, 3], [2, 4], [6, 2, 2, 2, 2, 2])
BEFORE, AFTER, INK, BAND = "#7c8797", "#0d9488", "#1f2937", "#7f8999"
MAX_ROWS = 5000
MAX_CONTEXTS = 60
OTHER = "all others"


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


def largest(
    names: Sequence[str], rows: Sequence[tuple[float, ...]]
) -> tuple[list[str], list[tuple[float, ...]]]:
    """At most as many categories as the palette has colours; the rest are summed."""
    kept = largest_columns(len(names), rows)
    if len(kept) == len(names):
        return list(names), list(rows)
    folded = [(*(row[k] for k in kept), 1 - sum(row[k] for k in kept)) for row in rows]
    return [*(names[k] for k in kept), OTHER], folded


def largest_columns(count: int, rows: Sequence[Sequence[float]]) -> list[int]:
    """The columns that get a colour of their own, in their order: all, or those that weigh most."""
    if count <= len(PALETTE):
        return list(range(count))
    weights = [sum(row[k] for row in rows) for k in range(count)]
    return sorted(sorted(range(count), key=lambda k: -weights[k])[: len(PALETTE) - 1])


def columns(categories: Sequence[str]) -> int:
    """Long names share the legend's line with fewer others."""
    longest = max(map(len, categories))
    return 1 if longest > 24 else 2 if longest > 12 else 4


def category_colour(categories: Sequence[str]) -> alt.Color:
    """A colour a category, with its legend above the chart."""
    return alt.Color(
        "category:N",
        sort=list(categories),
        scale=alt.Scale(domain=list(categories), range=list(PALETTE[: len(categories)])),
        legend=_legend(categories),
    )


def category_dash(categories: Sequence[str]) -> alt.StrokeDash:
    """A dash a category, for those who do not tell the colours apart; in the same legend."""
    return alt.StrokeDash(
        "category:N",
        sort=list(categories),
        scale=alt.Scale(domain=list(categories), range=list(DASHES[: len(categories)])),
        legend=_legend(categories),
    )


def _legend(categories: Sequence[str]) -> alt.Legend:
    return alt.Legend(
        orient="top", title=None, labelLimit=320, columns=columns(categories), symbolType="stroke"
    )


def share_axis() -> alt.Axis:
    return alt.Axis(
        format="%", title=None, orient="top", tickCount=5, domain=False, ticks=False, labelPadding=6
    )


def lane(field: str) -> alt.Y:
    # The lane's lower part holds the marks, its upper part the context's name.
    return alt.Y(f"{field}:O", axis=None, scale=alt.Scale(paddingInner=0, paddingOuter=0))


def lane_names(source: alt.Data, at: Sequence[float]) -> alt.Chart:
    return (
        alt.Chart(source)
        .transform_aggregate(groupby=["place", "context"])
        .mark_text(align="left", baseline="bottom", fontSize=12.5, dy=-2, limit=620, color=INK)
        .encode(y=lane("place"), text="context:N", x=alt.value(at[0]))
        .properties(name="names")
    )


def finish(chart: alt.Chart | alt.LayerChart, height: int, below: int, said: str) -> alt.Chart:
    """The chart as wide as its container, with the looks that all charts share.

    Args:
        height: of the plot; ``below`` it so much room is left.
        said: what the chart is, for those who hear it.
    """
    return (
        chart.properties(
            description=said,
            width="container",
            height=height,
            autosize=alt.AutoSizeParams(type="fit-x", contains="padding"),
            padding={"left": 2, "right": 14, "top": 2, "bottom": below},
            background="transparent",
            usermeta={"embedOptions": {"renderer": "svg", "actions": False}},
        )
        .configure_view(stroke=None)
        .configure_axis(gridColor="#cbd5e1", gridOpacity=0.55, labelColor="#475569", labelFontSize=12)
        .configure_legend(labelColor=INK, labelFontSize=12.5, symbolType="square", offset=14)
    )
