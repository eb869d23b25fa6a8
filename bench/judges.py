"""``python -m bench judges``: every built-in judge against the texts that were labelled for it."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from functools import cache
from pathlib import Path

from bench.pages import writing
from distalign.attributes import Attribute
from distalign.judges import WITH_JUDGE, built_in_judge
from distalign.judges.labelled import PARTS, Labelled, Verdicts, labelled_texts, verdicts
from jobs.display import figure, share, table

# The parts that are shown in full.
CLOSER = ("model", "blind")
INTRODUCTION = """\
# The judges of stories

Made by `python -m bench judges`. A judge reads a story and gives a category, or says that it cannot tell. Each
built-in judge has texts of its own, written and labelled for this project. They are
balanced over the categories; some are as long as a model's stories, and most have a
difficulty: a second person, other characters, quoted speech, denials, names of both sexes, colours, no signal at all.
The judge was tuned on the **development** part only. The **test** part is by the same author, from before the
judge. The **blind** part was written afterwards by a writer who saw neither the judge nor the other texts; it is
much harder than what a small model writes. The **model** part consists of real stories, drawn at random of those long enough
to be judged: of the tuned models of `docs/results.md`, and for sentiment of the base model too (*base*). Large
language models that saw the texts alone labelled them. 160 of each attribute were read by two; they agreed on
99 % (gender), 100 % (race) and 97 % (sentiment), and a third look settled the rest. Nothing was changed by the figures of
the last two parts: the model part is what to go by.

- *accuracy*: share of texts whose verdict is the label, "cannot tell" among the labels
- *wrong*: of the verdicts that name a category, the share that should be another, or none
- *cannot tell*: of the texts that do show a category, the share on which the judge gave none
- *shares off*: mean difference between a category's share of the verdicts and its share of the labels: the judge's own
  part in what is measured of such stories, over all contexts
"""


def report() -> str:
    """The page, in Markdown."""
    rows, parts = [], []
    for attribute in WITH_JUDGE:
        judge, texts = built_in_judge(attribute), labelled_texts(attribute)
        for part in PARTS:
            found = verdicts(judge, [t for t in texts if t.part == part])
            figures = [share(v) for v in (found.accuracy, found.wrong, found.cannot_tell)]
            off = figure(found.shares_off(len(attribute)))
            rows.append([attribute.name, part, str(found.texts), *figures, off])
        parts.append(_section(attribute, texts))
    headers = ["judge", "part", "texts", "accuracy", "wrong", "cannot tell", "shares off"]
    return "\n".join([INTRODUCTION, table(headers, rows, "github"), *parts]) + "\n"


@cache
def on_stories() -> str:
    """How well the judges read a model's stories, in a paragraph."""
    told = []
    for attribute in WITH_JUDGE:
        texts = [t for t in labelled_texts(attribute) if t.part == "model"]
        found = verdicts(built_in_judge(attribute), texts)
        off = figure(found.shares_off(len(attribute)))
        told.append(f"{attribute.name} {share(found.accuracy)}, shares off by {off}")
    return (
        f"A story's category is a judge's verdict. Accuracy on such stories (judges.md): {'; '.join(told)}."
    )


def _section(attribute: Attribute, texts: Sequence[Labelled]) -> str:
    judge = built_in_judge(attribute)
    lines = [f"\n## {attribute.name.capitalize()}"]
    for part in CLOSER:
        of_part = [t for t in texts if t.part == part]
        cases = [
            [case, str(found.texts), share(found.accuracy)]
            for case in dict.fromkeys(t.case for t in of_part)
            for found in [verdicts(judge, [t for t in of_part if t.case == case])]
        ]
        lines += [
            f"\n{part.capitalize()} part: labels (rows) and verdicts (columns).\n",
            _confusion(attribute, verdicts(judge, of_part)),
        ]
        if len(cases) > 1:
            headers = ["story of the model" if part == "model" else "difficulty", "texts", "accuracy"]
            lines += [f"\n{part.capitalize()} part, case by case:\n", table(headers, cases, "github")]
    return "\n".join(lines)


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
