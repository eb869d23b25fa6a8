"""The curves of several runs in one chart, with their figures. Pure; every text is escaped."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from distalign.results import SplitResult
from distalign.spec import TRAINED_METHODS
from jobs.curves import VALUES, Point, rows_of
from jobs.naming import METHODS_SHORT
from storage import Run
from ui import cards
from ui.curves import Stroke, log_axis, plot_html, thin
from ui.present import NONE, esc, figure

# So many lines can still be told apart. Those from the fifth on are dashed, too.
COLOURS = tuple(f"var(--da-line-{n})" for n in range(1, 9))
DASHES = ("", "", "", "", "6 3", "6 3", "2 3", "2 3")
MOST = len(COLOURS)
# What the panels show where nothing else is chosen.
PANELS = ("loss", "error")
BOTH = "both"
CHOICES = [("Loss and error", BOTH), *((title, name) for name, title in VALUES.items() if name not in PANELS)]


@dataclass(frozen=True)
class Curve:
    """A run with its training so far, and its result on held-out templates, if it has one."""

    run: Run
    points: Sequence[Point]
    result: SplitResult | None

    @property
    def name(self) -> str:
        return f"{self.run.title} · {self.run.id[:6]}"


def overlay_html(curves: Sequence[Curve], table: bool, value: str = BOTH) -> str:
    """The runs with their figures, which are the legend; the curves of a value; and these as a table, if wanted."""
    if not any(curve.points or _may_train(curve.run) for curve in curves):
        return _legend(curves) + cards.quiet("There is no curve to draw: none of these runs trained.")
    panels = {name: VALUES[name] for name in (PANELS if value == BOTH else (value,))}
    if not any(value in values for curve in curves for _, values in curve.points) and value != BOTH:
        return _legend(curves) + cards.quiet(f"None of these runs tells its {panels[value].lower()}.")
    plots = "".join(_panel(curves, name, title) for name, title in panels.items())
    numbers = "".join(_numbers(curves, name, title) for name, title in panels.items()) if table else ""
    return f'{_legend(curves)}<div class="da-curves">{plots}</div>{numbers}'


def _may_train(run: Run) -> bool:
    """Whether steps may still come."""
    return run.method in TRAINED_METHODS and not run.state.ended


def _legend(curves: Sequence[Curve]) -> str:
    rows = "".join(_legend_row(n, curve) for n, curve in enumerate(curves))
    heads = "".join(
        f'<th class="n" scope="col">{name}</th>' for name in ("Loss", "Exact error", "Held-out MAE")
    )
    return (
        '<div class="da-scroll"><table class="da-table da-legend-runs"><thead><tr><th scope="col">Run</th>'
        f"{heads}<td></td></tr></thead><tbody>{rows}</tbody></table></div>"
    )


def _legend_row(number: int, curve: Curve) -> str:
    run, last = curve.run, curve.points[-1][1] if curve.points else {}
    mae = figure(curve.result.mae.value) if curve.result else NONE
    method = METHODS_SHORT.get(run.method, run.method)
    cells = "".join(f'<td class="n">{value}</td>' for value in (*(_last(last, n) for n in PANELS), mae))
    return (
        f'<tr><th scope="row">{_swatch(number)}{esc(run.title)}'
        f"<small>{esc(method)} · {_steps(curve)} · {esc(run.id[:6])}</small></th>{cells}"
        f'<td class="n"><button type="button" class="da-off" data-pick="{esc(run.id)}" '
        f'aria-label="Take {esc(curve.name)} out of the chart">✕</button></td></tr>'
    )


def _steps(curve: Curve) -> str:
    """How far the training came, or why there is none."""
    if curve.points:
        return f"{curve.points[-1][0]:,} steps"
    if curve.run.method not in TRAINED_METHODS:
        return "this method does not train"
    return "no training steps yet" if _may_train(curve.run) else "no training steps"


def _last(values: Mapping[str, float], name: str) -> str:
    return figure(values.get(name, math.nan))


def _swatch(number: int) -> str:
    dash = f' stroke-dasharray="{DASHES[number]}"' if DASHES[number] else ""
    return (
        '<svg class="da-swatch" viewBox="0 0 24 4" aria-hidden="true">'
        f'<path d="M0 2H24" style="stroke:{COLOURS[number]}" stroke-width="3"{dash}/></svg>'
    )


def _panel(curves: Sequence[Curve], name: str, title: str) -> str:
    series = [
        [
            (step, values[name])
            for step, values in thin(curve.points)
            if math.isfinite(values.get(name, math.nan))
        ]
        for curve in curves
    ]
    axis = log_axis([value for pairs in series for _, value in pairs])
    end = max((pairs[-1][0] for pairs in series if pairs), default=1)
    strokes = [Stroke(pairs, COLOURS[n], DASHES[n]) for n, pairs in enumerate(series)]
    title += ", log" if axis.log else ""
    return (
        f'<section class="da-curve"><h3>{esc(title)}</h3>'
        f"{plot_html(f'{title}, by step, of {len(curves)} runs', strokes, end, axis, ('step 0', f'{end:,}'))}"
        "</section>"
    )


def _numbers(curves: Sequence[Curve], name: str, title: str) -> str:
    heads = "".join(
        f'<th class="n" scope="col">{_swatch(n)}{esc(c.run.id[:6])}</th>' for n, c in enumerate(curves)
    )
    rows = "".join(
        f'<tr><th scope="row">{step:,}</th>{"".join(f"<td class=n>{figure(v)}</td>" for v in values)}</tr>'
        for step, values in rows_of([curve.points for curve in curves], name)
    )
    return (
        f'<h3 class="da-h3">{esc(title)}</h3>'
        f'<div class="da-scroll"><table class="da-table da-numbers"><thead><tr><th scope="col">Step</th>{heads}</tr></thead>'
        f"<tbody>{rows}</tbody></table></div>"
    )
