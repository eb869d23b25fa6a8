"""The figures of a chart as a table that opens beneath it. Pure; every text is escaped."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from distalign.attributes import Attribute
from distalign.contexts import Contexts
from distalign.results import ContextResult
from distalign.targets import Target
from ui import charts
from ui.curves import PANELS, Panel, Point, thin
from ui.present import NONE, esc, figure, percent

MAX_STEPS = 12
_NUMBER = ' class="n"'


def realized_table(
    before: Sequence[ContextResult],
    after: Sequence[ContextResult],
    names: Sequence[str],
    attribute: Attribute,
    category: int,
) -> str:
    """What :func:`ui.charts.realized_chart` draws, a row a context, in its order."""
    rows = charts.realized_rows(before, after, names, category)
    by_place: dict[int, dict[str, Mapping[str, object]]] = {}
    for row in rows:
        by_place.setdefault(row["place"], {})[row["phase"]] = row
    phases = [phase for phase in ("before", "after") if any(row["phase"] == phase for row in rows)]
    body = []
    for found in by_place.values():
        latest = next(row for row in found.values() if row["latest"])
        body.append(
            [latest["context"], percent(latest["target"], 1)]
            + [_share(found[phase]) if phase in found else NONE for phase in phases]
        )
    title = f"Share of {attribute.names[category]}, with 95 % intervals"
    return opened_table(title, ["Context", "Target", *(phase.capitalize() for phase in phases)], body)


def _share(row: Mapping[str, object]) -> tuple[str, str]:
    if row["realized"] is None:
        return NONE, "no answer was classified"
    return percent(row["realized"], 1), f"{percent(row['low'], 1)} to {percent(row['high'], 1)}"


def target_table(attribute: Attribute, contexts: Contexts, target: Target) -> str:
    """The target that :func:`ui.charts.target_chart` draws; one column where all contexts have the same."""
    title = "Target shares"
    if len(set(target.rows)) == 1:
        rows = [
            [name, percent(share, 1)] for name, share in zip(attribute.names, target.rows[0], strict=True)
        ]
        return opened_table(title, ["Category", "Every context"], rows)
    rows = [
        [name, *(percent(share, 1) for share in row)]
        for name, row in zip(contexts.names[: charts.MAX_CONTEXTS], target.rows, strict=False)
    ]
    if len(contexts) > charts.MAX_CONTEXTS:
        title += f" of the first {charts.MAX_CONTEXTS} contexts"
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
