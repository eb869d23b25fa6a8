"""Histograms of what was played: over an attribute's categories, or over the distinct answers."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from typing import Any

from distalign.noise import noise_floor
from distalign.wanted import Wanted
from jobs.play import Played
from jobs.report import finite

MAX_BARS = 12
OTHERS = "all others"
NO_CATEGORY = "names no category"


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


def by_category(played: Played, wanted: Wanted) -> Histogram:
    """Rounds by the category that they name; of many categories the largest, in the attribute's order."""
    classified, unclassified = _classified(played, wanted)
    size = len(wanted.attribute)
    target = wanted.target or ()
    kept = list(range(size))
    if size > MAX_BARS + 1:
        weight = [sum(counts[k] for counts in classified) for k in kept]
        kept = sorted(sorted(kept, key=lambda k: (target[k] if target else 0, weight[k]))[-MAX_BARS:])
    rest = [k for k in range(size) if k not in kept]
    names = [wanted.attribute.names[k] for k in kept] + [OTHERS] * bool(rest)
    counts = [(*(c[k] for k in kept), *([sum(c[k] for k in rest)] if rest else [])) for c in classified]
    if target:
        target = (*(target[k] for k in kept), *([sum(target[k] for k in rest)] if rest else []))
    return Histogram(tuple(names), tuple(counts), target, unclassified)


def by_answer(played: Played) -> Histogram:
    """Rounds by their answer; those of all voices together decide which are the most frequent."""
    total: Counter[str] = Counter()
    for counts in played.counts:
        total.update(counts)
    ordered = [text for text, _ in total.most_common()]
    kept = ordered if len(ordered) <= MAX_BARS + 1 else ordered[:MAX_BARS]
    rest = ordered[len(kept) :]
    return Histogram(
        (*kept, *([OTHERS] if rest else [])),
        tuple(
            (*(c.get(text, 0) for text in kept), *([sum(c.get(text, 0) for text in rest)] if rest else []))
            for c in played.counts
        ),
    )


def fits(played: Played, wanted: Wanted | None) -> tuple[Fit | None, ...]:
    """For each voice its fit; None where there is no target, or nothing was classified."""
    if wanted is None or wanted.target is None:
        return (None,) * len(played.voices)
    return tuple(_fit(counts, wanted.target) for counts in _classified(played, wanted)[0])


def _fit(counts: tuple[int, ...], target: tuple[float, ...]) -> Fit | None:
    n = sum(counts)
    if not n:
        return None
    error = sum(abs(count / n - q) for count, q in zip(counts, target, strict=True)) / len(target)
    return Fit(n, error, noise_floor(target, n))


def _classified(played: Played, wanted: Wanted) -> tuple[list[tuple[int, ...]], tuple[int, ...]]:
    """For each voice its rounds by category, and those of none."""
    classified, unclassified = [], []
    read = wanted.read
    for counts in played.counts:
        found = Counter()
        for text, count in counts.items():
            found[read(text)] += count
        classified.append(tuple(found[k] for k in range(len(wanted.attribute))))
        unclassified.append(found[None])
    return classified, tuple(unclassified)


def as_json(played: Played) -> dict[str, Any]:
    """Everything that was played, for scripts."""
    aim = played.wanted
    names = aim.attribute.names if aim else ()
    of_category = _classified(played, aim) if aim else None
    voices = []
    for v, (voice, fit) in enumerate(zip(played.voices, fits(played, aim), strict=True)):
        entry: dict[str, Any] = {
            "base_model": voice.base_model,
            "run_id": voice.run or None,
            "rounds": played.rounds(v),
        }
        if of_category is not None:
            entry["counts"] = dict(zip(names, of_category[0][v], strict=True))
            entry["unclassified"] = of_category[1][v]
            entry |= {"mae": fit and fit.mae, "noise_floor": fit and fit.noise_floor}
        entry["answers"] = [
            {"text": text, "count": count} | ({"category": _category(aim, text)} if aim else {})
            for text, count in sorted(played.counts[v].items(), key=lambda pair: -pair[1])
        ]
        voices.append(entry)
    question = played.question
    whole = {"prompt": question.prompt, "rounds": question.rounds, "seed": question.seed}
    whole["target"] = dict(zip(names, aim.target, strict=True)) if aim and aim.target else None
    return finite(whole | {"voices": voices})


def _category(aim: Wanted, text: str) -> str | None:
    k = aim.read(text)
    return None if k is None else aim.attribute.names[k]
