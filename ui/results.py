"""The Results tab: what was reached, against the target and the noise floor."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from typing import Any

import gradio as gr

from distalign.errors import DistalignError, SpecError
from distalign.results import SplitResult, splits_of
from jobs.reporting import measures
from jobs.reporting.views import View, settled
from storage import ListedRun, Run, Store, UnknownRun
from ui import cards, downloads, result_charts, rounds
from ui.downloads import Folder
from ui.result_charts import DRAWN
from ui.round_filters import index
from ui.wiring import LATEST, ONE_BY_ONE, OPEN, QUIET, hands_over

OUTPUTS = 7 + DRAWN + rounds.OUTPUTS
MAX_LISTED_RUNS = 1000
TO_ROUNDS_JS = """() => {
  document.querySelector('#rounds-heading').scrollIntoView({behavior: 'smooth'});
  document.querySelector('#rounds-table [tabindex]')?.focus({preventScroll: true});
}"""
# How often the tab looks for what was measured meanwhile.
POLL_SECONDS = 4.0


@dataclass(frozen=True)
class Shown:
    """What a session has on the tab.

    What is there already is not sent again: it would be drawn anew, and forget what a person chose.

    Attributes:
        run: the run's id; empty where there is none, or the server has forgotten the session.
        choices: labels and ids of the runs to choose from.
        key: tells these results of the run from those it had before.
        view: what of them is drawn.
    """

    run: str = ""
    choices: tuple[tuple[str, str], ...] = ()
    key: tuple[Any, ...] = ()
    view: View = field(default_factory=View)


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
        choice = gr.Dropdown(
            [], label="Run", info="Finished runs, the newest first", elem_id="result-run", **OPEN
        )
        lead = gr.HTML(apply_default_css=False, elem_id="lead")
    tiles = gr.HTML(apply_default_css=False, elem_id="tiles")
    with gr.Column(visible=False) as body:
        controls, realized, pages = result_charts.build_realized()
        convergence = result_charts.build_convergence()
        with gr.Column(elem_classes="da-card"):
            gr.HTML(cards.heading("Measures", "Small print: 95 % bootstrap intervals."))
            table = gr.HTML(apply_default_css=False, elem_id="measures")
        controls_now = [*controls, convergence[0]]
        _build_downloads(store, folder, [selected, shown, *controls_now])
        browser = rounds.build(store, partial(run_on_tab, store), selected, shown)
    drawn = [lead, tiles, *realized, *convergence]
    outputs = [shown, choice, body, *controls, *drawn, table, *browser]
    tab = ResultsTab([selected, shown], outputs, partial(show, store))
    choice.input(
        partial(_chosen, store),
        [choice, shown],
        [selected, *outputs],
        **ONE_BY_ONE,
    ).then(None, selected, None, js="(run) => window.distalign.shown('results', run)", **QUIET)
    # The table's context leads to the rounds that its figures are counted from.
    realized[-1].choose(_of_context(store), [selected, shown, controls[0]], browser, **QUIET).then(
        None, None, None, js=TO_ROUNDS_JS, **QUIET
    )
    gr.Timer(POLL_SECONDS).tick(partial(show, store, polled=True), tab.inputs, tab.outputs, **LATEST)
    inputs = [selected, shown, *controls_now]
    gr.on([c.input for c in controls_now], partial(redraw, store, 0), inputs, [shown, *drawn], **ONE_BY_ONE)
    for by, button in zip((-1, 1), pages, strict=True):
        button.click(partial(redraw, store, by), inputs, [shown, *drawn], **QUIET)
    return tab


def _of_context(store: Store) -> Callable[..., list[Any]]:
    """The handler that shows the rounds of the context that was clicked, on the prompts that are looked at."""

    def choose(selected: str, shown: Shown, split: Any, event: gr.EventData) -> list[Any]:
        run = run_on_tab(store, selected, shown)
        return [gr.skip()] * rounds.OUTPUTS if run is None else rounds_of(store, run, split, event.context)

    return choose


def rounds_of(store: Store, run: Run, split: object, context: object) -> list[Any]:
    """The rounds of one of a run's contexts, a place as a browser sends it, with no other filter set."""
    results = store.results(run.id)
    view = settled(View(str(split)), run.spec, results)
    if not view.split:
        return [gr.skip()] * rounds.OUTPUTS
    given = str(context)
    place = index(int(given) if given.isdecimal() else None, len(run.spec.contexts))
    return rounds.fresh(store, run, results, view.split, place)


def _build_downloads(store: Store, folder: Folder, inputs: list[Any]) -> None:
    with gr.Column(elem_classes="da-card"):
        gr.HTML(
            cards.heading("Downloads", "The adapter loads with plain PEFT; its README says how to sample it.")
        )
        file = gr.DownloadButton(elem_id="da-file", elem_classes="da-hidden")
        note = gr.HTML(elem_id="download-note")
        for title, kinds in downloads.GROUPS.items():
            gr.HTML(f'<h3 class="da-group">{title}</h3>', apply_default_css=False)
            with gr.Row(elem_classes="da-actions"):
                for kind, label in kinds.items():
                    first = kind in ("adapter", "report-html")
                    button = gr.Button(
                        label,
                        variant="primary" if first else "secondary",
                        size="md",
                        elem_id=f"download-{kind}",
                    )
                    hands_over(button, partial(_make, store, folder, kind), inputs, file, note)


def _make(store: Store, folder: Folder, kind: str, selected: str, shown: Shown, *controls: Any) -> list[Any]:
    view = result_charts.view_of(*controls, first=shown.view.first)
    try:
        return [str(downloads.make(store, folder, kind, shown.run or selected, view)), ""]
    except DistalignError as error:
        return [None, cards.error_note(error)]


def _chosen(store: Store, run_id: Any, shown: Shown) -> list[Any]:
    """Another run of the list; a text that was typed to find one is none, and the run that is there stays."""
    if all(run_id != run.id for run in store.runs_with_results(MAX_LISTED_RUNS, also=str(run_id))):
        return [gr.skip(), gr.skip(), gr.update(value=shown.run or None), *[gr.skip()] * (OUTPUTS - 2)]
    return [run_id, *show(store, run_id, shown)]


def run_label(run: ListedRun) -> str:
    return f"{run.title} · {cards.method_of(run)} · {run.id[:6]}"


def show(store: Store, selected: str, shown: Shown, polled: bool = False) -> list[Any]:
    """Everything on the tab for the selected run, or for the newest with results; what is new of it.

    ``polled``: nobody asked. The run that is there stays, with what was chosen of it, and of a run at
    work all stays until another split was measured.
    """
    listed = store.runs_with_results(MAX_LISTED_RUNS, also=shown.run if polled and shown.run else selected)
    found = tuple((run_label(run), run.id) for run in listed)
    ids = [run_id for _, run_id in found]
    stays = polled and shown.run in ids
    run_id = shown.run if stays else selected if selected in ids else next(iter(ids), "")
    choice = {"value": run_id or None} | ({} if found == shown.choices else {"choices": list(found)})
    if not run_id:
        text = "Results appear here when a run has measured its model. Start one on the Train tab."
        if polled and shown == Shown():
            return [gr.skip()] * OUTPUTS
        return _nothing(Shown(), choice, cards.empty("No results yet", text))
    run, results = store.run(run_id), store.results(run_id)
    key = (run.attempt, run.state, *((r.phase, r.split, r.rounds, str(r.mae)) for r in results))
    now = Shown(run_id, found, key)
    if (run.state.ended or polled) and (run_id, key) == (shown.run, shown.key):
        same = replace(now, view=shown.view)
        if same == shown and (polled or run_id == selected):
            return [gr.skip()] * OUTPUTS
        return [same, gr.update(**choice), *[gr.skip()] * (OUTPUTS - 2)]
    if not splits_of(results):
        return _nothing(now, choice, cards.empty("No results", "This run ended without measuring its model."))
    try:
        now = replace(now, view=settled(shown.view if stays else View(), run.spec, results))
        browser = (
            rounds.more(store, run, results) if stays else rounds.fresh(store, run, results, now.view.split)
        )
        return [now, gr.update(**choice), *_results_of(store, run, results, now.view), *browser]
    except SpecError as error:
        return _nothing(now, choice, cards.error_note(error))


def _results_of(store: Store, run: Run, results: Sequence[SplitResult], view: View) -> list[Any]:
    names = run.spec.attribute.names
    return [
        _shown(True),
        gr.update(choices=result_charts.split_choices(results), value=view.split),
        gr.update(choices=[(name, k) for k, name in enumerate(names)], value=view.category),
        view.order,
        *result_charts.drawn(store, run, results, view),
        _measures(store, run, results),
    ]


def _measures(store: Store, run: Run, results: Sequence[SplitResult]) -> str:
    effects = store.side_effects(run.id)
    tables = [measures.splits_table(results), measures.measures_table(results)]
    tables.append(measures.marginals_table(results))
    if effects is not None:
        heading = cards.section_heading("Side effects", effects.sentence)
        tables.append(heading + measures.effects_table(effects))
    return "".join(tables)


def _nothing(shown: Shown, choice: dict[str, Any], lead: str) -> list[Any]:
    """The tab with a message in place of results."""
    skipped = [gr.skip()]
    rest = OUTPUTS - 6 - 2
    return [shown, gr.update(**choice), _shown(False), *skipped * 3, lead, "", *skipped * rest]


def redraw(store: Store, by: int, selected: str, shown: Shown, *controls: Any) -> list[Any]:
    """Headline and charts for another view; ``by`` so many pages of contexts further on."""
    run = run_on_tab(store, selected, shown)
    if run is None:
        return [gr.skip()] * (1 + DRAWN)
    results = store.results(run.id)
    view = settled(result_charts.view_of(*controls), run.spec, results)
    if by:
        view = result_charts.turned(replace(view, first=shown.view.first), by, results)
    elif replace(shown.view, first=0, context=None) == replace(view, context=None):
        # Another context alone leaves the chart of all of them where it is.
        view = replace(view, first=shown.view.first)
    if view == shown.view:
        return [gr.skip()] * (1 + DRAWN)
    return [replace(shown, view=view), *result_charts.drawn(store, run, results, view, shown.view)]


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
