"""The Train tab: the form on the left, what follows from it on the right, and where it starts from."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from typing import Any

import gradio as gr

from distalign.attributes import GENDER
from distalign.errors import DistalignError, SpecError
from distalign.folders import DataFolder
from distalign.sheets import decoded
from distalign.stated import STATED
from storage import Store
from ui import cards, forms, starts, table_row, train_fit, train_form, train_settings, train_side
from ui.downloads import Folder
from ui.train_fit import read_form
from ui.train_form import Controls
from ui.wiring import EACH, OPEN, QUIET

TABLE = ("table_box", "table_note", "table_grid")
SHOWN = ("joint_box", "custom_box", "pasted_box", *TABLE)
# What is typed next is ready for it, as soon as its box is there.
FOCUS_JS = """(value) => {
  if (value !== "{value}") return;
  let tries = 120;
  const before = document.activeElement;
  const timer = setInterval(() => {
    const box = document.querySelector("{selector}");
    const now = document.activeElement;
    const typing = now !== before && now?.matches("textarea, input:not([type=radio])");
    if (box && box.offsetParent && !typing) box.focus();
    if (typing || (box && box.offsetParent) || --tries < 0) clearInterval(timer);
  }, 50);
}"""
WITHOUT_STATISTICS_JS = f"""(attribute, contexts, target) =>
  target === "real" && (attribute !== "{GENDER.name}" || contexts === "{forms.PASTED}") ? "even" : target"""


@dataclass(frozen=True)
class TrainTab:
    """What the rest of the page needs of this tab."""

    controls: Controls

    @property
    def inputs(self) -> list[gr.components.Component]:
        return self.controls.inputs

    @property
    def button(self) -> gr.Button:
        return self.controls["train"]

    @property
    def preview(self) -> gr.HTML:
        return self.controls["preview"]


def build(store: Store, data: DataFolder, folder: Folder) -> TrainTab:
    """The tab's controls, with the events among themselves."""
    c = Controls()
    with gr.Row(equal_height=False):
        with gr.Column(scale=6, min_width=320):
            _start(c)
            train_form.attribute(c)
            train_form.contexts(c)
            train_form.target(c)
            train_settings.training(c)
            train_settings.templates(c)
            train_settings.advanced(c)
        with gr.Column(scale=5, min_width=320, elem_classes="da-side"):
            train_side.build(c)
    _wire_fields(c)
    _wire_tables(c)
    _wire_start(c, store)
    train_side.wire(c, data, folder)
    return TrainTab(c)


def on_load(tab: TrainTab, store: Store, data: DataFolder, page: gr.Blocks) -> None:
    """What the page does when it is opened: the form of the address, the list of starts, the first plan."""
    c = tab.controls

    def opened(request: gr.Request, *values: Any) -> list[Any]:
        choices = gr.update(choices=starts.choices(store))
        return [starts.DEFAULT, choices, *_from_address(store, request, values)]

    page.load(opened, c.inputs, [c["started"], c["start"], *_filled(c)], **QUIET)
    drawing = train_side.drawn_inputs(c)
    page.load(partial(train_side.redraw, data), drawing, train_side.drawn_outputs(c), **QUIET)


def on_select(tab: TrainTab, store: Store, item: gr.Tab) -> None:
    """A run that was made meanwhile is among what the form may start from."""
    item.select(lambda: gr.update(choices=starts.choices(store)), None, tab.controls["start"], **QUIET)


def on_choose(tab: TrainTab, store: Store, facts: gr.HTML, tabs: gr.Tabs) -> None:
    """A run that is chosen in another tab fills in the form, which Undo brings back, and shows it."""
    c = tab.controls

    def chosen(event: gr.EventData, *values: Any) -> list[Any]:
        return [gr.Tabs(selected="train"), *_from_start(store, f"{starts.RUN}{event.start}", values)]

    facts.choose(chosen, c.inputs, [tabs, *_filled(c)], **QUIET)


def _start(c: Controls) -> None:
    with gr.Row(elem_classes="da-start", equal_height=True):
        c.others["start"] = gr.Dropdown(
            [("The default settings", starts.DEFAULT)],
            value=starts.DEFAULT,
            label="Start from",
            info="A run, an example or a saved file; all of it can be changed",
            scale=5,
            min_width=180,
            elem_id="start-from",
            # Its choices change with the runs, and the server knows the first ones only.
            **OPEN,
        )
        c.others["upload"] = gr.UploadButton(
            "Open a file",
            file_types=[".yaml", ".yml", ".json"],
            type="binary",
            size="sm",
            scale=1,
            min_width=110,
            elem_id="open-spec",
        )
    with gr.Row(elem_classes="da-actions", visible=False) as c.others["start_box"]:
        c.others["start_note"] = gr.HTML(elem_id="start-note")
        c.others["undo"] = gr.Button("Undo", size="sm", visible=False, elem_id="undo-start")
    # The form before it was filled in.
    c.others["before"] = gr.State(None)
    # What was chosen last; None where a restart of the app has forgotten it.
    c.others["started"] = gr.State(None)


def _filled(c: Controls) -> list[Any]:
    """What is filled in from a start: the whole form, the note with its way back, and its boxes."""
    return [
        c["before"], c["start_box"], c["start_note"], c["undo"], *c.inputs, *(c[name] for name in SHOWN),
    ]  # fmt: skip


def _fill(before: forms.Form | None, form: forms.Form, name: str) -> list[Any]:
    note = cards.quiet(f"Filled in from {name}.")
    return [before, gr.update(visible=True), note, gr.update(visible=True), *train_fit.fill(form)]


def _not_filled(error: DistalignError | None) -> list[Any]:
    rest = [gr.skip()] * (1 + len(forms.ALL_FIELDS) + len(SHOWN))
    if error is None:
        return [gr.skip()] * 3 + rest
    return [gr.skip(), gr.update(visible=True), cards.error_note(error), *rest]


def _from_address(store: Store, request: gr.Request, values: tuple[Any, ...]) -> list[Any]:
    try:
        found = starts.from_address(store, dict(request.query_params))
    except DistalignError as error:
        return _not_filled(error)
    return _fill(read_form(values), *found) if found else _not_filled(None)


def _from_start(store: Store, name: str, values: tuple[Any, ...]) -> list[Any]:
    try:
        return _fill(read_form(values), *starts.start(store, name))
    except DistalignError as error:
        return _not_filled(error)


def _wire_start(c: Controls, store: Store) -> None:
    def chosen(name: str, *values: Any) -> list[Any]:
        return [name, gr.skip(), *_from_start(store, name or starts.DEFAULT, values)]

    def entered(name: str, started: str | None, *values: Any) -> list[Any]:
        if name == started:
            return [gr.skip(), gr.skip(), *_not_filled(None)]
        try:
            starts.require_choice(store, name or "")
        except SpecError as error:
            return [gr.skip(), started or starts.DEFAULT, *_not_filled(error)]
        if started is None:
            # The app was restarted, and this may be the blur that follows a former choice.
            return [name, gr.skip(), *_not_filled(None)]
        return chosen(name, *values)

    def uploaded(data: bytes | None, *values: Any) -> list[Any]:
        try:
            return _fill(read_form(values), starts.from_file(data or b""), "the file")
        except DistalignError as error:
            return _not_filled(error)

    def undone(before: forms.Form | None) -> list[Any]:
        if before is None:
            return _not_filled(None)
        return [None, gr.update(visible=False), "", gr.update(visible=False), *train_fit.fill(before)]

    # The mouse chooses with a select, and an input follows; the keyboard with an input alone. Every blur is one
    # more input, which must not undo what was typed since: one by one, it finds the choice among those that were made.
    started = [c["started"], c["start"], *_filled(c)]
    once = QUIET | {"concurrency_limit": 1, "concurrency_id": "start"}
    c["start"].select(chosen, [c["start"], *c.inputs], started, **once)
    c["start"].input(entered, [c["start"], c["started"], *c.inputs], started, **once)
    c["upload"].upload(uploaded, [c["upload"], *c.inputs], _filled(c), **QUIET)
    c["undo"].click(undone, c["before"], _filled(c), **QUIET)


def _wire_fields(c: Controls) -> None:
    c["attribute"].change(
        lambda v: [gr.update(visible=v == forms.CUSTOM), gr.update(visible=v == forms.JOINT)],
        c["attribute"], [c["custom_box"], c["joint_box"]], **EACH,
    )  # fmt: skip
    c["contexts"].change(
        lambda v: gr.update(visible=v == forms.PASTED), c["contexts"], c["pasted_box"], **EACH
    )
    for name, value, box in (
        ("attribute", forms.CUSTOM, "#custom-categories textarea"), ("contexts", forms.PASTED, "#pasted textarea"),
    ):  # fmt: skip
        js = FOCUS_JS.replace("{value}", value).replace("{selector}", box)
        c[name].input(None, c[name], None, js=js, **QUIET)
        # At once, in the browser: the server's answer might undo a click on another target.
        c[name].input(
            None, [c["attribute"], c["contexts"], c["target"]], c["target"], js=WITHOUT_STATISTICS_JS, **QUIET
        )
    c["target"].change(lambda v: gr.update(visible=v == STATED), c["target"], c["any_attribute"], **EACH)
    decides = ("preset", "method", "target", "any_attribute", "stories")
    headings = [c[f"knobs-{title}"] for title in train_settings.KNOB_GROUPS]
    boxes = [
        c[name]
        for name in (
            "preset", "preset_line", "stories", "judge", "phrasings", "story_seen", "story_heldout", "steering",
        )
    ]  # fmt: skip
    gr.on(
        [c[name].change for name in decides], train_fit.settings, [c[name] for name in decides],
        [*boxes, *headings, *(c[name] for name in forms.ADVANCED)], **EACH,
    )  # fmt: skip
    c["write_out"].click(train_fit.write_out, c.inputs, [c[name] for name in forms.TEMPLATE_BOXES], **QUIET)


def _wire_tables(c: Controls) -> None:
    # Each editor is fitted only when what it depends on changes: a late answer must not undo typing.
    # A text box tells of typed letters only as its input, and not of what is pasted or removed.
    asked = [c["attribute"].input, c["joint"].input]
    asked += [c[name].change for name in ("joint_own", "custom_categories", "more")]
    gr.on(
        [*asked, c["contexts"].input, c["pasted"].change],
        train_fit.fit_shares, c.inputs, [c["row"], c["parts"]], **EACH,
    )  # fmt: skip
    fitted = [c["target"], c["table"], *(c[name] for name in TABLE)]
    gr.on(
        [*asked, c["contexts"].input, c["target"].input],
        train_fit.fit, c.inputs, fitted, **EACH,
    )  # fmt: skip
    from_table = partial(train_fit.fit, pasted=True)
    c["pasted"].change(from_table, c.inputs, fitted, **EACH)
    table_row.wire(c)
    c["normalise"].click(train_fit.normalise, c["table"], [c["table"], c["table_sum"]], **QUIET)
    gr.on(
        [c[name].change for name in ("pasted", "contexts", "attribute", "custom_categories")],
        train_fit.preview_contexts, c.inputs, c["contexts_preview"], **EACH,
    )  # fmt: skip
    pasting = [c["paste"], c["rescale"], *c.inputs]
    gr.on(
        [c["paste"].change, c["rescale"].change],
        train_fit.preview_paste, pasting, c["paste_preview"], trigger_mode="always_last", **QUIET,
    )  # fmt: skip
    c["fill_table"].click(
        train_fit.fill_table, pasting, [c["table"], c["paste_preview"], c["pasted"]], **QUIET
    )
    c["target_file"].upload(_file_text, c["target_file"], [c["paste"], c["paste_preview"]], **QUIET)
    c["contexts_file"].upload(_file_text, c["contexts_file"], [c["pasted"], c["contexts_preview"]], **QUIET)


def _file_text(data: bytes | None) -> list[Any]:
    """An uploaded file's text, for the box; or what is wrong with the file."""
    try:
        return [decoded(data or b""), gr.skip()]
    except SpecError as error:
        return [gr.skip(), cards.error_note(error)]
