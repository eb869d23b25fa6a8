"""The Runs tab: history, and the chosen run live."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial
from typing import Any

import gradio as gr

from distalign.errors import DistalignError
from distalign.folders import DataFolder
from jobs import queue
from storage import Run, RunState, Store
from ui import cards, curves
from ui.chart_tables import curves_table
from ui.trace import Trace, follow
from ui.wiring import LATEST, QUIET

POLL_SECONDS = 2.0
PAGE_OF_RUNS = 50
OUTPUTS = 14

# A plain click selects in place; with a modifier the link opens as a link does.
CHOOSE_JS = """
element.addEventListener('click', (event) => {
  const link = event.target.closest('a[data-run]');
  if (!link || event.metaKey || event.ctrlKey || event.shiftKey || event.button) return;
  event.preventDefault();
  trigger('choose', {run: link.dataset.run});
  if (window.innerWidth < 900) document.querySelector('#run-head').scrollIntoView({behavior: 'smooth'});
});
"""


@dataclass(frozen=True)
class Seen:
    """What a session shows now: a fragment is sent again only when it differs.

    ``run`` is kept because its specification is parsed already.
    """

    fragments: tuple[Any, ...] = ()
    trace: Trace = field(default_factory=Trace)
    run: Run | None = None


@dataclass(frozen=True)
class RunsTab:
    """``outputs`` are what :func:`refresh` redraws; the first of them is the session's Seen."""

    history: gr.HTML
    outputs: list[Any]
    limit: gr.State
    refresh: Callable[..., list[Any]]
    show_results: gr.Button
    note: gr.HTML
    timer: gr.Timer


def build(store: Store, data: DataFolder, selected: gr.Textbox) -> RunsTab:
    """The tab, with the events among its own controls."""
    limit = gr.State(PAGE_OF_RUNS)
    with gr.Row(equal_height=False):
        with gr.Column(scale=4, min_width=320, elem_classes="da-card"):
            gr.HTML(cards.heading("History"))
            history = gr.HTML(js_on_load=CHOOSE_JS, apply_default_css=False, elem_id="history")
            more = gr.Button("Show older runs", size="sm", visible=False, elem_id="older-runs")
        with gr.Column(scale=8, min_width=320):
            detail, buttons, confirm, note = _detail()
    seen = gr.State(Seen())
    outputs = [seen, history, more, *detail, *buttons.values()]
    timer = gr.Timer(POLL_SECONDS)
    tab = RunsTab(history, outputs, limit, partial(refresh, store), buttons["results"], note, timer)
    _wire(tab, store, data, selected, buttons, confirm, more)
    return tab


def _detail() -> tuple[list[Any], dict[str, gr.Button], dict[str, Any], gr.HTML]:
    with gr.Column(elem_classes="da-card"):
        head = gr.HTML(apply_default_css=False, elem_id="run-head")
        with gr.Row(elem_classes="da-actions"):
            buttons = {
                "results": gr.Button("Show results", variant="primary", size="md", visible=False, elem_id="show-results"),
                "cancel": gr.Button("Cancel", size="md", visible=False, elem_id="cancel"),
                "resume": gr.Button("Start again", size="md", visible=False, elem_id="resume"),
                "delete": gr.Button("Delete", size="md", visible=False, elem_id="delete"),
            }  # fmt: skip
        with gr.Column(visible=False, elem_classes="da-plain") as box:
            gr.HTML(
                '<div class="da-note warn">Delete this run with its rounds, results and adapter? '
                "This cannot be undone.</div>"
            )
            with gr.Row(elem_classes="da-actions"):
                confirm = {
                    "box": box,
                    "yes": gr.Button("Delete for good", variant="stop", size="sm", elem_id="delete-yes"),
                    "no": gr.Button("Keep it", size="sm", elem_id="delete-no"),
                }
        note = gr.HTML(elem_id="run-note")
    with gr.Column(elem_classes="da-card", visible=False) as live:
        chart = gr.HTML(apply_default_css=False, elem_id="curves")
    with gr.Column(elem_classes="da-card", visible=False) as settings:
        gr.HTML(cards.heading("Settings"))
        facts = gr.HTML(apply_default_css=False)
    with gr.Column(elem_classes="da-card", visible=False) as logbox:
        gr.HTML(cards.heading("Log", "Newest first, UTC."))
        log = gr.HTML(apply_default_css=False, elem_id="log")
    return [head, live, chart, settings, facts, logbox, log], buttons, confirm, note


def _wire(
    tab: RunsTab,
    store: Store,
    data: DataFolder,
    selected: gr.Textbox,
    buttons: dict[str, gr.Button],
    confirm: dict[str, Any],
    more: gr.Button,
) -> None:
    # What is done to a run and how the tab looks after it travel together: each request takes a while.
    inputs = [selected, tab.limit, tab.outputs[0]]
    outputs = [selected, confirm["box"], tab.note, *tab.outputs]
    note_address = {"js": "(run) => window.distalign.shown('runs', run)", **QUIET}

    def after(run_id: str, note: str, limit: int, seen: Seen) -> list[Any]:
        return [run_id, _shown(False), note, *tab.refresh(run_id, limit, seen)]

    def chosen(limit: int, seen: Seen, event: gr.EventData) -> list[Any]:
        return after(str(event.run), "", limit, seen)

    def acted(act: Callable[..., Any], run_id: str, limit: int, seen: Seen) -> list[Any]:
        return after(*_act(act, store, data, run_id), limit, seen)

    tab.timer.tick(tab.refresh, inputs, tab.outputs, **LATEST)
    tab.history.choose(chosen, inputs[1:], outputs, **LATEST).then(None, selected, None, **note_address)
    more.click(partial(_older, tab.refresh), inputs, [tab.limit, *tab.outputs], **QUIET)
    for name, act in (("cancel", queue.cancel), ("resume", queue.resume)):
        buttons[name].click(partial(acted, act), inputs, outputs, **QUIET)
    buttons["delete"].click(lambda: _shown(True), None, confirm["box"], **QUIET)
    confirm["no"].click(lambda: _shown(False), None, confirm["box"], **QUIET)
    deleted = confirm["yes"].click(partial(acted, queue.delete), inputs, outputs, **QUIET)
    deleted.then(None, selected, None, **note_address)


def _older(refresh: Callable[..., list[Any]], run_id: str, limit: int, seen: Seen) -> list[Any]:
    limit += PAGE_OF_RUNS
    return [limit, *refresh(run_id, limit, seen)]


def _act(act: Callable[..., Any], store: Store, data: DataFolder, run_id: str) -> tuple[str, str]:
    """Do something to a run; the run to show after it (the newest, if it is gone) and what went wrong."""
    try:
        act(store, data, run_id)
    except DistalignError as error:
        return run_id, cards.error_note(error)
    if _find(store, run_id) is None:
        return next((run.id for run in store.listed_runs(limit=1)), ""), ""
    return run_id, ""


def refresh(store: Store, selected: str, limit: int, seen: Seen) -> list[Any]:
    """The fragments that changed since ``seen``; everything else is skipped."""
    now = time.time()
    runs = store.listed_runs(limit=limit + 1)
    summaries = store.summaries([run.id for run in runs])
    history = cards.run_list(runs[:limit], summaries, selected, now)
    run = _find(store, selected)
    run = seen.run if run == seen.run else run
    trace = follow(seen.trace, store, run) if run else Trace()
    detail = _run_fragments(run, trace, now) if run else _no_run(selected, bool(runs))
    fragments = (history, _shown(len(runs) > limit), *detail, *_buttons(run))
    old = seen.fragments or (None,) * len(fragments)
    changed = [new if new != was else gr.skip() for new, was in zip(fragments, old, strict=True)]
    if seen.fragments == fragments and trace == seen.trace and run is seen.run:
        return [gr.skip(), *changed]
    return [Seen(fragments, trace, run), *changed]


def _find(store: Store, run_id: str) -> Run | None:
    try:
        return store.run(run_id) if run_id else None
    except DistalignError:
        return None


def _shown(visible: bool) -> dict[str, Any]:
    return gr.update(visible=visible)


def _run_fragments(run: Run, trace: Trace, now: float) -> list[Any]:
    return [
        cards.run_head(run, trace.last, now),
        _shown(bool(trace.points)),
        curves.curves_html(trace.points, max(_steps(run), trace.steps)) + curves_table(trace.points),
        _shown(True),
        cards.run_facts(run),
        _shown(bool(trace.log)),
        cards.log_html(trace.log),
    ]


def _steps(run: Run) -> int:
    try:
        return run.spec.training.steps
    except DistalignError:
        return 1


def _no_run(selected: str, any_runs: bool) -> list[Any]:
    if selected:
        head = cards.empty(
            "This run is not here", f"No run has the id {selected[:40]}. It may have been deleted."
        )
    elif any_runs:
        head = cards.empty("Choose a run", "Its progress, curves and log appear here.")
    else:
        head = cards.empty(
            "Nothing has run yet", "Set up a first run on the Train tab. It shows here while it works."
        )
    hidden = _shown(False)
    return [head, hidden, "", hidden, "", hidden, ""]


def _buttons(run: Run | None) -> list[dict[str, Any]]:
    state = run.state if run else None
    active = state in (RunState.QUEUED, RunState.RUNNING)
    return [
        _shown(state == RunState.DONE),
        _shown(active and not run.cancel_requested if run else False),
        _shown(state in (RunState.FAILED, RunState.CANCELLED, RunState.INTERRUPTED)),
        _shown(state is not None and state != RunState.RUNNING),
    ]
