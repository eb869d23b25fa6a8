"""The editor of shares: linked sliders, a table or a matrix of percentages that always sum to 100.

Moving one share makes the others give way, in the browser (``shares.js`` by the rules of ``shares_rules.js``, with
``shares_paste.js`` for what is pasted); what comes from there is read with care, as anybody can send anything.
"""

from __future__ import annotations

import itertools
import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import gradio as gr

from distalign.attributes import Attribute
from ui.tables import Row, fit_row

SCRIPT = "\n".join(
    Path(__file__).with_name(name).read_text("utf-8")
    for name in ("shares_rules.js", "shares_paste.js", "shares.js")
)
# With more categories than this there are no sliders, only figures.
MAX_SLIDERS = 8
SHARES = "shares"


@dataclass(frozen=True)
class Group:
    """Shares that sum to 1.

    Attributes:
        name: of the part they are of; empty for the whole attribute.
        names: the categories.
        cells: their probabilities, as typed.
        mode: "shares", or a target without any to set, one of ``modes``.
        modes: values and labels of what may be chosen; empty where nothing is.
        rows: where the categories are cells of several parts, the categories of the last but one.
        columns: and those of the last.
        blocks: what names the cells of each matrix of rows and columns, where there are further parts before.
    """

    name: str
    names: tuple[str, ...]
    cells: tuple[str, ...]
    mode: str = SHARES
    modes: tuple[tuple[str, str], ...] = ()
    rows: tuple[str, ...] = ()
    columns: tuple[str, ...] = ()
    blocks: tuple[str, ...] = ()


def editor(value: str, elem_id: str, label: str = "Target shares") -> gr.HTML:
    """The control; its value is what :func:`value_of` makes, its label a plain text."""
    return gr.HTML(
        value,
        html_template=f'<div class="da-shares" role="group" aria-label="{label}"></div>',
        js_on_load=SCRIPT,
        elem_id=elem_id,
        apply_default_css=False,
    )


def value_of(groups: Sequence[Group], fitted: bool = False) -> str:
    """The value of an editor.

    Args:
        fitted: whether it only follows the attribute: an editor that has these categories already keeps
            its figures, which may have been moved since.
    """
    shown = {"groups": [asdict(group) for group in groups], "sliders": MAX_SLIDERS}
    return json.dumps(shown | {"fitted": True} if fitted else shown)


def row_value(attribute: Attribute, row: Row, fitted: bool = False) -> str:
    """One group for all categories; matrices of the last two parts where they are the cells of several."""
    rows, columns, blocks = _matrices(attribute)
    cells = _cells(row, attribute.names)
    return value_of([Group("", attribute.names, cells, rows=rows, columns=columns, blocks=blocks)], fitted)


def _matrices(attribute: Attribute) -> tuple[tuple[str, ...], ...]:
    if not attribute.parts:
        return (), (), ()
    *first, rows, columns = (part.names for part in attribute.parts)
    return rows, columns, tuple(map(", ".join, itertools.product(*first))) if first else ()


def row_as_typed(row: Row) -> str:
    """One group for the categories that a row names, whatever the attribute has."""
    return value_of([Group("", tuple(row), _cells(row, tuple(row)))])


def parts_value(
    attribute: Attribute, parts: Mapping[str, str | Row], real: Mapping[str, bool], fitted: bool = False
) -> str:
    """A group for each part of a joint attribute; ``real`` says which have statistics."""
    groups = []
    for part in attribute.parts:
        given = parts.get(part.name, "even")
        modes = [("even", "Even"), (SHARES, "Shares")]
        if real.get(part.name):
            modes.insert(1, ("real", "Real-world"))
        row = fit_row(part.names, {} if isinstance(given, str) else given)
        mode = given if isinstance(given, str) and given in dict(modes) else SHARES
        mode = "even" if isinstance(given, str) and mode == SHARES else mode
        groups.append(Group(part.name, part.names, _cells(row, part.names), mode, tuple(modes)))
    return value_of(groups, fitted)


def _cells(row: Row, names: Sequence[str]) -> tuple[str, ...]:
    return tuple(str(row.get(name, "0")) for name in names)


def same(one: object, other: object) -> bool:
    """Whether two values show the same."""
    return _groups(one) == _groups(other)


def read_row(value: object) -> dict[str, object]:
    """Categories and cells of the first group."""
    groups = _groups(value)
    return _pairs(groups[0]) if groups else {}


def read_parts(value: object) -> dict[str, str | Row]:
    """Each group's name with its mode, or with its categories and cells."""
    found: dict[str, str | Row] = {}
    for group in _groups(value):
        mode = str(group.get("mode", SHARES))
        found[str(group.get("name", ""))] = _pairs(group) if mode == SHARES else mode
    return found


def _groups(value: object) -> list[dict[str, Any]]:
    try:
        groups = json.loads(str(value or "{}"))["groups"]
    except (ValueError, KeyError, TypeError, RecursionError):
        return []
    return [group for group in groups if isinstance(group, dict)] if isinstance(groups, list) else []


def _pairs(group: Mapping[str, Any]) -> dict[str, object]:
    names, cells = group.get("names"), group.get("cells")
    if not isinstance(names, list) or not isinstance(cells, list):
        return {}
    return {str(name): str(cell) for name, cell in zip(names, cells, strict=False)}
