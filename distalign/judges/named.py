"""The judge of any attribute that has none of its own: the category that a story names most."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass

from distalign.attributes import Attribute


@dataclass(frozen=True)
class NamedJudge:
    """Category named most often as a whole word, synonyms allowed; of equals the one named first."""

    attribute: Attribute

    def __call__(self, text: str) -> int | None:
        named = self.attribute.named(text)
        # Counter keeps the order of first sight, and most_common is stable.
        return Counter(named).most_common(1)[0][0] if named else None
