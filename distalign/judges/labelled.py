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

# The first is what a judge was made by. "blind" was written by a writer who saw neither the judge nor the others.
# "model" are stories as models told them, drawn at random: what a judge is for.
PARTS = ("development", "test", "blind", "model")


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

    def shares_off(self, categories: int) -> float:
        """Mean difference between a category's share of the verdicts and of the labels, each of those that name one."""
        labels, found = Counter[int | None](), Counter[int | None]()
        for (label, verdict), n in self.counts.items():
            labels[label] += n
            found[verdict] += n
        totals = [max(1, sum(c[k] for k in range(categories))) for c in (labels, found)]
        return sum(abs(found[k] / totals[1] - labels[k] / totals[0]) for k in range(categories)) / categories


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
