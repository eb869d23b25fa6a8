"""docs/results.md, and the summary that the README shows of it."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from types import MappingProxyType

from bench.errors import BenchError
from bench.judges import on_stories
from bench.pages import TRIAL_NOTE, origin, writing
from bench.quality import beside
from bench.quality.cells import ANSWERS, CONTEXTS, METHODS, PAPER, STORIES
from bench.quality.chart import CHART, chart_rows, write_chart
from bench.quality.figures import HELDOUT, HELDOUT_CONTEXTS, SEEN, UNSEEN_ATTRIBUTES, Figure, Quality
from bench.quality.goals import ABOUT, HEADERS, error, goal_rows, percent, times
from bench.quality.missed import paragraphs
from bench.records import Records
from bench.sections import markdown_table
from distalign import published
from jobs.datasets import FEW_SHOT

ALT_TEXT = "MAE by dataset and method, with the noise floor and the paper's best"
BEGIN, END = "<!-- results: begin -->", "<!-- results: end -->"
EMPTY = "Not measured yet."
COMMAND = "python -m bench quality"
INTRODUCTION = (
    "Each row is one run of the product (`python -m jobs run`): bundled SmolLM2-135M-Instruct, preset "
    "*standard*, 100 rounds a context (90 for sentiment), plain sampling at temperature 1. MAE has its 95 % "
    "interval; the *noise floor* is the MAE of a perfect sampler with as many classified rounds, and *ratio* is MAE by noise "
    "floor. The *exact error* is that of the steering distribution, free of sampling noise; KL is KL(target‖realized) "
    "in nats, 0.5 added to every count. MAE and KL are over the rounds that name a category: where many do not "
    "(*unclassified*), they tell of the few that do, and a high floor makes a low ratio. *Agreement* is the share that mean what their steering "
    "token stands for, of the answers that open with one. A row over several seeds gives the mean, with the lowest and the "
    "highest in brackets; the ends of its interval are means as well.\n\n"
    "**Held-out templates on this page are a third set** of eight, written for it and in no other use "
    "(`bench/quality/third_set.py`). No default, wording or seed was chosen by a figure on them. The built-in held-out "
    "templates, which `python -m jobs run` measures, stay out of this page: an early learning rate "
    "was explored while looking at them. Held-out contexts are measured with seen templates, so that only the "
    "context is new; a quarter of the contexts is kept out of a training of its own. A specification with templates "
    "of its own keeps its own held-out ones.\n\n"
    f"`prompt` states the target with percentages in the system turn, `prompt_few_shot` adds {FEW_SHOT} answers "
    "drawn from it. The paper's best is the lowest MAE published for a dataset, over models about 9 to 70 times larger "
    f"and all its methods ({published.SOURCE})."
)
SECTIONS = (
    (ANSWERS, HELDOUT, "Held-out templates"),
    (ANSWERS, SEEN, "Seen templates"),
    (CONTEXTS, HELDOUT_CONTEXTS, "Held-out contexts"),
    (STORIES, "stories", "Stories"),
    (ANSWERS, UNSEEN_ATTRIBUTES, "Attributes that were never trained on"),
)
OLDER_STORIES = (
    "Rows that the end of this page lists are of stories as they were made, asked for or read before."
)
PARTS = "Held-out templates. The error of a part is that of its shares, summed over the other part."
SHARES = (
    "Held-out templates, and targets that were never trained on: how often a category's share was stated, and what came of it. "
    "The probability is that of its steering token, free of sampling noise, the mean over the templates of a context and over contexts, "
    "categories and seeds; the error is the mean of |share − probability|."
)
SIDE_EFFECTS = (
    "Against the base model on 72 unrelated prompts (`python -m jobs show RUN`): KL(base‖tuned), perplexity of reference "
    "answers, answers that open with a steering token, and answers whose most probable first token is another."
)
COLUMNS: dict[str, tuple[str, Callable[[float], str]]] = {
    "noise_floor": ("noise floor", error),
    "ratio": ("ratio", times),
    "exact_error": ("exact error", error),
    "kl": ("KL", error),
    "unclassified": ("unclassified", percent),
    "agreement": ("agreement", percent),
}
COSTS: dict[str, tuple[str, Callable[[float], str]]] = {
    "train_seconds": ("training, s", lambda v: f"{v:.0f}"),
    "seconds": ("whole run, s", lambda v: f"{v:.0f}"),
    "group_gb": ("memory, GB", lambda v: f"{v:.1f}"),
}


def write_page(
    records: Records,
    out: Path,
    *,
    older: Mapping[str, Sequence[str]] = MappingProxyType({}),
    trial: bool = False,
) -> None:
    """Write the page, and its chart beside it in ``images/``.

    Args:
        older: by key, for what was measured with other settings than those of today, their names.

    Raises:
        BenchError: when they cannot be written.
    """
    quality = Quality(records)
    with writing(out):
        chart = write_chart(quality, out.parent / "images")
        out.write_text(render(quality, chart=chart, older=older, trial=trial), "utf-8")


def render(quality: Quality, *, chart: bool, older: Mapping[str, Sequence[str]], trial: bool) -> str:
    """The page as Markdown."""
    command = f"{COMMAND} --trial" if trial else COMMAND
    blocks = ["# Results", f"Written by `{command}` (stories: with `--stories`). {INTRODUCTION}"]
    if trial:
        blocks.append(TRIAL_NOTE)
    blocks += ["## Goals", ABOUT, markdown_table(HEADERS, goal_rows(quality)), *paragraphs(quality)]
    blocks += ["## Summary", summary(quality)]
    if chart:
        blocks.append(f"![{ALT_TEXT}](images/{CHART})")
    for kind, split, title in SECTIONS:
        rows = split_rows(quality, kind, split)
        if kind == STORIES:
            # Those of specifications that have stories themselves.
            rows += split_rows(quality, ANSWERS, split)
        blocks += [f"## {title}", _table(kind, split, rows) if rows else EMPTY]
        if kind == STORIES and rows:
            blocks.append(on_stories())
            if any(key.startswith(f"{STORIES}/") for key in older):
                blocks.append(OLDER_STORIES)
    for title, about, headers, rows in (
        ("Joint attributes and their parts", PARTS, beside.PART_HEADERS, beside.part_rows(quality)),
        ("Stated targets, by share", SHARES, beside.SHARE_HEADERS, beside.share_rows(quality)),
        ("Side effects", SIDE_EFFECTS, beside.EFFECT_HEADERS, beside.effect_rows(quality)),
    ):
        blocks += [f"## {title}", about, markdown_table(headers, rows) if rows else EMPTY]
    return "\n\n".join([*blocks, *_notes(quality, older)]) + "\n"


def summary(quality: Quality) -> str:
    """MAE on held-out templates by dataset and method, with hybrid's ratio and exact error, as Markdown."""
    datasets = [d for d in PAPER if quality.methods(ANSWERS, d)]
    methods = [m for m in METHODS if any(quality.runs(ANSWERS, d, m) for d in datasets)]
    if not datasets:
        return EMPTY
    rows = []
    for d in datasets:
        maes = [_mean(quality.split(ANSWERS, d, m, HELDOUT, "mae"), error, m == "hybrid") for m in methods]
        best = published.best(ANSWERS, d)
        rows.append([d, *maes, _mean(quality.floor(d), error), "–" if best is None else error(best)])
        for name in ("ratio", "exact_error", "unclassified"):
            figure = quality.split(ANSWERS, d, "hybrid", HELDOUT, name)
            rows[-1].append(_mean(figure, COLUMNS[name][1]))
    if len(datasets) == len(PAPER):
        rows += [_mean_row(quality, methods), *_costs_rows(quality, methods)]
    hybrid = ["hybrid: ratio", "exact error", "unclassified"]
    return markdown_table(["MAE, held-out templates", *methods, "noise floor", "paper's best", *hybrid], rows)


def _mean_row(quality: Quality, methods: Sequence[str]) -> list[str]:
    """The means over the six, of what was measured on all of them."""

    def cell(method: str, measure: str, show: Callable[[float], str], bold: bool = False) -> str:
        value = quality.mean_of_six(method, measure)
        return "–" if value is None else f"**{show(value)}**" if bold else show(value)

    best = error(sum(published.ANSWERS.values()) / len(published.ANSWERS))
    return [
        "mean of the six",
        *(cell(m, "mae", error, m == "hybrid") for m in methods),
        cell("hybrid", "noise_floor", error),
        best,
        *(cell("hybrid", name, COLUMNS[name][1]) for name in ("ratio", "exact_error", "unclassified")),
    ]


def _costs_rows(quality: Quality, methods: Sequence[str]) -> list[list[str]]:
    """Means over the six of what the errors do not tell: answers without a category, and what became of all else."""
    lost = [quality.mean_of_six(method, "unclassified") for method in methods]
    moved = [beside.mean_effect(quality, method, "kl") for method in methods]
    return [
        [name, *("–" if value is None else show(value) for value in values), *[""] * 5]
        for name, values, show in (
            ("unclassified answers, mean of the six", lost, percent),
            (
                "KL(base‖tuned) on unrelated prompts, nats a token, mean of the six",
                moved,
                lambda v: f"{v:.2f}",
            ),
        )
    ]


def _mean(figure: Figure | None, show: Callable[[float], str], bold: bool = False) -> str:
    if figure is None:
        return "–"
    return f"**{show(figure.mean)}**" if bold else show(figure.mean)


def with_range(figure: Figure | None, show: Callable[[float], str]) -> str:
    """A mean, with the lowest and the highest in brackets where seeds differ in what is shown."""
    if figure is None or show(figure.low) == show(figure.high):
        return _mean(figure, show)
    return f"{show(figure.mean)} ({show(figure.low)} to {show(figure.high)})"


def split_rows(quality: Quality, kind: str, split: str) -> list[list[str]]:
    """A row for each dataset and method that was measured on a split."""
    rows = []
    for dataset in quality.datasets(kind):
        for method in quality.methods(kind, dataset):
            mae = quality.split(kind, dataset, method, split, "mae")
            if mae is None and quality.split(kind, dataset, method, split, "unclassified") is None:
                continue
            ends = [quality.split(kind, dataset, method, split, f"mae_{end}") for end in ("low", "high")]
            interval = f" [{error(ends[0].mean)}, {error(ends[1].mean)}]" if all(ends) else ""
            cells = [
                with_range(quality.split(kind, dataset, method, split, m), show)
                for m, (_, show) in COLUMNS.items()
            ]
            costs = [
                with_range(quality.whole(kind, dataset, method, m), show) for m, (_, show) in COSTS.items()
            ]
            best = published.best(kind, dataset)
            rows.append(
                [
                    dataset,
                    method,
                    str(len(quality.runs(kind, dataset, method))),
                    with_range(mae, error) + interval,
                    *cells,
                    *(costs if split != SEEN else []),
                    "–" if best is None else error(best),
                ]
            )
    return rows


def _table(kind: str, split: str, rows: list[list[str]]) -> str:
    names = [name for name, _ in COLUMNS.values()]
    costs = [name for name, _ in COSTS.values()] if split != SEEN else []
    headers = ["dataset", "method", "seeds", "MAE [95 %]", *names, *costs, "paper's best"]
    if kind != CONTEXTS:
        return markdown_table(headers, rows)
    return markdown_table(headers[:-1], [row[:-1] for row in rows])


def _notes(quality: Quality, older: Mapping[str, Sequence[str]]) -> list[str]:
    """Where and when it was measured, and what could not be."""
    records, blocks = quality.records, ["## How it was measured"]
    keys = [key for key in records if "report" in records.get(key)]
    stamps = [stamp for key in keys for stamp in records.stamps(key)]
    if stamps:
        machines, days, revisions = origin(stamps)
        hours = sum(s["seconds"] for s in stamps) / 3600
        blocks.append(f"Runs: {len(stamps)}, in {hours:.1f} h, on {machines}; {days}; revision {revisions}.")
    else:
        blocks.append(EMPTY)
    if older:
        alike: dict[tuple[str, ...], list[str]] = {}
        for key, names in older.items():
            alike.setdefault(tuple(sorted(names)), []).append(key)
        blocks.append("Measured with other settings than those of today, to be done anew:")
        blocks.append("\n".join(f"- {', '.join(names)}: {', '.join(keys)}" for names, keys in alike.items()))
    if unmeasurable := quality.unmeasurable():
        blocks.append("Not measurable, in the product's own words:")
        blocks.append("\n".join(f"- {', '.join(cells)}: {why}" for why, cells in unmeasurable.items()))
    return blocks


def marked(text: str) -> str | None:
    """What stands in a text's marked place, or None where it has none."""
    _, begin, rest = text.partition(BEGIN)
    inside, end, _ = rest.partition(END)
    return inside.strip() if begin and end else None


def readme_block(quality: Quality) -> str:
    """What the README shows: the summary and, once there is one, the chart."""
    chart = f"\n\n![{ALT_TEXT}](docs/images/{CHART})" if chart_rows(quality) else ""
    return summary(quality) + chart


def write_into(path: Path, quality: Quality) -> None:
    """Replace what stands in the marked place of the README, which lies beside docs/.

    Raises:
        BenchError: for a file that cannot be read, or has no such place.
    """
    try:
        text = path.read_text("utf-8")
        if marked(text) is None:
            raise BenchError(f"--readme: {path} has no {BEGIN} and {END}. Add them where the table goes")
        head, _, rest = text.partition(BEGIN)
        path.write_text(f"{head}{BEGIN}\n{readme_block(quality)}\n{END}{rest.partition(END)[2]}", "utf-8")
    except OSError as problem:
        raise BenchError(f"--readme: {path} cannot be written ({problem.strerror}). Name another") from None
