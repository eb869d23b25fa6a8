"""Charts of a comparison: errors against the noise floor, and realized shares against the target. Pure.

A line of the comparison keeps one colour and one shape in all of them, so that neither is needed alone.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from functools import cache, lru_cache
from typing import Any

import altair as alt

from distalign.results import ContextResult
from jobs.compare import Comparison, Line, by_context
from jobs.reporting.layers import (
    BAND,
    INK,
    PALETTE,
    finish,
    lane,
    lane_names,
    share_axis,
    table,
)

# Vega's names of shapes, and the same as paths in a box from -6 to 6.
SHAPES = {
    "circle": "M-5,0A5,5 0 1 0 5,0A5,5 0 1 0 -5,0Z",
    "square": "M-4.5,-4.5H4.5V4.5H-4.5Z",
    "triangle-up": "M0,-5.5L5.5,4.5H-5.5Z",
    "diamond": "M0,-6L5,0L0,6L-5,0Z",
    "cross": "M-5.5,-2H-2V-5.5H2V-2H5.5V2H2V5.5H-2V2H-5.5Z",
    "triangle-down": "M0,5.5L5.5,-4.5H-5.5Z",
    "triangle-left": "M-5.5,0L4.5,-5.5V5.5Z",
    "triangle-right": "M5.5,0L-4.5,-5.5V5.5Z",
}
# Places in the palette, and among the shapes; the faint yellow is for what is seldom there.
STYLES = {
    "hybrid": 0, "sft": 1, "kto_only": 2, "dpo": 3, "prompt": 4, "kl_only": 5, "zero_shot": 6,
    "prompt_few_shot": 7,
}  # fmt: skip
# Given to other runs first: what is seldom used beside several seeds.
SPARE = (2, 5, 3)
PADDING = {"left": 2, "right": 14, "top": 2, "bottom": 4}
ERROR_LANE = 40
# Above the marks of a lane: its name; between two lines of a lane; beneath the last.
NAME, STEP, REST = 22, 12, 10
ERROR_FIELDS = ("place", "context", "series", "mae", "low", "high", "floor", "zero", "published")
SHARE_FIELDS = (
    "place", "context", "series", "name", "realized", "low", "high", "target", "floor_low", "floor_high",
)  # fmt: skip


def styles_of(comparison: Comparison) -> tuple[int, ...]:
    """The place of each line's colour and shape; that of a method stays when others come or go."""
    given: list[int] = []
    for line in comparison.lines:
        own = STYLES[line.entry.method]
        free = [style for style in (own, *SPARE, *range(len(SHAPES))) if style not in given]
        given.append(free[0] if free else own)
    return tuple(given)


def mark_of(style: int) -> tuple[str, str]:
    """Colour and shape."""
    return PALETTE[style], list(SHAPES)[style]


def glyph(style: int) -> str:
    """The mark of a line of the comparison, for text."""
    colour, shape = mark_of(style)
    return f'<svg class="da-glyph" viewBox="-7 -7 14 14" aria-hidden="true"><path fill="{colour}" d="{SHAPES[shape]}"/></svg>'


def error_rows(comparison: Comparison) -> list[dict[str, Any]]:
    """One row a line that has a MAE."""
    return [
        {
            "place": place,
            "context": line.name,
            "series": place,
            "mae": line.result.mae.value,
            "low": line.result.mae.low,
            "high": line.result.mae.high,
            "floor": line.result.noise_floor,
            "zero": 0.0,
            "published": comparison.published,
        }
        for place, line in enumerate(comparison.lines)
        if line.result and math.isfinite(line.result.mae.value)
    ]


def error_chart(comparison: Comparison) -> alt.LayerChart:
    """MAE of each line with its interval; the band is the noise floor, the dashed line what was published."""
    rows = error_rows(comparison)
    source = table(rows, ERROR_FIELDS)
    ends = [value for row in rows for value in (row["high"], row["mae"], row["floor"])]
    end = max([0.05, comparison.published or 0, *(value for value in ends if math.isfinite(value))])
    layers = _error_layers(
        styles_of(comparison), comparison.published is not None, math.ceil(end * 105) / 100
    )
    said = f"Mean absolute error of {len(rows)} methods, with intervals and noise floor"
    return finish(layers, ERROR_LANE * len(rows), 0, said).properties(data=source, padding=PADDING)


# Altair takes tens of milliseconds to compose and check layers; they do not depend on the data.
@lru_cache(64)
def _error_layers(styles: tuple[int, ...], published: bool, end: float) -> alt.LayerChart:
    source = alt.Data(values=[])
    axis = alt.Axis(
        title=None, orient="top", format=".2f", tickCount=5, domain=False, ticks=False, labelPadding=6
    )
    # The base model is so far off that on a linear scale all that is trained would be one point.
    x = alt.X("mae:Q", scale=alt.Scale(type="sqrt", domain=[0, end], nice=False), axis=axis)
    base = alt.Chart(source).encode(y=lane("place"))
    band = base.mark_bar(height=18, yOffset=9, color=BAND, opacity=0.3, cornerRadius=3).encode(
        x=alt.X("zero:Q", axis=axis), x2="floor:Q"
    )
    tips = [alt.Tooltip("context:N", title="method")] + [
        alt.Tooltip(f"{field}:Q", format=".3f", title=title)
        for field, title in (("mae", "MAE"), ("low", "low"), ("high", "high"), ("floor", "noise floor"))
    ]
    layers = [band]
    if published:
        rule = (
            alt.Chart(source)
            .transform_filter("datum.published != null")
            .mark_rule(strokeDash=[5, 4], strokeWidth=1.6, color=INK)
        )
        layers.append(rule.encode(x="published:Q").properties(name="published"))
    for place, style in enumerate(styles):
        layers += _marks(base, place, style, x, tips, 9)
    return alt.layer(*layers, lane_names(source, [0]))


def _marks(
    base: alt.Chart, place: int, style: int, x: alt.X, tips: Sequence[Any], shift: float
) -> list[alt.Chart]:
    """The interval and the point of one line of the comparison."""
    colour, shape = mark_of(style)
    one = base.transform_filter(alt.datum.series == place)
    rule = one.mark_rule(strokeWidth=1.8, color=colour, yOffset=shift).encode(x="low:Q", x2="high:Q")
    point = one.mark_point(
        shape=shape, size=80, filled=True, opacity=1, color=colour, strokeWidth=0, yOffset=shift
    )
    return [rule, point.encode(x=x, tooltip=tips).properties(name=f"series{place}")]


def contexts_with(comparison: Comparison, category: str) -> dict[str, list[ContextResult | None]]:
    """The contexts that a category was counted in, the largest errors first."""
    known = [category_of(line, category) is not None for line in comparison.lines]
    return {
        name: results
        for name, results in by_context(comparison).items()
        if any(result and knows for result, knows in zip(results, known, strict=True))
    }


def share_rows(
    comparison: Comparison, contexts: Mapping[str, Sequence[ContextResult | None]], category: str
) -> list[dict[str, Any]]:
    """One row a context and line that knows the category and classified an answer."""
    rows = []
    for place, (context, results) in enumerate(contexts.items()):
        for series, (line, result) in enumerate(zip(comparison.lines, results, strict=True)):
            k = category_of(line, category)
            if result is None or k is None or not result.realized or not math.isfinite(result.realized[k]):
                continue
            floor_low, floor_high = result.noise_band(k)
            rows.append(
                {
                    "place": place,
                    "context": context,
                    "series": series,
                    "name": line.name,
                    "realized": result.realized[k],
                    "low": result.low[k],
                    "high": result.high[k],
                    "target": result.target[k],
                    "floor_low": floor_low,
                    "floor_high": floor_high,
                }
            )
    return rows


def category_of(line: Line, category: str) -> int | None:
    """The place of a category by its name; None where the run's attribute has none of that name."""
    names = line.entry.run.spec.attribute.names
    return names.index(category) if category in names else None


def share_chart(rows: Sequence[Mapping[str, Any]], styles: tuple[int, ...]) -> alt.LayerChart:
    """Realized shares of one category, a lane a context and in it a line each, with target and noise floor."""
    source = table(rows, SHARE_FIELDS)
    lanes = len({row["place"] for row in rows})
    said = f"Realized shares of {len(styles)} methods beside target and noise floor, for each of {lanes} contexts"
    height = lanes * _lane_height(len(styles))
    return finish(_share_layers(styles), height, 0, said).properties(data=source, padding=PADDING)


def _lane_height(count: int) -> int:
    return NAME + STEP * count + REST


@cache
def _share_layers(styles: tuple[int, ...]) -> alt.LayerChart:
    source = alt.Data(values=[])
    x = alt.X("realized:Q", scale=alt.Scale(domain=[0, 1]), axis=share_axis())
    base = alt.Chart(source).encode(y=lane("place"))
    tips = ["context:N", alt.Tooltip("name:N", title="method")] + [
        alt.Tooltip(f"{name}:Q", format=".1%") for name in ("target", "realized", "low", "high")
    ]
    # Offsets are from the middle of a lane.
    top = -_lane_height(len(styles)) / 2
    below, marks = [], []
    for place, style in enumerate(styles):
        shift = top + NAME + STEP * (place + 0.5)
        one = base.transform_filter(alt.datum.series == place)
        below.append(
            one.mark_bar(height=STEP, yOffset=shift, color=BAND, opacity=0.3).encode(
                x=alt.X("floor_low:Q", axis=share_axis()), x2="floor_high:Q"
            )
        )
        tick = one.mark_tick(thickness=2.5, height=STEP, opacity=1, yOffset=shift, color=INK)
        below.append(tick.encode(x="target:Q").properties(name=f"target{place}"))
        marks += _marks(base, place, style, x, tips, shift)
    names = (
        alt.Chart(source)
        .transform_aggregate(groupby=["place", "context"])
        .mark_text(align="left", baseline="bottom", fontSize=12.5, dy=top + NAME - 4, limit=620, color=INK)
        .encode(y=lane("place"), text="context:N", x=alt.value(0))
    )
    return alt.layer(*below, *marks, names)
