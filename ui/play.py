"""The Play tab: one prompt asked of base models and adapters, their histograms side by side."""

from __future__ import annotations

from functools import partial

import gradio as gr

from distalign.folders import DataFolder
from distalign.models import ALLOWED
from distalign.play import MAX_PROMPT, MAX_ROUNDS, MAX_TOKENS, Question
from jobs.play import MAX_RUNS
from jobs.play_desk import Desk
from storage import Store
from storage.plays import MOST_PLAYS
from ui import cards, play_kept, play_view
from ui.downloads import Folder
from ui.play_answers import Controls, PlayTab, Results, wire_answers
from ui.play_kept import NO_BASE, OWN_BASE
from ui.play_prompt import START_PROMPT, Place, chosen, noted, picked
from ui.wiring import CHOOSE_JS, LATEST, ONE_BY_ONE, OPEN, QUIET

START = Question(START_PROMPT)
CATEGORIES, ANSWERS = "category", "answer"
SHOW_JS = "(by) => { document.querySelector('#play-voices').dataset.by = by }"
PLAYED_JS = "(play) => window.distalign.played(play)"
# The address is read where it is: in the browser.
READ_ADDRESS_JS = "(...given) => [window.location.search, ...given.slice(1)]"


def build(store: Store, data: DataFolder, folder: Folder, selected: gr.Textbox) -> PlayTab:
    """The tab, with the events among its own controls."""
    place, kept_id = gr.State(Place()), gr.Textbox(visible="hidden", elem_id="play-kept")
    with gr.Row(equal_height=False):
        with gr.Column(scale=5, min_width=320):
            with gr.Column(elem_classes="da-card"):
                c = _controls()
            fold, earlier = _build_earlier()
        with gr.Column(scale=7, min_width=320):
            with gr.Column(elem_classes="da-card"):
                status = gr.HTML(play_view.nothing_yet(), apply_default_css=False, elem_id="play-status")
                by = gr.Radio(
                    [("Categories", CATEGORIES), ("Answers", ANSWERS)],
                    value=CATEGORIES, label="Count", info="What a bar stands for", elem_id="play-by", visible=False, interactive=True,
                )  # fmt: skip
                voices = gr.HTML(apply_default_css=False, elem_id="play-voices")
            with gr.Column(elem_classes="da-card", visible=False) as answers_card:
                gr.HTML(
                    cards.heading("Answers", "Distinct answers, steering tokens removed, with their counts.")
                )
                answers = gr.HTML(apply_default_css=False, elem_id="play-answers")
                files = play_kept.build_downloads()
    by.change(None, by, None, js=SHOW_JS, **QUIET)
    kept_id.change(None, kept_id, None, js=PLAYED_JS, **QUIET)
    _wire_question(store, place, selected, c)
    results = Results(status, voices, answers, by, answers_card, kept_id, earlier, c.sample, c.stop)
    tab = wire_answers(store, Desk(data), place, selected, c, results, files[play_kept.DELETE])
    fold.expand(partial(play_kept.earlier, store), kept_id, earlier, **QUIET)
    play_kept.wire_downloads(store, folder, kept_id, files)
    return tab


def on_select(tab: PlayTab, item: gr.Tab) -> None:
    """Fill the tab when it is opened, and keep what it shows in the address."""
    filled = item.select(tab.show, tab.inputs, tab.outputs, js=READ_ADDRESS_JS, **QUIET)
    filled.then(None, tab.kept, None, js=PLAYED_JS, **QUIET)


def _build_earlier() -> tuple[gr.Accordion, gr.HTML]:
    with gr.Accordion(
        "Earlier questions", open=False, elem_classes="da-card", elem_id="play-history"
    ) as fold:
        gr.HTML(
            cards.quiet(f"The newest {MOST_PLAYS} are kept, for everybody who opens this page."),
            apply_default_css=False,
        )
        earlier = gr.HTML(js_on_load=CHOOSE_JS, apply_default_css=False, elem_id="play-earlier")
    return fold, earlier


def _controls() -> Controls:
    gr.HTML(cards.heading("Ask", "One prompt, many rounds. What comes is counted, and kept as a play."))
    runs = gr.Dropdown(
        [], label="Adapters", info=f"Up to {MAX_RUNS} finished runs", multiselect=True,
        max_choices=MAX_RUNS, elem_id="play-runs", **OPEN,
    )  # fmt: skip
    base = gr.Dropdown(
        [OWN_BASE, *((name, name) for name in ALLOWED), NO_BASE], value=OWN_BASE[1],
        label="Base model beside them", info="As it was before any training; without adapters the bundled one",
        elem_id="play-base", **OPEN,
    )  # fmt: skip
    template = gr.Dropdown(
        [],
        label="Template of the first run",
        info="Fills in the prompt below",
        elem_id="play-template",
        **OPEN,
    )
    context = gr.Dropdown(
        [], label="Context", info="What the template asks about", elem_id="play-context", **OPEN
    )
    prompt = gr.Textbox(
        START.prompt, label="Prompt", info="As the model reads it; edit it as you like", lines=3,
        max_lines=12, max_length=MAX_PROMPT, elem_id="play-prompt",
    )  # fmt: skip
    note = gr.HTML(elem_id="play-note")
    with gr.Row():
        # Text, not numbers: a number field turns what it cannot read into 0.
        numbers = [
            gr.Textbox(str(value), label=label, info=info, max_lines=1, min_width=90, elem_id=f"play-{name}")
            for name, value, label, info in (
                ("rounds", START.rounds, "Rounds", f"1 to {MAX_ROUNDS:,}"),
                ("tokens", START.tokens, "Longest answer", f"2 to {MAX_TOKENS} tokens"),
                ("seed", START.seed, "Seed", "0 or more"),
            )
        ]
    with gr.Row(elem_classes="da-actions"):
        sample = gr.Button("Sample", variant="primary", size="md", elem_id="play-sample")
        stop = gr.Button("Stop", size="md", interactive=False, elem_id="play-stop")
    return Controls(runs, base, template, context, prompt, note, *numbers, sample, stop)


def _wire_question(store: Store, place: gr.State, selected: gr.Textbox, c: Controls) -> None:
    refilled = [place, c.template, c.context, c.prompt, c.note]
    c.runs.input(
        partial(chosen, store), [selected, place, c.runs, c.prompt], [selected, *refilled], **ONE_BY_ONE
    ).then(None, selected, None, js="(run) => window.distalign.shown('play', run)", **QUIET)
    gr.on(
        [c.template.input, c.context.input], partial(picked, store), [place, c.runs, c.template, c.context],
        [place, c.template, c.context, c.prompt, c.note, c.tokens], **ONE_BY_ONE,
    )  # fmt: skip
    c.prompt.change(partial(noted, store), [c.runs, c.prompt], c.note, **LATEST)
