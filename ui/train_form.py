"""The Train tab's first three steps: attribute, contexts and target; without their events."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import gradio as gr

from distalign.attributes import BUILT_IN, GENDER
from ui import cards, forms, shares, table_row, tables
from ui.forms import Form

START = Form()


@dataclass(frozen=True)
class Controls:
    """The controls of the form.

    Attributes:
        fields: every control whose value is part of the form, by its name in ``forms.ALL_FIELDS``.
        others: boxes that show and hide, buttons, notes, and what else events need, by name.
    """

    fields: dict[str, gr.components.Component] = field(default_factory=dict)
    others: dict[str, Any] = field(default_factory=dict)

    @property
    def inputs(self) -> list[gr.components.Component]:
        """The fields, in the order in which handlers get their values."""
        return [self.fields[name] for name in forms.ALL_FIELDS]

    def __getitem__(self, name: str) -> Any:
        return self.others[name] if name in self.others else self.fields[name]

    def error(self, section: str) -> None:
        """A place for the error that belongs to a section."""
        self.others[f"error-{section}"] = gr.HTML(elem_id=f"error-{section}", apply_default_css=False)


def attribute(c: Controls) -> None:
    with gr.Column(elem_classes="da-card"):
        gr.HTML(cards.section(1, "Attribute", "The property of the answers whose shares you set."))
        built_in = [(name.capitalize(), name) for name in BUILT_IN]
        choices = [*built_in, ("Joint", forms.JOINT), ("Custom", forms.CUSTOM)]
        c.fields["attribute"] = gr.Radio(
            choices, value=START.attribute, show_label=False, label="Attribute", elem_id="attribute"
        )
        with gr.Column(visible=False, elem_classes="da-plain") as c.others["joint_box"]:
            _joint(c, built_in)
        with gr.Column(visible=False, elem_classes="da-plain") as c.others["custom_box"]:
            _custom(c)
        c.error("attribute")


def _joint(c: Controls, built_in: list[tuple[str, str]]) -> None:
    c.fields["joint"] = gr.CheckboxGroup(
        built_in,
        value=list(START.joint),
        label="Joined",
        info="Two or more: an answer names one category of each, and the target is over their combinations.",
        elem_id="joint",
    )
    c.fields["joint_own"] = gr.Textbox(
        label="Parts of your own",
        info="A line with # and its name, then its categories, one a line. “(person)” behind the name asks about a person.",
        placeholder="# age group (person)\nyoung: youth, junior\nold: elderly, senior",
        lines=3,
        max_lines=16,
        elem_id="joint-own",
    )


def _custom(c: Controls) -> None:
    c.fields["custom_categories"] = gr.Textbox(
        label="Categories",
        info="One a line. Words that mean the same go after a colon.",
        placeholder="young: youth, junior\nmiddle-aged\nold: elderly, senior",
        lines=4,
        max_lines=16,
        elem_id="custom-categories",
    )
    with gr.Row():
        c.fields["custom_name"] = gr.Textbox(
            label="Name",
            info="What the prompts call it",
            placeholder=forms.UNNAMED,
            elem_id="custom-name",
            max_lines=1,
        )
        c.fields["custom_kind"] = gr.Radio(
            [("A person", "person"), ("Anything", "general")],
            value=START.custom_kind,
            label="Asked about",
            info="A person: the contexts are occupations. Anything: any other subject, such as a city",
            elem_id="custom-kind",
        )


def contexts(c: Controls) -> None:
    with gr.Column(elem_classes="da-card"):
        gr.HTML(cards.section(2, "Contexts", "What the model is asked about, one at a time."))
        choices = [
            ("UK occupations", "uk-occupations"),
            ("US occupations", "us-occupations"),
            ("Your list", forms.PASTED),
        ]
        c.fields["contexts"] = gr.Radio(
            choices, value=START.contexts, show_label=False, label="Contexts", elem_id="contexts"
        )
        with gr.Column(visible=False, elem_classes="da-plain") as c.others["pasted_box"]:
            c.fields["pasted"] = gr.Textbox(
                label="Your contexts",
                info="One a line; or a table, pasted from a spreadsheet, with a column “context” and one a category.",
                placeholder="bakers\nastronauts\nlibrarians",
                lines=5,
                max_lines=14,
                elem_id="pasted",
            )
            with gr.Row(elem_classes="da-actions"):
                c.others["contexts_file"] = _csv_button("csv")
                gr.HTML(cards.quiet("Its lines take the place of those in the box."), elem_classes="da-hint")
            c.others["contexts_preview"] = gr.HTML(elem_id="contexts-preview", apply_default_css=False)
        c.error("contexts")


def _csv_button(elem_id: str) -> gr.UploadButton:
    return gr.UploadButton(
        "Upload a CSV file",
        file_types=[".csv", ".tsv", ".txt"],
        type="binary",
        size="sm",
        elem_id=elem_id,
        elem_classes="da-fit",
    )


TARGETS = [
    ("Even", "even"),
    ("Real-world", "real"),
    ("Your shares", "mapping"),
    ("Each part by itself", forms.PARTS),
    ("Per context", "table"),
    ("Stated in the prompt", "stated"),
]


def target(c: Controls) -> None:
    with gr.Column(elem_classes="da-card"):
        gr.HTML(cards.section(3, "Target", "The share that each category should get."))
        c.fields["target"] = gr.Radio(
            TARGETS,
            value=START.target,
            show_label=False,
            label="Target",
            elem_id="target",
            elem_classes="no-parts",
        )
        c.fields["any_attribute"] = gr.Checkbox(
            START.any_attribute,
            label="For any attribute",
            info="Other attributes are trained beside this one, and unseen ones measured.",
            visible=False,
            elem_id="any-attribute",
        )
        # style.css shows the editor of the chosen target, at once and without a request.
        c.fields["row"] = shares.editor(shares.row_value(GENDER, tables.even_row(GENDER.names)), "target-row")
        c.fields["parts"] = shares.editor(shares.value_of([]), "target-parts")
        with gr.Column(visible=False, elem_classes="da-plain") as c.others["table_box"]:
            _table(c)
        c.error("target")


def _table(c: Controls) -> None:
    c.others["table_note"] = gr.HTML(visible=False, elem_id="table-note", apply_default_css=False)
    with gr.Column(elem_classes="da-plain") as c.others["table_grid"]:
        _grid(c)
    _paste(c)


def _grid(c: Controls) -> None:
    gr.HTML(
        cards.quiet(
            "A row a context, each summing to 1. Move a row’s shares here, or change its cells in the table."
        )
    )
    table_row.build(c)
    c.fields["table"] = gr.Dataframe(
        value=[],
        headers=["Context", *GENDER.names],
        datatype="str",
        type="pandas",
        interactive=True,
        static_columns=[0],
        show_label=False,
        label="Target",
        buttons=[],
        max_height=380,
        wrap=True,
        elem_id="target-table",
        elem_classes="da-grid",
    )
    with gr.Row(elem_classes="da-actions"):
        c.others["normalise"] = gr.Button("Normalise", size="sm", elem_id="normalise-table")
        c.others["table_sum"] = gr.HTML(elem_id="sum-table")
        gr.HTML(cards.quiet("Rescales every row to sum to 1."), elem_classes="da-hint")


def _paste(c: Controls) -> None:
    with gr.Accordion("Paste from a spreadsheet, or set by rules", open=False, elem_id="paste-box"):
        c.others["paste"] = gr.Textbox(
            label="Rows",
            info="A column “context”, then one a category. A star in a context’s name stands for any text: "
            "such a row is a rule, and a star alone is one for all others.",
            placeholder="context\tmale\tfemale\n*nurse*\t10 %\t90 %\n*\t50 %\t50 %",
            lines=4,
            max_lines=12,
            elem_id="paste-target",
        )
        c.others["rescale"] = gr.Checkbox(
            False, label="Rows are counts or weights", info="Each is rescaled to 100 %", elem_id="rescale"
        )
        c.others["paste_preview"] = gr.HTML(elem_id="paste-preview", apply_default_css=False)
        with gr.Row(elem_classes="da-actions"):
            c.others["fill_table"] = gr.Button("Fill the table", size="sm", elem_id="fill-table")
            c.others["target_file"] = _csv_button("target-csv")
            gr.HTML(
                cards.quiet(
                    "A file’s rows go into the box. Those in the box fill the table; contexts without one keep theirs."
                ),
                elem_classes="da-hint",
            )
