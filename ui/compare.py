"""The Compare tab: the methods of a dataset, or any runs, side by side."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

import gradio as gr

from distalign.errors import DistalignError
from distalign.folders import DataFolder
from distalign.results import SPLITS
from distalign.training_config import PRESETS
from jobs.compare import known_runs
from jobs.compare_choice import HEADLINE, MAX_TEXT, Choice, of_dataset, read_address
from jobs.datasets import METHODS, datasets, name_of, queue_missing, spec_of
from storage import RunState, Store
from ui import cards, compare_cards, compare_downloads, compare_form, forms
from ui.compare_details import EVERY, PAGERS
from ui.compare_view import Controls, Shown, before, changes, look
from ui.downloads import Folder
from ui.wiring import LATEST, ONE_BY_ONE, QUIET

ADDRESS_JS = "(query) => window.distalign.compared(query)"
# The address is read where it is: in the browser.
READ_ADDRESS_JS = "(...given) => [window.location.search, ...given.slice(1)]"


@dataclass(frozen=True)
class CompareTab:
    """``show`` fills the tab from the address, what it showed before, or the selected run.

    ``linked`` have links to runs, and tell of a chosen one by their event ``choose``.
    """

    show: Callable[..., list[Any]]
    inputs: list[Any]
    outputs: list[Any]
    address: gr.Textbox
    linked: list[gr.HTML]


def build(store: Store, data: DataFolder, folder: Folder, selected: gr.Textbox) -> CompareTab:
    """The tab, with the events among its own controls."""
    parts = {"address": gr.Textbox(visible="hidden", elem_id="compare-address")}
    parts |= compare_form.build_chooser()
    parts["lead"] = gr.HTML(apply_default_css=False, elem_id="compare-lead")
    with gr.Column(visible=False) as body:
        parts["body"] = body
        parts |= compare_form.build_figures()
        with gr.Column() as details:
            parts["details"] = details
            parts |= compare_form.build_details()
        files = compare_downloads.build()
    shown, note = gr.State(Shown()), parts.pop("note")
    controls = [parts[name] for name in Controls.__dataclass_fields__]
    # In the order of what is sent.
    outputs = [shown, note, *(parts[name] for name in OUTPUTS)]
    tab = CompareTab(
        partial(show, store, data),
        [parts["address"], selected, shown, *controls],
        outputs,
        parts["address"],
        [parts["standings"], parts["table"]],
    )
    _wire(tab, store, data, parts, [parts["address"], shown, *controls])
    compare_downloads.wire(store, folder, [parts["address"], shown], files)
    return tab


def on_select(tab: CompareTab, item: gr.Tab) -> None:
    """Fill the tab when it is opened, and keep what it shows in the address."""
    filled = item.select(tab.show, tab.inputs, tab.outputs, js=READ_ADDRESS_JS, **QUIET)
    filled.then(None, tab.address, None, js=ADDRESS_JS, **QUIET)


# What the view sends, in the order in which it sends it.
OUTPUTS = (
    "address", "dataset", "methods", "others", "standings", "preset", "queue_box", "queue", "timer",
    "lead", "body", "split", "error_legend", "error_chart", "table",
    "details", "category", "contexts", "contexts_box", "share_legend", "share_chart", "share_table",
    "share_position", "share_back", "share_forward",
    "heat", "heat_position", "heat_back", "heat_forward", "context", "prompt", "answers",
)  # fmt: skip


def _wire(tab: CompareTab, store: Store, data: DataFolder, parts: dict[str, Any], inputs: list[Any]) -> None:
    chosen = [parts[name].input for name in Controls.__dataclass_fields__]
    noted = {"js": ADDRESS_JS, **QUIET}
    gr.on(chosen, partial(changed, store, data), inputs, tab.outputs, **ONE_BY_ONE).then(
        None, tab.address, None, **noted
    )
    for pager in PAGERS:
        for by, button in ((-1, parts[f"{pager}_back"]), (1, parts[f"{pager}_forward"])):
            button.click(partial(turned, store, data, pager, by), inputs, tab.outputs, **QUIET)
    parts["queue"].click(partial(queue_all, store, data), inputs, tab.outputs, **QUIET)
    parts["timer"].tick(partial(polled, store, data), inputs, tab.outputs, **LATEST).then(
        None, tab.address, None, **noted
    )


def show(store: Store, data: DataFolder, query: str, selected: str, shown: Shown, *values: Any) -> list[Any]:
    """The tab as the address says, as it was, or for the selected run."""
    controls = Controls(*values)
    choice = read_address(store, query or "") or (shown.choice if shown.sent else _first(store, selected))
    return _sent(store, data, shown, choice, controls, "")


def changed(store: Store, data: DataFolder, address: str, shown: Shown, *values: Any) -> list[Any]:
    """The tab after a person used one of its controls."""
    controls = Controls(*values)
    return _sent(store, data, shown, chosen_by(store, before(store, address, shown), controls), controls, "")


def polled(store: Store, data: DataFolder, address: str, shown: Shown, *values: Any) -> list[Any]:
    """The tab while runs are under way; what was noted stays."""
    controls = Controls(*values)
    return _sent(
        store, data, shown, chosen_by(store, before(store, address, shown), controls), controls, gr.skip()
    )


def turned(
    store: Store, data: DataFolder, pager: str, by: int, address: str, shown: Shown, *values: Any
) -> list[Any]:
    """The tab with one of its :data:`PAGERS` some pages of contexts further on."""
    controls = Controls(*values)
    choice = chosen_by(store, before(store, address, shown), controls)
    return _sent(store, data, shown.turned(pager, by), choice, controls, gr.skip())


def queue_all(store: Store, data: DataFolder, address: str, shown: Shown, *values: Any) -> list[Any]:
    """Queue a run for each ticked method that has none, or borrows one with fewer rounds."""
    controls = Controls(*values)
    choice = chosen_by(store, before(store, address, shown), controls)
    preset = controls.preset if controls.preset in PRESETS else ""
    try:
        spec = spec_of(store, choice.dataset)
        forms.require_listed(spec.base_model)
        note = compare_cards.queued_note(queue_missing(store, data, spec, choice.methods, preset))
    except DistalignError as error:
        note = cards.error_note(error)
    return _sent(store, data, shown, choice, controls, note)


def _sent(
    store: Store, data: DataFolder, shown: Shown, choice: Choice, controls: Controls, note: Any
) -> list[Any]:
    """What is new on the tab, and ``note``: its text, or gr.skip() for one that stays."""
    now, parts, doubled = look(store, data, shown, choice, controls)
    now, updates = changes({name: parts[name] for name in OUTPUTS}, now, controls)
    if doubled:
        note = doubled
    elif not note and now.choice == shown.choice:
        # A control tells the same choice twice; what was noted of it is still to be read.
        note = gr.skip()
    return [now, note, *updates]


def chosen_by(store: Store, old: Choice, controls: Controls) -> Choice:
    """The choice that the controls hold; another dataset drops the runs beside the one before."""
    dataset = str(controls.dataset or "")[:MAX_TEXT]
    methods = [method for method in METHODS if method in (controls.methods or ())]
    others = tuple(str(run_id)[:MAX_TEXT] for run_id in controls.others or ())
    split = controls.split if controls.split in SPLITS else HEADLINE
    old = replace(old, methods=tuple(methods), others=others, split=split, **details_of(controls, old))
    if dataset == old.dataset or not old.dataset:
        return replace(old, dataset=dataset)
    try:
        spec_of(store, dataset)
    except DistalignError:
        return old
    return replace(of_dataset(store, dataset, methods), split=split, every=old.every)


def details_of(controls: Controls, old: Choice) -> dict[str, Any]:
    """What the controls of the details hold, as fields of a choice; what they do not hold yet stays."""
    return {
        "category": str(controls.category or old.category)[:MAX_TEXT],
        "context": str(controls.context or old.context)[:MAX_TEXT],
        "prompt": controls.prompt if isinstance(controls.prompt, int) else old.prompt,
        "every": controls.contexts == EVERY,
    }


def _first(store: Store, selected: str) -> Choice:
    """Where nobody chose yet: the dataset of the selected run."""
    for run in known_runs(store, [selected]):
        choice = of_dataset(store, name_of(run.spec) or run.id)
        return replace(choice, pinned=(run.id,)) if run.state == RunState.DONE else choice
    return of_dataset(store, next(iter(datasets()), ""))
