"""The Play tab: one prompt asked of base models and adapters, their histograms side by side."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, fields
from functools import partial
from typing import Any
from urllib.parse import parse_qs

import gradio as gr

from distalign.errors import DistalignError
from distalign.folders import DataFolder
from distalign.models import ALLOWED
from distalign.play import MAX_PROMPT, MAX_ROUNDS, MAX_TOKENS, Question
from jobs.kept_plays import kept
from jobs.play import MAX_RUNS, Played, voices_of
from jobs.play_desk import Asking, Desk
from storage import RunState, Store
from storage.plays import MOST_PLAYS
from ui import cards, play_kept, play_prompt, play_view
from ui.downloads import Folder
from ui.forms import require_listed
from ui.play_kept import NO_BASE, OWN_BASE
from ui.play_prompt import START_PROMPT, Place, chosen, noted, picked
from ui.play_stream import question_of, streamed, whole
from ui.wiring import CHOOSE_JS, LATEST, ONE_BY_ONE, OPEN, QUIET

# Sessions that may wait for their answers at the same time; each keeps a thread of the page.
MAX_WAITING = 16
START = Question(START_PROMPT)
CATEGORIES, ANSWERS = "category", "answer"
SHOW_JS = "(by) => { document.querySelector('#play-voices').dataset.by = by }"
PLAYED_JS = "(play) => window.distalign.played(play)"
# The address is read where it is: in the browser.
READ_ADDRESS_JS = "(...given) => [window.location.search, ...given.slice(1)]"
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
class Results:
    """What shows a play, in the order in which it is sent; ``kept`` holds its id."""

    status: gr.HTML
    voices: gr.HTML
    answers: gr.HTML
    by: gr.Radio
    card: gr.Column
    kept: gr.Textbox
    earlier: gr.HTML
    sample: gr.Button
    stop: gr.Button


# Outputs that are what a question is made of, and those that show a play.
FORM, RESULTS = 10, len(fields(Results))


@dataclass(frozen=True)
class PlayTab:
    """``show`` offers the runs there are now, and opens the play that the address names.

    The first of its inputs is the address, which ``READ_ADDRESS_JS`` reads.
    """

    inputs: list[Any]
    outputs: list[Any]
    show: Callable[..., list[Any]]
    kept: gr.Textbox


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
    tab = _wire_answers(store, Desk(data), place, selected, c, results, files[play_kept.DELETE])
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


def _wire_answers(
    store: Store,
    desk: Desk,
    place: gr.State,
    selected: gr.Textbox,
    c: Controls,
    r: Results,
    delete_button: gr.Button,
) -> PlayTab:
    """Sampling, stopping, and opening or deleting what was kept."""
    asked: dict[str, Asking] = {}
    results = list(vars(r).values())

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
        beside = store.count_runs(RunState.RUNNING) > 0
        coming = kept(store, played, asking)
        try:
            for sent in streamed(coming, played, partial(play_kept.earlier, store), beside=beside):
                if asked.get(request.session_hash) is not asking:
                    # Another play was opened in its place.
                    return
                yield sent
        finally:
            # Also when the page is left.
            asking.stop()
            if asked.get(request.session_hash) is asking:
                del asked[request.session_hash]

    def stop(request: gr.Request) -> None:
        asking = asked.get(request.session_hash)
        if asking is not None:
            asking.stop()

    def choose(place: Place, run_id: str, event: gr.EventData, request: gr.Request) -> list[Any]:
        try:
            sent = _opened(store, str(event.play), run_id, place)
        except DistalignError as error:
            raise gr.Error(str(error), print_exception=False) from error
        put_aside(request)
        return sent

    def delete(play_id: str, request: gr.Request) -> list[Any]:
        put_aside(request)
        try:
            store.delete_play(str(play_id))
        except DistalignError as error:
            return [cards.error_note(error), *[gr.skip()] * (len(results) - 1)]
        return play_kept.deleted(store)

    def put_aside(request: gr.Request) -> None:
        if (asking := asked.pop(request.session_hash, None)) is not None:
            asking.stop()

    outputs = [
        place, c.runs, c.template, c.context, c.prompt, c.note, c.base, c.rounds, c.tokens, c.seed, *results,
    ]  # fmt: skip
    gr.on(
        [c.sample.click, c.prompt.submit], sample, [c.runs, c.base, c.prompt, c.rounds, c.tokens, c.seed], results,
        js=SAMPLE_JS, concurrency_limit=MAX_WAITING, trigger_mode="once", **QUIET,
    )  # fmt: skip
    c.stop.click(stop, None, None, **QUIET)
    delete_button.click(delete, r.kept, results, **QUIET)
    r.earlier.choose(choose, [place, selected], outputs, js=SAMPLE_JS, **QUIET)
    inputs = [r.kept, selected, place, c.runs, c.prompt, r.kept]
    return PlayTab(inputs, outputs, partial(show, store), r.kept)


def show(
    store: Store, query: str, selected: str, place: Place, runs: Any, prompt: str, kept_id: str
) -> list[Any]:
    """The runs to choose from and what follows from them, and the play that the address names; what is new of it."""
    play_id = parse_qs(str(query or "").lstrip("?")).get("play", [""])[-1]
    told: Any = gr.skip()
    if play_id and play_id != kept_id:
        try:
            return _opened(store, play_id, selected, place)
        except DistalignError as error:
            told = cards.error_note(error)
    form = play_prompt.show(store, selected, place, runs, prompt)
    return [*form, *[gr.skip()] * (FORM - len(form)), told, *[gr.skip()] * (RESULTS - 1)]


def _opened(store: Store, play_id: str, selected: str, place: Place) -> list[Any]:
    """The whole tab for a kept play; StoreError where there is none."""
    played = play_kept.opened(store, play_id)
    buttons = [gr.update(interactive=True), gr.update(interactive=False)]
    return [*play_kept.form_of(store, selected, place, played), *whole(played), gr.skip(), *buttons]
