"""Measuring an adapter for any attribute on attributes that it never saw."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace
from statistics import fmean

from distalign.asked import AS_SPLIT, UNSEEN, names_of, unseen_specs
from distalign.measuring import Subject, measure_split
from distalign.results import (
    EXACT_FIGURES,
    INTERVALS,
    STEERING_FIGURES,
    Interval,
    Marginal,
    Round,
    SplitResult,
)
from distalign.spec import RunSpec

RATES = ("unclassified", "noise_floor")


def measure_unseen(
    subject: Subject, spec: RunSpec, on_sampled: Callable[[list[Round], int, int], None]
) -> SplitResult:
    """Ask about the bundled unseen attributes, with held-out templates, words and targets.

    Args:
        subject: with the steering tokens of all categories that any attribute may have.
        on_sampled: called with new rounds, whose indices are those of :func:`~distalign.asked.names_of`, how
            many rounds are drawn, and how many there will be.

    Returns:
        means over the attributes, without those that have no figure (no round was classified);
        ``marginals`` has the figures of each, and ``contexts`` is empty: those of a result are the run's own.
    """
    runs, names = unseen_specs(spec), names_of(spec, UNSEEN)
    results: list[SplitResult] = []
    first = 0
    for number, run in enumerate(runs):

        def told(
            rounds: list[Round], done: int, total: int, number: int = number, first: int = first
        ) -> None:
            placed = [_placed(round_, first, names.firsts[first]) for round_ in rounds]
            on_sampled(placed, number * total + done, len(runs) * total)

        steering = subject.steering and subject.steering.first(len(run.attribute))
        results.append(
            measure_split(replace(subject, steering=steering), run, AS_SPLIT, told, run.attribute.name)
        )
        first += len(run.contexts)
    marginals = tuple(_marginal(run, result) for run, result in zip(runs, results, strict=True))
    return _mean(subject.phase, results, marginals)


def _placed(round_: Round, context: int, category: int) -> Round:
    """A round of one attribute among those of all, whose contexts and categories are counted through."""
    return replace(
        round_,
        split=UNSEEN,
        context=context + round_.context,
        category=None if round_.category is None else category + round_.category,
    )


def _marginal(spec: RunSpec, result: SplitResult) -> Marginal:
    names = spec.attribute.names
    known = [c for c in result.contexts if math.isfinite(c.realized[0])]
    shares = (
        tuple(_finite_mean(getattr(c, name)[k] for c in of) for k in range(len(names)))
        for name, of in (("target", known or result.contexts), ("realized", known))
    )
    return Marginal(spec.attribute.name, names, *shares, result.mae, result.noise_floor, result.ratio)


def _mean(phase: str, results: Sequence[SplitResult], marginals: tuple[Marginal, ...]) -> SplitResult:
    def mean(name: str) -> float | None:
        values = [getattr(result, name) for result in results]
        return None if None in values else _finite_mean(values)

    return SplitResult(
        phase=phase,
        split=UNSEEN,
        rounds=sum(result.rounds for result in results),
        chi2_p=math.nan,
        marginals=marginals,
        **{name: mean_interval([getattr(result, name) for result in results]) for name in INTERVALS},
        **{name: mean(name) for name in (*RATES, *STEERING_FIGURES, *EXACT_FIGURES)},
    )


def mean_interval(intervals: Sequence[Interval]) -> Interval:
    """The mean of independent figures; the halves of their intervals add up as errors do.

    Figures that could not be measured (NaN) are left out; of none it is NaN.
    """
    known = [i for i in intervals if math.isfinite(i.value)]
    if not known:
        return Interval(math.nan, math.nan, math.nan)
    value = fmean(i.value for i in known)
    below, above = (
        math.hypot(*halves) / len(known)
        for halves in ([i.value - i.low for i in known], [i.high - i.value for i in known])
    )
    return Interval(value, value - below, value + above)


def _finite_mean(values: Iterable[float]) -> float:
    known = [value for value in values if math.isfinite(value)]
    return fmean(known) if known else math.nan
