"""What stands below the goals: of each that is missed, what the numbers say, so that luck can be told from error."""

from __future__ import annotations

from statistics import mean
from typing import Any

import numpy as np

from bench.quality.figures import Quality
from bench.quality.goals import GOALS, Goal, Of, error, percent
from bench.quality.luck import Floats, by_luck, rounds_of, spec_of
from distalign.wording import listed, plural

# Measures that vary with the luck of rounds.
SAMPLED = {"ratio": "ratio", "mae": "MAE"}
Runs = dict[int, dict[str, Any]]


def paragraphs(quality: Quality) -> list[str]:
    """One for each goal that is missed."""
    return [_paragraph(goal, quality) for goal in GOALS if goal.is_missed(quality)]


def _paragraph(goal: Goal, quality: Quality) -> str:
    of = goal.seeds
    said = [f"**Missed: {goal.measure}** (at most {goal.shown(goal.limit)}).", _values(goal, quality)]
    if isinstance(of, Of) and of.name in SAMPLED:
        said += _error(goal, of, quality) + _luck(goal, of, quality)
    elif isinstance(of, Of) and of.name == "exact_error":
        said.append("The luck of rounds has no part in it.")
    return " ".join(said)


def _values(goal: Goal, quality: Quality) -> str:
    """The figures that the worst one is made of."""
    worst, _ = goal.worst(quality)
    if goal.averaged:
        figures = {d: mean(goal.seeds(quality, d).values()) for d in goal.datasets}
        return f"By dataset: {listed([f'{d} {goal.shown(v)}' for d, v in figures.items()])}."
    found = goal.seeds(quality, worst)
    values, seeds = listed([goal.shown(v) for v in found.values()]), listed([str(s) for s in found])
    if len(found) == 1:
        return f"{worst}: {values} at seed {seeds}."
    return f"{worst}: {values} at seeds {seeds}, on average {goal.shown(mean(found.values()))}."


def _exact(goal: Goal, of: Of, quality: Quality) -> float | None:
    """The exact error of the worst dataset."""
    found = {} if goal.averaged else Of(of.kind, of.split, "exact_error")(quality, goal.worst(quality)[0])
    return mean(found.values()) if found else None


def _error(goal: Goal, of: Of, quality: Quality) -> list[str]:
    exact = _exact(goal, of, quality)
    return [] if exact is None else [f"Its exact error, free of the luck of rounds, is {error(exact)}."]


def _luck(goal: Goal, of: Of, quality: Quality) -> list[str]:
    """What perfect samplers would show; nothing where the records do not tell what was measured."""
    datasets = list(goal.datasets if goal.averaged else goal.found(quality))
    runs = {dataset: _runs(of, quality, dataset) for dataset in datasets}
    drawn = {dataset: by_luck(found, of.split, of.name) for dataset, found in runs.items()}
    if any(draws is None for draws in drawn.values()):
        return []
    worst, measured = goal.worst(quality)
    name, every = SAMPLED[of.name], np.array(list(drawn.values()))
    if goal.averaged:
        told = f"Perfect samplers, with as many contexts, rounds and seeds, would have a mean {name} of {_spread(goal, every.mean(0))}."
        return [told, _above(goal, "That mean", every.mean(0), measured)]
    told = f"With {_sizes(of, runs[worst])} a perfect sampler has a {name} of {_spread(goal, drawn[worst])}"
    if (exact := _exact(goal, of, quality)) is not None:
        off = by_luck(runs[worst], of.split, of.name, exact).mean()
        told += f"; one that is off by the exact error in every context has {goal.shown(off)} on average"
    who = (
        f"Of {len(every)} perfect samplers, one for each dataset, the worst"
        if len(every) > 1
        else "A perfect one"
    )
    return [f"{told}.", _above(goal, who, every.max(0), measured)]


def _runs(of: Of, quality: Quality, dataset: str) -> Runs:
    """The runs of a dataset that have the figure."""
    known = of(quality, dataset)
    return {s: run for s, run in quality.by_seed(of.kind, dataset, "hybrid").items() if s in known}


def _spread(goal: Goal, draws: Floats) -> str:
    return f"{goal.shown(draws.mean())} on average, with a standard deviation of {draws.std():.2g} by luck"


def _above(goal: Goal, who: str, draws: Floats, measured: float) -> str:
    shares = [percent(float((draws > limit).mean())) for limit in (goal.limit, measured)]
    return (
        f"{who} is above {goal.shown(goal.limit)} in {shares[0]} of such measurements, and above "
        f"{goal.shown(measured)} in {shares[1]}."
    )


def _sizes(of: Of, runs: Runs) -> str:
    """Contexts, classified rounds and seeds of a dataset's figure."""
    first = next(iter(runs.values()))
    spec = spec_of(first)
    contexts = plural(len(spec.contexts_of(of.split)), "context")
    rounds = plural(rounds_of(spec, of.split, first["report"]), "classified round")
    return f"{contexts}, {rounds} each and {plural(len(runs), 'seed')}"
