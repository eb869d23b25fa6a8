"""Which words a text names, as whole words."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable


def composed(text: str) -> str:
    """Text in Unicode's composed form (é as one letter), with single spaces."""
    return unicodedata.normalize("NFC", " ".join(text.split()))


def fold(word: str) -> str:
    """What two spellings of a word have in common: case, spaces and Unicode's form do not count."""
    return composed(word).casefold()


class Matcher:
    """Finds words in texts, case ignored; the longest that fits counts: "African American" is not "American".

    Args:
        words: words and phrases, each with what it stands for.
    """

    def __init__(self, words: Iterable[tuple[str, tuple[int, int]]]) -> None:
        # Folding may change letters (ß to ss), so a word counts as it is written, too.
        forms = {(form, owner) for word, owner in words for form in (composed(word), fold(word))}
        ordered = sorted(forms, key=lambda form: (-len(form[0]), form))
        self._owners = [owner for _, owner in ordered]
        # A group for each form tells which one matched.
        body = "|".join(f"({_pattern(form)})" for form, _ in ordered)
        self._found = re.compile(rf"(?<!\w)(?:{body})(?!\w)", re.IGNORECASE)

    def __call__(self, text: str) -> list[tuple[int, int]]:
        """What the words that ``text`` names stand for, in their order."""
        return [owner for owner, _ in self.between(text)]

    def between(self, text: str) -> list[tuple[tuple[int, int], str]]:
        """The same, each with what stands in the composed text before it and behind the one before."""
        text, end, found = composed(text), 0, []
        for m in self._found.finditer(text):
            if not _within_a_word(text, m.start(), m.end()):
                found.append((self._owners[m.lastindex - 1], text[end : m.start()]))
                end = m.end()
        return found


def _within_a_word(text: str, start: int, end: int) -> bool:
    """Whether a sign that belongs to a letter, such as a vowel of Devanagari, stands beside a stretch of a text."""
    return any(
        unicodedata.category(c).startswith("M") for c in (text[start - 1 : start], text[end : end + 1]) if c
    )


def _pattern(form: str) -> str:
    """What finds a form in a composed text; a number is not found within a decimal (7.5)."""
    before = r"(?<!\d\.)" if form[0].isdigit() else ""
    behind = r"(?!\.\d)" if form[-1].isdigit() else ""
    return f"{before}{re.escape(form)}{behind}"
