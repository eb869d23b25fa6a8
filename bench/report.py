"""docs/speed.md: the goals, then a section for each part, with its tables and charts."""

from __future__ import annotations

from pathlib import Path

from bench.budget import Budget
from bench.charts import write_charts
from bench.figures import Figures
from bench.goals import HEADERS, goal_rows
from bench.pages import TRIAL_NOTE, origin, writing
from bench.records import Records
from bench.sections import SECTIONS, markdown_table

TITLES = {
    "floor": "The floor",
    "training": "Training",
    "convergence": "Convergence",
    "sampling": "Sampling",
    "growth": "Growth",
    "memory": "Memory",
    "page": "The page",
}
ALT_TEXTS = {
    "training": "Examples a second of the product and of its peers",
    "convergence": "Held-out error against seconds",
    "sampling": "Rounds a second of the tree sampler and of generate",
    "growth-rounds": "Seconds of sampling against rounds a context",
    "growth-contexts": "Seconds against contexts",
    "growth-categories": "Seconds against categories",
}


def write_report(records: Records, budget: Budget, out: Path, *, trial: bool = False) -> None:
    """Write the page, and its charts beside it in ``images/``.

    Raises:
        BenchError: when they cannot be written.
    """
    with writing(out):
        charts = write_charts(Figures(records, budget), out.parent / "images")
        out.write_text(render(records, budget, charts, trial=trial), "utf-8")


def render(records: Records, budget: Budget, charts: dict[str, str], *, trial: bool = False) -> str:
    """The page as Markdown. ``charts`` are file names in ``images/``."""
    command = "python -m bench speed --trial" if trial else "python -m bench speed"
    figures = Figures(records, budget)
    blocks = [
        "# Speed",
        f"Written by `{command}`; every number on this page comes from it, and from what its sections name. "
        "Figures are medians of repeats that took turns, with the lowest and the highest in brackets.",
    ]
    if trial:
        blocks.append(TRIAL_NOTE)
    blocks += ["## Goals", markdown_table(HEADERS, goal_rows(records, budget))]
    for part, section in SECTIONS.items():
        blocks += [f"## {TITLES[part]}", _stamp(records, part, f"{command} --only {part}")]
        blocks += section(figures) or ["Not measured yet."]
        blocks += [
            f"![{ALT_TEXTS[name]}](images/{file})"
            for name, file in charts.items()
            if name.split("-")[0] == part
        ]
    return "\n\n".join(block for block in blocks if block) + "\n"


def _stamp(records: Records, part: str, command: str) -> str:
    """The command, the machine, the dates, the revision and how long it took."""
    stamps = records.stamps(part)
    if not stamps:
        return f"`{command}`"
    machines, days, revisions = origin(stamps)
    seconds = sum(s["seconds"] for s in stamps)
    return (
        f"`{command}` · {machines} · {days} · "
        f"revision {revisions} · measurements: {len(stamps)}, in {seconds / 60:.1f} min"
    )
