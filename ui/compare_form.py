"""The controls and outputs of the Compare tab, by name, without their events."""

from __future__ import annotations

from typing import Any

import gradio as gr

from distalign.results import SPLITS
from distalign.training_config import PRESETS
from jobs.compare_choice import HEADLINE
from jobs.datasets import METHODS
from jobs.naming import METHODS_SHORT
from ui import cards, labels, pager
from ui.compare_details import EVERY, FEW
from ui.wiring import CHOOSE_JS, OPEN

POLL_SECONDS = 2.0
# Side by side where there is room, one above the other on a phone.
WIDE: dict[str, Any] = OPEN | {"min_width": 280}
CONTEXT_CHOICES = [("Largest errors", FEW), ("All", EVERY)]


def build_chooser() -> dict[str, Any]:
    """The card that says what is compared, how far it is, and what can be queued."""
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


def build_figures() -> dict[str, Any]:
    """The card of the figures over all contexts."""
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


def build_details() -> dict[str, Any]:
    """Three cards: the shares of a category, the error of each context, and the answers to one prompt."""
    return _build_shares() | _build_heat() | _build_answers()


def _build_shares() -> dict[str, Any]:
    with gr.Column(elem_classes="da-card"):
        gr.HTML(cards.heading("Realized against target", "One block a context, the largest error first."))
        with gr.Row():
            category = gr.Dropdown(
                [],
                label="Share of",
                info="The category that the chart counts",
                elem_id="compare-category",
                **WIDE,
            )
            with gr.Column(min_width=280) as box:
                contexts = gr.Radio(
                    CONTEXT_CHOICES,
                    label="Contexts",
                    info="Those with the largest errors, or all",
                    value=FEW,
                    elem_id="compare-contexts",
                    interactive=True,
                )
        legend = gr.HTML(apply_default_css=False)
        chart = gr.Plot(show_label=False, container=False, elem_classes="da-chart", elem_id="compare-shares")
        turns = pager.build("compare-shares")
        table = gr.HTML(apply_default_css=False, elem_id="compare-shares-table")
    found = {"category": category, "contexts": contexts, "contexts_box": box, "share_legend": legend}
    return found | {"share_chart": chart, "share_table": table} | _parts("share", turns)


def _build_heat() -> dict[str, Any]:
    with gr.Column(elem_classes="da-card"):
        gr.HTML(
            cards.heading(
                "Where the error is",
                "MAE of each context; the stronger the colour, the further above its noise floor.",
            )
        )
        heat = gr.HTML(apply_default_css=False, elem_id="compare-heat")
        return {"heat": heat} | _parts("heat", pager.build("compare-heat"))


def _parts(name: str, turns: pager.Pager) -> dict[str, Any]:
    return {f"{name}_back": turns.back, f"{name}_forward": turns.forward, f"{name}_position": turns.position}


def _build_answers() -> dict[str, Any]:
    with gr.Column(elem_classes="da-card"):
        gr.HTML(
            cards.heading(
                "The same prompt, answered by each",
                "All answers to one prompt, the commonest first; the bars are shares of them. "
                "A context's rounds are spread over its prompts.",
            )
        )
        with gr.Row():
            context = gr.Dropdown(
                [], label="Context", info="What the prompt asks about", elem_id="compare-context", **WIDE
            )
            prompt = gr.Dropdown(
                [],
                label="Prompt",
                info="Every method was asked this, word for word",
                elem_id="compare-prompt",
                scale=2,
                **WIDE,
            )
        answers = gr.HTML(apply_default_css=False, elem_id="compare-answers")
    return {"context": context, "prompt": prompt, "answers": answers}
