"""Data → Altair charts of the page. Pure; aggregated data only, never more rows than Gradio can draw.

Context names stand above their bars, inside the plot, so that a chart reads
the same at 390 and at 1440 pixels. Text and axes take the theme's colours from
style.css (marks are found there by the names given here and in jobs.reporting.charts).
"""

from __future__ import annotations

import json

import altair as alt
from gradio.components.plot import PlotData

from distalign.attributes import Attribute
from distalign.contexts import Contexts
from distalign.targets import Target
from jobs.reporting.layers import (
    MAX_CONTEXTS,
    category_colour,
    finish,
    lane,
    lane_names,
    largest,
    share_axis,
    table,
)


def target_chart(attribute: Attribute, contexts: Contexts, target: Target) -> alt.Chart:
    """Stacked bars of q, one a context; one bar in all where the rows are the same."""
    names = list(contexts.names)
    rows = list(target.rows)
    if len(set(rows)) == 1 and len(rows) > 1:
        names, rows = [f"All {len(names)} contexts"], rows[:1]
    categories, rows = largest(attribute.names, rows[:MAX_CONTEXTS])
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
            x=alt.X("share:Q", stack="zero", scale=alt.Scale(domain=[0, 1]), axis=share_axis()),
            y=lane("place"),
            color=category_colour(categories),
            order="order:Q",
            tooltip=["context:N", "category:N", alt.Tooltip("share:Q", format=".1%", title="target")],
        )
    )
    said = f"Target shares of {len(categories)} categories, a bar a context"
    return finish(bars + lane_names(source, [0]), 36 * len(rows), 12, said)


def plot_data(chart: alt.Chart) -> PlotData:
    """The chart as gr.Plot takes it.

    Gradio carries an older Vega-Lite than Altair names, and warns; what is drawn here is common to both.
    The tests check the charts against the schema; here it would take longer than all else.
    """
    spec = chart.to_dict(validate=False)
    spec.pop("$schema", None)
    return PlotData(type="altair", plot=json.dumps(spec))
