"""``python -m bench judges``: every built-in judge against the texts that were labelled for it."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path

from bench.pages import writing
from distalign.attributes import Attribute
from distalign.judges import WITH_JUDGE, built_in_judge
from distalign.judges.labelled import PARTS, Labelled, Verdicts, labelled_texts, verdicts
from jobs.display import share, table

INTRODUCTION = """\
# The judges of stories

Made by `python -m bench judges`. A judge reads a story and gives a category, or says that it cannot tell. Each
built-in judge has texts of its own, written and labelled for this project. They are
balanced over the categories; some are as long as a model's stories, and most have a
difficulty: a second person, other characters, quoted speech, denials, names of both sexes, colours, no signal at all.
The judge was tuned on the **development** part only. The **test** part was written with it by one hand, before the
judge. The **blind** part was written afterwards by a writer who saw neither the judge nor the other texts, and
nothing was changed by its figures: it is what to go by, and much harder than what a small model writes.

- *accuracy*: share of texts whose verdict is the label, "cannot tell" among the labels
- *wrong*: of the verdicts that name a category, the share that should be another, or none
- *cannot tell*: of the texts that do show a category, the share on which the judge gave none
"""


def report() -> str:
    """The page, in Markdown."""
    rows, parts = [], []
    for attribute in WITH_JUDGE:
        judge, texts = built_in_judge(attribute), labelled_texts(attribute)
        for part in PARTS:
            found = verdicts(judge, [t for t in texts if t.part == part])
            figures = [share(v) for v in (found.accuracy, found.wrong, found.cannot_tell)]
            rows.append([attribute.name, part, str(found.texts), *figures])
        parts.append(_section(attribute, texts))
    headers = ["judge", "part", "texts", "accuracy", "wrong", "cannot tell"]
    return "\n".join([INTRODUCTION, table(headers, rows, "github"), *parts]) + "\n"


def _section(attribute: Attribute, texts: Sequence[Labelled]) -> str:
    judge = built_in_judge(attribute)
    blind = [t for t in texts if t.part == PARTS[-1]]
    cases = [
        [case, str(found.texts), share(found.accuracy)]
        for case in dict.fromkeys(t.case for t in blind)
        for found in [verdicts(judge, [t for t in blind if t.case == case])]
    ]
    return "\n".join(
        [
            f"\n## {attribute.name.capitalize()}\n\nBlind part: labels (rows) and verdicts (columns).\n",
            _confusion(attribute, verdicts(judge, blind)),
            "\nBlind part by difficulty:\n",
            table(["difficulty", "texts", "accuracy"], cases, "github"),
        ]
    )


def _confusion(attribute: Attribute, found: Verdicts) -> str:
    places = [*range(len(attribute)), None]
    names = [*attribute.names, "cannot tell"]
    rows = [
        [name, *(str(found.counts[label, verdict]) for verdict in places)]
        for name, label in zip(names, places, strict=True)
    ]
    return table(["label", *names], rows, "github")


def judges(args: argparse.Namespace) -> int:
    """Write the page and print it; the exit code."""
    page = report()
    with writing(Path(args.out)):
        Path(args.out).write_text(page, "utf-8")
    print(page, end="")
    return 0


def add_judges(verbs: argparse._SubParsersAction) -> None:
    """The verb and its arguments."""
    text = "Measure the judges of stories on the texts that were labelled for them."
    verb = verbs.add_parser("judges", help=text, description=text, allow_abbrev=False)
    verb.set_defaults(handler=judges)
    verb.add_argument("--out", metavar="FILE", default="docs/judges.md", help="default: docs/judges.md")
