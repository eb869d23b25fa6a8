"""Kept plays on the Play tab: the list of earlier questions, one opened again, and its files."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import replace
from functools import partial
from typing import Any

import gradio as gr

from distalign.errors import DistalignError, SpecError
from distalign.models import ALLOWED
from distalign.spec import DEFAULT_MODEL
from jobs.kept_plays import found, voice_of, write_csv_rows, write_json
from jobs.play import Played
from storage import Store
from storage.plays import Play
from ui import cards, play_view
from ui.downloads import Folder
from ui.play_prompt import MAX_LISTED_RUNS, Place, template_choices
from ui.play_stream import asking_buttons
from ui.present import ago, esc
from ui.results import run_label
from ui.wiring import hands_over

OWN_BASE, NO_BASE = ("That of the adapters", "own"), ("None", "none")
SHOWN_PROMPT = 200
MAX_ID = 100
DELETE = "delete"
# What is offered: its label, and what writes it.
FILES = {"json": ("Everything (JSON)", write_json), "csv": ("Answers (CSV)", write_csv_rows)}


# --- the list ----------------------------------------------------------------------------


def earlier(store: Store, current: str) -> str:
    """The kept plays, newest first; each line is a link to its play."""
    return earlier_html(store.plays(), current, time.time())


def earlier_html(plays: Sequence[Play], current: str, now: float) -> str:
    if not plays:
        return cards.quiet("Nothing was asked yet. What is asked is listed here.")
    lines = "".join(_line(play, play.id == current, now) for play in plays)
    return f'<nav class="da-earlier" aria-label="Earlier questions">{lines}</nav>'


def _line(play: Play, current: bool, now: float) -> str:
    who = ", ".join(play_view.title_of(voice_of(voice)) for voice in play.voices)
    came = min((voice.rounds for voice in play.voices), default=0)
    rounds = f"{came:,}" if play.complete else f"{came:,} of {play.rounds:,}"
    prompt = " ".join(play.prompt.split())[:SHOWN_PROMPT]
    return (
        f'<a href="?tab=play&amp;play={esc(play.id)}" data-play="{esc(play.id)}" '
        f'aria-current="{"true" if current else "false"}"><span class="t">{esc(prompt)}</span>'
        f'<span class="w">{esc(who)}</span><span class="m">{rounds} rounds · {ago(play.created_at, now)}</span></a>'
    )


# --- opened again ------------------------------------------------------------------------


def opened(store: Store, play_id: str) -> Played:
    """The play that an address or a link names; StoreError for none."""
    return found(store, str(play_id)[:MAX_ID])


def form_of(store: Store, selected: str, place: Place, played: Played) -> list[Any]:
    """Place, runs, template, context, prompt, note, base model, rounds, tokens and seed of a kept play.

    Runs that are gone are left out: they cannot be asked again.
    """
    ids = [voice.run for voice in played.voices if voice.run]
    listed = {run.id: run for run in store.runs_with_adapter(MAX_LISTED_RUNS, also=selected)}
    for run_id in ids:
        listed |= {run.id: run for run in store.runs_with_adapter(0, also=run_id)}
    choices = tuple((run_label(run), run.id) for run in listed.values())
    runs = [run_id for run_id in ids if run_id in listed]
    lead = next(iter(runs), "")
    question = played.question
    return [
        replace(place, selected=selected, choices=choices, lead=lead, picked=(None, None)),
        gr.update(choices=list(choices), value=runs),
        *_lists_of(store, lead),
        question.prompt,
        play_view.target_note(played.aim),
        base_choice(played, runs),
        f"{question.rounds}",
        f"{question.tokens}",
        f"{question.seed}",
    ]


def _lists_of(store: Store, lead: str) -> list[Any]:
    """The templates and contexts of a run to choose from, none chosen."""
    templates: list[Any] = []
    contexts: list[Any] = []
    if lead:
        try:
            spec = store.run(lead).spec
            templates = template_choices(spec)
            contexts = [(name, i) for i, name in enumerate(spec.contexts.names)]
        except SpecError:
            # Stored by a version that allowed what this one does not: the answers can be looked at all the same.
            pass
    return [gr.update(choices=choices, value=None) for choices in (templates, contexts)]


def base_choice(played: Played, runs: Sequence[str]) -> str:
    """The choice of a base model that asks as it was asked; ``runs`` are those that can be asked again."""
    asked = [voice.base_model for voice in played.voices if not voice.run]
    own = list(dict.fromkeys(voice.base_model for voice in played.voices if voice.run in runs))
    if not asked:
        return NO_BASE[1]
    if asked == (own or [DEFAULT_MODEL]) or asked[0] not in ALLOWED:
        return OWN_BASE[1]
    return asked[0]


def deleted(store: Store) -> list[Any]:
    """The results after a play was deleted; the question stays in the form."""
    told = cards.empty("The question and its answers are deleted", "Press Sample to ask it again.")
    gone = [told, "", "", gr.update(visible=False), gr.update(visible=False), ""]
    return [*gone, earlier(store, ""), *asking_buttons(busy=False)]


# --- files -------------------------------------------------------------------------------


def build_downloads() -> dict[str, Any]:
    """The buttons, by what their events need."""
    file = gr.DownloadButton(elem_id="play-file", elem_classes="da-hidden")
    with gr.Row(elem_classes="da-actions"):
        buttons = {
            kind: gr.Button(label, size="md", elem_id=f"play-download-{kind}")
            for kind, (label, _) in FILES.items()
        }
        buttons[DELETE] = gr.Button("Delete this question", size="md", elem_id="play-delete")
    return {"file": file, "note": gr.HTML(elem_id="play-file-note"), **buttons}


def wire_downloads(store: Store, folder: Folder, kept: gr.Textbox, parts: dict[str, Any]) -> None:
    """Each button makes its file of the play whose id ``kept`` holds."""
    for kind in FILES:
        hands_over(parts[kind], partial(make_file, store, folder, kind), [kept], parts["file"], parts["note"])


def make_file(store: Store, folder: Folder, kind: str, play_id: str) -> list[Any]:
    """A kept play as one of :data:`FILES`, and what went wrong."""
    try:
        if not play_id:
            raise SpecError("play", "no answer is kept yet", "Wait for the first answers")
        played = opened(store, play_id)
        path = folder.place(f"distalign-play-{played.id}.{kind}")
        FILES[kind][1](played, path)
    except DistalignError as error:
        return [None, cards.error_note(error)]
    return [str(path), ""]
