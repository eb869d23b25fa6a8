"""Tables from a file or a spreadsheet: contexts, and their probabilities by category, row by row.

Cells are separated by tabs (what a spreadsheet copies), commas or semicolons. Percentages are
turned into probabilities.
"""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from distalign.attributes import Attribute
from distalign.errors import SpecError, shown
from distalign.matching import composed
from distalign.targets import check_row, normalise

MAX_CSV_BYTES = 2_000_000
CONTEXT = "context"
TAB = "\t"
THOUSANDS = re.compile(r"[1-9]\d{0,2}(,\d{3})+(\.\d+)?")
# A row is in percent if it sums to 100 but for rounding.
PERCENT_TOLERANCE = 0.5


@dataclass(frozen=True)
class RowProblem:
    """What is wrong with a row of a table; ``row`` counts as a spreadsheet does, the header being 1."""

    row: int
    problem: str
    remedy: str

    def __str__(self) -> str:
        return f"row {self.row}: {self.problem}. {self.remedy}"


@dataclass(frozen=True)
class SheetRow:
    """A row: its number, its context, and the other cells by column."""

    number: int
    context: str
    cells: Mapping[str, str]


@dataclass(frozen=True)
class Sheet:
    """A table as it was read: the columns besides the context, the rows that can be read, and the others."""

    columns: tuple[str, ...]
    rows: tuple[SheetRow, ...]
    problems: tuple[RowProblem, ...] = ()


def is_sheet(text: str) -> bool:
    """Whether a pasted text is a table, and no list of lines."""
    first = _first_line(text)
    return TAB in first.strip() or CONTEXT in _header(first, _separator(first)) or _figures_by(text) != ""


def read_sheet(text: str, field: str = "contexts") -> Sheet:
    """Read a table; what is wrong with single rows is listed, not raised.

    The header has a column ``context``, which in a table from a spreadsheet, or of figures only, may have
    any name if it is the first; the other columns are categories.

    Raises:
        SpecError: for a table that has no such header, whose quotes are open, or with a cell that is too long.
    """
    figures = _figures_by(text)
    separator = figures or _separator(_first_line(text))
    try:
        reader = csv.reader(io.StringIO(text, newline=""), delimiter=separator, strict=True)
        lines = [(number, [composed(c) for c in line]) for number, line in enumerate(reader, 1) if any(line)]
    except csv.Error as error:
        raise SpecError(
            field, f"the table cannot be read ({error})", "Close its quotes, and shorten its longest cell"
        ) from None
    header, at = _columns(lines[0][1] if lines else [], separator == TAB or figures != "", field)
    rows: list[SheetRow] = []
    problems: list[RowProblem] = []
    seen: set[str] = set()
    for number, line in lines[1:]:
        if len(line) != len(header):
            remedy = "Give each row one cell a column"
            problems.append(RowProblem(number, f"{len(line)} cells, the header has {len(header)}", remedy))
            continue
        name = line[at]
        if not name:
            problems.append(RowProblem(number, "it has no context", "Name one, or remove the row"))
            continue
        if name in seen:
            problems.append(RowProblem(number, f"{shown(name)} is given twice", "Remove one"))
            continue
        seen.add(name)
        others = [_plain(cell, separator) for i, cell in enumerate(line) if i != at]
        names = [title for i, title in enumerate(header) if i != at]
        rows.append(SheetRow(number, name, dict(zip(names, probabilities(others), strict=True))))
    return Sheet(tuple(h for i, h in enumerate(header) if i != at), tuple(rows), tuple(problems))


def _first_line(text: str) -> str:
    return next((line for line in text.splitlines() if line.strip()), "")


def _figures_by(text: str) -> str:
    """The separator of a table without a column ``context``: figures behind a name in every row but the header.

    "" for all other texts: a list of lines may have commas, too.
    """
    if TAB in _first_line(text).strip():
        return ""
    for separator in (";", ","):
        if separator not in text:
            continue
        try:
            lines = list(csv.reader(io.StringIO(text, newline=""), delimiter=separator))
        except csv.Error:
            continue
        rows = [[cell.strip() for cell in line] for line in lines if any(line)]
        wide = len(rows) > 1 and len(rows[0]) > 1 and all(len(row) == len(rows[0]) for row in rows)
        if not wide or CONTEXT in map(_title, rows[0]) or any(map(_is_number, rows[0][1:])):
            continue
        cells = [_plain(cell, separator).removesuffix("%").strip() for row in rows[1:] for cell in row[1:]]
        if all(_is_number(cell) for cell in cells if cell) and any(cells):
            return separator
    return ""


def _separator(line: str) -> str:
    if TAB in line:
        return TAB
    return ";" if CONTEXT in _header(line, ";") and ";" in line else ","


def _header(line: str, separator: str) -> list[str]:
    """The titles in a line; none where it cannot be read, such as one of more letters than a cell may have."""
    try:
        return [_title(cell) for cell in next(csv.reader([line], delimiter=separator), [])]
    except csv.Error:
        return []


def _title(cell: str) -> str:
    cell = cell.strip()
    return CONTEXT if cell.casefold() == CONTEXT else cell


def _columns(cells: Sequence[str], contexts_first: bool, field: str) -> tuple[list[str], int]:
    """The header and the place of its contexts: the first, where they have no name of their own and that is sure."""
    header = [_title(cell) for cell in cells]
    if contexts_first and CONTEXT not in header and not any(map(_is_number, header[1:])):
        header = [CONTEXT, *header[1:]]
    if header.count(CONTEXT) != 1 or len(set(header)) != len(header):
        raise SpecError(
            field,
            f"the table's columns are {shown(header)}",
            f"Name one column '{CONTEXT}', and the others by category, each once",
        )
    return header, header.index(CONTEXT)


def _plain(cell: str, separator: str) -> str:
    """A number as it is written where commas separate no cells: 0,5 is 0.5, and 1,200 is 1200."""
    if separator != "," and THOUSANDS.fullmatch(cell):
        return cell.replace(",", "")
    swapped = cell.replace(",", ".", 1)
    return swapped if separator != "," and _is_number(swapped.removesuffix("%")) else cell


def _is_number(cell: str) -> bool:
    try:
        float(cell)
    except ValueError:
        return False
    return True


def probabilities(cells: Sequence[str]) -> list[str]:
    """Cells in percent, by their sign or their sum, as probabilities; all others as they are."""
    if any(cell.endswith("%") for cell in cells):
        bare = [cell.removesuffix("%").strip() for cell in cells]
        return [_hundredth(b) if c.endswith("%") else c for b, c in zip(bare, cells, strict=True)]
    if cells and all(map(_is_number, cells)):
        values = [float(cell) for cell in cells]
        if min(values) >= 0 and abs(sum(values) - 100) <= PERCENT_TOLERANCE:
            return [_hundredth(cell) for cell in cells]
    return list(cells)


def _hundredth(cell: str) -> str:
    return f"{float(cell) / 100:.10g}" if _is_number(cell) else cell


def target_rows(
    sheet: Sheet, attribute: Attribute, rescale: bool = False
) -> tuple[dict[str, tuple[float, ...]], list[RowProblem]]:
    """The probabilities of every row, and what is wrong with the others.

    Args:
        rescale: whether rows may hold any weights, such as counts.
    """
    rows: dict[str, tuple[float, ...]] = {}
    problems = list(sheet.problems)
    for row in sheet.rows:
        try:
            rows[row.context] = check_row(_rescaled(row.cells) if rescale else row.cells, attribute, "target")
        except SpecError as error:
            problems.append(RowProblem(row.number, f"{row.context}: {error.problem}", error.remedy))
    return rows, sorted(problems, key=lambda problem: problem.row)


def _rescaled(cells: Mapping[str, str]) -> Mapping[str, object]:
    if not all(_is_number(cell or "0") for cell in cells.values()):
        return cells
    return dict(zip(cells, normalise([float(cell or 0) for cell in cells.values()]), strict=True))


def decoded(data: bytes, field: str = "contexts", what: str = "the CSV file") -> str:
    """The text of a file.

    Raises:
        SpecError: when it is too large, or not UTF-8.
    """
    if len(data) > MAX_CSV_BYTES:
        raise SpecError(field, f"{what} has {len(data):,} bytes", f"Use at most {MAX_CSV_BYTES:,}")
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise SpecError(
            field,
            f"{what} is not UTF-8 (byte {error.start} is {data[error.start]:#04x})",
            "Save it as UTF-8 (in a spreadsheet: 'CSV UTF-8')",
        ) from None


def read_csv(data: bytes, field: str = "contexts") -> tuple[list[str], list[dict[str, str]]]:
    """Contexts, and the other columns as a target table, from the bytes of a file.

    Returns:
        the contexts in order, and for each the other cells by column name
        (empty mappings where ``context`` is the only column).

    Raises:
        SpecError: for a file that cannot be read, naming the first row that is wrong.
    """
    sheet = read_sheet(decoded(data, field), field)
    if sheet.problems:
        first, *others = sheet.problems
        more = f" (and {len(others)} more)" if others else ""
        raise SpecError(field, f"row {first.row}: {first.problem}{more}", first.remedy)
    return [row.context for row in sheet.rows], [dict(row.cells) for row in sheet.rows]
