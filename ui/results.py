"""The Results tab: what was reached, against the target and the noise floor."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

import gradio as gr

from distalign.errors import DistalignError
from distalign.results import SPLITS, SplitResult
from storage import Run, RunState, Store
from ui import cards, charts, downloads, labels, report
from ui.downloads import Folder
from ui.wiring import QUIET

PAGE = 25
OUTPUTS = 17
ALL, UNCLASSIFIED = -1, -2
MAX_LISTED_RUNS = 200
SPLIT_CHOICES = [(labels.SPLITS[split], split) for split in labels.SPLITS if split in SPLITS]
PHASE_CHOICES = [(label, phase) for phase, label in labels.PHASES.items()]
# Gradio forgets a session's choices when the app restarts, and would refuse what the browser still
# shows; what comes is checked here instead.
OPEN: dict[str, Any] = {"interactive": True, "allow_custom_value": True}


@dataclass(frozen=True)
class ResultsTab:
    """``show`` fills the whole tab for a run; its outputs are ``outputs``."""

    choice: gr.Dropdown
    outputs: list[Any]
    show: Callable[[str], list[Any]]


def build(store: Store, folder: Folder, selected: gr.Textbox) -> ResultsTab:
    """The tab, with the events among its own controls."""
    with gr.Column(elem_classes="da-card"):
        choice = gr.Dropdown([], label="Run", elem_id="result-run", **OPEN)
        lead = gr.HTML(apply_default_css=False, elem_id="lead")
    tiles = gr.HTML(apply_default_css=False, elem_id="tiles")
    with gr.Column(visible=False) as body:
        with gr.Column(elem_classes="da-card"):
            gr.HTML(cards.heading("Realized against target", "One line a context, the largest gap first."))
            with gr.Row():
                split = gr.Radio(SPLIT_CHOICES, label="Prompts", elem_id="split", interactive=True)
                category = gr.Dropdown([], label="Share of", elem_id="category", **OPEN)
            gr.HTML(report.LEGEND, apply_default_css=False)
            chart = gr.Plot(show_label=False, container=False, elem_classes="da-chart", elem_id="realized")
        with gr.Column(elem_classes="da-card"):
            gr.HTML(cards.heading("Measures", "Small print: 95 % bootstrap intervals."))
            measures = gr.HTML(apply_default_css=False, elem_id="measures")
        _build_downloads(store, folder, selected, split, category)
        browser = _build_rounds(store, selected)
    outputs = [choice, lead, tiles, body, split, category, chart, measures, *browser]
    tab = ResultsTab(choice, outputs, partial(show, store))
    choice.input(lambda run: run, choice, selected, **QUIET).then(tab.show, selected, outputs, **QUIET).then(
        None, selected, None, js="(run) => window.distalign.shown('results', run)", **QUIET
    )
    gr.on(
        [split.input, category.input], partial(redraw, store), [selected, split, category],
        [lead, tiles, chart], **QUIET,
    )  # fmt: skip
    return tab


def _build_rounds(store: Store, selected: gr.Textbox) -> list[Any]:
    with gr.Column(elem_classes="da-card"):
        gr.HTML(cards.heading("Rounds", "Every sampled answer, its steering token apart from its text."))
        with gr.Row():
            phase = gr.Radio(PHASE_CHOICES, label="Phase", elem_id="rounds-phase", interactive=True)
            split = gr.Dropdown(SPLIT_CHOICES, label="Prompts", elem_id="rounds-split", interactive=True)
            context = gr.Dropdown([], label="Context", elem_id="rounds-context", **OPEN)
            category = gr.Dropdown([], label="Read as", elem_id="rounds-category", **OPEN)
        page = gr.State(0)
        rows = gr.HTML(apply_default_css=False, elem_id="rounds-table")
        with gr.Row(elem_classes="da-actions da-pager"):
            back = gr.Button("Previous", size="sm", elem_id="rounds-back")
            forward = gr.Button("Next", size="sm", elem_id="rounds-next")
            position = gr.HTML(elem_id="rounds-position")
    filters = [selected, phase, split, context, category]
    outputs = [page, rows, position, back, forward]
    turn = partial(rounds_page, store)
    gr.on([c.input for c in filters[1:]], partial(turn, 0), filters, outputs, **QUIET)
    back.click(lambda p, *f: turn(p - 1, *f), [page, *filters], outputs, **QUIET)
    forward.click(lambda p, *f: turn(p + 1, *f), [page, *filters], outputs, **QUIET)
    return [phase, split, context, category, *outputs]


def _build_downloads(
    store: Store, folder: Folder, selected: gr.Textbox, split: gr.Radio, category: gr.Dropdown
) -> None:
    with gr.Column(elem_classes="da-card"):
        gr.HTML(
            cards.heading("Downloads", "The adapter loads with plain PEFT; its README says how to sample it.")
        )
        file = gr.DownloadButton(elem_id="da-file", elem_classes="da-hidden")
        note = gr.HTML(elem_id="download-note")
        with gr.Row(elem_classes="da-actions"):
            for kind, label in downloads.KINDS.items():
                button = gr.Button(
                    label,
                    variant="primary" if kind == "adapter" else "secondary",
                    size="md",
                    elem_id=f"download-{kind}",
                )
                made = button.click(
                    partial(_make, store, folder, kind), [selected, split, category], [file, note], **QUIET
                )
                made.success(
                    None, file, None, js="(f) => { if (f) window.distalign.download('da-file') }", **QUIET
                )


def _make(store: Store, folder: Folder, kind: str, run_id: str, split: str, category: int) -> list[Any]:
    try:
        return [str(downloads.make(store, folder, kind, run_id, split, category)), ""]
    except DistalignError as error:
        return [None, cards.error_note(error)]


def choices(store: Store, selected: str) -> tuple[list[tuple[str, str]], str | None]:
    """Runs that have results, newest first, and which of them to show."""
    runs = store.runs(limit=MAX_LISTED_RUNS)
    summaries = store.summaries([run.id for run in runs])
    listed = [run for run in runs if run.state == RunState.DONE or run.id in summaries]
    if all(run.id != selected for run in listed):
        # A shared link may name a run that is still working, or older than the list.
        listed = [*_with_results(store, selected), *listed]
    found = [(run_label(run), run.id) for run in listed]
    ids = [run_id for _, run_id in found]
    return found, selected if selected in ids else (ids[0] if ids else None)


def _with_results(store: Store, run_id: str) -> list[Run]:
    try:
        return [store.run(run_id)] if run_id and store.results(run_id) else []
    except DistalignError:
        return []


def run_label(run: Run) -> str:
    return f"{run.title} · {cards.method_of(run)} · {run.id[:6]}"


def show(store: Store, selected: str) -> list[Any]:
    """Everything on the tab for the selected run, or for the newest with results."""
    found, run_id = choices(store, selected)
    if run_id is None:
        text = "Results appear here when a run has measured its model. Start one on the Train tab."
        return _nothing(gr.update(choices=[], value=None), cards.empty("No results yet", text))
    run, results = store.run(run_id), store.results(run_id)
    splits = report.splits_of(results)
    choice = gr.update(choices=found, value=run_id)
    if not splits:
        return _nothing(choice, cards.empty("No results", "This run ended without measuring its model."))
    try:
        spec = run.spec
    except DistalignError as error:
        return _nothing(choice, cards.error_note(error))
    split = splits[0]
    names = spec.attribute.names
    pair = report.of_split(results, split)
    return [
        choice,
        report.sentence(spec, split, pair),
        report.tiles(pair),
        _shown(True),
        split,
        gr.update(choices=[(n, k) for k, n in enumerate(names)], value=0),
        chart_of(run, results, split, 0),
        report.measures_table(results),
        *_round_filters(store, run, results, split),
    ]


def _nothing(choice: Any, lead: str) -> list[Any]:
    """The tab with a message in place of results."""
    return [choice, lead, "", _shown(False), *[gr.skip()] * (OUTPUTS - 4)]


def _round_filters(store: Store, run: Run, results: Sequence[SplitResult], split: str) -> list[Any]:
    phases = [p for p in labels.PHASES if any(r.phase == p for r in results)]
    contexts = [("All contexts", ALL), *((n, i) for i, n in enumerate(run.spec.contexts.names))]
    read_as = [("Any category", ALL), *((n, k) for k, n in enumerate(run.spec.attribute.names))]
    return [
        phases[-1],
        split,
        gr.update(choices=contexts, value=ALL),
        gr.update(choices=[*read_as, ("Unclassified", UNCLASSIFIED)], value=ALL),
        *rounds_page(store, 0, run.id, phases[-1], split, ALL, ALL),
    ]


def chart_of(run: Run, results: Sequence[SplitResult], split: str, category: int) -> Any:
    before, after = report.of_split(results, split)
    chart = charts.realized_chart(
        before.contexts if before else (), after.contexts if after else (), run.spec.contexts.names, category
    )
    return charts.plot_data(chart)


def redraw(store: Store, run_id: str, split: str, category: object) -> list[Any]:
    """Headline and chart for another split or category."""
    _, run_id = choices(store, run_id)
    if run_id is None:
        return [gr.skip()] * 3
    run, results = store.run(run_id), store.results(run_id)
    pair = report.of_split(results, split)
    category = index(category, len(run.spec.attribute)) or 0
    return [
        report.sentence(run.spec, split, pair),
        report.tiles(pair),
        chart_of(run, results, split, category),
    ]


def rounds_page(
    store: Store, page: int, run_id: str, phase: str, split: str, context: object, category: object
) -> list[Any]:
    """One page of rounds with its position, and which way there is more."""
    _, run_id = choices(store, run_id)
    if run_id is None:
        return [0, "", "", gr.skip(), gr.skip()]
    run = store.run(run_id)
    spec = run.spec
    chosen = {
        "context": index(context, len(spec.contexts)),
        "category": index(category, len(spec.attribute)),
        "unclassified": category == UNCLASSIFIED,
    }
    count = store.count_rounds(run_id, phase, split, **chosen)
    page = max(0, min(page, (count - 1) // PAGE))
    rounds = store.rounds(run_id, phase, split, **chosen, offset=page * PAGE, limit=PAGE)
    first = page * PAGE
    position = f"{first + 1:,} to {first + len(rounds):,} of {count:,}" if count else ""
    return [
        page,
        report.rounds_table(rounds, spec, run.steering_tokens),
        cards.quiet(position),
        gr.update(interactive=page > 0),
        gr.update(interactive=first + PAGE < count),
    ]


def index(value: object, count: int) -> int | None:
    """A choice as an index; None for "all", and for whatever else a browser may send."""
    return value if isinstance(value, int) and 0 <= value < count else None


def _shown(visible: bool) -> dict[str, Any]:
    return gr.update(visible=visible)
