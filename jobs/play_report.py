"""Histograms of what was played: over an attribute's categories, or over the distinct answers."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from distalign.noise import noise_floor
from jobs.play import Aim, Played
from jobs.report import finite
from storage.plays import CHANGED, COMPLETE, DELETED, STOPPED

MAX_BARS = 12
OTHERS = "all others"
NO_CATEGORY = "names no category"
# What became of a run whose adapter was asked, where that one cannot be asked again.
SINCE = {DELETED: "the run was deleted since", CHANGED: "the run was started again since"}


@dataclass(frozen=True)
class Histogram:
    """Bars that all voices share.

    Attributes:
        labels: [B] a text a bar; the last one may be :data:`OTHERS`.
        counts: [V][B] rounds.
        target: [B] shares; empty where there is no target.
        unclassified: [V] rounds that name no category; empty for distinct answers.
    """

    labels: tuple[str, ...]
    counts: tuple[tuple[int, ...], ...]
    target: tuple[float, ...] = ()
    unclassified: tuple[int, ...] = ()


@dataclass(frozen=True)
class Fit:
    """How far the shares of the classified rounds are from the target, and a perfect sampler's would be."""

    rounds: int
    mae: float
    noise_floor: float


def by_category(played: Played, aim: Aim) -> Histogram:
    """Rounds by the category that they name; of many categories the largest, in the attribute's order."""
    classified, unclassified = _classified(played, aim)
    size = len(aim.categories)
    target = aim.target or ()
    kept = list(range(size))
    if size > MAX_BARS + 1:
        weight = [sum(counts[k] for counts in classified) for k in kept]
        kept = sorted(sorted(kept, key=lambda k: (target[k] if target else 0, weight[k]))[-MAX_BARS:])
    rest = [k for k in range(size) if k not in kept]
    names = [aim.categories[k] for k in kept] + [OTHERS] * bool(rest)
    counts = [(*(c[k] for k in kept), *([sum(c[k] for k in rest)] if rest else [])) for c in classified]
    if target:
        target = (*(target[k] for k in kept), *([sum(target[k] for k in rest)] if rest else []))
    return Histogram(tuple(names), tuple(counts), target, unclassified)


def by_answer(played: Played) -> Histogram:
    """Rounds by their answer; those of all voices together decide which are the most frequent."""
    ordered = [text for text, _ in most_frequent(sum(map(Counter, played.counts), Counter()))]
    kept = ordered if len(ordered) <= MAX_BARS + 1 else ordered[:MAX_BARS]
    rest = ordered[len(kept) :]
    return Histogram(
        (*kept, *([OTHERS] if rest else [])),
        tuple(
            (*(c.get(text, 0) for text in kept), *([sum(c.get(text, 0) for text in rest)] if rest else []))
            for c in played.counts
        ),
    )


def most_frequent(counts: Mapping[str, int]) -> list[tuple[str, int]]:
    """Answers with their counts, those that came as often in alphabetical order."""
    return sorted(counts.items(), key=lambda pair: (-pair[1], pair[0]))


def fits(played: Played) -> tuple[Fit | None, ...]:
    """For each voice its fit; None where there is no target, or nothing was classified."""
    aim = played.aim
    if aim is None or aim.target is None:
        return (None,) * len(played.voices)
    return tuple(_fit(counts, aim.target) for counts in _classified(played, aim)[0])


def _fit(counts: tuple[int, ...], target: tuple[float, ...]) -> Fit | None:
    n = sum(counts)
    if not n:
        return None
    error = sum(abs(count / n - q) for count, q in zip(counts, target, strict=True)) / len(target)
    return Fit(n, error, noise_floor(target, n))


def _classified(played: Played, aim: Aim) -> tuple[list[tuple[int, ...]], tuple[int, ...]]:
    """For each voice its rounds by category, and those of none."""
    classified, unclassified = [], []
    for counts in played.counts:
        found: Counter[int | None] = Counter()
        for text, count in counts.items():
            found[played.read(text)] += count
        classified.append(tuple(found[k] for k in range(len(aim.categories))))
        unclassified.append(found[None])
    return classified, tuple(unclassified)


def as_json(played: Played) -> dict[str, Any]:
    """Everything that was played, for scripts."""
    aim, question = played.aim, played.question
    whole = {
        "play_id": played.id or None,
        "created_at": played.created_at,
        "state": COMPLETE if played.complete else STOPPED,
        "prompt": question.prompt,
        "rounds": question.rounds,
        "seed": question.seed,
        "tokens": question.tokens,
        "attribute": aim and aim.attribute,
        "target": dict(zip(aim.categories, aim.target, strict=True)) if aim and aim.target else None,
        "target_note": aim and aim.note,
    }
    return finite(whole | {"voices": _voices(played)})


def _voices(played: Played) -> list[dict[str, Any]]:
    aim = played.aim
    of_category = _classified(played, aim) if aim else None
    voices = []
    for v, (voice, fit, run_now) in enumerate(zip(played.voices, fits(played), played.runs_now, strict=True)):
        entry: dict[str, Any] = {
            "base_model": voice.base_model,
            "run_id": voice.run or None,
            "title": voice.title or None,
            "method": voice.method or None,
            "adapter": voice.digest or None,
            "run_now": run_now,
            "rounds": played.rounds(v),
        }
        if of_category is not None:
            entry["counts"] = dict(zip(aim.categories, of_category[0][v], strict=True))
            entry["unclassified"] = of_category[1][v]
            entry |= {"mae": fit and fit.mae, "noise_floor": fit and fit.noise_floor}
        entry["answers"] = [
            {"text": text, "count": count} | ({"category": category_of(played, aim, text)} if aim else {})
            for text, count in most_frequent(played.counts[v])
        ]
        voices.append(entry)
    return voices


def category_of(played: Played, aim: Aim, text: str) -> str | None:
    """The name of the category that an answer was read as."""
    k = played.read(text)
    return None if k is None else aim.categories[k]
