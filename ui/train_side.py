"""The Train tab's right column: the target's chart, what the run will do, examples, saving and sharing."""

from __future__ import annotations

from functools import partial
from typing import Any

import gradio as gr

from distalign.contexts import SOURCES
from distalign.errors import DistalignError, SpecError
from distalign.folders import DataFolder
from distalign.judges import require_judge
from distalign.plan import estimate, read_speed
from distalign.sharing import FIELD, command, pack
from distalign.spec import RunSpec
from distalign.spelling import spelling_for
from distalign.stated import STATED
from ui import cards, forms, tables, train_cards
from ui.chart_tables import target_table
from ui.downloads import Folder, writing
from ui.forms import Form
from ui.target_bars import target_bars
from ui.train_fit import read_form
from ui.train_form import Controls
from ui.train_settings import PLANNER
from ui.wiring import QUIET, hands_over

FRESH, STALE = [], ["da-stale"]
# What redraw fills besides the errors: names of ``Controls.others``.
DRAWN = (
    "drawn", "preview", "chart", "chart_table", "source", "table_sum", "planned", "planned_rounds", "examples"
)  # fmt: skip
COPY_JS = """(text) => {
  if (!text) return text;
  const whole = text.startsWith("?") ? location.origin + location.pathname + text : text;
  navigator.clipboard?.writeText(whole).catch(() => {});
  return whole;
}"""


def build(c: Controls) -> None:
    """The column's controls; what is built later (the planner) stands among the settings."""
    with gr.Column(elem_classes="da-card"):
        gr.HTML(cards.heading("Target", "What share of the answers each category should get."))
        c.others["chart"] = gr.HTML(apply_default_css=False, elem_id="target-bars")
        c.others["chart_table"] = gr.HTML(apply_default_css=False, elem_id="target-as-table")
        c.others["source"] = gr.HTML()
    with gr.Column(elem_classes="da-card"):
        gr.HTML(cards.heading("This run"))
        c.others["preview"] = gr.HTML(elem_id="preview")
        c.others["train"] = gr.Button("Train", variant="primary", elem_id="train")
    with gr.Accordion(
        "Examples it trains on", open=False, elem_classes="da-card", elem_id="examples-box"
    ) as box:
        c.others["examples_box"] = box
        c.others["examples"] = gr.HTML(elem_id="examples", apply_default_css=False)
        with gr.Row(elem_classes="da-actions"):
            c.others["more_examples"] = gr.Button("Show others", size="sm", elem_id="more-examples")
            gr.HTML(cards.quiet("The next examples of the same training."), elem_classes="da-hint")
    with gr.Accordion("Save and share", open=False, elem_classes="da-card", elem_id="share-box"):
        _share(c)
    c.others["drawn"] = gr.State("")
    c.others["planned_rounds"] = gr.State((0, 0))
    # The first example to show; below 0 while the box is closed.
    c.others["first_example"] = gr.State(-1)


def _share(c: Controls) -> None:
    c.others["share_file"] = gr.DownloadButton(elem_id="da-spec-file", elem_classes="da-hidden")
    with gr.Row(elem_classes="da-actions"):
        c.others["save"] = gr.Button("Download YAML", size="sm", elem_id="save-spec")
        c.others["link"] = gr.Button("Copy link", size="sm", elem_id="copy-link")
        c.others["command"] = gr.Button("Copy as command line", size="sm", elem_id="copy-command")
    gr.HTML(
        cards.quiet(
            "The file is the specification, which Open a file reads. The link opens this form, filled in. The command "
            "makes the same run from a shell."
        )
    )
    c.others["share_note"] = gr.HTML(elem_id="share-note")
    c.others["shared"] = gr.Textbox(
        label="Link", lines=1, max_lines=12, buttons=["copy"], visible=False, elem_id="shared"
    )


def wire(c: Controls, data: DataFolder, folder: Folder) -> None:
    gr.on(
        [component.change for component in [*c.inputs, *(c[name] for name, *_ in PLANNER)]],
        partial(redraw, data), drawn_inputs(c), drawn_outputs(c), trigger_mode="always_last", **QUIET,
    )  # fmt: skip
    box: gr.Accordion = c["examples_box"]
    shown = [c["first_example"], c["examples"]]
    box.expand(partial(show_examples, data, "open"), [c["first_example"], *c.inputs], shown, **QUIET)
    box.collapse(lambda: -1, None, c["first_example"], **QUIET)
    c["more_examples"].click(
        partial(show_examples, data, "next"), [c["first_example"], *c.inputs], shown, **QUIET
    )
    for i, name in enumerate(("use_alone", "use_overall")):
        c[name].click(partial(_rounds_of, i), c["planned_rounds"], c["rounds"], **QUIET)
    hands_over(c["save"], partial(save, folder), c.inputs, c["share_file"], c["share_note"])
    for kind in ("link", "command"):
        made = c[kind].click(partial(share, kind), c.inputs, [c["shared"], c["share_note"]], **QUIET)
        made.success(None, c["shared"], c["shared"], js=COPY_JS, **QUIET)


def drawn_inputs(c: Controls) -> list[Any]:
    return [c["drawn"], c["first_example"], *(c[name] for name, *_ in PLANNER), *c.inputs]


def drawn_outputs(c: Controls) -> list[Any]:
    return [*(c[name] for name in DRAWN), *(c[f"error-{name}"] for name in train_cards.SECTIONS)]


def redraw(data: DataFolder, drawn: str, first: int, *values: Any) -> list[Any]:
    """The plan (or what is wrong, also beside its section), the target's chart, and what follows from them.

    ``values`` are the planner's, then the form's.
    """
    asked, form = values[: len(PLANNER)], read_form(values[len(PLANNER) :])
    sums = cards.sum_line(tables.check_sums(_rows_in_use(form)))
    try:
        spec = forms.spec_of(form)
        require_judge(spec)
        card = cards.plan_card(estimate(spec, read_speed(data)), spec)
    except DistalignError as error:
        # A form that cannot be read leaves the last chart, plan of rounds and examples where they are.
        note, stale = cards.error_note(error, "todo"), gr.update(elem_classes=STALE)
        kept = [gr.skip()] * 3
        return [drawn, note, stale, gr.skip(), gr.skip(), sums, *kept, *train_cards.section_errors(error)]
    key = f"{spec.attribute.names}{hash(spec.contexts.names)}{hash(spec.target.rows)}"
    chart, table = gr.update(elem_classes=FRESH), gr.skip()
    if key != drawn:
        bars = target_bars(spec.attribute, spec.contexts, spec.target)
        chart = gr.update(value=bars, elem_classes=FRESH)
        table = target_table(spec.attribute, spec.contexts, spec.target)
    examples = gr.skip() if first < 0 else train_cards.examples_html(spec, _spelling(spec, data), first)
    no_errors = train_cards.section_errors(None)
    return [
        key,
        card,
        chart,
        table,
        source_note(form),
        sums,
        *plan_rounds(spec, *asked),
        examples,
        *no_errors,
    ]


def plan_rounds(spec: RunSpec, *asked: object) -> list[Any]:
    """The planner's answer to a gap, confidence and power, and the rounds that its buttons set."""
    try:
        answer, alone, overall = train_cards.planner_html(spec, *asked)
    except SpecError as error:
        return [cards.error_note(error, "todo"), (0, 0)]
    return [answer, (alone, overall)]


def _rounds_of(which: int, planned: tuple[int, int]) -> Any:
    return str(planned[which]) if planned[which] else gr.skip()


def _spelling(spec: RunSpec, data: DataFolder) -> Any:
    return spelling_for(spec.base_model, data)


def show_examples(data: DataFolder, what: str, first: int, *values: Any) -> list[Any]:
    """Examples of the form as it is: from the first on when the box opens, or the next ones."""
    first = max(0, first) + train_cards.SHOWN_EXAMPLES if what == "next" else 0
    try:
        spec = forms.spec_of(read_form(values))
        return [first, train_cards.examples_html(spec, _spelling(spec, data), first)]
    except DistalignError as error:
        return [first, cards.error_note(error, "todo")]


def save(folder: Folder, *values: Any) -> list[Any]:
    """The form's specification as a file. Outputs: the file, a note."""
    try:
        spec = forms.spec_of(read_form(values))
        path = folder.place("distalign-specification.yaml")
        with writing():
            path.write_text(spec.to_yaml(), "utf-8")
        return [str(path), ""]
    except DistalignError as error:
        return [None, cards.error_note(error)]


def share(kind: str, *values: Any) -> list[Any]:
    """A link to the form, or the command that makes its run. Outputs: the text, a note."""
    try:
        spec = forms.spec_of(read_form(values))
        text = command(spec) if kind == "command" else f"?tab=train&{FIELD}={pack(spec)}"
    except DistalignError as error:
        return [gr.update(visible=False), cards.error_note(error)]
    label = (
        "Copied: run this where Distalign is installed" if kind == "command" else "Copied: opens this form"
    )
    return [gr.update(value=text, label=label, visible=True), ""]


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
