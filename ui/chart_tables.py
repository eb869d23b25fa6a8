"""The figures of a chart as a table that opens beneath it. Pure; every text is escaped."""

from __future__ import annotations

from collections.abc import Sequence

from distalign.attributes import Attribute
from distalign.contexts import Contexts
from distalign.targets import Target
from ui.curves import PANELS, Panel, Point, thin
from ui.present import esc, figure, percent
from ui.target_bars import drawn_contexts

MAX_STEPS = 12
_NUMBER = ' class="n"'


def target_table(attribute: Attribute, contexts: Contexts, target: Target) -> str:
    """The target that :func:`ui.target_bars.target_bars` draws; one column where all contexts have the same."""
    title = "Target shares"
    if len(set(target.rows)) == 1:
        rows = [
            [name, percent(share, 1)] for name, share in zip(attribute.names, target.rows[0], strict=True)
        ]
        return opened_table(title, ["Category", "Every context"], rows)
    most = drawn_contexts(attribute)
    rows = [
        [name, *(percent(share, 1) for share in row)]
        for name, row in zip(contexts.names[:most], target.rows, strict=False)
    ]
    if len(contexts) > most:
        title += f" of the first {most:,} of {len(contexts):,} contexts"
    return opened_table(title, ["Context", *attribute.names], rows)


def curves_table(points: Sequence[Point], panels: Sequence[Panel] = PANELS) -> str:
    """Some steps of the curves, evenly spaced, the last among them."""
    if not points:
        return ""
    lines = [line for panel in panels for line in panel.lines if any(line.name in v for _, v in points)]
    rows = [
        [f"{step:,}", *(figure(values.get(line.name)) for line in lines)]
        for step, values in thin(points, MAX_STEPS)
    ]
    return opened_table("Curves by step", ["Step", *(line.label.capitalize() for line in lines)], rows)


def opened_table(title: str, headers: Sequence[str], rows: Sequence[Sequence[object]]) -> str:
    """A table behind a box to tick; a cell may be a pair, of which the second is small print.

    The box is ticked by the browser alone: a redraw of the table leaves it as it is.
    """
    head = "".join(f'<th{"" if k == 0 else _NUMBER} scope="col">{esc(h)}</th>' for k, h in enumerate(headers))
    body = "".join(
        f'<tr><th scope="row">{esc(row[0])}</th>' + "".join(map(_cell, row[1:])) + "</tr>" for row in rows
    )
    return (
        '<div class="da-astable"><label><input type="checkbox">Show as a table</label>'
        f'<div class="da-scroll" tabindex="0" role="region" aria-label="{esc(title)}">'
        f'<table class="da-table"><caption>{esc(title)}</caption><thead><tr>{head}</tr></thead>'
        f"<tbody>{body}</tbody></table></div></div>"
    )


def _cell(cell: object) -> str:
    text, small = cell if isinstance(cell, tuple) else (cell, "")
    note = f"<small>{esc(small)}</small>" if small else ""
    return f'<td class="n">{esc(text)}{note}</td>'
