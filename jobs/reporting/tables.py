"""Tables of HTML, and lines of a CSV file, from the same rows. Pure; every text is escaped here."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from html import escape


@dataclass(frozen=True)
class Cell:
    """A text with a smaller one beneath it; where ``context`` is given, a button that says which context it is."""

    text: str
    small: str = ""
    context: int | None = None


Row = Sequence["Cell | str"]


def html_table(
    label: str, headers: Sequence[str], rows: Sequence[Row], words: int = 1, name: str = ""
) -> str:
    """A table whose first column names its rows; it scrolls sideways where it is too wide.

    Args:
        label: what the table is, for those who hear it.
        words: how many columns from the left hold words; the others hold numbers.
        name: the table's id, if any.
    """
    head = "".join(
        f'<th scope="col"{_number(i, words)}>{_lines(text)}</th>' for i, text in enumerate(headers)
    )
    body = "".join(f"<tr>{''.join(_cell(c, i, words) for i, c in enumerate(row))}</tr>" for row in rows)
    named = f' id="{escape(name)}"' if name else ""
    return (
        f'<div class="da-scroll" tabindex="0" role="region" aria-label="{escape(label)}"><table class="da-table"{named}>'
        f"<thead><tr>{head}</tr></thead><tbody>{body}</tbody></table></div>"
    )


def _cell(cell: Cell | str, column: int, words: int) -> str:
    cell = cell if isinstance(cell, Cell) else Cell(cell)
    small = f"<small>{escape(cell.small)}</small>" if cell.small else ""
    if column == 0:
        return f'<th scope="row">{_text(cell)}{small}</th>'
    return f"<td{_number(column, words)}>{escape(cell.text)}{small}</td>"


def _text(cell: Cell) -> str:
    if cell.context is None:
        return escape(cell.text)
    return (
        f'<button type="button" class="da-rowlink" data-context="{cell.context}" title="Show its rounds">'
        f"{escape(cell.text)}</button>"
    )


def _number(column: int, words: int) -> str:
    return "" if column < words else ' class="n"'


def _lines(text: str) -> str:
    return "<br>".join(escape(line) for line in text.split("\n"))
