"""docs/ablations.md: what each knob decided, then its figures."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path

from bench.ablations.decisions import (
    HARMFUL_KL,
    SAMPLING,
    UNCLASSIFIED,
    Row,
    decision,
    missing,
    rows_of,
    sampling_rows,
)
from bench.ablations.grid import BASE, MEASURED, TITLES, USUAL, Grid
from bench.kept import AMONG, KEPT
from bench.pages import TRIAL_NOTE, origin, writing
from bench.records import Records
from bench.sections import markdown_table
from distalign.spec import RunSpec, load_spec
from distalign.wording import figure, percent

COMMAND = "python -m bench ablations"
SAMPLING_TITLE = "sampling"
SAMPLING_NOTE = (
    "The same adapters, sampled plainly, and as the reference code does, by rounds of its own: the vocabulary masked to the "
    "steering tokens, one drawn, the answer generated behind it in a second pass. Its error is that of the distribution "
    "restricted to the steering tokens."
)


def write_page(records: Records, grid: Grid, out: Path) -> None:
    """Write the page.

    Raises:
        BenchError: when it cannot be written.
    """
    with writing(out):
        out.write_text(render(records, grid), "utf-8")


def render(records: Records, grid: Grid) -> str:
    """The page as Markdown."""
    base = grid.spec({})
    preset = "" if base.preset == USUAL else f" --preset {base.preset}"
    command = f"{COMMAND}{preset}{' --trial' if grid.trial else ''}"
    blocks = [
        "# Ablations",
        f"Written by `{command}`: {grid.file.stem}, preset *{base.preset}*, one knob turned at a time. The error is the "
        f"exact error of the steering distribution on {KEPT} of the first {AMONG} seen templates, kept out of training "
        "for such choices; held-out templates play no part. MAE, unclassified answers and agreement are those of "
        f"{MEASURED['rounds']} rounds a context on the same templates. Means over seeds, with the lowest and the highest "
        "in brackets.",
        "A value is better than the default when its mean error is lower by more than the errors of any one value "
        f"of the knob differ over seeds. Values that leave more than {UNCLASSIFIED:.0%} unclassified, or move the model by more "
        f"than {HARMFUL_KL:g} nat a token on unrelated prompts (KL(base‖tuned), beside the perplexity of reference answers), are no candidates. "
        "The lines below follow from the tables by this rule.",
    ]
    if before := _before(grid, base):
        blocks.append(before)
    if grid.trial:
        blocks.append(TRIAL_NOTE)
    tables = _tables(records, grid)
    rows = [[title, next((r.label for r in rows if r.default), "–"), line] for _, title, rows, line in tables]
    blocks += ["## What they decided", markdown_table(["knob", "default", "decision"], rows)]
    for name, title, rows, line in tables:
        note = [SAMPLING_NOTE] if name == SAMPLING else []
        blocks += [f"## {title[:1].upper()}{title[1:]}", f"`{command} --only {name}`{_stamp(records, name)}"]
        blocks += [*note, _table(rows), line] if rows else ["Not measured yet."]
    return "\n\n".join(block for block in blocks if block) + "\n"


def _before(grid: Grid, base: RunSpec) -> str:
    """What the preset is today, where it is no longer what its knobs were turned on."""
    now = load_spec(grid.file, grid.overrides).training
    then = asdict(base.training)
    moved = [
        f"{field} {then[field]:g} (today {value:g})"
        for field, value in asdict(now).items()
        if value != then[field]
    ]
    return (
        f"The default here is the preset as it was when its knobs were turned: {', '.join(moved)}."
        if moved
        else ""
    )


def _tables(records: Records, grid: Grid) -> list[tuple[str, str, list[Row], str]]:
    """(name, title, rows, decision) of each knob; until all its values are there, which are not."""
    found = [(name, title, rows_of(records, grid, name)) for name, title in TITLES.items()]
    found.append((SAMPLING, SAMPLING_TITLE, sampling_rows(records)))
    return [(name, title, rows, _line(rows, missing(rows, grid, name))) for name, title, rows in found]


def _line(rows: Sequence[Row], lacking: Sequence[str]) -> str:
    return f"Not measured yet: {'; '.join(lacking)}." if lacking else decision(rows)


def _table(rows: Sequence[Row]) -> str:
    headers = [
        "value",
        "exact error",
        "MAE",
        "unclassified",
        "agreement",
        "KL, unrelated",
        "perplexity",
        "training, s",
        "seeds",
    ]
    return markdown_table(
        headers,
        [
            [
                f"{row.label} (default)" if row.default else row.label,
                f"{row.error:.4f}" + _range(row.errors),
                figure(row.mae),
                percent(row.unclassified, 2),
                percent(row.agreement, 2),
                figure(row.effects_kl, 2),
                figure(row.perplexity_after, 1),
                f"{row.train_seconds:.0f}",
                str(len(row.errors)),
            ]
            for row in rows
        ],
    )


def _range(values: Sequence[float]) -> str:
    return f" ({min(values):.4f} to {max(values):.4f})" if len(values) > 1 else ""


def _stamp(records: Records, name: str) -> str:
    """Machine, dates and revisions of a knob's units, those of the default among them."""
    stamps = [*records.stamps(BASE), *records.stamps(name)]
    if not stamps:
        return ""
    machines, days, revisions = origin(stamps)
    return f" · {machines} · {days} · revision {revisions}"
