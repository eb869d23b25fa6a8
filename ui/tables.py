"""The editable tables of probabilities: cells ↔ rows, sums, normalising. Pure."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from distalign.errors import SpecError, shown
from distalign.targets import SUM_TOLERANCE, normalise

Row = Mapping[str, object]


def cell(value: float) -> str:
    """A probability as the tables show it: at most four decimals."""
    return f"{value:.4f}".rstrip("0").rstrip(".") or "0"


def even_row(names: Sequence[str]) -> dict[str, str]:
    return {name: cell(1 / len(names)) for name in names}


def fit_row(names: Sequence[str], previous: Row) -> dict[str, object]:
    """A row for these categories that keeps what was typed.

    Categories keep their cells by name; renamed ones by position where the
    count is the same; new ones get 0, and where others are gone, what remains is
    rescaled to sum to 1. A row that was still even, or of which nothing remains, is even.
    """
    old = list(previous.items())
    if len(old) == len(names):
        spare = [value for name, value in old if name not in names]
        return {name: previous[name] if name in previous else spare.pop(0) for name in names}
    if not old or _is_even(previous):
        return dict(even_row(names))
    row = {name: previous.get(name, "0") for name in names}
    # What is no number is told where it stands, and not lost.
    if set(previous) <= set(names) or _total(row) is None:
        return row
    return dict(normalise_row(row))


def fit_table(
    contexts: Sequence[str],
    names: Sequence[str],
    previous: Mapping[str, Row],
    start: Mapping[str, Row],
    rest: Row,
) -> dict[str, dict[str, object]]:
    """A row for each context: what was typed, else that of ``start``, else ``rest``, in the order of the categories."""

    def row_of(context: str) -> dict[str, object]:
        if context in previous:
            return fit_row(names, previous[context])
        row = start.get(context, rest)
        return {name: row.get(name, "") for name in names}

    return {context: row_of(context) for context in contexts}


def table_from_cells(
    headers: Sequence[object], cells: Sequence[Sequence[object]]
) -> dict[str, dict[str, object]]:
    """The context → row mapping of a table whose first column is the context."""
    names = [str(header) for header in headers[1:]]
    return {str(line[0]): {n: clean(v) for n, v in zip(names, line[1:], strict=False)} for line in cells}


def clean(value: object) -> object:
    """A cell without the spaces around it; what pandas calls missing is empty."""
    if value is None or (isinstance(value, float) and math.isnan(value)):
        return ""
    return value.strip() if isinstance(value, str) else value


def normalise_row(row: Row, field: str = "target") -> dict[str, str]:
    """Weights rescaled to sum to 1; empty cells count as 0.

    Raises:
        SpecError: naming the cell that is no weight.
    """
    weights = []
    for name, value in row.items():
        try:
            weights.append(float(str(value)) if value not in ("", None) else 0.0)
        except ValueError:
            raise SpecError(
                field, f"{shown(name)} is given {shown(value)}", "Give a number from 0 up"
            ) from None
    return dict(zip(row, map(cell, normalise(weights)), strict=True))


@dataclass(frozen=True)
class SumCheck:
    """How the rows of a table add up; ``first_off`` names the first that does not."""

    rows: int
    off: int
    first_off: str
    total: float | None

    @property
    def fine(self) -> bool:
        return self.off == 0


def check_sums(table: Mapping[str, Row]) -> SumCheck:
    """Which rows sum to 1; ``total`` is the sum of the first that does not, None if unreadable."""
    off = 0
    first, shown_total = "", None
    for name, row in table.items():
        total = _total(row)
        if total is None or abs(total - 1) > SUM_TOLERANCE:
            if not off:
                first, shown_total = name, total
            off += 1
        elif len(table) == 1:
            shown_total = total
    return SumCheck(len(table), off, first, shown_total)


def _is_even(row: Row) -> bool:
    """Whether all cells are the same but for what the last decimal rounds, and sum to 1, or to 0."""
    total = _total(row)
    if total is None or 0 < total < 1 - SUM_TOLERANCE or total > 1 + SUM_TOLERANCE:
        return False
    values = [float(str(value)) for value in row.values()]
    return max(values) - min(values) < 1.5e-4


def _total(row: Row) -> float | None:
    try:
        values = [float(str(value)) for value in row.values()]
    except ValueError:
        return None
    return math.fsum(values) if all(0 <= v < math.inf for v in values) else None
