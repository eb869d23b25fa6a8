"""The controls of the Train tab, without their events."""

from __future__ import annotations

from dataclasses import dataclass

import gradio as gr

from distalign.attributes import BUILT_IN
from distalign.models import ALLOWED
from distalign.spec import DEFAULT_MODEL, METHODS, STEERING_POOLS
from distalign.training_config import CHOICES, PRESETS
from ui import cards, forms, labels
from ui.forms import Form

START = Form()


@dataclass(frozen=True)
class Controls:
    """``fields`` holds every control of the form, in the order of ``forms.ALL_FIELDS``."""

    fields: dict[str, gr.components.Component]
    knobs: dict[str, gr.components.Component]
    custom_box: gr.Column
    joint_box: gr.Column
    row_box: gr.Column
    table_box: gr.Column
    row_sum: gr.HTML
    table_sum: gr.HTML
    normalise_row: gr.Button
    normalise_table: gr.Button
    preset_line: gr.HTML


def build_controls() -> Controls:
    """All controls, top to bottom."""
    found: dict[str, gr.components.Component] = {}
    custom_box, joint_box = _attribute(found)
    _contexts(found)
    row_box, row_sum, normalise_row, table_box, table_sum, normalise_table = _target(found)
    preset_line = _method(found)
    knobs = _advanced(found)
    return Controls(
        {name: (found | knobs)[name] for name in forms.ALL_FIELDS},
        knobs, custom_box, joint_box, row_box, table_box, row_sum, table_sum, normalise_row, normalise_table, preset_line,
    )  # fmt: skip


def _attribute(found: dict[str, gr.components.Component]) -> tuple[gr.Column, gr.Column]:
    with gr.Column(elem_classes="da-card"):
        gr.HTML(cards.section(1, "Attribute", "The property of the answers whose shares you set."))
        built_in = [(name.capitalize(), name) for name in BUILT_IN]
        choices = [*built_in, ("Joint", forms.JOINT), ("Custom", forms.CUSTOM)]
        found["attribute"] = gr.Radio(
            choices, value=START.attribute, show_label=False, label="Attribute", elem_id="attribute"
        )
        with gr.Column(visible=False, elem_classes="da-plain") as joint_box:
            found["joint"] = gr.CheckboxGroup(
                built_in,
                value=list(START.joint),
                label="Joined",
                info="Two or more: an answer names one category of each, and the target is over the pairs.",
                elem_id="joint",
            )
        with gr.Column(visible=False, elem_classes="da-plain") as box:
            found["custom_name"] = gr.Textbox(
                label="Name", placeholder="age group", elem_id="custom-name", max_lines=1
            )
            found["custom_categories"] = gr.Textbox(
                label="Categories",
                info="One a line. Words that mean the same go after a colon.",
                placeholder="young: youth, junior\nmiddle-aged\nold: elderly, senior",
                lines=4,
                max_lines=12,
                elem_id="custom-categories",
            )
            found["custom_kind"] = gr.Radio(
                [("A person", "person"), ("Anything", "general")],
                value=START.custom_kind,
                label="Asked about",
                info="Picks the prompts: somebody in an occupation, or any subject.",
                elem_id="custom-kind",
            )
    return box, joint_box


def _contexts(found: dict[str, gr.components.Component]) -> None:
    with gr.Column(elem_classes="da-card"):
        gr.HTML(cards.section(2, "Contexts", "What the model is asked about, one at a time."))
        choices = [
            ("UK occupations", "uk-occupations"),
            ("US occupations", "us-occupations"),
            ("Your list", forms.PASTED),
            ("CSV file", forms.UPLOADED),
        ]
        found["contexts"] = gr.Radio(
            choices, value=START.contexts, show_label=False, label="Contexts", elem_id="contexts"
        )
        found["pasted"] = gr.Textbox(
            label="Your contexts",
            info="One a line.",
            placeholder="bakers\nastronauts\nlibrarians",
            lines=5,
            max_lines=14,
            visible=False,
            elem_id="pasted",
        )
        found["csv"] = gr.File(
            label="CSV with a column “context”; further columns are probabilities of categories",
            visible=False,
            elem_id="csv",
            height=140,
        )


def _target(
    found: dict[str, gr.components.Component],
) -> tuple[gr.Column, gr.HTML, gr.Button, gr.Column, gr.HTML, gr.Button]:
    with gr.Column(elem_classes="da-card"):
        gr.HTML(cards.section(3, "Target", "The share that each category should get."))
        choices = [
            ("Even", "even"),
            ("Real-world", "real"),
            ("One for all contexts", "mapping"),
            ("One a context", "table"),
            ("Stated in the prompt", "stated"),
        ]
        found["target"] = gr.Radio(
            choices, value=START.target, show_label=False, label="Target", elem_id="target"
        )
        found["any_attribute"] = gr.Checkbox(
            START.any_attribute,
            label="For any attribute",
            info="Other attributes are trained beside this one, and unseen ones measured.",
            visible=False,
            elem_id="any-attribute",
        )
        row_box, row_sum, normalise_row = _table_box(found, "row", ["Category", "Probability"])
        table_box, table_sum, normalise_table = _table_box(found, "table", ["Context", "male", "female"])
    return row_box, row_sum, normalise_row, table_box, table_sum, normalise_table


def _table_box(
    found: dict[str, gr.components.Component], name: str, headers: list[str]
) -> tuple[gr.Column, gr.HTML, gr.Button]:
    with gr.Column(visible=False, elem_classes="da-plain") as box:
        found[name] = gr.Dataframe(
            value=[["male", "0.5"], ["female", "0.5"]] if name == "row" else [],
            headers=headers,
            datatype="str",
            type="pandas",
            interactive=True,
            static_columns=[0],
            show_label=False,
            label="Target",
            buttons=[],
            max_height=380,
            wrap=True,
            elem_id=f"target-{name}",
            elem_classes="da-grid",
        )
        with gr.Row(elem_classes="da-actions"):
            button = gr.Button("Normalise", size="sm", elem_id=f"normalise-{name}")
            line = gr.HTML(elem_id=f"sum-{name}")
    return box, line, button


def _method(found: dict[str, gr.components.Component]) -> gr.HTML:
    with gr.Column(elem_classes="da-card"):
        gr.HTML(cards.section(4, "Training"))
        found["preset"] = gr.Radio(
            [(name.capitalize(), name) for name in PRESETS],
            value=START.preset,
            label="Preset",
            elem_id="preset",
        )
        preset_line = gr.HTML(cards.quiet(labels.preset_line(START.preset)))
        found["method"] = gr.Dropdown(
            [(labels.method(name), name) for name in METHODS],
            value=START.method,
            label="Method",
            elem_id="method",
        )
        with gr.Row():
            # Text, not numbers: a number field turns what it cannot read into 0.
            found["rounds"] = gr.Textbox(
                str(START.rounds),
                label="Rounds a context",
                info="Answers sampled to measure",
                max_lines=1,
                elem_id="rounds",
            )
            found["seed"] = gr.Textbox(
                str(START.seed), label="Seed", info="Same seed, same run", max_lines=1, elem_id="seed"
            )
        found["stories"] = gr.Checkbox(
            START.stories,
            label="Stories, too",
            info="Train on short stories beside short answers, and measure them; takes several times as long",
            elem_id="stories",
        )
        found["base_model"] = gr.Dropdown(
            list(ALLOWED), value=DEFAULT_MODEL, label="Base model", elem_id="base-model"
        )
    return preset_line


def _advanced(found: dict[str, gr.components.Component]) -> dict[str, gr.components.Component]:
    knobs: dict[str, gr.components.Component] = {}
    with gr.Accordion("Advanced", open=False, elem_classes="da-card", elem_id="advanced"):
        found["name"] = gr.Textbox(label="Name of the run", placeholder="made from the settings", max_lines=1)
        gr.HTML(cards.quiet("A blank field takes the preset’s value, shown in grey."))
        for start in range(0, len(forms.ADVANCED), 2):
            with gr.Row():
                for name in forms.ADVANCED[start : start + 2]:
                    knobs[name] = _knob(name)
        found["steering"] = gr.Radio(
            [(name.capitalize(), name) for name in STEERING_POOLS],
            value=START.steering,
            label="Steering tokens",
            info="Digits and letters, or spare special tokens that decoders drop",
        )
        found["heldout_contexts"] = gr.Textbox(
            label="Held-out contexts",
            info="Never trained on, measured by themselves: a number, or names, one a line.",
            lines=1,
            max_lines=10,
            elem_id="heldout-contexts",
        )
        for name, label in (
            ("templates_seen", "Training templates"),
            ("templates_heldout", "Held-out templates"),
        ):
            found[name] = gr.Textbox(
                label=label,
                info="One a line, each with {context}. Blank takes the built-in ones.",
                lines=2,
                max_lines=10,
            )
    return knobs


def _knob(name: str) -> gr.components.Component:
    label, info = labels.knob(name)
    if name in CHOICES:
        preset = getattr(PRESETS[START.preset], name)
        return gr.Dropdown(
            [forms.AS_PRESET, *CHOICES[name]],
            value=forms.AS_PRESET,
            label=label,
            info=f"{info}. Preset: {preset}",
            elem_id=f"knob-{name}",
        )
    preset = getattr(PRESETS[START.preset], name, None)
    shown = forms.default_of(name) if preset is None else f"{preset:g}"
    return gr.Textbox(label=label, info=info, placeholder=shown, max_lines=1, elem_id=f"knob-{name}")
