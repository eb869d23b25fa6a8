"""Charts as files and as fragments of a page that needs no script: PNG and SVG, drawn by vl-convert."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

import altair as alt

WIDTH = 900
PNG_SCALE = 2.0


def for_export(chart: alt.Chart, title: str = "", subtitle: Sequence[str] = ()) -> dict[str, Any]:
    """The chart as a Vega-Lite specification to be read by itself: white, of fixed width, titled where a title is given."""
    spec = chart.to_dict()
    spec.pop("usermeta", None)
    spec |= {"width": WIDTH, "autosize": {"type": "pad"}}
    if title:
        heading = {"text": title, "subtitle": list(subtitle), "anchor": "start", "offset": 16}
        spec |= {"background": "white", "padding": 24, "title": heading}
    return spec


def png(chart: alt.Chart, title: str, subtitle: Sequence[str]) -> bytes:
    # Loaded with the first picture: it takes memory that a page without one does not need.
    import vl_convert

    return vl_convert.vegalite_to_png(json.dumps(for_export(chart, title, subtitle)), scale=PNG_SCALE)


def svg(chart: alt.Chart, title: str, subtitle: Sequence[str]) -> str:
    return _svg(for_export(chart, title, subtitle))


def inline_svg(chart: alt.Chart, name: str, text: str) -> str:
    """The chart as an element of an HTML page: transparent, its text following the page's style.

    Args:
        name: letters that tell its inner names from those of the page's other charts.
        text: what it shows, for those who do not see it; escaped already.
    """
    spec = for_export(chart)
    spec.pop("description", None)
    drawn = _svg(spec).replace('id="', f'id="{name}-').replace("url(#", f"url(#{name}-")
    return drawn.replace("<svg ", f'<svg role="img" aria-label="{text}" ', 1)


def _svg(spec: dict[str, Any]) -> str:
    import vl_convert

    return vl_convert.vegalite_to_svg(json.dumps(spec))
