"""The page: header, tabs, and what leads from one tab to another."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial
from typing import Any

import gradio as gr

from distalign.errors import DistalignError
from distalign.folders import DataFolder
from jobs import queue
from storage import RunState, Store
from ui import api, cards, compare, forms, gallery, how, play, results, runs, stream, theme, train, welcome
from ui.downloads import Folder
from ui.wiring import QUIET

TABS = ("train", "runs", "results", "compare", "play", "gallery", "how")
# Gradio's own copies of files that were handed out: looked at hourly, kept a day.
CACHE_SECONDS = (3600, 86400)


def build(store: Store, data: DataFolder) -> gr.Blocks:
    """The whole page on a store and a data folder; launch it with :func:`launch_options`."""
    folder = Folder.fresh()
    examples, problem = gallery.found_examples()
    with gr.Blocks(title="Distalign", analytics_enabled=False, delete_cache=CACHE_SECONDS) as page:
        # Kept by the browser, so that a restart of the app does not forget it.
        selected = gr.Textbox(visible="hidden", elem_id="selected-run")
        stream.build()
        gr.HTML(cards.header())
        # Wrapped, not in a menu: every tab stays in sight and in the keyboard's order at any width.
        with gr.Tabs(elem_id="tabs", overflow_behavior="wrap") as tabs:
            with gr.Tab("Train", id="train") as train_item:
                first_steps = welcome.build(store, examples)
                train_tab = train.build(store, data, folder)
            with gr.Tab("Runs", id="runs") as runs_item:
                runs_tab = runs.build(store, data, selected)
            with gr.Tab("Results", id="results") as results_item:
                results_tab = results.build(store, folder, selected)
            with gr.Tab("Compare", id="compare") as compare_item:
                compare_tab = compare.build(store, data, folder, selected)
            with gr.Tab("Play", id="play") as play_item:
                play_tab = play.build(store, data, folder, selected)
            with gr.Tab("Gallery", id="gallery") as gallery_item:
                shown_examples = gallery.build(examples, problem)
            with gr.Tab("How it works", id="how") as how_item:
                explained = how.build(examples)
        api.add(store, data, folder)
        _train_button(store, data, train_tab, runs_tab, tabs, selected)
        runs_tab.show_results.click(lambda: gr.Tabs(selected="results"), None, tabs, **QUIET)
        for html in (first_steps, shown_examples, explained):
            html.choose(gallery.chooser(store), None, [selected, tabs], **QUIET)
        train.on_choose(train_tab, store, runs_tab.facts, tabs)
        for html in compare_tab.linked:
            html.choose(
                _open_run(runs_tab), [runs_tab.view, runs_tab.outputs[0]],
                [selected, tabs, *runs_tab.outputs], **QUIET,
            )  # fmt: skip
        items = (train_item, runs_item, results_item, compare_item, play_item, gallery_item, how_item)
        for name, item in zip(TABS, items, strict=True):
            item.select(None, selected, None, js=shown_js(name), **QUIET)
        train.on_select(train_tab, store, train_item)
        results_item.select(results_tab.show, results_tab.inputs, results_tab.outputs, **QUIET)
        compare.on_select(compare_tab, compare_item)
        play.on_select(play_tab, play_item)

        def opened(view: runs.View, seen: runs.Seen, request: gr.Request) -> list[Any]:
            gallery.open_named(store, request.query_params)
            run_id, tab = open_address(store, request.query_params)
            return [run_id, gr.Tabs(selected=tab), *runs_tab.refresh(run_id, view, seen)]

        # The results are made ready behind the tab that is open, so that theirs opens at once.
        shown = [runs_tab.view, runs_tab.outputs[0]]
        page.load(opened, shown, [selected, tabs, *runs_tab.outputs], **QUIET).then(
            None, None, None, js="() => { window.distalign.ready = true }", **QUIET
        ).then(results_tab.show, results_tab.inputs, results_tab.outputs, **QUIET).then(
            play_tab.show, play_tab.inputs, play_tab.outputs, js=play.READ_ADDRESS_JS, **QUIET
        )
        welcome.on_load(page, first_steps, store, examples)
        train.on_load(train_tab, store, data, page)
    return page


def launch_options(data: DataFolder) -> dict[str, Any]:
    """What ``launch`` needs for the look, and so that it serves nothing of the data folder."""
    return {
        "theme": theme.build_theme(),
        "css_paths": theme.STYLE,
        "head": theme.HEAD + stream.SCRIPT + welcome.SCRIPT,
        "run_history": False,
        "footer_links": ["api"],
        "blocked_paths": [str(path) for path in (data.database, data.runs, data.models, data.answers)],
        "max_file_size": "5mb",
    }


def shown_js(tab: str) -> str:
    """JavaScript that notes a tab and the selected run in the address."""
    return f"(run) => window.distalign.shown('{tab}', run)"


def _train_button(
    store: Store,
    data: DataFolder,
    train_tab: train.TrainTab,
    runs_tab: runs.RunsTab,
    tabs: gr.Tabs,
    selected: gr.Textbox,
) -> None:
    train_tab.button.click(
        partial(submit, store, data, runs_tab.refresh),
        [runs_tab.view, runs_tab.outputs[0], *train_tab.inputs],
        [selected, tabs, train_tab.preview, *runs_tab.outputs],
        concurrency_limit=4, **QUIET,
    )  # fmt: skip


def _open_run(runs_tab: runs.RunsTab) -> Callable[..., list[Any]]:
    """The handler that shows the run that was clicked on another tab."""

    def chosen(view: runs.View, seen: runs.Seen, event: gr.EventData) -> list[Any]:
        run_id = str(event.run)
        return [run_id, gr.Tabs(selected="runs"), *runs_tab.refresh(run_id, view, seen)]

    return chosen


def submit(
    store: Store,
    data: DataFolder,
    refresh: Callable[..., list[Any]],
    view: runs.View,
    seen: runs.Seen,
    *values: Any,
) -> list[Any]:
    """Queue the run of the form and show it; or say what is wrong, and change nothing."""
    try:
        run = queue.submit(store, data, forms.spec_of(train.read_form(values)))
    except DistalignError as error:
        return [gr.skip(), gr.skip(), cards.error_note(error), *[gr.skip()] * runs.OUTPUTS]
    return [run.id, gr.Tabs(selected="runs"), gr.skip(), *refresh(run.id, view, seen)]


def open_address(store: Store, query: Mapping[str, str]) -> tuple[str, str]:
    """The run and the tab that the address names; without a name the running or else the newest run."""
    run_id = str(query.get("run", ""))[:100]
    tab = query.get("tab", "")
    if not run_id:
        recent = store.listed_runs(limit=50)
        working = [run for run in recent if run.state == RunState.RUNNING]
        run_id = next((run.id for run in [*working, *recent]), "")
    elif tab not in TABS:
        tab = "runs"
    return run_id, tab if tab in TABS else "train"
