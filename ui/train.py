"""The Train tab: the form, the target's chart, what the run will do, and the button."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import gradio as gr

from distalign.contexts import SOURCES
from distalign.errors import DistalignError, SpecError
from distalign.folders import DataFolder
from distalign.plan import estimate, read_speed
from distalign.stated import STATED
from distalign.targets import parse_target
from distalign.training_config import recipe
from ui import cards, chart_tables, charts, forms, labels, tables
from ui.forms import Form
from ui.train_form import Controls, build_controls
from ui.wiring import QUIET

# A table with more cells than this is edited in a spreadsheet and uploaded.
MAX_CELLS = 6000
CHART = ["da-chart", "da-chart-scroll"]
STALE = [*CHART, "da-stale"]


@dataclass(frozen=True)
class TrainTab:
    """What the rest of the page needs of this tab."""

    controls: Controls
    button: gr.Button
    preview: gr.HTML
    drawn_outputs: list[Any]

    @property
    def inputs(self) -> list[gr.components.Component]:
        return list(self.controls.fields.values())


def build(data: DataFolder) -> TrainTab:
    """The tab's controls, with the events among themselves."""
    with gr.Row(equal_height=False):
        with gr.Column(scale=6, min_width=320):
            controls = build_controls()
        with gr.Column(scale=5, min_width=320, elem_classes="da-side"):
            with gr.Column(elem_classes="da-card"):
                gr.HTML(cards.heading("Target", "What share of the answers each category should get."))
                chart = gr.Plot(show_label=False, container=False, elem_classes=CHART)
                as_table = gr.HTML(apply_default_css=False, elem_id="target-as-table")
                source = gr.HTML()
            with gr.Column(elem_classes="da-card"):
                gr.HTML(cards.heading("This run"))
                preview = gr.HTML(elem_id="preview")
                button = gr.Button("Train", variant="primary", elem_id="train")
    drawn = gr.State("")
    outputs = [drawn, preview, chart, source, controls.row_sum, controls.table_sum, as_table]
    tab = TrainTab(controls, button, preview, outputs)
    _wire(tab, data)
    return tab


def _wire(tab: TrainTab, data: DataFolder) -> None:
    c, f = tab.controls, tab.controls.fields
    f["attribute"].change(
        lambda v: (gr.update(visible=v == forms.CUSTOM), gr.update(visible=v == forms.JOINT)),
        f["attribute"], [c.custom_box, c.joint_box], **QUIET,
    )  # fmt: skip
    f["contexts"].change(
        lambda v: (gr.update(visible=v == forms.PASTED), gr.update(visible=v == forms.UPLOADED)),
        f["contexts"], [f["pasted"], f["csv"]], **QUIET,
    )  # fmt: skip
    f["target"].change(lambda v: gr.update(visible=v == STATED), f["target"], f["any_attribute"], **QUIET)
    decides = ("preset", "method", "target", "any_attribute")
    gr.on(
        [f[name].change for name in decides],
        preset_updates, [f[name] for name in decides], [c.preset_line, *c.knobs.values()], **QUIET,
    )  # fmt: skip
    # Each table is fitted only when what it depends on changes: a late answer must not undo typing.
    gr.on(
        [f[name].change for name in ("attribute", "joint", "custom_categories")],
        fit_row, tab.inputs, [f["row"]], trigger_mode="always_last", **QUIET,
    )  # fmt: skip
    fit_outputs = [f["target"], f["table"], c.row_box, c.table_box]
    fitted = ("attribute", "joint", "custom_categories", "contexts", "pasted", "target")
    gr.on(
        [f[name].change for name in fitted], fit, tab.inputs, fit_outputs,
        trigger_mode="always_last", **QUIET,
    )  # fmt: skip
    gr.on([f["csv"].upload, f["csv"].clear], partial(fit, uploaded=True), tab.inputs, fit_outputs, **QUIET)
    c.normalise_row.click(partial(normalise, "row"), f["row"], [f["row"], c.row_sum], **QUIET)
    c.normalise_table.click(partial(normalise, "table"), f["table"], [f["table"], c.table_sum], **QUIET)
    gr.on(
        [component.change for component in tab.inputs],
        partial(redraw, data), [tab.drawn_outputs[0], *tab.inputs], tab.drawn_outputs,
        trigger_mode="always_last", **QUIET,
    )  # fmt: skip


def read_form(values: tuple[Any, ...]) -> Form:
    """The controls' values, in the order of the controls, as a Form."""
    named = dict(zip(forms.ALL_FIELDS, values, strict=True))
    csv = named.pop("csv")
    row, table = named.pop("row"), named.pop("table")
    advanced = {name: named.pop(name) for name in forms.ADVANCED}
    texts = {
        name: "" if value is None and name in forms.TEXT_FIELDS else value for name, value in named.items()
    }
    return Form(
        **texts,
        csv=Path(csv).read_bytes() if csv else None,
        row=tables.row_from_cells(row.values.tolist()),
        table=tables.table_from_cells(list(row_headers(table)), table.values.tolist()),
        advanced=advanced,
    )


def row_headers(frame: Any) -> list[str]:
    return [str(name) for name in frame.columns]


def preset_updates(preset: str, method: str, target: str, any_attribute: bool) -> list[Any]:
    """The preset's sentence, and what each knob shows while it is blank."""
    values = recipe(preset, method, any_attribute and target == STATED)
    updates = []
    for name in forms.ADVANCED:
        if name in forms.CHOICES:
            updates.append(gr.update(info=f"{labels.knob(name)[1]}. Preset: {getattr(values, name)}"))
        elif hasattr(values, name):
            updates.append(gr.update(placeholder=f"{getattr(values, name):g}"))
        else:
            updates.append(gr.skip())
    return [cards.quiet(labels.preset_line(preset)), *updates]


def fit_row(*values: Any) -> Any:
    """Fit the table for all contexts to the categories, keeping what was typed."""
    form = read_form(values)
    try:
        row = tables.fit_row(forms.attribute_of(form).names, form.row)
    except SpecError:
        return gr.skip()
    return gr.skip() if row == form.row else gr.update(value=row_update(row))


def fit(*values: Any, uploaded: bool = False) -> list[Any]:
    """Fit the target's choices and its table to the attribute and the contexts, keeping what was typed."""
    form = read_form(values)
    try:
        attribute, contexts = forms.attribute_of(form), forms.contexts_of(form)
    except SpecError:
        # Half-typed categories or contexts: nothing to fit to yet.
        return [gr.skip(), gr.skip(), *_boxes(form.target)]
    real = forms.has_statistics(form)
    start = forms.uploaded_rows(form)
    target = "table" if uploaded and start else form.target
    target = "even" if target == "real" and not real else target
    table: Any = gr.skip()
    if target == "table" and len(contexts) * len(attribute) <= MAX_CELLS:
        if not start and real:
            shares = parse_target("real", attribute, contexts).rows
            start = {
                name: dict(zip(attribute.names, map(tables.cell, q), strict=True))
                for name, q in zip(contexts.names, shares, strict=True)
            }
        typed = {} if uploaded else form.table
        rest = tables.fit_row(attribute.names, form.row)
        fitted = tables.fit_table(contexts.names, attribute.names, typed, start, rest)
        table = gr.skip() if fitted == form.table else table_update(attribute.names, fitted)
    # The choice is hidden, not removed: Gradio refuses a value that it has just removed.
    # Nothing is sent that did not change: it could overwrite what was clicked or typed meanwhile.
    radio = {"elem_classes": [] if real else ["no-real"]} | (
        {} if target == form.target else {"value": target}
    )
    return [gr.update(**radio), table, *_boxes(target)]


def _boxes(target: str) -> list[Any]:
    return [gr.update(visible=target == "mapping"), gr.update(visible=target == "table")]


def row_update(row: dict[str, object]) -> Any:
    return {"headers": ["Category", "Probability"], "data": [[k, v] for k, v in row.items()]}


def table_update(names: tuple[str, ...], table: dict[str, dict[str, object]]) -> Any:
    lines = [[context, *row.values()] for context, row in table.items()]
    return {"headers": ["Context", *names], "data": lines}


def normalise(which: str, frame: Any) -> list[Any]:
    """Rescale every row of an edited table to sum to 1."""
    cells = frame.values.tolist()
    try:
        if which == "row":
            row = tables.normalise_row(tables.row_from_cells(cells))
            return [row_update(row), gr.skip()]
        rows = tables.table_from_cells(row_headers(frame), cells)
        fixed = {name: tables.normalise_row(row, f"target[{name}]") for name, row in rows.items()}
    except SpecError as error:
        return [gr.skip(), cards.error_note(error)]
    return [table_update(tuple(row_headers(frame)[1:]), fixed), gr.skip()]


def redraw(data: DataFolder, drawn: str, *values: Any) -> list[Any]:
    """The plan (or what is wrong), the chart of the target, and how the tables add up."""
    form = read_form(values)
    sums = [
        cards.sum_line(tables.check_sums({"": form.row} if form.row else {})),
        cards.sum_line(tables.check_sums(_rows_in_use(form))),
    ]
    try:
        spec = forms.spec_of(form)
        card = cards.plan_card(estimate(spec, read_speed(data)), spec)
    except DistalignError as error:
        # A form that cannot be read leaves the last chart where it is.
        return [
            drawn,
            cards.error_note(error, "todo"),
            gr.update(elem_classes=STALE),
            gr.skip(),
            *sums,
            gr.skip(),
        ]
    key = f"{spec.attribute.names}{hash(spec.contexts.names)}{hash(spec.target.rows)}"
    if key == drawn:
        return [drawn, card, gr.update(elem_classes=CHART), source_note(form), *sums, gr.skip()]
    chart = charts.plot_data(charts.target_chart(spec.attribute, spec.contexts, spec.target))
    table = chart_tables.target_table(spec.attribute, spec.contexts, spec.target)
    return [key, card, gr.update(value=chart, elem_classes=CHART), source_note(form), *sums, table]


def _rows_in_use(form: Form) -> dict[str, Any]:
    try:
        names = forms.contexts_of(form).names
    except SpecError:
        return dict(form.table)
    return {name: form.table[name] for name in names if name in form.table}


def source_note(form: Form) -> str:
    """Where the built-in statistics come from, or what the rows of a stated target are."""
    if form.target == "real" and form.contexts in SOURCES:
        return cards.quiet(f"Source: {SOURCES[form.contexts]}.")
    if form.target == STATED:
        return cards.quiet(
            "Each prompt states its own target. These are kept out of training, for the run to be measured on."
        )
    return ""
