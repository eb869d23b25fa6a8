"""A judge against the texts that were labelled for it."""

from __future__ import annotations

import csv
import io
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from importlib.resources import files

from distalign.attributes import Attribute
from distalign.judges import Judge

# The first is what a judge was made by. The last was written by a writer who saw neither the judge nor the others.
PARTS = ("development", "test", "blind")


@dataclass(frozen=True)
class Labelled:
    """A text and what a person said of it; ``label`` is a category's index, None is "cannot tell"."""

    part: str
    case: str
    label: int | None
    text: str


@dataclass(frozen=True)
class Verdicts:
    """How a judge did: counts of (label, verdict), both None where nothing can be told."""

    counts: Counter[tuple[int | None, int | None]]

    @property
    def texts(self) -> int:
        return self.counts.total()

    @property
    def accuracy(self) -> float:
        """Share of texts whose verdict is the label, "cannot tell" among them."""
        return sum(n for (label, verdict), n in self.counts.items() if label == verdict) / self.texts

    @property
    def wrong(self) -> float:
        """Of the texts that got a category, the share that should have another or none."""
        told = {pair: n for pair, n in self.counts.items() if pair[1] is not None}
        return sum(n for (label, verdict), n in told.items() if label != verdict) / max(1, sum(told.values()))

    @property
    def cannot_tell(self) -> float:
        """Of the texts that show a category, the share whose verdict was "cannot tell"."""
        shown = {pair: n for pair, n in self.counts.items() if pair[0] is not None}
        return sum(n for (_, verdict), n in shown.items() if verdict is None) / max(1, sum(shown.values()))


def labelled_texts(attribute: Attribute) -> list[Labelled]:
    """The texts that come with a built-in attribute's judge."""
    text = files("distalign.judges").joinpath("data", f"{attribute.name}.csv").read_text("utf-8")
    return [
        Labelled(
            row["part"],
            row["case"],
            attribute.names.index(row["label"]) if row["label"] else None,
            row["text"],
        )
        for row in csv.DictReader(io.StringIO(text))
    ]


def verdicts(judge: Judge, texts: Sequence[Labelled]) -> Verdicts:
    return Verdicts(Counter((text.label, judge(text.text)) for text in texts))
