"""Altair charts as Gradio takes them."""

from __future__ import annotations

import json

import altair as alt
from gradio.components.plot import PlotData


def plot_data(chart: alt.Chart) -> PlotData:
    """The chart as gr.Plot takes it.

    Gradio carries an older Vega-Lite than Altair names, and warns; what is drawn here is common to both.
    The tests check the charts against the schema; here it would take longer than all else.
    """
    spec = chart.to_dict(validate=False)
    spec.pop("$schema", None)
    return PlotData(type="altair", plot=json.dumps(spec))
