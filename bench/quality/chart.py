"""The chart of docs/results.md: MAE by dataset and method, beside the noise floor and the paper's best."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import altair as alt

from bench.charts import INK, PEER, PRODUCT, SECOND, save_chart
from bench.quality.cells import ANSWERS, METHODS, PAPER
from bench.quality.figures import HELDOUT, Quality
from distalign import published

CHART = "results-mae.svg"
WIDTH, ROW, GAP = 460, 11, 14
FLOOR, BEST = "noise floor", "the paper's best"
COLOURS = {
    "zero_shot": "#9ca3af",
    "prompt": "#c084fc",
    "prompt_few_shot": "#7e22ce",
    "sft": "#E69F00",
    "dpo": "#a16207",
    "kl_only": "#56B4E9",
    "kto_only": SECOND,
    "hybrid": PRODUCT,
}


def write_chart(quality: Quality, folder: Path) -> bool:
    """Write the chart; whether there was anything to draw."""
    rows = chart_rows(quality)
    if rows:
        folder.mkdir(parents=True, exist_ok=True)
        save_chart(_chart(rows, _mark_rows(quality, {row["dataset"] for row in rows})), folder / CHART)
    return bool(rows)


def chart_rows(quality: Quality) -> list[dict[str, Any]]:
    """MAE on held-out templates with its interval, by dataset and method."""
    rows = []
    for dataset in PAPER:
        for method in quality.methods(ANSWERS, dataset):
            found = {
                name: quality.split(ANSWERS, dataset, method, HELDOUT, measure)
                for name, measure in (("mae", "mae"), ("low", "mae_low"), ("high", "mae_high"))
            }
            if all(found.values()):
                rows.append({"dataset": dataset, "name": method} | {n: f.mean for n, f in found.items()})
    return rows


def _mark_rows(quality: Quality, datasets: set[str]) -> list[dict[str, Any]]:
    """What the bars of a dataset are held against: its noise floor and the paper's best."""
    rows = []
    for dataset in PAPER:
        if dataset in datasets:
            if floor := quality.floor(dataset):
                rows.append({"dataset": dataset, "name": FLOOR, "mae": floor.mean})
            rows.append({"dataset": dataset, "name": BEST, "mae": published.ANSWERS[dataset]})
    return rows


def _chart(rows: list[dict[str, Any]], marks: list[dict[str, Any]]) -> alt.LayerChart:
    methods = [m for m in METHODS if any(row["name"] == m for row in rows)]
    band = ROW * len(methods) + GAP
    colours = [*(COLOURS[m] for m in methods), INK, PEER]
    scale = alt.Scale(domain=[*methods, FLOOR, BEST], range=colours)
    y = alt.Y(
        "dataset:N",
        sort=list(PAPER),
        title=None,
        axis=alt.Axis(ticks=False, domain=False),
        scale=alt.Scale(paddingInner=GAP / band, paddingOuter=0),
    )
    base = alt.Chart(alt.Data(values=rows)).encode(y=y, yOffset=alt.YOffset("name:N", sort=methods))
    legend = alt.Legend(orient="top", columns=5, symbolType="square", symbolOpacity=1)
    bars = base.mark_bar().encode(
        x=alt.X("mae:Q", title="MAE, held-out templates (lower is better)"),
        color=alt.Color("name:N", title=None, scale=scale, legend=legend),
    )
    spans = base.mark_rule(color=INK, strokeWidth=1).encode(x="low:Q", x2="high:Q")
    ticks = (
        alt.Chart(alt.Data(values=marks))
        .mark_tick(size=band - GAP, thickness=2.5, opacity=1)
        .encode(y=y, x="mae:Q", color=alt.Color("name:N", scale=scale))
    )
    return (bars + spans + ticks).properties(width=WIDTH, height=band * len({row["dataset"] for row in rows}))
