"""How shares and errors settle as rounds accumulate, beside what a perfect sampler would show.

All rounds of a context are drawn in one walk, so they have no order of their own. Here they are dealt one
after another in an order drawn from the run's seed: any order is as likely as any other. What
is kept of a context, its counts, decides how they may fall; no round has to be read for it.
"""

from __future__ import annotations

import random
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from distalign.metrics import absolute_error, shares
from distalign.noise import NORMAL_95, mean_absolute_deviation, share_band
from distalign.results import ContextResult

Floats = NDArray[np.float64]
Counts = NDArray[np.int64]
MOST_POINTS, LEAST_POINTS = 60, 12
# Fewer points are worked out where contexts times categories are many.
MOST_CELLS = 80_000


@dataclass(frozen=True)
class RunningShares:
    """The shares of one context's categories after each of some numbers of rounds.

    ``realized`` [P, K] is over the rounds classified so far (NaN while there are none); ``low`` and ``high``
    [P, K] bound the share of a perfect sampler with a probability of about 95 %.
    """

    rounds: tuple[int, ...]
    target: tuple[float, ...]
    realized: Floats
    low: Floats
    high: Floats


@dataclass(frozen=True)
class RunningError:
    """The MAE over contexts after each of some numbers of rounds a context.

    ``mae`` [P] is NaN while no round is classified; ``floor`` [P] is the expected MAE of a perfect sampler that
    leaves nothing unclassified, ``low`` and ``high`` [P] bound it with a probability of about 95 %.
    """

    rounds: tuple[int, ...]
    mae: Floats
    floor: Floats
    low: Floats
    high: Floats


def running_shares(result: ContextResult, seed: object) -> RunningShares:
    """One context's shares as its rounds accumulate.

    Args:
        seed: of the order in which they are dealt; its text counts.
    """
    points = checkpoints(result.rounds)
    dealt = np.stack([counts[0] for counts in _dealt(_counts([result]), points, _rng(seed, result.context))])
    bounds = np.array([[share_band(q, n) for q in result.target] for n in points])
    return RunningShares(points, result.target, shares(dealt[:, :-1]), bounds[..., 0], bounds[..., 1])


def running_error(contexts: Sequence[ContextResult], seed: object) -> RunningError:
    """The MAE over contexts as the rounds of each accumulate."""
    target = np.array([context.target for context in contexts])
    points = checkpoints(max(context.rounds for context in contexts), MOST_CELLS // target.size)
    dealt = _dealt(_counts(contexts), points, _rng(seed, "all"))
    mae = np.array([_mean(absolute_error(target, counts[:, :-1])) for counts in dealt])
    return RunningError(points, mae, *_perfect(tuple(context.target for context in contexts), points))


def checkpoints(rounds: int, most: int = MOST_POINTS) -> tuple[int, ...]:
    """Numbers of rounds from 1 to ``rounds``, each about as many times its neighbour."""
    count = min(max(most, LEAST_POINTS), MOST_POINTS)
    return tuple(np.unique(np.geomspace(1, max(1, rounds), count).round().astype(int)).tolist())


def _rng(seed: object, of: object) -> np.random.Generator:
    return np.random.default_rng(random.Random(f"{seed} {of}").getrandbits(63))


def _counts(contexts: Sequence[ContextResult]) -> Counts:
    """Rounds by context and category [C, K + 1], unclassified ones last."""
    realized = np.nan_to_num(np.array([context.realized for context in contexts]))
    rounds = np.array([context.rounds for context in contexts])
    classified = rounds - np.array([context.unclassified for context in contexts])
    counts = np.rint(realized * classified[:, None]).astype(np.int64)
    return np.column_stack([counts, np.maximum(rounds - counts.sum(-1), 0)])


def _dealt(counts: Counts, points: Sequence[int], rng: np.random.Generator) -> Iterator[Counts]:
    """How many rounds of each kind were dealt [C, J] at each point: draws without replacement."""
    left = counts.copy()
    taken = 0
    for point in points:
        take = np.minimum(point - taken, left.sum(-1))
        taken = point
        others = left.sum(-1)
        for kind in range(counts.shape[1]):
            others = others - left[:, kind]
            drawn = rng.hypergeometric(left[:, kind], others, take)
            left[:, kind] -= drawn
            take = take - drawn
        yield counts - left


def _mean(values: Floats) -> float:
    """Over the contexts that have a value."""
    known = values[np.isfinite(values)]
    return float(known.mean()) if known.size else float("nan")


# Both phases of a split, and every look at it, have the same target.
@lru_cache(maxsize=32)
def _perfect(rows: tuple[tuple[float, ...], ...], points: tuple[int, ...]) -> tuple[Floats, Floats, Floats]:
    """The expected MAE of a perfect sampler at each point, and the ends of its band."""
    target = np.array(rows)
    floor = _floors(target, points)
    reach = NORMAL_95 * np.sqrt(_unit_variance(target) / np.array(points))
    return floor, np.maximum(floor - reach, 0), floor + reach


def _floors(target: Floats, points: Sequence[int]) -> Floats:
    """The expected MAE of a perfect sampler at each point, the mean over contexts."""
    # E|X/n − p| is that of 1 − p: few different values are left of a table of shares.
    parts, times = np.unique(np.minimum(target, 1 - target).round(12), return_counts=True)
    weights = times / target.size
    return np.array(
        [sum(w * mean_absolute_deviation(p, n) for p, w in zip(parts, weights, strict=True)) for n in points]
    )


def _unit_variance(target: Floats) -> float:
    """n times the variance of a perfect sampler's MAE over contexts after n rounds of each.

    Counts of a context are jointly normal for large n, with correlation ρ between categories;
    of two such, cov(|X|, |Y|) = (2/π)·σ_x·σ_y·(√(1−ρ²) + ρ·asin ρ − 1) (Nabeya 1951).
    """
    rows, times = np.unique(target.round(12), axis=0, return_counts=True)
    sigma = np.sqrt(rows * (1 - rows))
    odds = np.sqrt(np.divide(rows, 1 - rows, out=np.zeros_like(rows), where=rows < 1))
    rho = np.clip(-odds[:, :, None] * odds[:, None, :], -1, 1)
    diagonal = np.arange(rows.shape[1])
    rho[:, diagonal, diagonal] = 1
    factor = np.sqrt(1 - rho**2) + rho * np.arcsin(rho) - 1
    covariance = 2 / np.pi * sigma[:, :, None] * sigma[:, None, :] * factor
    of_context = covariance.sum((1, 2)) / rows.shape[1] ** 2
    return float((of_context * times).sum() / len(target) ** 2)
