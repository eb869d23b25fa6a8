"""The Train tab's settings: training, templates and phrasings, and what only an expert needs."""

from __future__ import annotations

import gradio as gr

from distalign.models import ALLOWED
from distalign.planner import CONFIDENCE, POWER
from distalign.spec import DEFAULT_MODEL, METHODS, STEERING_POOLS
from distalign.story_config import JUDGES
from distalign.training_config import CHOICES, FIELD_TYPES, PRESETS, reads
from ui import cards, forms, labels
from ui.form_from_spec import default_of
from ui.train_form import START, Controls

# The knobs by what they turn.
KNOB_GROUPS: dict[str, tuple[str, ...]] = {
    "Steps and adapter": (
        "steps", "warmup_steps", "prompts_per_step", "answers_per_step", "optimizer", "learning_rate",
        "lora_rank", "adapted_layers",
    ),
    "Loss": (
        "kl_weight", "kto_weight", "beta", "kto_over", "sft_weight", "anchor_weight", "retain_weight",
    ),
    "Sampling and precision": (
        "temperature", "top_p", "top_k", "max_new_tokens", "exact_epsilon", "precision",
    ),
    "Stories and examples": ("story_tokens", "story_rounds", "few_shot"),
}  # fmt: skip
TEMPLATE_LABELS = {
    "templates_seen": (
        "Training templates",
        "Each with {context}; {attribute} and {options} are filled in, too",
    ),
    "templates_heldout": ("Held-out templates", "Never trained on; the result is measured with them"),
    "phrasings": ("Phrasings of an answer", "Each with {category}; {attribute} is filled in, too"),
    "story_seen": ("Story templates", "They ask for a story"),
    "story_heldout": ("Held-out story templates", "Never trained on"),
}


def training(c: Controls) -> None:
    with gr.Column(elem_classes="da-card"):
        gr.HTML(cards.section(4, "Training"))
        c.fields["preset"] = gr.Radio(
            [(name.capitalize(), name) for name in PRESETS],
            value=START.preset,
            label="Preset",
            info="How long it trains",
            elem_id="preset",
        )
        c.others["preset_line"] = gr.HTML(
            cards.quiet(labels.preset_line(START.preset, PRESETS[START.preset].steps))
        )
        c.fields["method"] = gr.Dropdown(
            [(labels.method(name), name) for name in METHODS],
            value=START.method,
            label="Method",
            info="The method of this project, or another to compare it with",
            elem_id="method",
        )
        with gr.Row():
            c.fields["base_model"] = gr.Dropdown(
                list(ALLOWED),
                value=DEFAULT_MODEL,
                label="Base model",
                info="What is tuned",
                elem_id="base-model",
            )
            # Text, not numbers: a number field turns what it cannot read into 0.
            c.fields["rounds"] = gr.Textbox(
                str(START.rounds),
                label="Rounds a context",
                info="Answers sampled on each split",
                max_lines=1,
                elem_id="rounds",
            )
        _planner(c)
        c.fields["stories"] = gr.Checkbox(
            START.stories,
            label="Stories, too",
            info=labels.stories(START.method),
            elem_id="stories",
        )
        c.fields["judge"] = gr.Radio(
            [("Words", JUDGES[0]), ("A language model", JUDGES[1])],
            value=START.judge,
            label="Who reads the stories",
            info="The judge that comes with the attribute, or the endpoint that the server is set up with",
            visible=False,
            elem_id="judge",
        )
        c.error("training")


# What the planner is asked, beside the target: name, first value, label, and what it is.
PLANNER = (
    ("gap", "5", "Gap to see, in points", "How far a share may be off before you must know"),
    (
        "confidence",
        f"{100 * CONFIDENCE:g}",
        "Confidence, in %",
        "How rarely a perfect model may raise an alarm",
    ),
    ("power", f"{100 * POWER:g}", "Power, in %", "How often such a gap must be found"),
)


def template_info(name: str, method: str) -> str:
    """The sentence beneath a box of templates or phrasings: what a method takes them for."""
    if not reads(method, forms.TEMPLATE_BOXES[name]):
        return "This method reads none. Runs are held against each other only where these are the same"
    examples = name == "phrasings" and reads(method, "few_shot")
    return TEMPLATE_LABELS[name][1] + (". They answer the few-shot examples" if examples else "")


def _planner(c: Controls) -> None:
    with gr.Accordion("How many rounds do I need?", open=False, elem_id="planner"):
        with gr.Row():
            for name, value, label, info in PLANNER:
                c.others[name] = gr.Textbox(
                    value, label=label, info=info, max_lines=1, min_width=150, elem_id=name
                )
        c.others["planned"] = gr.HTML(elem_id="planned", apply_default_css=False)
        with gr.Row(elem_classes="da-actions"):
            c.others["use_alone"] = gr.Button("Set it for each context", size="sm", elem_id="use-alone")
            c.others["use_overall"] = gr.Button("Set it for the mean", size="sm", elem_id="use-overall")


def templates(c: Controls) -> None:
    with gr.Accordion("Templates and phrasings", open=False, elem_classes="da-card", elem_id="templates"):
        gr.HTML(
            cards.quiet(
                "One a line (\\n is a line break). A blank box takes the built-in ones; the button writes these out, to be changed."
            )
        )
        c.others["write_out"] = gr.Button(
            "Write out the built-in ones", size="sm", elem_id="write-out", elem_classes="da-fit"
        )
        for name, (label, _) in TEMPLATE_LABELS.items():
            c.fields[name] = gr.Textbox(
                label=label,
                info=template_info(name, START.method),
                lines=2,
                max_lines=10,
                visible=not name.startswith("story"),
                elem_id=name.replace("_", "-"),
            )
        c.error("templates")


def advanced(c: Controls) -> None:
    with gr.Accordion("Advanced", open=False, elem_classes="da-card", elem_id="advanced"):
        with gr.Row():
            c.fields["name"] = gr.Textbox(
                label="Name of the run",
                info="What lists and reports call it",
                placeholder="made from the settings",
                max_lines=1,
                elem_id="run-name",
            )
            c.fields["seed"] = gr.Textbox(
                str(START.seed), label="Seed", info="Same seed, same run", max_lines=1, elem_id="seed"
            )
        c.fields["heldout_contexts"] = gr.Textbox(
            label="Held-out contexts",
            info="Never trained on, measured by themselves: a number, or names, one a line.",
            lines=1,
            max_lines=10,
            elem_id="heldout-contexts",
        )
        c.fields["steering"] = gr.Radio(
            [(name.capitalize(), name) for name in STEERING_POOLS],
            value=START.steering,
            label="Steering tokens",
            info="Digits and letters, or spare special tokens that decoders drop",
            elem_id="steering",
        )
        gr.HTML(cards.quiet("A blank field takes the preset’s value, shown in grey."))
        for title, names in KNOB_GROUPS.items():
            _knobs(c, title, names)
        c.fields["more"] = gr.Textbox(
            label="Further fields",
            info="YAML: fields of a specification. They replace what the form says.",
            placeholder="target:\n  gender: real\n  race: even",
            lines=2,
            max_lines=14,
            elem_id="more",
        )
        c.error("advanced")


def _knobs(c: Controls, title: str, names: tuple[str, ...]) -> None:
    used = forms.knobs_in_use(START.method, START.stories)
    heading = gr.HTML(f'<h3 class="da-knobs">{title}</h3>', visible=any(name in used for name in names))
    c.others[f"knobs-{title}"] = heading
    with gr.Row(elem_classes="da-knob-grid"):
        for name in names:
            c.fields[name] = _knob(name, name in used)


def _knob(name: str, visible: bool) -> gr.components.Component:
    label, info = labels.knob(name)
    if name in CHOICES:
        preset = getattr(PRESETS[START.preset], name)
        return gr.Dropdown(
            [forms.AS_PRESET, *CHOICES[name]],
            value=forms.AS_PRESET,
            label=label,
            info=f"{info}. Preset: {preset}",
            visible=visible,
            elem_id=f"knob-{name}",
        )
    preset = getattr(PRESETS[START.preset], name) if name in FIELD_TYPES else None
    shown = default_of(name) if preset is None else f"{preset:g}"
    return gr.Textbox(
        label=label, info=info, placeholder=shown, max_lines=1, visible=visible, elem_id=f"knob-{name}"
    )
