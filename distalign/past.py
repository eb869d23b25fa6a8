"""What earlier runs on this machine took, so that a plan follows those that are most like it."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from statistics import median

# Finished runs that are remembered.
REMEMBERED = 40
# How unlike two runs are: the logarithm of how much more work one does, and of how many more
# categories it has, and this for another method.
OTHER_METHOD = 0.7
# Runs more unlike than this say nothing; those that are almost as alike as the most alike count with it.
UNLIKE, ALMOST = 2.5, 0.15
COUNTED = 3


@dataclass(frozen=True)
class PastRun:
    """A finished run: its amounts of work and what they took, in seconds, by stage of the plan."""

    method: str
    categories: int
    units: Mapping[str, float]
    seconds: Mapping[str, float]


def seconds_a_unit(
    runs: Iterable[PastRun],
    stage: str,
    method: str,
    categories: int,
    units: float,
    fits: Callable[[PastRun], bool] = lambda run: True,
) -> float | None:
    """What a stage took in the runs that are most like a planned one; None where none is alike.

    Args:
        runs: oldest first.
        units: how much work the stage will be.
        fits: whether a run's stage is the same kind of work.
    """
    known = [r for r in runs if r.units.get(stage) and r.seconds.get(stage) and fits(r)]
    if not known or not units:
        return None
    apart = [_apart(run, stage, method, categories, units) for run in known]
    nearest = min(apart)
    if nearest > UNLIKE:
        return None
    alike = [run for run, far in zip(known, apart, strict=True) if far <= nearest + ALMOST]
    return median(run.seconds[stage] / run.units[stage] for run in alike[-COUNTED:])


def _apart(run: PastRun, stage: str, method: str, categories: int, units: float) -> float:
    work = abs(math.log(units / run.units[stage]))
    shape = abs(math.log(categories / run.categories))
    return work + shape + (0.0 if run.method == method else OTHER_METHOD)
