"""Curves of a live run as inline SVG.

gr.Plot rebuilds a chart at each value, which blinks when values come every two
seconds. gr.HTML changes only the nodes that differ, so a curve simply grows.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TypeVar

from jobs.curves import Point
from ui.present import esc, figure

WIDTH, HEIGHT = 400.0, 150.0
MAX_POINTS = 400
T = TypeVar("T")


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


def thin(points: Sequence[T], limit: int = MAX_POINTS) -> list[T]:
    """At most about ``limit`` points, evenly spaced, the last one always among them."""
    stride = math.ceil(len(points) / limit) if points else 1
    kept = list(points[::stride])
    if points and kept[-1] is not points[-1]:
        kept.append(points[-1])
    return kept


@dataclass(frozen=True)
class Axis:
    """A vertical axis from ``low`` to ``high``; a logarithmic one has both above 0."""

    low: float
    high: float
    log: bool = False

    def place(self, value: float) -> float:
        """Where a value lies, from the top; what lies outside is at the edge."""
        low, high, value = (
            math.log(max(v, self.low)) if self.log else v for v in (self.low, self.high, value)
        )
        return HEIGHT * (1 - (value - low) / (high - low))

    @property
    def ticks(self) -> list[float]:
        """Values that are labelled, from the top."""
        if not self.log:
            return [self.low + (self.high - self.low) * share for share in (1, 0.5, 0)]
        decades = round(math.log10(self.high / self.low))
        stride = math.ceil(decades / 4)
        return [self.high / 10**n for n in range(0, decades + 1, stride)]


@dataclass(frozen=True)
class Stroke:
    """A line on a plot: (x, value) pairs in order, and how it is drawn."""

    pairs: Sequence[tuple[float, float]]
    colour: str
    dash: str = ""


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
    keys = [_key(line, series[line.name][-1][1]) for line in panel.lines if series[line.name]]
    # An empty path keeps the nodes in place, so that a redraw never swaps one curve for another.
    strokes = [Stroke(series[line.name], line.colour) for line in panel.lines]
    axis = Axis(*axis_range(values, panel.top))
    return (
        f'<section class="da-curve"><h3>{esc(panel.title)}</h3><div class="key">{"".join(keys)}</div>'
        f"{plot_html(f'{panel.title} by step{_course(panel, series)}', strokes, total, axis, ('step 0', str(total)))}</section>"
    )


def plot_html(label: str, strokes: Sequence[Stroke], end: float, axis: Axis, ends: tuple[str, str]) -> str:
    """Lines from x = 0 to ``end``; ``ends`` are the labels of both."""
    paths = "".join(
        f'<path d="{_path(stroke.pairs, end, axis)}" fill="none" style="stroke:{stroke.colour}" '
        + (f'stroke-dasharray="{stroke.dash}" ' if stroke.dash else "")
        + 'stroke-width="1.8" stroke-linejoin="round" vector-effect="non-scaling-stroke"/>'
        for stroke in strokes
    )
    return (
        f'<div class="da-plot">{_labels(axis)}'
        f'<svg viewBox="0 0 {WIDTH:g} {HEIGHT:g}" preserveAspectRatio="none" role="img" '
        f'aria-label="{esc(label)}">{_grid(axis)}{paths}</svg>'
        f'<div class="x"><span>{esc(ends[0])}</span><span>{esc(ends[1])}</span></div></div>'
    )


def _course(panel: Panel, series: Mapping[str, Sequence[tuple[int, float]]]) -> str:
    """How far each curve came, for those who do not see it."""
    told = [(line.label, series[line.name]) for line in panel.lines if series[line.name]]
    return "".join(f"; {label} {figure(p[0][1])} to {figure(p[-1][1])}" for label, p in told)


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


def log_axis(values: Sequence[float]) -> Axis:
    """A logarithmic axis of whole decades; a linear one where a value is not above 0."""
    if not values or min(values) <= 0:
        return Axis(*axis_range(values, None))
    low, high = math.floor(math.log10(min(values))), math.ceil(math.log10(max(values)))
    return Axis(10.0**low, 10.0 ** max(high, low + 1), log=True)


def _key(line: Line, last: float) -> str:
    return f'<span><i style="background:{line.colour}"></i>{esc(line.label)} <b>{figure(last)}</b></span>'


def _path(pairs: Sequence[tuple[float, float]], end: float, axis: Axis) -> str:
    spots = (f"{WIDTH * x / end:.1f},{axis.place(value):.1f}" for x, value in pairs)
    return "M" + "L".join(spots) if pairs else ""


def _grid(axis: Axis) -> str:
    return "".join(
        f'<path d="M0,{axis.place(t):.1f}H{WIDTH:g}" style="stroke:var(--da-line)" '
        'vector-effect="non-scaling-stroke"/>'
        for t in axis.ticks
    )


def _labels(axis: Axis) -> str:
    return "".join(f'<span class="y" style="top:{axis.place(t):.1f}px">{t:.3g}</span>' for t in axis.ticks)
