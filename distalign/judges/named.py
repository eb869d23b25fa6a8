"""The judge of any attribute that has none of its own: the category that a story names most."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass

from distalign.attributes import Attribute
from distalign.judges.texts import is_denied, sentence_so_far, without_quotes


@dataclass(frozen=True)
class NamedJudge:
    """Category named most often as a whole word, synonyms allowed; of equals the one named first.

    A denied one ("not low") is not named. Nor is one in quoted speech where the attribute is a person's: what others
    say is not said of the protagonist, while a season or a mood may show in speech alone.
    """

    attribute: Attribute

    def __call__(self, text: str) -> int | None:
        text = without_quotes(text) if self.attribute.kind == "person" else text
        said: list[int] = []
        so_far = ""
        for category, before in self.attribute.named(text):
            so_far = sentence_so_far(so_far + before)
            if not is_denied(so_far):
                said.append(category)
            # A category may be a denial by its name ("no", "never"), which denies none behind it.
            so_far += "_"
        # Counter keeps the order of first sight, and most_common is stable.
        return Counter(said).most_common(1)[0][0] if said else None
