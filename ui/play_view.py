"""Fragments of HTML for the Play tab. Pure; every text is escaped.

A fragment that is sent again has the same nodes in the same places, so that its bars
only grow. Both histograms, of categories and of answers, are there; style.css shows one.
"""

from __future__ import annotations

from collections import Counter

from distalign.play import Voice
from jobs.naming import METHODS_SHORT
from jobs.play import Aim, Played
from jobs.play_report import (
    NO_CATEGORY,
    OTHERS,
    SINCE,
    Fit,
    Histogram,
    by_answer,
    by_category,
    category_of,
    fits,
    most_frequent,
)
from ui import cards
from ui.present import NONE, esc, figure, percent, plural

MAX_ANSWERS = 30
BASE_COLOUR = "var(--da-before)"
COLOURS = ("var(--da-after)", "var(--da-blue)", "var(--da-orange)", "var(--da-green)")
EMPTY_ANSWER = "(no text)"


def nothing_yet() -> str:
    return cards.empty("Nothing asked yet", "Press Sample: the answers are counted here as they come.")


def target_note(aim: Aim | None) -> str:
    """What the prompt wants, beneath it."""
    if aim is None:
        return ""
    stories = (
        f" Answers of {aim.story_words} words or more are read as stories."
        if aim.story_words is not None
        else ""
    )
    if aim.target is None:
        return cards.quiet(f"{aim.note}: no target is drawn.{stories}")
    shares = zip(aim.categories, aim.target, strict=True)
    listed = [f"{name} {percent(q, 0 if round(100 * q, 6) % 1 == 0 else 1)}" for name, q in shares]
    more = f" and {len(listed) - 6} more" if len(listed) > 7 else ""
    return cards.quiet(f"{aim.note}: {', '.join(listed[:6] if more else listed)}{more}.{stories}")


def status(left: str, right: str = "", share: float = 0.0, *, tone: str = "") -> str:
    """The bar and the line above the histograms; ``tone`` is "busy", "stopped" or empty."""
    width = f"{100 * share:.0f}"
    return (
        f'<div class="da-bar {esc(tone)}" role="progressbar" aria-label="Rounds" aria-valuemin="0" '
        f'aria-valuemax="100" aria-valuenow="{width}"><span style="width:{width}%"></span></div>'
        f'<div class="da-status" role="status"><span>{esc(left)}</span><span>{esc(right)}</span></div>'
    )


def voices(played: Played) -> str:
    """A histogram for each voice, side by side."""
    aim, fit = played.aim, fits(played)
    categories = "" if aim is None else _side_by_side(played, by_category(played, aim), fit, "category")
    no_fit = (None,) * len(played.voices)
    return categories + _side_by_side(played, by_answer(played), no_fit, "answer")


def _side_by_side(played: Played, histogram: Histogram, fit: tuple[Fit | None, ...], by: str) -> str:
    panels = [
        _panel(played, histogram, v, fit[v], colour) for v, colour in enumerate(colours_of(played.voices))
    ]
    return f'<div class="da-voices" data-by="{by}">{_legend(histogram)}<div>{"".join(panels)}</div></div>'


def colours_of(voices: tuple[Voice, ...]) -> list[str]:
    """Grey for base models, a colour of its own for each adapter."""
    rest = iter(COLOURS)
    return [next(rest, COLOURS[-1]) if voice.run else BASE_COLOUR for voice in voices]


def _legend(histogram: Histogram) -> str:
    marks = '<span><i class="tick"></i>target</span>' if histogram.target else ""
    what = "Shares of all rounds" if histogram.unclassified else "Shares of all rounds, by answer"
    return f'<div class="da-legend">{marks}<span>{what}</span></div>'


def _panel(played: Played, histogram: Histogram, v: int, fit: Fit | None, colour: str) -> str:
    voice, rounds = played.voices[v], played.rounds(v)
    target = histogram.target or (None,) * len(histogram.labels)
    bars = [
        _bar(label, count, rounds, q, "others" if label == OTHERS else "")
        for label, count, q in zip(histogram.labels, histogram.counts[v], target, strict=True)
    ]
    if histogram.unclassified:
        bars.append(_bar(NO_CATEGORY, histogram.unclassified[v], rounds, None, "none"))
    foot = ""
    if fit:
        foot = f"MAE {figure(fit.mae)} · noise floor {figure(fit.noise_floor)} · {fit.rounds:,} classified"
    # The foot has its room from the start, so that nothing moves when it comes.
    foot = f'<p class="foot">{foot or "&nbsp;"}</p>' if histogram.target else ""
    since = SINCE.get(played.runs_now[v] or "")
    lost = f' · <span class="da-none">{esc(since)}</span>' if since else ""
    return (
        f'<section class="da-voice" style="--voice:{colour}"><h3>{esc(title_of(voice))}</h3>'
        f'<p class="da-quiet">{esc(_who(voice))} · {plural(rounds, "round")}{lost}</p>'
        f"<ul>{''.join(bars)}</ul>{foot}</section>"
    )


def title_of(voice: Voice) -> str:
    """What a voice is called: its run's title, or that it is a base model."""
    return voice.title if voice.run else "Base model"


def _who(voice: Voice) -> str:
    if not voice.run:
        return voice.base_name
    return f"{METHODS_SHORT.get(voice.method, voice.method)}, run {voice.run[:6]}"


def _bar(label: str, count: int, rounds: int, target: float | None, kind: str) -> str:
    share = count / rounds if rounds else 0.0
    mark = aim = ""
    if target is not None:
        mark = f'<b style="left:{100 * target:.2f}%"></b>'
        aim = f"<small>target {percent(target)}</small> "
    value = percent(share, 0 if rounds < 200 else 1) if rounds else NONE
    text = label or EMPTY_ANSWER
    return (
        f'<li class="{kind}"><span class="l" title="{esc(text)}">{esc(text)}</span>'
        f'<span class="n">{aim}{value}</span>'
        f'<span class="t"><i style="width:{100 * share:.2f}%"></i>{mark}</span></li>'
    )


def answers(played: Played) -> str:
    """The distinct answers, the most frequent first, with how often each voice gave them."""
    total = sum(map(Counter, played.counts), Counter())
    if not total:
        return ""
    aim = played.aim
    head = "".join(f'<th class="n" scope="col">{_heading(voice)}</th>' for voice in played.voices)
    body = "".join(_answer_row(played, text, aim) for text, _ in most_frequent(total)[:MAX_ANSWERS])
    left = len(total) - MAX_ANSWERS
    more = cards.quiet(f"And {plural(left, 'other answer')}, rarer than these.") if left > 0 else ""
    return (
        '<div class="da-scroll da-said" tabindex="0" aria-label="Answers"><table class="da-table"><thead><tr>'
        f'<th scope="col">Answer</th>{head}</tr></thead><tbody>{body}</tbody></table></div>{more}'
    )


def _heading(voice: Voice) -> str:
    return f"Run {esc(voice.run[:6])}" if voice.run else f"Base model<br>{esc(voice.base_name)}"


def _answer_row(played: Played, text: str, aim: Aim | None) -> str:
    cells = "".join(f'<td class="n">{counts.get(text) or NONE}</td>' for counts in played.counts)
    read = f"<small>{_read_as(category_of(played, aim, text))}</small>" if aim else ""
    return f'<tr><td class="da-text">{esc(text) or EMPTY_ANSWER}{read}</td>{cells}</tr>'


def _read_as(category: str | None) -> str:
    if category is None:
        return f'<span class="da-none">{NO_CATEGORY}</span>'
    return f"read as {esc(category)}"
