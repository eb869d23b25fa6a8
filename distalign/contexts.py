"""What is asked about: a built-in table of occupations, a list, or a CSV file."""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from importlib.resources import files

from distalign.errors import SpecError, shown

MAX_CONTEXTS = 1000
MAX_CONTEXT_LENGTH = 200
MAX_CSV_BYTES = 2_000_000

# Sources of the counts, shown wherever the table is.
SOURCES = {
    "uk-occupations": "UK national labour statistics, workers by sex, as tabulated in the "
    "published data of Jiang et al. 2026 (arXiv:2604.05756)",
    "us-occupations": "US Bureau of Labor Statistics, Current Population Survey, full-time wage "
    "and salary workers by sex, as tabulated in the data of arXiv:2604.05756",
}


@dataclass(frozen=True)
class Contexts:
    """The contexts of a run, and where they came from.

    ``source`` is a built-in table's name, or "list".
    """

    source: str
    names: tuple[str, ...]

    def __post_init__(self) -> None:
        count = len(self.names)
        if not 1 <= count <= MAX_CONTEXTS:
            raise SpecError("contexts", f"{count} given", f"Give 1 to {MAX_CONTEXTS} contexts")
        seen: set[str] = set()
        for row, name in enumerate(self.names, 1):
            _check_context(row, name)
            if name.casefold() in seen:
                raise SpecError("contexts", f"{shown(name)} (row {row}) is given twice", "Remove one")
            seen.add(name.casefold())

    def __len__(self) -> int:
        return len(self.names)

    def to_mapping(self) -> str | list[str]:
        return self.source if self.source in SOURCES else list(self.names)


def _check_context(row: int, name: object) -> None:
    if not isinstance(name, str) and name is not None:
        raise SpecError("contexts", f"row {row} is {shown(name)}, not text", "Put it in quotes")
    if not name or not name.strip():
        raise SpecError("contexts", f"row {row} is empty", "Give one context a row")
    if len(name) > MAX_CONTEXT_LENGTH:
        raise SpecError(
            "contexts",
            f"row {row} has {len(name)} characters ({shown(name)})",
            f"Use at most {MAX_CONTEXT_LENGTH}",
        )
    if re.search(r"[\x00-\x1f{}]|<\|", name):
        raise SpecError(
            "contexts",
            f"row {row} ({shown(name)}) has a brace, a control character or '<|'",
            "Use plain text",
        )


@dataclass(frozen=True)
class OccupationTable:
    """Counts of workers by sex for each occupation.

    ``counts`` holds one (male, female) pair of positive integers a context.
    """

    source: str
    names: tuple[str, ...]
    sectors: tuple[str, ...]
    counts: tuple[tuple[int, int], ...]

    def share(self, name: str) -> tuple[float, float] | None:
        """Shares (male, female) of an occupation, or None if it is not in the table."""
        try:
            male, female = self.counts[self.names.index(name)]
        except ValueError:
            return None
        return male / (male + female), female / (male + female)


@cache
def occupation_table(source: str) -> OccupationTable:
    """A built-in table; ``source`` is a key of :data:`SOURCES`."""
    country = source.removesuffix("-occupations")
    text = files("distalign").joinpath("data", f"{country}_occupations.csv").read_text("utf-8")
    rows = list(csv.DictReader(io.StringIO(text)))
    return OccupationTable(
        source,
        tuple(r["context"] for r in rows),
        tuple(r["sector"] for r in rows),
        tuple((int(r["male"]), int(r["female"])) for r in rows),
    )


def parse_contexts(value: object) -> Contexts:
    """Read contexts from a specification: a built-in table's name, or a list of texts.

    Raises:
        SpecError: when the name is unknown, or a row is empty, repeated or too long.
    """
    if isinstance(value, Contexts):
        return value
    if isinstance(value, str):
        if value not in SOURCES:
            raise SpecError(
                "contexts",
                f"{shown(value)} is not a built-in table",
                f"Use {', '.join(SOURCES)}, a list, or the path of a CSV file",
            )
        return Contexts(value, occupation_table(value).names)
    if not isinstance(value, Sequence):
        raise SpecError("contexts", f"{shown(value)} is not a list", "Give one context a row")
    return Contexts("list", tuple(" ".join(v.split()) if isinstance(v, str) else v for v in value))


def split_pasted(text: str) -> list[str]:
    """Contexts from pasted text: one a line, empty lines dropped."""
    return [line.strip() for line in text.splitlines() if line.strip()]


def read_csv(data: bytes, field: str = "contexts") -> tuple[list[str], list[dict[str, str]]]:
    """Contexts, and the other columns as a target table, from the bytes of a CSV file.

    The header needs a column ``context``; further columns, if any, are
    categories whose cells are probabilities.

    Returns:
        the contexts in order, and for each the other cells by column name
        (empty mappings where ``context`` is the only column).

    Raises:
        SpecError: for a file that is too large, not UTF-8, has no such column,
            or has a row of another length.
    """
    if len(data) > MAX_CSV_BYTES:
        raise SpecError(field, f"the CSV file has {len(data):,} bytes", f"Use at most {MAX_CSV_BYTES:,}")
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise SpecError(
            field,
            f"the CSV file is not UTF-8 (byte {error.start} is {data[error.start]:#04x})",
            "Save it as 'CSV UTF-8'",
        ) from None
    try:
        rows = [row for row in csv.reader(io.StringIO(text, newline=""), strict=True) if any(row)]
    except csv.Error as error:
        raise SpecError(field, f"the CSV file cannot be read ({error})", "Check its quotes") from None
    header = [cell.strip() for cell in rows[0]] if rows else []
    if header.count("context") != 1 or len(set(header)) != len(header):
        raise SpecError(
            field,
            f"the CSV file's columns are {shown(header)}",
            "Name one column 'context', and the others by category, each once",
        )
    at = header.index("context")
    contexts: list[str] = []
    cells: list[dict[str, str]] = []
    seen: set[str] = set()
    for number, row in enumerate(rows[1:], 2):
        if len(row) != len(header):
            raise SpecError(
                field,
                f"row {number} of the CSV file has {len(row)} cells, the header {len(header)}",
                "Give each row one cell a column",
            )
        name = row[at].strip()
        if name in seen:
            raise SpecError(field, f"{shown(name)} (row {number}) is given twice", "Remove one")
        seen.add(name)
        contexts.append(name)
        cells.append({h: c.strip() for h, c in zip(header, row, strict=True) if h != "context"})
    return contexts, cells
