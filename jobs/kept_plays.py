"""Plays as the database keeps them: written while answers come, read again, and as files."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from dataclasses import asdict, replace
from typing import Any, TypeVar

from distalign.play import Drawn, Question, Voice
from jobs.export import Target, open_target, write_csv
from jobs.play import Aim, Played
from jobs.play_report import as_json
from storage import Store
from storage.plays import COMPLETE, STOPPED, Play, PlayAnswer, PlayVoice

# A row for each voice and different answer; the voice's own figures stand in each of its rows.
OF_PLAY = (
    "play_id", "created_at", "state", "prompt", "rounds_asked", "seed", "tokens", "attribute", "target_note",
)  # fmt: skip
OF_VOICE = (
    "voice", "base_model", "run_id", "title", "method", "adapter", "run_now", "rounds", "unclassified", "mae",
    "noise_floor",
)  # fmt: skip
COLUMNS = (*OF_PLAY, *OF_VOICE, "text", "count", "category", "category_target", "category_count")

T = TypeVar("T")


def kept(store: Store, played: Played, told: Iterable[T | Drawn]) -> Iterator[tuple[T | Drawn, Played]]:
    """What is told, each with all that was played so far.

    Every batch of answers is in the database before it is handed on, so that a play which is
    stopped, or fails, keeps what came. Where nothing came, nothing is kept.

    Raises:
        DistalignError: as ``told`` does, and where the database cannot be written.
    """
    for one in told:
        if isinstance(one, Drawn):
            if not played.id:
                play = _added(store, played)
                played = replace(played, id=play.id, created_at=play.created_at)
            played = played.with_drawn(one)
            store.add_play_answers(
                played.id,
                [PlayAnswer(one.voice, text, count, played.read(text)) for text, count in one.answers],
            )
        yield one, played


def _added(store: Store, played: Played) -> Play:
    asked = asdict(played.question)
    voices = [
        PlayVoice(v.base_model, v.run or None, v.title or None, v.method or None, v.digest or None)
        for v in played.voices
    ]
    return store.add_play(**asked, wanted=played.aim and asdict(played.aim), voices=voices)


def found(store: Store, play_id: str) -> Played:
    """A kept play, by (the beginning of) its id.

    Raises:
        StoreError: for an unknown id, or the beginning of several.
    """
    play = store.find_play(play_id)
    counts: list[dict[str, int]] = [{} for _ in play.voices]
    read: dict[str, int | None] = {}
    for answer in store.play_answers(play.id):
        counts[answer.voice][answer.text] = answer.count
        read[answer.text] = answer.category
    return Played(
        Question(play.prompt, play.rounds, play.seed, play.tokens),
        tuple(voice_of(voice) for voice in play.voices),
        tuple(counts),
        _aim(play),
        read.get,
        play.id,
        play.created_at,
        tuple(voice.run_now for voice in play.voices),
    )


def listed(play: Play) -> dict[str, Any]:
    """A play as the list of plays has it: without its answers."""
    values = {name: getattr(play, name) for name in ("prompt", "rounds", "seed", "tokens")}
    values["state"] = COMPLETE if play.complete else STOPPED
    voices = [_listed_voice(voice) for voice in play.voices]
    return {"play_id": play.id, "created_at": play.created_at} | values | {"voices": voices}


def _listed_voice(voice: PlayVoice) -> dict[str, Any]:
    values = asdict(voice)
    return {"base_model": values.pop("base_model"), "run_id": values.pop("run")} | values


def voice_of(kept_voice: PlayVoice) -> Voice:
    """Who answered, to be shown: not to be asked again."""
    return Voice(
        kept_voice.base_model,
        kept_voice.run or "",
        kept_voice.title or "",
        kept_voice.method or "",
        digest=kept_voice.adapter or "",
    )


def _aim(play: Play) -> Aim | None:
    if play.wanted is None:
        return None
    values = dict(play.wanted)
    target = values.pop("target")
    return Aim(
        **values | {"categories": tuple(values["categories"])},
        target=None if target is None else tuple(target),
    )


def write_json(played: Played, target: Target) -> None:
    """Everything that was played, as one object."""
    with open_target(target) as stream:
        stream.write(json.dumps(as_json(played), ensure_ascii=False) + "\n")


def write_csv_rows(played: Played, target: Target) -> None:
    """The same as a row for each voice and different answer."""
    with open_target(target) as stream:
        write_csv(stream, COLUMNS, _rows(as_json(played)))


def _rows(whole: dict[str, Any]) -> Iterator[dict[str, Any]]:
    of_play = whole | {"rounds_asked": whole["rounds"]}
    of_play = {name: of_play[name] for name in OF_PLAY}
    targets = whole["target"] or {}
    for number, voice in enumerate(whole["voices"], 1):
        of_voice = {name: voice.get(name) for name in OF_VOICE} | {"voice": number}
        # A voice that was not heard has a row, too.
        for answer in voice["answers"] or [{"text": None, "count": 0}]:
            category = answer.get("category")
            yield (
                of_play
                | of_voice
                | answer
                | {
                    "category_target": targets.get(category),
                    "category_count": voice.get("counts", {}).get(category),
                }
            )
