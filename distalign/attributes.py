"""Attributes, their categories, and the category that a text names."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Literal

from distalign.errors import SpecError, shown

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
    occupation, "general" about anything at all.
    """

    name: str
    categories: tuple[Category, ...]
    kind: Kind = "general"

    def __post_init__(self) -> None:
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

    @cached_property
    def _forms(self) -> list[tuple[str, int]]:
        """Each way to write a word, with its category, longest first: "African American" is not "American"."""
        forms = {
            (form, k)
            for k, category in enumerate(self.categories)
            for word in category.words
            # Folding may change letters (ß to ss), so the word counts as it is written, too.
            for form in (" ".join(word.split()), _fold(word))
        }
        return sorted(forms, key=lambda form: (-len(form[0]), form))

    @cached_property
    def _pattern(self) -> re.Pattern[str]:
        # A group for each form tells which one matched.
        words = (r"\s+".join(map(re.escape, form.split())) for form, _ in self._forms)
        body = "|".join(f"({word})" for word in words)
        return re.compile(rf"(?<!\w)(?:{body})(?!\w)", re.IGNORECASE)

    def classify(self, text: str) -> int | None:
        """Index of the last category that ``text`` names as a whole word, or None.

        Case is ignored and synonyms count. The steering token must have been
        removed from ``text`` before.
        """
        named = list(self._pattern.finditer(unicodedata.normalize("NFC", text)))
        return self._forms[named[-1].lastindex - 1][1] if named else None

    def to_mapping(self) -> str | dict[str, Any]:
        """A built-in's name, or a mapping that :func:`parse_attribute` reads back."""
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


def _composed(text: str) -> str:
    """Text in Unicode's composed form (é as one letter), with single spaces."""
    return unicodedata.normalize("NFC", " ".join(text.split()))


def _fold(word: str) -> str:
    return " ".join(word.split()).casefold()


def _check_name(field: str, name: object) -> None:
    if not isinstance(name, str) or not name.strip():
        raise SpecError(field, f"{shown(name)} is not a name", "Give a short word or phrase")
    if len(name) > MAX_NAME:
        raise SpecError(field, f"{shown(name)} has {len(name)} characters", f"Use at most {MAX_NAME}")
    if re.search(r"[\x00-\x1f{}<>]", name):
        raise SpecError(
            field,
            f"{shown(name)} has a line break, brace or angle bracket",
            "Use letters, digits, spaces and plain punctuation",
        )


def _check_words(categories: Sequence[Category]) -> None:
    seen: dict[str, str] = {}
    for category in categories:
        for word in category.words:
            _check_name("attribute.categories", word)
            if not re.search(r"\w", word):
                raise SpecError(
                    "attribute.categories",
                    f"{shown(word)} has no letter or digit",
                    "Give each category a word that an answer can name",
                )
            if _fold(word) in seen:
                raise SpecError(
                    "attribute.categories",
                    f"{shown(word)} is given twice (under {shown(seen[_fold(word)])} "
                    f"and {shown(category.name)})",
                    "Make every category name and synonym different",
                )
            seen[_fold(word)] = category.name


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


def parse_attribute(value: object) -> Attribute:
    """Read an attribute from a specification: a built-in name, or name and categories.

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
        name.strip() if isinstance(name, str) else name,  # type: ignore[arg-type]
        tuple(map(_parse_category, raw)),
        kind=value.get("kind", "general"),
    )


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
    return _composed(value)
