"""Reading the target that a prompt states, also where a person has edited it."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache

from distalign.matching import Matcher, composed, fold
from distalign.stated import HELDOUT, SEEN, Statement

NUMBER = r"\d+(?:\.\d+)?"


@dataclass(frozen=True)
class StatedTarget:
    """The categories that a prompt names, in its order, and the percentage of each."""

    names: tuple[str, ...]
    percentages: tuple[float, ...]

    @property
    def total(self) -> float:
        return sum(self.percentages)


def read_stated(prompt: str, known: Sequence[str] = ()) -> StatedTarget | None:
    """The target in the last line of a prompt, or None where none can be read.

    It is read in any of the wordings that training or measuring uses; in other words
    where each of the ``known`` categories is named once, with as many numbers.
    """
    lines = [line.strip() for line in prompt.splitlines() if line.strip()]
    if not lines:
        return None
    worded = next(filter(None, (_by_wording(s, lines[-1]) for s in (*SEEN, *HELDOUT))), None)
    if worded and {fold(name) for name in worded.names} == {fold(name) for name in known}:
        return worded
    return _by_names(lines[-1], known) or worded


def _by_wording(statement: Statement, line: str) -> StatedTarget | None:
    before, _, behind = statement.sentence.partition("{shares}")
    around = rf"{_loose(before)}(?P<shares>.+?){_loose(behind.rstrip('.'))}\.?"
    found = re.fullmatch(around, line, re.IGNORECASE)
    if found is None:
        return None
    # "and" parts items only between spaces; signs may touch what stands beside them.
    gap = r"\s+" if statement.joint.strip().isalpha() else r"\s*"
    parts = re.split(_loose(statement.joint, gap), found["shares"], flags=re.IGNORECASE)
    items = [_item(statement.item).fullmatch(part.strip()) for part in parts]
    return _target([(item["c"], item["p"]) for item in items]) if all(items) else None


def _loose(text: str, gap: str = r"\s*") -> str:
    """A pattern of a text with any white space where it has a space."""
    return re.escape(text).replace(r"\ ", gap)


@cache
def _item(item: str) -> re.Pattern[str]:
    """What matches one category with its percentage."""
    pattern = _loose(item).replace(re.escape("{p}"), f"(?P<p>{NUMBER})")
    return re.compile(pattern.replace(re.escape("{c}"), r"(?P<c>\S|\S.*?\S)"), re.IGNORECASE)


def _by_names(line: str, known: Sequence[str]) -> StatedTarget | None:
    """Known categories and the last numbers of a line, in their order."""
    if not known or not re.search(r"%|percent|out of 100\b", line, re.IGNORECASE):
        return None
    if any(re.search(r"\d", name) for name in known):
        # Which number is a category and which its share, only a wording tells.
        return None
    named = [known[k] for _, k in Matcher((name, (0, k)) for k, name in enumerate(known))(line)]
    numbers = re.findall(NUMBER, line)[-len(known) :]
    if sorted(named) != sorted(known) or len(numbers) != len(known):
        return None
    return _target(list(zip(named, numbers, strict=True)))


def _target(pairs: list[tuple[str, str]]) -> StatedTarget | None:
    names = tuple(composed(name) for name, _ in pairs)
    if len(names) < 2 or len({fold(name) for name in names}) < len(names):
        return None
    return StatedTarget(names, tuple(float(number) for _, number in pairs))
