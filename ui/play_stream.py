"""The results of the Play tab while they come."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from typing import Any

import gradio as gr

from distalign.errors import DistalignError, SpecError, shown
from distalign.play import Drawn, Question
from jobs.play import Played
from jobs.play_desk import Status, Told, Waiting
from ui import cards, play_view
from ui.present import moment, plural


def question_of(prompt: str, rounds: str, tokens: str, seed: str) -> Question:
    """What the controls ask.

    Raises:
        SpecError: for an empty prompt, or a number that cannot be used.
    """
    numbers = {"rounds": rounds, "tokens": tokens, "seed": seed}
    return Question(str(prompt or "").strip(), **{n: _whole(n, given) for n, given in numbers.items()})


def _whole(name: str, given: str) -> int:
    try:
        return int(str(given).replace(",", "").strip())
    except ValueError:
        raise SpecError(name, f"{shown(given)} is not a whole number", "Give one, such as 100") from None


def streamed(
    told: Iterable[tuple[Told, Played]],
    played: Played,
    earlier: Callable[[str], str],
    *,
    beside: bool = False,
) -> Iterator[list[Any]]:
    """The results while they come, as the outputs take them, and the buttons before and after.

    Args:
        told: what is told, each with what was played so far.
        played: the question before its answers.
        earlier: the list of earlier questions, in which one is marked.
        beside: whether a run is at work at the same time.
    """
    total = played.question.rounds
    yield [
        play_view.status("Getting ready", tone="busy"),
        *_laid_out(played),
        gr.skip(),
        *asking_buttons(busy=True),
    ]
    try:
        for one, now in told:
            done = f"{now.rounds_of_all:,} of {total:,} rounds each"
            share = sum(map(now.rounds, range(len(now.voices)))) / (total * len(now.voices))
            drawn = _drawn(now) if isinstance(one, Drawn) else [gr.skip()] * 2
            kept = gr.skip() if now.id == played.id else now.id
            played = now
            status = play_view.status(doing(one, beside=beside), done, share, tone="busy")
            yield [status, *drawn, *[gr.skip()] * 2, kept, *[gr.skip()] * 3]
    except DistalignError as error:
        note = cards.error_note(error) + (cards.quiet(f"{kept_as(played)}.") if played.id else "")
        yield [note, *[gr.skip()] * 5, earlier(played.id), *asking_buttons(busy=False)]
        return
    yield [*whole(played), earlier(played.id), *asking_buttons(busy=False)]


def whole(played: Played) -> list[Any]:
    """All that is shown of a play at its end: status, histograms, answers, what of them is visible, and its id."""
    return [ended(played), *_laid_out(played)]


def _laid_out(played: Played) -> list[Any]:
    return [*_drawn(played), gr.update(visible=played.aim is not None), gr.update(visible=True), played.id]


def _drawn(played: Played) -> list[str]:
    return [play_view.voices(played), play_view.answers(played)]


def asking_buttons(*, busy: bool) -> list[Any]:
    """The button that asks, and the one that stops."""
    return [gr.update(interactive=not busy), gr.update(interactive=busy)]


def doing(told: Told, *, beside: bool = False) -> str:
    """What a person reads while it is being done."""
    if isinstance(told, Waiting):
        return f"One question is answered at a time: {told.ahead:,} before yours"
    if isinstance(told, Status) and told.text != "Sampling":
        return f"{told.text} …"
    return "Sampling, more slowly while a run is at work" if beside else "Sampling"


def ended(played: Played) -> str:
    """The line above the histograms at the end."""
    done, total = played.rounds_of_all, played.question.rounds
    about = f"Seed {played.question.seed}" + (f" · {kept_as(played)}" if played.id else "")
    if done < total:
        left = f"Stopped at {done:,} of {total:,} rounds each"
        return play_view.status(left, about if played.id else "", done / total, tone="stopped")
    return play_view.status(f"{plural(total, 'round')} each", about, 1.0)


def kept_as(played: Played) -> str:
    """The beginning of a play's id, by which the command line finds it too, and when it was asked."""
    return f"Kept as play {played.id[:6]}, {moment(played.created_at).strftime('%-d %b %Y')}"
