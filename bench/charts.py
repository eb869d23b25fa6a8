"""The charts of docs/speed.md, and how all charts in docs/ look: SVG on a white ground, so that they read on any page."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import altair as alt
import vl_convert

from bench.figures import PEERS, Figures, rounds_per_second
from bench.goals import shown
from bench.spread import Spread, spread

WIDTH, HEIGHT = 560, 240
INK, PRODUCT, PEER, SECOND = "#1f2937", "#0d9488", "#D55E00", "#0072B2"


def write_charts(figures: Figures, folder: Path) -> dict[str, str]:
    """Write the charts that the records have data for; chart → file name."""
    folder.mkdir(parents=True, exist_ok=True)
    names = {}
    for name, chart in _charts(figures):
        names[name] = f"speed-{name}.svg"
        save_chart(chart, folder / names[name])
    return names


def save_chart(chart: alt.TopLevelMixin, path: Path) -> None:
    """Write a chart as SVG, in the look of all charts in docs/."""
    styled = chart.configure(background="white", padding=12, font="sans-serif").configure_axis(
        labelColor=INK, titleColor=INK, gridColor="#e5e7eb", labelFontSize=12, titleFontSize=12,
        titleFontWeight="normal", labelLimit=320,
    ).configure_legend(labelColor=INK, titleColor=INK, labelFontSize=12, labelLimit=400).configure_view(
        stroke=None
    )  # fmt: skip
    path.write_text(vl_convert.vegalite_to_svg(json.loads(styled.to_json())), "utf-8")


def _charts(figures: Figures) -> Iterator[tuple[str, alt.Chart]]:
    if (rows := _training_rows(figures)) and len(rows) > 1:
        yield "training", _bars(rows, "examples a second", log=False)
    if rows := _curve_rows(figures):
        yield "convergence", _curves(rows, figures.budget.threshold)
    if (rows := _sampling_rows(figures)) and len(rows) > 1:
        yield "sampling", _bars(rows, "rounds a second (logarithmic)", log=True)
    for axis in ("rounds", "contexts", "categories"):
        if rows := growth_rows(figures, axis):
            yield f"growth-{axis}", _growth(rows, axis)


def _row(name: str, order: int, found: Spread | None) -> list[dict[str, Any]]:
    if found is None:
        return []
    return [
        {
            "name": name,
            "order": order,
            "value": found.median,
            "low": found.low,
            "high": found.high,
            "label": shown(found.median, ""),
        }
    ]


def _training_rows(figures: Figures) -> list[dict[str, Any]]:
    sides = {"product": "Distalign"} | PEERS
    return [
        row
        for order, (side, name) in enumerate(sides.items())
        for row in _row(name, order, spread(figures.per_second(side)))
    ]


def _sampling_rows(figures: Figures) -> list[dict[str, Any]]:
    turns = {
        f"Distalign, {n:,} rounds a context": figures.samplings("one_template", n)
        for n in reversed(figures.budget.rounds)
    }
    turns["generate, in batches"] = figures.peer_samplings("batched")
    turns["generate, one call a round"] = figures.peer_samplings("single")
    return [
        row
        for order, (name, found) in enumerate(turns.items())
        for row in _row(name, order, spread(rounds_per_second(found)))
    ]


def _bars(rows: list[dict[str, Any]], title: str, *, log: bool) -> alt.LayerChart:
    """Medians as bars, with the range of the repeats across each; points where the scale is logarithmic."""
    base = alt.Chart(alt.Data(values=rows)).encode(
        y=alt.Y("name:N", sort=alt.SortField("order"), title=None, axis=alt.Axis(ticks=False, domain=False))
    )
    colour = alt.condition("indexof(datum.name, 'Distalign') == 0", alt.value(PRODUCT), alt.value(PEER))
    scale = alt.Scale(type="log") if log else alt.Scale(zero=True)
    x = alt.X("value:Q", title=title, scale=scale)
    marks = base.mark_circle(size=130, opacity=1) if log else base.mark_bar(height=18)
    span = base.mark_rule(color=INK, strokeWidth=1.5).encode(x=alt.X("low:Q", scale=scale), x2="high:Q")
    text = base.mark_text(align="left", dx=10, dy=-12 if log else 0, color=INK, fontSize=12).encode(
        x=alt.X("high:Q", scale=scale), text="label:N"
    )
    return (marks.encode(x=x, color=colour) + span + text).properties(
        width=WIDTH - 160, height=44 * len(rows)
    )


def _curve_rows(figures: Figures) -> list[dict[str, Any]]:
    names = {
        "quick": "Distalign, preset quick",
        "budget": f"Distalign, {figures.budget.budget_seconds:g} s",
        "peer": "plain TRL + KL",
    }
    return [
        {"name": name, "seconds": point["seconds"], "error": point["error"]}
        for key, name in names.items()
        if (curve := figures.curve(key))
        for point in curve["points"]
    ]


def _curves(rows: list[dict[str, Any]], threshold: float) -> alt.LayerChart:
    names = list(dict.fromkeys(row["name"] for row in rows))
    ours = iter((PRODUCT, SECOND))
    colours = {name: next(ours) if name.startswith("Distalign") else PEER for name in names}
    lines = (
        alt.Chart(alt.Data(values=rows))
        .mark_line(point=True, strokeWidth=2)
        .encode(
            x=alt.X("seconds:Q", scale=alt.Scale(type="log", nice=False), title="seconds since the start"),
            y=alt.Y("error:Q", scale=alt.Scale(type="log"), title="held-out exact error"),
            color=alt.Color(
                "name:N",
                title=None,
                scale=alt.Scale(domain=names, range=[colours[n] for n in names]),
                legend=alt.Legend(orient="top"),
            ),
        )
    )
    goal = alt.Chart(alt.Data(values=[{"goal": threshold}])).mark_rule(strokeDash=[4, 4], color=INK)
    return (lines + goal.encode(y="goal:Q")).properties(width=WIDTH, height=HEIGHT)


def growth_rows(figures: Figures, axis: str) -> list[dict[str, Any]]:
    """size, seconds, and what took them ("sampling", "training step")."""
    if axis == "rounds":
        value = figures.records.get("growth/rounds")
        points = value["sampling"] if value else []
        return [{"what": "sampling", **p} for p in points]
    return [
        {"what": what, "size": value["size"], "seconds": value[key]}
        for what, key in (("sampling", "sampling"), ("training step", "training"))
        for value in figures.records.several(f"growth/{axis}")
    ]


def _growth(rows: list[dict[str, Any]], axis: str) -> alt.Chart:
    """Seconds against size, both logarithmic."""
    title = {"rounds": "rounds a context", "contexts": "contexts", "categories": "categories"}[axis]
    return (
        alt.Chart(alt.Data(values=rows))
        .mark_line(point=alt.OverlayMarkDef(size=60), strokeWidth=2)
        .encode(
            x=alt.X("size:Q", scale=alt.Scale(type="log"), title=title),
            y=alt.Y("seconds:Q", scale=alt.Scale(type="log"), title="seconds"),
            color=alt.Color("what:N", title=None, scale=alt.Scale(range=[PRODUCT, SECOND]),
                            legend=alt.Legend(orient="top")),
        )
        .properties(width=WIDTH, height=HEIGHT)
    )  # fmt: skip
