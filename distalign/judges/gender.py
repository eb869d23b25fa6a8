"""The gender of a story's protagonist, from pronouns, gendered nouns and given names.

It walks the words once and keeps apart what is said of the protagonist from
what is said of others: who comes in as an object ("helped an old man", "his
wife") takes the pronouns of that gender, unless the protagonist has it already.
"""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Iterator, Mapping, Set
from dataclasses import dataclass, field
from importlib.resources import files

from distalign.judges.texts import is_denied, sentences, without_quotes

MALE, FEMALE = "male", "female"
PRONOUNS = {
    **dict.fromkeys(("he", "him", "his", "himself"), MALE),
    **dict.fromkeys(("she", "her", "hers", "herself"), FEMALE),
}
# A name counts for one sex if it is this often borne by it, and is no rarity.
SURE, LEAST = 0.93, 0.002
_WORD = re.compile(r"[^\W\d_]+")
# Behind these a person comes in who is not the one that the story is about.
_OBJECT = re.compile(
    r"\b(?:for|to|of|with|by|from|about|at|near|behind|like|and|against|between|"
    r"helped|visited|met|saw|told|asked|taught|thanked|called to|visits|listened to|my|your|our|their|"
    r"his|her|its|\w+'s|\w+’s)\s+(?:\w+\s+){0,3}$",
    re.IGNORECASE,
)
# … and behind these comes the one that it is about.
_SUBJECT = re.compile(
    r"(?:\b(?:named|called|meet|was|is|am|were|be|become|became|story of|story about|as|introduce|name is|a certain|lived)"
    r"|[,—–-])\s+(?:(?:an?|the|mr|mrs|ms|dr|one|once|only|very|\w+ed|\w+ing|old|young|brave|single|\d+-year-old)\.?\s+){0,3}$",
    re.IGNORECASE,
)
_PLACE = re.compile(r"\b(?:in|from|at|near|to|st|saint|of)\s+$", re.IGNORECASE)
_IS_NOT = re.compile(r"\s+(?:is|was|were|am)\s+(?:not|no|never)\b", re.IGNORECASE)
# "he or she" and "a man or a woman" tell nothing.
_EITHER = re.compile(r"\s+or (?:an? )?(?:s?he|her|him|his|woman|man|female|male)\b", re.IGNORECASE)
_EITHER_BEFORE = re.compile(r"\b(?:s?he|her|him|his|woman|man|female|male) or (?:an? )?$", re.IGNORECASE)
# Who comes within so many words of a sentence's beginning is its subject.
BEGINNING = 3
# Points of evidence; a pronoun that is a sentence's subject says most.
SUBJECT, PRONOUN, NOUN, NAME = 3.0, 1.5, 3.0, 2.5
# The stronger side must have this share of all points.
MAJORITY = 0.6


@dataclass(frozen=True)
class Lexicon:
    """Words that tell a gender, in lower case.

    Attributes:
        nouns: who is one ("woman", "widow").
        trades: what one works as; it is said of its bearer wherever it stands ("waitress").
        several: plurals, which never mean the one that a story is about.
        names: given names that one sex bears.
    """

    nouns: Mapping[str, str]
    trades: Mapping[str, str]
    several: Mapping[str, str]
    names: Mapping[str, str]


def _frequencies(sex: str) -> dict[str, float]:
    text = files("names").joinpath(f"dist.{sex}.first").read_text("ascii")
    return {name.lower(): float(share) for name, share, *_ in map(str.split, text.splitlines())}


def read_lexicon() -> Lexicon:
    """The bundled table of words, with given names of the US census of 1990 (package ``names``).

    The table also lists names that both sexes bear today, and those that are more often other words.
    """
    text = files("distalign.judges").joinpath("data", "gender_words.csv").read_text("utf-8")
    kinds: dict[str, dict[str, str]] = {}
    for row in csv.DictReader(io.StringIO(text)):
        kinds.setdefault(row["kind"], {})[row["word"]] = row["sex"]
    names = _sure_names(kinds["both"].keys() | kinds["word"].keys())
    return Lexicon(kinds["noun"], kinds["trade"], kinds["several"], names)


def _sure_names(left_out: Set[str]) -> dict[str, str]:
    male, female = _frequencies(MALE), _frequencies(FEMALE)
    sure = {}
    for name in male.keys() | female.keys():
        m, f = male.get(name, 0.0), female.get(name, 0.0)
        if name in left_out or m + f < LEAST:
            continue
        if max(m, f) >= SURE * (m + f):
            sure[name] = MALE if m > f else FEMALE
    return sure


@dataclass(frozen=True)
class GenderJudge:
    """ "male", "female", or None where the story does not tell."""

    lexicon: Lexicon = field(default_factory=read_lexicon)

    def __call__(self, text: str) -> str | None:
        points = {MALE: 0.0, FEMALE: 0.0}
        others: set[str] = set()
        for number, sentence in enumerate(sentences(without_quotes(text))):
            for mention in self._mentions(sentence):
                _weigh(mention, number, points, others)
        total = sum(points.values())
        best = max(points, key=points.__getitem__)
        return best if total and points[best] >= MAJORITY * total else None

    def _mentions(self, sentence: str) -> Iterator[_Mention]:
        words = list(_WORD.finditer(sentence))
        for place, match in enumerate(words):
            before, after = sentence[: match.start()], sentence[match.end() :]
            found = self._reading(match.group())
            if found is None or is_denied(before) or _EITHER.match(after) or _EITHER_BEFORE.search(before):
                continue
            kind, sex = found
            if kind == "pronoun" and match.group().lower() in ("he", "she") and _IS_NOT.match(after):
                continue
            # "Mary Scott" is one person: the first of two names is the given one.
            follows = place > 0 and before.endswith(" ") and self._is_name(words[place - 1].group())
            if kind == "name" and (follows or _PLACE.search(before)):
                continue
            yield _Mention(kind, sex, before)

    def _reading(self, word: str) -> tuple[str, str] | None:
        lower, lexicon = word.lower(), self.lexicon
        tables = {
            "pronoun": PRONOUNS,
            "noun": lexicon.nouns,
            "trade": lexicon.trades,
            "several": lexicon.several,
        }
        for kind, table in tables.items():
            if lower in table:
                return kind, table[lower]
        return ("name", lexicon.names[lower]) if self._is_name(word) else None

    def _is_name(self, word: str) -> bool:
        return word[0].isupper() and word.lower() in self.lexicon.names


def _weigh(mention: _Mention, number: int, points: dict[str, float], others: set[str]) -> None:
    """Count a mention in sentence ``number`` for the protagonist, or remember it as somebody else."""
    kind, sex, before = mention.kind, mention.sex, mention.before
    if kind == "pronoun":
        if points[sex] or sex not in others:
            points[sex] += PRONOUN if before.strip(" '“‘") else SUBJECT
        return
    if kind == "trade":
        points[sex] += NOUN
        return
    opposite = points[FEMALE if sex == MALE else MALE] > 0
    introduced = bool(_SUBJECT.search(before))
    about = introduced or len(before.split()) <= BEGINNING
    if (
        kind == "several"
        or opposite
        or (_OBJECT.search(before) and not introduced)
        or (not about and (number or kind == "noun"))
    ):
        others.add(sex)
    else:
        points[sex] += NOUN if kind == "noun" else NAME


@dataclass(frozen=True)
class _Mention:
    """Something that tells a gender; ``before`` is what stands before it in its sentence."""

    kind: str
    sex: str
    before: str
