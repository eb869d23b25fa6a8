"""The results of the Play tab while they come."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import gradio as gr

from distalign.errors import DistalignError, SpecError, shown
from distalign.play import Drawn, Question
from jobs.play import Played
from jobs.play_desk import Asking, Status, Told, Waiting
from ui import cards, play_view
from ui.present import plural


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


def streamed(asking: Asking, played: Played, *, beside: bool = False) -> Iterator[list[Any]]:
    """The results while they come, as the outputs take them, and the buttons before and after.

    ``beside`` says that a run is at work at the same time.
    """
    total = played.question.rounds
    busy = [gr.update(visible=played.wanted is not None), gr.update(visible=True), *_buttons(busy=True)]
    yield [play_view.status("Getting ready", tone="busy"), *_drawn(played), *busy]
    same = [gr.skip()] * len(busy)
    try:
        for told in asking:
            if isinstance(told, Drawn):
                played = played.with_drawn(told)
            done = f"{played.rounds_of_all:,} of {total:,} rounds each"
            share = sum(map(played.rounds, range(len(played.voices)))) / (total * len(played.voices))
            drawn = _drawn(played) if isinstance(told, Drawn) else [gr.skip()] * 2
            yield [play_view.status(doing(told, beside=beside), done, share, tone="busy"), *drawn, *same]
    except DistalignError as error:
        yield [cards.error_note(error), gr.skip(), gr.skip(), *same[:2], *_buttons(busy=False)]
        return
    yield [ended(played), *_drawn(played), *same[:2], *_buttons(busy=False)]


def _drawn(played: Played) -> list[str]:
    return [play_view.voices(played), play_view.answers(played)]


def _buttons(*, busy: bool) -> list[Any]:
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
    if done < total:
        return play_view.status(
            f"Stopped at {done:,} of {total:,} rounds each", "", done / total, tone="stopped"
        )
    return play_view.status(f"{plural(total, 'round')} each", f"Seed {played.question.seed}", 1.0)
