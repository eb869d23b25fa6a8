"""What is asked about: a built-in table of occupations, or a list."""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from importlib.resources import files

from distalign.errors import SpecError, shown
from distalign.matching import composed, fold

MAX_CONTEXTS = 1000
MAX_CONTEXT_LENGTH = 200

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
            folded = fold(name)
            if folded in seen:
                raise SpecError("contexts", f"{shown(name)} (row {row}) is given twice", "Remove one")
            seen.add(folded)

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
    return Contexts("list", tuple(composed(v) if isinstance(v, str) else v for v in value))


def split_pasted(text: str) -> list[str]:
    """Contexts from pasted text: one a line, empty lines dropped."""
    return [line.strip() for line in text.splitlines() if line.strip()]
