"""Asking on the Play tab: sampling, stopping, and opening or deleting what was kept."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, fields
from functools import partial
from typing import Any
from urllib.parse import parse_qs

import gradio as gr

from distalign.errors import DistalignError
from jobs.kept_plays import kept
from jobs.play import Played, voices_of
from jobs.play_desk import Asking, Desk
from storage import RunState, Store
from ui import cards, play_kept, play_prompt
from ui.forms import require_listed
from ui.play_kept import NO_BASE, OWN_BASE
from ui.play_prompt import Place
from ui.play_stream import asking_buttons, question_of, streamed, whole
from ui.wiring import QUIET

# Sessions that may wait for their answers at the same time; each keeps a thread of the page.
MAX_WAITING = 16
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


def base_of(chosen: Any) -> dict[str, Any]:
    """Which base model is asked, as :func:`jobs.play.voices_of` takes it.

    Raises:
        SpecError: for a model that is not on the list.
    """
    if chosen in (OWN_BASE[1], NO_BASE[1]):
        return {"base": chosen == OWN_BASE[1]}
    require_listed(str(chosen))
    return {"base": True, "model": chosen}


def wire_answers(
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
                    # Another play was opened in its place, or it was deleted.
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
        try:
            store.delete_play(str(play_id))
        except DistalignError as error:
            return [cards.error_note(error), *[gr.skip()] * (len(results) - 1)]
        put_aside(request)
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
    form = play_kept.form_of(store, selected, place, played)
    return [*form, *whole(played), gr.skip(), *asking_buttons(busy=False)]
