"""What the Runs tab shows: the list, the chosen run, and the chart of several; only what is new of it."""

from __future__ import annotations

import time
from dataclasses import dataclass, field
from typing import Any

import gradio as gr

from distalign.errors import DistalignError
from jobs.naming import NAMES
from storage import Run, RunFilter, RunState, Store
from ui import cards, curves, history, organise, overlay, usage
from ui.chart_tables import curves_table
from ui.history import View
from ui.present import plural
from ui.trace import Trace, follow

# The session's Seen, the list and its button, and what the functions below give.
OUTPUTS = 25


@dataclass(frozen=True)
class Seen:
    """What a session shows now: a fragment is sent again only when it differs.

    ``run`` is kept because its specification is parsed already; ``others`` are the runs whose
    curves are laid over one another.
    """

    fragments: tuple[Any, ...] = ()
    trace: Trace = field(default_factory=Trace)
    run: Run | None = None
    others: tuple[Trace, ...] = ()


def refresh(store: Store, selected: str, view: View, seen: Seen) -> list[Any]:
    """The fragments that changed since ``seen``; everything else is skipped."""
    now = time.time()
    runs = store.listed_runs(view.limit + 1, view.which, NAMES)
    summaries = store.summaries([run.id for run in runs])
    listed = history.list_html(runs[: view.limit], summaries, selected, view, now)
    run = _find(store, selected)
    run = seen.run if run == seen.run else run
    trace = follow(seen.trace, store, run) if run else Trace()
    others, compared = _overlay(store, view, seen)
    detail = (
        _run_fragments(store, run, trace, now)
        if run
        else _no_run(selected, bool(runs) or view.which != RunFilter())
    )
    fragments = (listed, _shown(len(runs) > view.limit), *compared, *detail, *_buttons(run))
    old = seen.fragments or (None,) * len(fragments)
    changed = [new if new != was else gr.skip() for new, was in zip(fragments, old, strict=True)]
    if (seen.fragments, seen.trace, seen.others) == (fragments, trace, others) and run is seen.run:
        return [gr.skip(), *changed]
    return [Seen(fragments, trace, run, others), *changed]


def _overlay(store: Store, view: View, seen: Seen) -> tuple[tuple[Trace, ...], list[Any]]:
    """What was read of the ticked runs, and their chart."""
    runs = [run for i in view.picked if (run := _find(store, i)) is not None and run.deleted_at is None]
    if not runs:
        return (), [_shown(False), "", ""]
    known = {trace.run: trace for trace in seen.others}
    traces = tuple(follow(known.get(run.id, Trace()), store, run) for run in runs)
    results = store.summaries([run.id for run in runs])
    found = [
        overlay.Curve(run, trace.points, results.get(run.id)) for run, trace in zip(runs, traces, strict=True)
    ]
    hint = "Tick another run to lay its curves over these." if len(runs) == 1 else ""
    title = cards.heading(f"Curves of {plural(len(runs), 'run')}", hint)
    return traces, [_shown(True), title, overlay.overlay_html(found, view.table, view.value)]


def _find(store: Store, run_id: str) -> Run | None:
    try:
        return store.run(run_id) if run_id else None
    except DistalignError:
        return None


def _shown(visible: bool) -> dict[str, Any]:
    return gr.update(visible=visible)


def _run_fragments(store: Store, run: Run, trace: Trace, now: float) -> list[Any]:
    line = store.ahead_of(run.id) if run.state == RunState.QUEUED else None
    used = store.usage_summary(run.id, run.attempt)
    settings = cards.all_settings(run)
    samples = store.usage(run.id, run.attempt, usage.MOST_SAMPLES) if used else []
    return [
        cards.run_head(run, trace.last, now, line) + organise.about_html(run, now),
        _shown(bool(trace.points)),
        curves.curves_html(trace.points, max(_steps(run), trace.steps)) + curves_table(trace.points),
        _shown(used is not None),
        usage.usage_html(used, samples, run.state == RunState.RUNNING) if used else "",
        _shown(True),
        cards.run_facts(run),
        _shown(bool(settings)),
        settings,
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
    return [head, *[hidden, ""] * 5]


def _buttons(run: Run | None) -> list[dict[str, Any]]:
    """Which of them are there, in their order."""
    if run is None:
        return [_shown(False)] * 8
    if run.deleted_at is not None:
        return [
            _shown(False),
            gr.update(visible=True, value="Undo delete"),
            *[_shown(False)] * 5,
            _shown(True),
        ]
    state, away = run.state, run.archived_at is not None
    return [
        _shown(state == RunState.DONE),
        gr.update(visible=away, value="Bring back"),
        _shown(not state.ended and not run.cancel_requested),
        _shown(state in (RunState.FAILED, RunState.CANCELLED, RunState.INTERRUPTED)),
        _shown(True),
        _shown(state.ended and not away),
        _shown(state != RunState.RUNNING),
        _shown(False),
    ]
