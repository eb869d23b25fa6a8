"""Curves of a live run as inline SVG.

gr.Plot rebuilds a chart at each value, which blinks when values come every two
seconds. gr.HTML changes only the nodes that differ, so a curve simply grows.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from ui.present import esc, figure

WIDTH, HEIGHT = 400.0, 150.0
MAX_POINTS = 400


@dataclass(frozen=True)
class Line:
    """One curve: the name of its value in a step's ``values``, and its label."""

    name: str
    label: str
    colour: str


@dataclass(frozen=True)
class Panel:
    """Curves that share an axis. ``top`` fixes its upper end, else the data do."""

    title: str
    lines: tuple[Line, ...]
    top: float | None = None


PANELS = (
    Panel(
        "Loss (nats)",
        (
            Line("loss", "total", "var(--body-text-color)"),
            Line("kl", "KL", "var(--da-blue)"),
            Line("kto", "KTO", "var(--da-orange)"),
            Line("sft", "SFT", "var(--da-green)"),
            Line("retain", "retaining", "var(--da-before)"),
            Line("dpo", "DPO", "var(--da-orange)"),
        ),
    ),
    Panel(
        "Distance to the target, and steering mass",
        (
            Line("error", "exact error", "var(--da-orange)"),
            Line("mass", "mass on the steering tokens", "var(--da-blue)"),
        ),
        top=1.0,
    ),
)

Point = tuple[int, Mapping[str, float]]


def thin(points: Sequence[Point], limit: int = MAX_POINTS) -> list[Point]:
    """At most about ``limit`` points, evenly spaced, the last one always among them."""
    stride = math.ceil(len(points) / limit) if points else 1
    kept = list(points[::stride])
    if points and kept[-1] is not points[-1]:
        kept.append(points[-1])
    return kept


def curves_html(points: Sequence[Point], total: int, panels: Sequence[Panel] = PANELS) -> str:
    """All panels; ``points`` are (step, values) pairs in order, ``total`` the steps of the run."""
    shown = thin(points)
    body = "".join(_panel_html(panel, shown, max(total, shown[-1][0] if shown else 1)) for panel in panels)
    return f'<div class="da-curves">{body}</div>'


def _panel_html(panel: Panel, points: Sequence[Point], total: int) -> str:
    series = {
        line.name: [(s, v[line.name]) for s, v in points if math.isfinite(v.get(line.name, math.nan))]
        for line in panel.lines
    }
    values = [value for pairs in series.values() for _, value in pairs]
    low, high = axis_range(values, panel.top)
    keys, paths = [], []
    for line in panel.lines:
        pairs = series[line.name]
        if pairs:
            keys.append(_key(line, pairs[-1][1]))
        # An empty path keeps the nodes in place, so that a redraw never swaps one curve for another.
        paths.append(
            f'<path d="{_path(pairs, total, low, high)}" fill="none" style="stroke:{line.colour}" '
            'stroke-width="1.8" stroke-linejoin="round" vector-effect="non-scaling-stroke"/>'
        )
    ticks = [low + (high - low) * share for share in (1, 0.5, 0)]
    return (
        f'<section class="da-curve"><h3>{esc(panel.title)}</h3><div class="key">{"".join(keys)}</div>'
        f'<div class="da-plot">{_labels(ticks, low, high)}'
        f'<svg viewBox="0 0 {WIDTH:g} {HEIGHT:g}" preserveAspectRatio="none" role="img" '
        f'aria-label="{esc(panel.title)} by step{_course(panel, series)}">{_grid(ticks, low, high)}{"".join(paths)}</svg>'
        f'<div class="x"><span>step 0</span><span>{total}</span></div></div></section>'
    )


def _course(panel: Panel, series: Mapping[str, Sequence[tuple[int, float]]]) -> str:
    """How far each curve came, for those who do not see it."""
    told = [(line.label, series[line.name]) for line in panel.lines if series[line.name]]
    return "".join(f"; {esc(label)} {figure(p[0][1])} to {figure(p[-1][1])}" for label, p in told)


def axis_range(values: Sequence[float], top: float | None) -> tuple[float, float]:
    """The ends of an axis: from 0 (or below) to a round number above the data."""
    low = min([0.0, *values])
    high = top if top is not None else max([0.0, *values])
    if top is None and high > 0:
        unit = 10 ** math.floor(math.log10(high))
        high = next(unit * m for m in (1, 1.5, 2, 3, 4, 5, 6, 8, 10, 20) if unit * m >= high)
    if low < 0:
        unit = 10 ** math.floor(math.log10(-low))
        low = -unit * math.ceil(-low / unit)
    return low, high if high > low else low + 1


def _key(line: Line, last: float) -> str:
    return f'<span><i style="background:{line.colour}"></i>{esc(line.label)} <b>{figure(last)}</b></span>'


def _y(value: float, low: float, high: float) -> float:
    return HEIGHT * (1 - (value - low) / (high - low))


def _path(pairs: Sequence[tuple[int, float]], total: int, low: float, high: float) -> str:
    spots = (f"{WIDTH * step / total:.1f},{_y(value, low, high):.1f}" for step, value in pairs)
    return "M" + "L".join(spots) if pairs else ""


def _grid(ticks: Sequence[float], low: float, high: float) -> str:
    return "".join(
        f'<path d="M0,{_y(t, low, high):.1f}H{WIDTH:g}" style="stroke:var(--da-line)" '
        'vector-effect="non-scaling-stroke"/>'
        for t in ticks
    )


def _labels(ticks: Sequence[float], low: float, high: float) -> str:
    return "".join(f'<span class="y" style="top:{_y(t, low, high):.1f}px">{t:.3g}</span>' for t in ticks)
