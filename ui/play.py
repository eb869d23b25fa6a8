"""The Play tab: one prompt asked of base models and adapters, their histograms side by side."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from typing import Any

import gradio as gr

from distalign.errors import DistalignError
from distalign.folders import DataFolder
from distalign.models import ALLOWED
from distalign.play import MAX_PROMPT, MAX_ROUNDS, MAX_TOKENS, Question
from jobs.play import MAX_RUNS, Played, voices_of
from jobs.play_desk import Asking, Desk
from storage import RunState, Store
from ui import cards, play_view
from ui.forms import require_listed
from ui.play_prompt import START_PROMPT, Place, chosen, noted, picked, show
from ui.play_stream import question_of, streamed
from ui.wiring import LATEST, ONE_BY_ONE, OPEN, QUIET

# Sessions that may wait for their answers at the same time; each keeps a thread of the page.
MAX_WAITING = 16
START = Question(START_PROMPT)
CATEGORIES, ANSWERS = "category", "answer"
OWN_BASE, NO_BASE = ("That of the adapters", "own"), ("None", "none")
SHOW_JS = "(by) => { document.querySelector('#play-voices').dataset.by = by }"
# On a narrow page the histograms lie beneath what was pressed.
SAMPLE_JS = """(...given) => {
  if (window.innerWidth < 900) document.querySelector('#play-status').scrollIntoView({behavior: 'smooth'});
  return given;
}"""


@dataclass(frozen=True)
class Controls:
    """What a question is made of."""

    runs: gr.Dropdown
    base: gr.Dropdown
    template: gr.Dropdown
    context: gr.Dropdown
    prompt: gr.Textbox
    note: gr.HTML
    rounds: gr.Textbox
    tokens: gr.Textbox
    seed: gr.Textbox
    sample: gr.Button
    stop: gr.Button


@dataclass(frozen=True)
class PlayTab:
    """``show`` offers the runs there are now, and the selected one if it is another than before."""

    inputs: list[Any]
    outputs: list[Any]
    show: Callable[..., list[Any]]


def build(store: Store, data: DataFolder, selected: gr.Textbox) -> PlayTab:
    """The tab, with the events among its own controls."""
    place = gr.State(Place())
    with gr.Row(equal_height=False):
        with gr.Column(scale=5, min_width=320, elem_classes="da-card"):
            c = _controls()
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
    by.change(None, by, None, js=SHOW_JS, **QUIET)
    _wire_question(store, place, selected, c)
    results = [status, voices, answers, by, answers_card, c.sample, c.stop]
    _wire_sampling(store, Desk(data), c, results)
    outputs = [place, c.runs, c.template, c.context, c.prompt, c.note]
    return PlayTab([selected, place, c.runs, c.prompt], outputs, partial(show, store))


def _controls() -> Controls:
    gr.HTML(cards.heading("Ask", "One prompt, many rounds. What comes is counted here and not kept."))
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


def base_of(chosen: Any) -> dict[str, Any]:
    """Which base model is asked, as :func:`jobs.play.voices_of` takes it.

    Raises:
        SpecError: for a model that is not on the list.
    """
    if chosen in (OWN_BASE[1], NO_BASE[1]):
        return {"base": chosen == OWN_BASE[1]}
    require_listed(str(chosen))
    return {"base": True, "model": chosen}


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


def _wire_sampling(store: Store, desk: Desk, c: Controls, results: list[Any]) -> None:
    asked: dict[str, Asking] = {}

    def sample(
        runs: Any, base: str, prompt: str, rounds: str, tokens: str, seed: str, request: gr.Request
    ) -> Iterator[list[Any]]:
        try:
            question = question_of(prompt, rounds, tokens, seed)
            asked_base = base_of(base)
            played = Played.nothing(question, voices_of(store, list(runs or ()), **asked_base))
        except DistalignError as error:
            yield [cards.error_note(error), *[gr.skip()] * (len(results) - 1)]
            return
        ids = [voice.run for voice in played.voices if voice.run]
        asking = asked[request.session_hash] = desk.ask(question, ids, **asked_base)
        try:
            yield from streamed(asking, played, beside=store.count_runs(RunState.RUNNING) > 0)
        finally:
            # Also when the page is left.
            asking.stop()
            asked.pop(request.session_hash, None)

    def stop(request: gr.Request) -> None:
        asking = asked.get(request.session_hash)
        if asking is not None:
            asking.stop()

    inputs = [c.runs, c.base, c.prompt, c.rounds, c.tokens, c.seed]
    gr.on(
        [c.sample.click, c.prompt.submit], sample, inputs, results,
        js=SAMPLE_JS, concurrency_limit=MAX_WAITING, trigger_mode="once", **QUIET,
    )  # fmt: skip
    c.stop.click(stop, None, None, **QUIET)
