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
from jobs.naming import METHODS_SHORT
from storage import RunState, Store
from ui import cards, compare_cards, compare_downloads, forms, labels
from ui.compare_view import EVERY, FEW, Controls, Shown, before, changes, look
from ui.downloads import Folder
from ui.wiring import CHOOSE_JS, LATEST, ONE_BY_ONE, OPEN, QUIET

POLL_SECONDS = 2.0
ADDRESS_JS = "(query) => window.distalign.compared(query)"
# The address is read where it is: in the browser.
READ_ADDRESS_JS = "(...given) => [window.location.search, ...given.slice(1)]"
# Side by side where there is room, one above the other on a phone.
WIDE: dict[str, Any] = OPEN | {"min_width": 280}
CONTEXT_CHOICES = [("Largest errors", FEW), ("All", EVERY)]


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
    parts |= _build_chooser()
    parts["lead"] = gr.HTML(apply_default_css=False, elem_id="compare-lead")
    with gr.Column(visible=False) as body:
        parts["body"] = body
        parts |= _build_figures()
        with gr.Column() as details:
            parts["details"] = details
            parts |= _build_details()
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
    "heat", "context", "prompt", "answers",
)  # fmt: skip


def _build_chooser() -> dict[str, Any]:
    with gr.Column(elem_classes="da-card"):
        gr.HTML(
            cards.heading(
                "What to compare", "The address of this page keeps the choice: copy it to share it."
            )
        )
        with gr.Row():
            dataset = gr.Dropdown(
                [],
                label="Dataset or finished run",
                info="What is asked, of whom, with which target",
                elem_id="compare-dataset",
                **WIDE,
            )
            others = gr.Dropdown(
                [],
                label="Other runs beside it",
                info="Any finished runs, also of another seed or model",
                elem_id="compare-others",
                multiselect=True,
                value=[],
                **WIDE,
            )
        ticks = [(METHODS_SHORT[method], method) for method in METHODS]
        methods = gr.CheckboxGroup(
            ticks,
            label="Methods",
            info="Each ticked method is a run of the same dataset",
            elem_id="compare-methods",
            interactive=True,
        )
        standings = gr.HTML(js_on_load=CHOOSE_JS, apply_default_css=False, elem_id="compare-standings")
        with gr.Row(visible=False, elem_classes="da-actions da-queue") as box:
            presets = [(name.capitalize(), name) for name in PRESETS]
            preset = gr.Radio(
                presets,
                label="Preset of what is queued",
                info="Quick trains shorter and follows its target less closely",
                elem_id="compare-preset",
                interactive=True,
            )
            queue = gr.Button("Queue", variant="primary", size="md", elem_id="compare-queue")
        note = gr.HTML(elem_id="compare-note")
    found = {"dataset": dataset, "methods": methods, "others": others, "standings": standings}
    timer = gr.Timer(POLL_SECONDS, active=False)
    return found | {"preset": preset, "queue_box": box, "queue": queue, "timer": timer, "note": note}


def _build_figures() -> dict[str, Any]:
    splits = [(labels.SPLITS[split], split) for split in labels.SPLITS if split in SPLITS]
    with gr.Column(elem_classes="da-card"):
        gr.HTML(
            cards.heading(
                "Error against the noise floor", "MAE: mean distance of the shares from the target."
            )
        )
        split = gr.Radio(
            splits,
            label="Prompts",
            info="Held-out ones were never trained on",
            value=HEADLINE,
            elem_id="compare-split",
            interactive=True,
        )
        legend = gr.HTML(apply_default_css=False)
        chart = gr.Plot(show_label=False, container=False, elem_classes="da-chart", elem_id="compare-errors")
        table = gr.HTML(js_on_load=CHOOSE_JS, apply_default_css=False, elem_id="compare-table")
    return {"split": split, "error_legend": legend, "error_chart": chart, "table": table}


def _build_details() -> dict[str, Any]:
    parts: dict[str, Any] = {}
    with gr.Column(elem_classes="da-card"):
        gr.HTML(cards.heading("Realized against target", "One block a context, the largest error first."))
        with gr.Row():
            parts["category"] = gr.Dropdown(
                [],
                label="Share of",
                info="The category that the chart counts",
                elem_id="compare-category",
                **WIDE,
            )
            with gr.Column(min_width=280) as box:
                parts["contexts"] = gr.Radio(
                    CONTEXT_CHOICES,
                    label="Contexts",
                    info="Those with the largest errors, or all",
                    value=FEW,
                    elem_id="compare-contexts",
                    interactive=True,
                )
            parts["contexts_box"] = box
        parts["share_legend"] = gr.HTML(apply_default_css=False)
        parts["share_chart"] = gr.Plot(
            show_label=False, container=False, elem_classes="da-chart", elem_id="compare-shares"
        )
        parts["share_table"] = gr.HTML(apply_default_css=False, elem_id="compare-shares-table")
    with gr.Column(elem_classes="da-card"):
        gr.HTML(
            cards.heading(
                "Where the error is",
                "MAE of each context; the stronger the colour, the further above its noise floor.",
            )
        )
        parts["heat"] = gr.HTML(apply_default_css=False, elem_id="compare-heat")
    with gr.Column(elem_classes="da-card"):
        gr.HTML(
            cards.heading(
                "The same prompt, answered by each",
                "All answers to one prompt, the commonest first; the bars are shares of them. "
                "A context's rounds are spread over its prompts.",
            )
        )
        with gr.Row():
            parts["context"] = gr.Dropdown(
                [], label="Context", info="What the prompt asks about", elem_id="compare-context", **WIDE
            )
            parts["prompt"] = gr.Dropdown(
                [],
                label="Prompt",
                info="Every method was asked this, word for word",
                elem_id="compare-prompt",
                scale=2,
                **WIDE,
            )
        parts["answers"] = gr.HTML(apply_default_css=False, elem_id="compare-answers")
    return parts


def _wire(tab: CompareTab, store: Store, data: DataFolder, parts: dict[str, Any], inputs: list[Any]) -> None:
    chosen = [parts[name].input for name in Controls.__dataclass_fields__]
    noted = {"js": ADDRESS_JS, **QUIET}
    gr.on(chosen, partial(changed, store, data), inputs, tab.outputs, **ONE_BY_ONE).then(
        None, tab.address, None, **noted
    )
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
