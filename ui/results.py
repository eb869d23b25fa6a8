"""The Results tab: what was reached, against the target and the noise floor."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

import gradio as gr

from distalign.errors import DistalignError, SpecError
from distalign.results import SplitResult
from storage import ListedRun, Run, Store, UnknownRun
from ui import cards, chart_tables, charts, downloads, report, rounds
from ui.downloads import Folder
from ui.wiring import ONE_BY_ONE, QUIET

OUTPUTS = 20
MAX_LISTED_RUNS = 1000


@dataclass(frozen=True)
class Shown:
    """What a session has on the tab.

    What is there already is not sent again: it would be drawn anew, and forget what a person chose.

    Attributes:
        run: the run's id; empty where there is none, or the server has forgotten the session.
        choices: labels and ids of the runs to choose from.
        key: tells these results of the run from those it had before.
        drawn: split and category of the headline and the chart.
    """

    run: str = ""
    choices: tuple[tuple[str, str], ...] = ()
    key: tuple[Any, ...] = ()
    drawn: tuple[str, int] = ("", 0)


@dataclass(frozen=True)
class ResultsTab:
    """``show`` fills the whole tab for a run; the last of its inputs is the session's Shown."""

    inputs: list[Any]
    outputs: list[Any]
    show: Callable[[str, Shown], list[Any]]


def build(store: Store, folder: Folder, selected: gr.Textbox) -> ResultsTab:
    """The tab, with the events among its own controls."""
    shown = gr.State(Shown())
    with gr.Column(elem_classes="da-card"):
        choice = gr.Dropdown([], label="Run", elem_id="result-run", **rounds.OPEN)
        lead = gr.HTML(apply_default_css=False, elem_id="lead")
    tiles = gr.HTML(apply_default_css=False, elem_id="tiles")
    with gr.Column(visible=False) as body:
        with gr.Column(elem_classes="da-card"):
            gr.HTML(cards.heading("Realized against target", "One line a context, the largest gap first."))
            with gr.Row():
                split = gr.Radio(rounds.SPLIT_CHOICES, label="Prompts", elem_id="split", interactive=True)
                category = gr.Dropdown([], label="Share of", elem_id="category", **rounds.OPEN)
            gr.HTML(report.LEGEND, apply_default_css=False)
            chart = gr.Plot(show_label=False, container=False, elem_classes="da-chart", elem_id="realized")
            as_table = gr.HTML(apply_default_css=False, elem_id="realized-table")
        with gr.Column(elem_classes="da-card"):
            gr.HTML(cards.heading("Measures", "Small print: 95 % bootstrap intervals."))
            measures = gr.HTML(apply_default_css=False, elem_id="measures")
        _build_downloads(store, folder, [selected, shown, split, category])
        browser = rounds.build(store, partial(run_on_tab, store), selected, shown)
    outputs = [shown, choice, lead, tiles, body, split, category, chart, as_table, measures, *browser]
    tab = ResultsTab([selected, shown], outputs, partial(show, store))
    choice.input(
        lambda run_id, old: [run_id, *tab.show(run_id, old)],
        [choice, shown],
        [selected, *outputs],
        **ONE_BY_ONE,
    ).then(None, selected, None, js="(run) => window.distalign.shown('results', run)", **QUIET)
    gr.on(
        [split.input, category.input], partial(redraw, store), [selected, shown, split, category],
        [shown, lead, tiles, chart, as_table], **ONE_BY_ONE,
    )  # fmt: skip
    return tab


def _build_downloads(store: Store, folder: Folder, inputs: list[Any]) -> None:
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
                made = button.click(partial(_make, store, folder, kind), inputs, [file, note], **QUIET)
                made.success(
                    None, file, None, js="(f) => { if (f) window.distalign.download('da-file') }", **QUIET
                )


def _make(
    store: Store, folder: Folder, kind: str, selected: str, shown: Shown, split: str, category: int
) -> list[Any]:
    try:
        run_id = shown.run or selected
        return [str(downloads.make(store, folder, kind, run_id, split, category)), ""]
    except DistalignError as error:
        return [None, cards.error_note(error)]


def run_label(run: ListedRun) -> str:
    return f"{run.title} · {cards.method_of(run)} · {run.id[:6]}"


def show(store: Store, selected: str, shown: Shown) -> list[Any]:
    """Everything on the tab for the selected run, or for the newest with results; what is new of it."""
    listed = store.runs_with_results(MAX_LISTED_RUNS, also=selected)
    found = tuple((run_label(run), run.id) for run in listed)
    run_id = selected if any(i == selected for _, i in found) else next((i for _, i in found), "")
    choice = {"value": run_id or None} | ({} if found == shown.choices else {"choices": list(found)})
    if not run_id:
        text = "Results appear here when a run has measured its model. Start one on the Train tab."
        return _nothing(Shown(), choice, cards.empty("No results yet", text))
    run, results = store.run(run_id), store.results(run_id)
    key = (run.attempt, run.state, *((r.phase, r.split, r.rounds, str(r.mae)) for r in results))
    splits = report.splits_of(results)
    now = Shown(run_id, found, key, (splits[0], 0) if splits else ("", 0))
    if run.state.ended and (run_id, key) == (shown.run, shown.key):
        same = replace(now, drawn=shown.drawn)
        if same == shown and run_id == selected:
            return [gr.skip()] * OUTPUTS
        return [same, gr.update(**choice), *[gr.skip()] * (OUTPUTS - 2)]
    if not splits:
        return _nothing(now, choice, cards.empty("No results", "This run ended without measuring its model."))
    try:
        return [now, gr.update(**choice), *_results_of(store, run, results, splits[0])]
    except SpecError as error:
        return _nothing(now, choice, cards.error_note(error))


def _results_of(store: Store, run: Run, results: Sequence[SplitResult], split: str) -> list[Any]:
    spec, pair = run.spec, report.of_split(results, split)
    return [
        report.sentence(spec, split, pair),
        report.tiles(pair),
        _shown(True),
        gr.update(choices=rounds.split_choices(results), value=split),
        gr.update(choices=[(n, k) for k, n in enumerate(spec.attribute.names)], value=0),
        *chart_of(run, results, split, 0),
        report.measures_table(results)
        + report.marginals_table(results)
        + report.side_effects(store.side_effects(run.id)),
        *rounds.fresh(store, run, results, split),
    ]


def _nothing(shown: Shown, choice: dict[str, Any], lead: str) -> list[Any]:
    """The tab with a message in place of results."""
    return [shown, gr.update(**choice), lead, "", _shown(False), *[gr.skip()] * (OUTPUTS - 5)]


def chart_of(run: Run, results: Sequence[SplitResult], split: str, category: int) -> list[Any]:
    """The chart, and its figures as a table."""
    before, after = (result.contexts if result else () for result in report.of_split(results, split))
    names = run.spec.contexts.names
    chart = charts.realized_chart(before, after, names, category)
    return [
        charts.plot_data(chart),
        chart_tables.realized_table(before, after, names, run.spec.attribute, category),
    ]


def redraw(store: Store, selected: str, shown: Shown, split: str, category: object) -> list[Any]:
    """Headline, chart and table for another split or category."""
    run = run_on_tab(store, selected, shown)
    drawn = (split, category if isinstance(category, int) else 0)
    if run is None or drawn == shown.drawn:
        return [gr.skip()] * 5
    results = store.results(run.id)
    pair = report.of_split(results, split)
    category = rounds.index(category, len(run.spec.attribute)) or 0
    return [
        replace(shown, drawn=drawn),
        report.sentence(run.spec, split, pair),
        report.tiles(pair),
        *chart_of(run, results, split, category),
    ]


def run_on_tab(store: Store, selected: str, shown: Shown) -> Run | None:
    """The run whose results are on the tab, also where the server has forgotten the session."""
    run_id = shown.run
    if not run_id:
        listed = store.runs_with_results(MAX_LISTED_RUNS, also=selected)
        ids = [run.id for run in listed]
        run_id = selected if selected in ids else next(iter(ids), "")
    try:
        return store.run(run_id) if run_id else None
    except UnknownRun:
        return None


def _shown(visible: bool) -> dict[str, Any]:
    return gr.update(visible=visible)
