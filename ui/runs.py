"""The Runs tab: history, the chosen run live, and the curves of several."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

import gradio as gr

from distalign.errors import DistalignError
from distalign.folders import DataFolder
from jobs import queue, removal
from storage import Store
from ui import cards, history, organise, overlay
from ui.history import View
from ui.runs_shown import OUTPUTS, Seen, refresh
from ui.wiring import CHOOSE_JS, LATEST, OPEN, QUIET

__all__ = ["OUTPUTS", "RunsTab", "Seen", "View", "build"]

POLL_SECONDS = 2.0
# Each click counts, also those that come while one is handled.
# On a phone the chosen run stands below the list.
NOTE_JS = """(run) => {
  window.distalign.shown('runs', run);
  if (window.innerWidth < 900) document.querySelector('#run-head').scrollIntoView({behavior: 'smooth'});
}"""
EACH_CLICK: dict[str, Any] = QUIET | {"trigger_mode": "multiple", "concurrency_limit": 1}


@dataclass(frozen=True)
class Controls:
    """What chooses the runs of the list; ``picked`` has the ids that are ticked, with commas."""

    search: gr.Textbox
    shelf: gr.Radio
    picked: gr.Textbox
    table: gr.Checkbox
    value: gr.Dropdown
    more: gr.Button
    clear: gr.Button

    @property
    def values(self) -> list[Any]:
        return [self.search, self.shelf, self.picked, self.table, self.value]


@dataclass(frozen=True)
class RunsTab:
    """``outputs`` are what :func:`refresh` redraws; the first of them is the session's Seen.

    ``facts`` tells by its event ``choose`` of a run that a new one is set up from. ``view`` is the session's :class:`~ui.history.View`.
    """

    history: gr.HTML
    overlay: gr.HTML
    facts: gr.HTML
    outputs: list[Any]
    view: gr.State
    refresh: Callable[..., list[Any]]
    show_results: gr.Button
    note: gr.HTML
    timer: gr.Timer


def build(store: Store, data: DataFolder, selected: gr.Textbox) -> RunsTab:
    """The tab, with the events among its own controls."""
    view = gr.State(View())
    with gr.Row(equal_height=False):
        with gr.Column(scale=4, min_width=320, elem_classes="da-card"):
            gr.HTML(cards.heading("History"))
            listed, search, shelf, more = _list()
        with gr.Column(scale=8, min_width=320):
            compared, table, value, clear = _compared()
            detail, buttons, panel, note = _detail()
    picked = gr.Textbox(visible="hidden", elem_id="picked-runs")
    controls = Controls(search, shelf, picked, table, value, more, clear)
    outputs = [gr.State(Seen()), listed, more, *compared, *detail.values(), *buttons.values()]
    timer = gr.Timer(POLL_SECONDS)
    redraw = partial(refresh, store)
    tab = RunsTab(
        listed, compared[-1], detail["facts"], outputs, view, redraw, buttons["results"], note, timer
    )
    _wire_list(tab, selected, controls)
    _wire_run(tab, store, data, selected, buttons)
    _wire_panel(tab, store, selected, buttons["edit"], panel)
    return tab


def _list() -> tuple[gr.HTML, gr.Textbox, gr.Radio, gr.Button]:
    search = gr.Textbox(
        label="Search", info="All words must be found", max_lines=1, max_length=history.MAX_SEARCH, elem_id="search-runs",
        placeholder="Name, tag, attribute, method, state …",
    )  # fmt: skip
    shelf = gr.Radio(
        list(history.SHELVES.items()),
        value="current",
        label="Show",
        info="Archived runs are kept, out of the way",
        elem_id="shelf",
        interactive=True,
    )
    listed = gr.HTML(js_on_load=CHOOSE_JS + history.PICK_JS, apply_default_css=False, elem_id="history")
    return listed, search, shelf, gr.Button("Show older runs", size="sm", visible=False, elem_id="older-runs")


def _compared() -> tuple[list[Any], gr.Checkbox, gr.Dropdown, gr.Button]:
    with gr.Column(elem_classes="da-card", visible=False, elem_id="overlay-card") as card:
        title = gr.HTML(apply_default_css=False)
        chart = gr.HTML(js_on_load=history.PICK_JS, apply_default_css=False, elem_id="overlay")
        with gr.Row(elem_classes="da-actions"):
            table = gr.Checkbox(
                label="Numbers as tables",
                info="The same curves, step by step",
                value=False,
                elem_id="overlay-table",
                container=False,
            )
            value = gr.Dropdown(
                overlay.CHOICES, value=overlay.BOTH, label="Curve", info="What each step told", min_width=220,
                elem_id="overlay-value", **OPEN,
            )  # fmt: skip
            clear = gr.Button("Take all out", size="sm", elem_id="overlay-clear")
    return [card, title, chart], table, value, clear


def _detail() -> tuple[dict[str, Any], dict[str, gr.Button], organise.Panel, gr.HTML]:
    with gr.Column(elem_classes="da-card"):
        head = gr.HTML(apply_default_css=False, elem_id="run-head")
        with gr.Row(elem_classes="da-actions"):
            buttons = {
                "results": gr.Button("Show results", variant="primary", size="md", visible=False, elem_id="show-results"),
                "restore": gr.Button("Bring back", variant="primary", size="md", visible=False, elem_id="restore"),
                "cancel": gr.Button("Cancel", size="md", visible=False, elem_id="cancel"),
                "resume": gr.Button("Start again", size="md", visible=False, elem_id="resume"),
                "edit": gr.Button("Name, tags, note", size="md", visible=False, elem_id="edit"),
                "archive": gr.Button("Archive", size="md", visible=False, elem_id="archive"),
                "delete": gr.Button("Delete", size="md", visible=False, elem_id="delete"),
                "remove": gr.Button("Delete for good", size="md", visible=False, elem_id="remove"),
            }  # fmt: skip
        note = gr.HTML(elem_id="run-note")
        panel = organise.panel()
    with gr.Column(elem_classes="da-card", visible=False) as live:
        chart = gr.HTML(apply_default_css=False, elem_id="curves")
    with gr.Column(elem_classes="da-card", visible=False) as used:
        gr.HTML(cards.heading("Memory and processor"))
        use = gr.HTML(apply_default_css=False, elem_id="usage")
    with gr.Column(elem_classes="da-card", visible=False) as settings:
        gr.HTML(cards.heading("Settings"))
        facts = gr.HTML(js_on_load=CHOOSE_JS, apply_default_css=False, elem_id="run-facts")
        with gr.Accordion(
            "All settings", open=False, visible=False, elem_id="run-settings", elem_classes="da-fold"
        ) as fold:
            listed = gr.HTML(apply_default_css=False, elem_id="run-yaml")
    with gr.Column(elem_classes="da-card", visible=False) as logbox:
        gr.HTML(cards.heading("Log", "Newest first, UTC."))
        log = gr.HTML(apply_default_css=False, elem_id="log")
    # In the order of what runs_shown gives.
    detail = {
        "head": head, "live": live, "chart": chart, "used": used, "use": use, "settings": settings, "facts": facts,
        "fold": fold, "yaml": listed, "logbox": logbox, "log": log,
    }  # fmt: skip
    return detail, buttons, panel, note


def _wire_list(tab: RunsTab, selected: gr.Textbox, controls: Controls) -> None:
    # What is done to a run and how the tab looks after it travel together: each request takes a while.
    inputs = [selected, tab.view, tab.outputs[0]]

    def looked(
        run_id: str, view: View, search: str, shelf: str, picked: str, table: bool, value: str, seen: Seen
    ) -> list[Any]:
        now = history.view_of(view, search, shelf, picked, table, value)
        return [gr.skip() if now == view else now, *tab.refresh(run_id, now, seen)]

    def ticked(run_id: str, view: View, seen: Seen, picked: tuple[str, ...]) -> list[Any]:
        view = replace(view, picked=picked)
        return [",".join(picked), view, *tab.refresh(run_id, view, seen)]

    def picked(run_id: str, view: View, seen: Seen, event: gr.EventData) -> list[Any]:
        return ticked(run_id, view, seen, history.toggled(view.picked, str(event.run)))

    def older(run_id: str, view: View, seen: Seen) -> list[Any]:
        view = replace(view, limit=view.limit + history.PAGE_OF_RUNS)
        return [view, *tab.refresh(run_id, view, seen)]

    looking = [selected, tab.view, *controls.values, tab.outputs[0]]
    # A box of text tells of typed, pasted and deleted letters alike only when it changes.
    for event in (
        tab.timer.tick,
        controls.search.change,
        controls.shelf.input,
        controls.table.input,
        controls.value.input,
    ):
        event(looked, looking, [tab.view, *tab.outputs], **LATEST)
    for chart in (tab.history, tab.overlay):
        chart.pick(picked, inputs, [controls.picked, tab.view, *tab.outputs], **EACH_CLICK)
    controls.clear.click(
        lambda *values: ticked(*values, ()), inputs, [controls.picked, tab.view, *tab.outputs], **QUIET
    )
    controls.more.click(older, inputs, [tab.view, *tab.outputs], **QUIET)


def _wire_run(
    tab: RunsTab, store: Store, data: DataFolder, selected: gr.Textbox, buttons: dict[str, gr.Button]
) -> None:
    inputs = [selected, tab.view, tab.outputs[0]]
    outputs = [selected, tab.note, *tab.outputs]
    note_address = {"js": NOTE_JS, **QUIET}

    def chosen(view: View, seen: Seen, event: gr.EventData) -> list[Any]:
        run_id = str(event.run)
        return [run_id, "", *tab.refresh(run_id, view, seen)]

    def acted(act: Callable[..., Any], run_id: str, view: View, seen: Seen) -> list[Any]:
        note = _act(act, store, data, run_id)
        return [run_id, note, *tab.refresh(run_id, view, seen)]

    tab.history.choose(chosen, inputs[1:], outputs, **LATEST).then(None, selected, None, **note_address)
    acts = {
        "cancel": queue.cancel, "resume": queue.resume, "archive": queue.archive,
        "restore": queue.restore, "delete": queue.delete, "remove": removal.remove,
    }  # fmt: skip
    for name, act in acts.items():
        buttons[name].click(partial(acted, act), inputs, outputs, **QUIET)


def _wire_panel(
    tab: RunsTab, store: Store, selected: gr.Textbox, edit: gr.Button, panel: organise.Panel
) -> None:
    def saved(of: str, name: str, tags: str, note: str, run_id: str, view: View, seen: Seen) -> list[Any]:
        return [*organise.saved(store, of, name, tags, note), *tab.refresh(run_id, view, seen)]

    edit.click(partial(organise.opened, store), [selected, *panel.fields], panel.outputs, **QUIET)
    panel.discard.click(organise.closed, None, panel.outputs, **QUIET)
    inputs = [*panel.fields, selected, tab.view, tab.outputs[0]]
    for event in (panel.save.click, panel.name.submit, panel.tags.submit):
        event(saved, inputs, [*panel.outputs, *tab.outputs], **QUIET)


def _act(act: Callable[..., Any], store: Store, data: DataFolder, run_id: str) -> str:
    """Do something to a run; what went wrong."""
    try:
        act(store, data, run_id)
    except DistalignError as error:
        return cards.error_note(error)
    return ""
