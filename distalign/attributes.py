"""Attributes, their categories, and the category that a text names."""

from __future__ import annotations

import itertools
import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Literal

from distalign.errors import SpecError, shown
from distalign.matching import Matcher, composed, fold

MIN_CATEGORIES, MAX_CATEGORIES = 2, 50
MAX_NAME = 60
Kind = Literal["person", "general"]


@dataclass(frozen=True)
class Category:
    """One value of an attribute: its name, and other words that mean it."""

    name: str
    synonyms: tuple[str, ...] = ()

    @property
    def words(self) -> tuple[str, ...]:
        return (self.name, *self.synonyms)


@dataclass(frozen=True)
class Attribute:
    """What is asked about a context, and the K categories an answer may name.

    ``kind`` picks the prompt templates: "person" asks about somebody in an
    occupation, "general" about anything at all. A joint attribute, made by
    :func:`joint`, has ``parts``; its categories are their cells.
    """

    name: str
    categories: tuple[Category, ...]
    kind: Kind = "general"
    parts: tuple[Attribute, ...] = ()

    def __post_init__(self) -> None:
        if self.parts:
            # The parts were checked, and their cells may have longer names.
            return
        _check_name("attribute", self.name)
        k = len(self.categories)
        if not MIN_CATEGORIES <= k <= MAX_CATEGORIES:
            raise SpecError(
                "attribute.categories",
                f"{k} given",
                f"Give {MIN_CATEGORIES} to {MAX_CATEGORIES} categories",
            )
        if self.kind not in ("person", "general"):
            raise SpecError("attribute.kind", f"{shown(self.kind)} is not known", "Use person or general")
        _check_words(self.categories)

    def __len__(self) -> int:
        return len(self.categories)

    @property
    def names(self) -> tuple[str, ...]:
        return tuple(category.name for category in self.categories)

    @property
    def words(self) -> tuple[str, ...]:
        """All words that an answer may name, those of a joint attribute's parts too."""
        owners = self.parts or (self,)
        return tuple(word for owner in owners for category in owner.categories for word in category.words)

    @cached_property
    def _matcher(self) -> Matcher:
        """Finds words; each stands for a part (0 where there are none) and one of its categories."""
        return Matcher(
            (word, (part, k))
            for part, owner in enumerate(self.parts or (self,))
            for k, category in enumerate(owner.categories)
            for word in category.words
        )

    def classify(self, text: str) -> int | None:
        """Index of the last category that ``text`` names as a whole word, or None.

        Case is ignored and synonyms count. A text belongs to a cell if each part has
        a category named in it; the last one of each part counts. The steering token must
        have been removed from ``text`` before.
        """
        last = dict(self._matcher(text))
        if not self.parts:
            return last.get(0)
        return self.cell(last) if len(last) == len(self.parts) else None

    def named(self, text: str) -> list[tuple[int, str]]:
        """All categories that ``text`` names as whole words, in their order; of one attribute, no joint.

        Each is its index, with the text before it and behind the one before.
        """
        return [(k, before) for (_, k), before in self._matcher.between(text)]

    def cell(self, of_part: Mapping[int, int]) -> int:
        """Index of the cell with category ``of_part[i]`` of each part i; the last part varies fastest."""
        index = 0
        for i, part in enumerate(self.parts):
            index = index * len(part) + of_part[i]
        return index

    def of_part(self, cell: int) -> tuple[int, ...]:
        """The category of each part in a cell; the way back from :meth:`cell`."""
        found = []
        for part in reversed(self.parts):
            cell, k = divmod(cell, len(part))
            found.append(k)
        return tuple(reversed(found))

    def to_mapping(self) -> str | dict[str, Any] | list[Any]:
        """A built-in's name, a mapping, or a list of parts, which :func:`parse_attribute` reads back."""
        if self.parts:
            return [part.to_mapping() for part in self.parts]
        if BUILT_IN.get(self.name) == self:
            return self.name
        return {
            "name": self.name,
            "kind": self.kind,
            "categories": [
                {"name": c.name, "synonyms": list(c.synonyms)} if c.synonyms else c.name
                for c in self.categories
            ],
        }


def _check_name(field: str, name: object, longest: int = MAX_NAME) -> None:
    if not isinstance(name, str) or not name.strip():
        raise SpecError(field, f"{shown(name)} is not a name", "Give a short word or phrase")
    if len(name) > longest:
        raise SpecError(field, f"{shown(name)} has {len(name)} characters", f"Use at most {longest}")
    if re.search(r"[\x00-\x1f{}<>]", name):
        raise SpecError(
            field,
            f"{shown(name)} has a line break, brace or angle bracket",
            "Use letters, digits, spaces and plain punctuation",
        )


def _check_words(categories: Sequence[Category], longest: int = MAX_NAME) -> None:
    seen: dict[str, str] = {}
    for category in categories:
        for word in category.words:
            _check_name("attribute.categories", word, longest)
            if not re.search(r"\w", word):
                raise SpecError(
                    "attribute.categories",
                    f"{shown(word)} has no letter or digit",
                    "Give each category a word that an answer can name",
                )
            if fold(word) in seen:
                raise SpecError(
                    "attribute.categories",
                    f"{shown(word)} is given twice (under {shown(seen[fold(word)])} "
                    f"and {shown(category.name)})",
                    "Make every category name and synonym different",
                )
            seen[fold(word)] = category.name


GENDER = Attribute(
    "gender",
    (
        Category("male", ("man", "men", "males", "boy", "gentleman")),
        Category("female", ("woman", "women", "females", "girl", "lady")),
    ),
    kind="person",
)
# US census groups.
RACE = Attribute(
    "race",
    (
        Category("White", ("Caucasian",)),
        Category("Black or African American", ("Black", "African American", "African-American")),
        Category(
            "American Indian or Alaska Native",
            ("American Indian", "Alaska Native", "Native American"),
        ),
        Category("Asian", ("Asian American",)),
        Category(
            "Native Hawaiian or Other Pacific Islander",
            ("Native Hawaiian", "Other Pacific Islander", "Pacific Islander", "Hawaiian"),
        ),
    ),
    kind="person",
)
SENTIMENT = Attribute("sentiment", (Category("positive"), Category("negative"), Category("neutral")))
BUILT_IN: dict[str, Attribute] = {a.name: a for a in (GENDER, RACE, SENTIMENT)}


def joint(parts: Sequence[Attribute]) -> Attribute:
    """The attribute whose categories are the cells of several: "male, positive" and so on.

    Raises:
        SpecError: for fewer than two parts, too many cells, parts of one name, or a
            word that two parts share, so that it would not tell which one is meant.
    """
    if len(parts) < 2:
        raise SpecError("attribute", f"{len(parts)} in the list", "List two or more attributes, or name one")
    names = [part.name for part in parts]
    if repeated := [name for i, name in enumerate(names) if fold(name) in map(fold, names[:i])]:
        raise SpecError("attribute", f"{shown(repeated[0])} is given twice", "Remove one")
    cells = math.prod(map(len, parts))
    if cells > MAX_CATEGORIES:
        raise SpecError(
            "attribute",
            f"{' × '.join(str(len(part)) for part in parts)} = {cells} cells",
            f"Use at most {MAX_CATEGORIES}",
        )
    owners: dict[str, str] = {}
    for part in parts:
        for word in part.words:
            if owners.setdefault(fold(word), part.name) != part.name:
                raise SpecError(
                    "attribute",
                    f"{shown(word)} is a word of both {shown(owners[fold(word)])} and {shown(part.name)}",
                    "Give every attribute words of its own",
                )
    categories = tuple(Category(", ".join(cell)) for cell in itertools.product(*(p.names for p in parts)))
    _check_words(categories, (MAX_NAME + 2) * len(parts))
    kind: Kind = "person" if any(part.kind == "person" for part in parts) else "general"
    return Attribute(f"{', '.join(names[:-1])} and {names[-1]}", categories, kind, tuple(parts))


def parse_attribute(value: object) -> Attribute:
    """Read an attribute from a specification: a built-in name, name and categories, or a list of such.

    Raises:
        SpecError: naming the field that cannot be used.
    """
    if isinstance(value, Attribute):
        return value
    if isinstance(value, str):
        found = BUILT_IN.get(value.strip().casefold())
        if found is None:
            raise SpecError(
                "attribute",
                f"{shown(value)} is not built in",
                f"Use {', '.join(BUILT_IN)}, or give a name and categories",
            )
        return found
    if isinstance(value, list | tuple):
        return joint([_parse_part(part) for part in value])
    if not isinstance(value, Mapping):
        raise SpecError("attribute", f"{shown(value)} is not an attribute", "Give a name and categories")
    unknown = set(value) - {"name", "categories", "kind"}
    if unknown:
        raise SpecError(
            "attribute", f"{shown(sorted(map(str, unknown))[0])} is not a field", "Use name, categories, kind"
        )
    raw = value.get("categories")
    if isinstance(raw, Mapping):
        raw = [{"name": n, "synonyms": s or []} for n, s in raw.items()]
    if not isinstance(raw, Sequence) or isinstance(raw, str):
        raise SpecError("attribute.categories", f"{shown(raw)} is not a list", "Give a list of categories")
    name = value.get("name")
    return Attribute(
        composed(name) if isinstance(name, str) else name,  # type: ignore[arg-type]
        tuple(map(_parse_category, raw)),
        kind=value.get("kind", "general"),
    )


def _parse_part(value: object) -> Attribute:
    part = parse_attribute(value)
    if part.parts:
        raise SpecError(
            "attribute", f"{shown(part.name)} is a list in the list", "List all attributes in one"
        )
    return part


def _parse_category(value: object) -> Category:
    if isinstance(value, Category):
        return value
    if isinstance(value, Mapping):
        synonyms = value.get("synonyms") or []
        if isinstance(synonyms, str) or not isinstance(synonyms, Sequence):
            raise SpecError(
                "attribute.categories", f"synonyms {shown(synonyms)} are not a list", "Give a list of words"
            )
        return Category(_word(value.get("name")), tuple(map(_word, synonyms)))
    return Category(_word(value))


def _word(value: object) -> str:
    # YAML reads a bare 1 as a number; as a category it is the word "1".
    if isinstance(value, int | float) and not isinstance(value, bool):
        return str(value)
    if not isinstance(value, str):
        raise SpecError(
            "attribute.categories",
            f"{shown(value)} is not a word",
            "Give each category as text, in quotes where YAML reads it as something else",
        )
    return composed(value)
