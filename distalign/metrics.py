"""How far realized shares lie from the target, with bootstrap intervals and the noise floor.

Arrays are indexed [context, category]; counts are of classified rounds. Divergences
are in nats; every measure of a run is the mean over its contexts. A context without
one classified round has no measure (NaN) and is left out of the means: the rate of
unclassified rounds, shown beside them, tells.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from distalign.attributes import Attribute
from distalign.noise import noise_floor, wilson
from distalign.results import Interval, Marginal

Array = NDArray[np.float64]
RESAMPLES = 1000
# So many numbers of resamples are held at a time.
MOST_RESAMPLED = 4_000_000
# Below so many expected rounds of a category χ² is drawn, not looked up.
SPARSE = 1.0
COVERAGE = 0.95
# Added to every count before KL(q‖p̂), where a zero would make it infinite (Jeffreys).
PSEUDO_COUNT = 0.5


def shares(counts: Array) -> Array:
    """Counts [..., K] as shares; NaN where nothing was counted."""
    total = counts.sum(-1, keepdims=True)
    return np.where(total > 0, counts / np.maximum(total, 1), np.nan)


def absolute_error(target: Array, counts: Array) -> Array:
    """MAE of each context: mean over categories of |q_k − p̂_k|. [..., K] → [...]."""
    return np.abs(target - shares(counts)).mean(-1)


def kl_divergence(target: Array, counts: Array) -> Array:
    """KL(q‖p̂) in nats, with p̂ from counts + 0.5 (Jeffreys), so that a zero count stays finite."""
    smoothed = counts + PSEUDO_COUNT
    divergence = _kl(target, smoothed / smoothed.sum(-1, keepdims=True))
    return np.where(counts.sum(-1) > 0, divergence, np.nan)


def js_distance(target: Array, counts: Array) -> Array:
    """Jensen-Shannon distance: the root of the divergence in nats, 0 to √ln 2 = 0.833."""
    realized = shares(counts)
    middle = (target + realized) / 2
    divergence = (_kl(target, middle) + _kl(realized, middle)) / 2
    return np.where(counts.sum(-1) > 0, np.sqrt(np.maximum(0, divergence)), np.nan)


def total_variation(target: Array, counts: Array) -> Array:
    """Half the sum of |q_k − p̂_k|."""
    return np.abs(target - shares(counts)).sum(-1) / 2


def _kl(p: Array, q: Array) -> Array:
    with np.errstate(divide="ignore", invalid="ignore"):
        return np.where(p > 0, p * np.log(p / q), 0.0).sum(-1)


def chi_square(target: Array, counts: Array) -> tuple[float, int]:
    """Pearson's statistic and its degrees of freedom for one context; categories with q = 0 are left out.

    NaN where nothing was counted.

    A count where q is 0 makes the statistic infinite: the target rules it out.
    """
    possible = target > 0
    expected = target[possible] * counts.sum()
    if counts[~possible].sum() > 0:
        return math.inf, max(1, int(possible.sum()) - 1)
    if counts.sum() == 0:
        return math.nan, 0
    if possible.sum() < 2:
        return 0.0, 0
    return float(((counts[possible] - expected) ** 2 / expected).sum()), int(possible.sum()) - 1


def chi_square_p(statistic: float, freedom: int) -> float:
    """P(χ² ≥ statistic): the regularised upper incomplete gamma function."""
    if math.isnan(statistic):
        return math.nan
    if freedom == 0:
        return 1.0
    if math.isinf(statistic):
        return 0.0
    import torch

    half = torch.tensor([freedom / 2, statistic / 2], dtype=torch.float64)
    return float(torch.special.gammaincc(half[0], half[1]))


MEASURES: dict[str, Callable[[Array, Array], Array]] = {
    "mae": absolute_error,
    "kl": kl_divergence,
    "js_distance": js_distance,
    "total_variation": total_variation,
}


@dataclass(frozen=True)
class Measured:
    """The measures of a run on one split.

    ``intervals`` has a key of :data:`MEASURES` each, and "ratio" (MAE over noise
    floor); ``per_context`` the same measures as arrays [C]; ``low`` and ``high``
    [C, K] bound the realized shares.
    """

    intervals: dict[str, Interval]
    per_context: dict[str, Array]
    realized: Array
    low: Array
    high: Array
    noise_floors: Array
    noise_floor: float
    chi2_p: Array
    pooled_chi2_p: float


def measure(target: Array, counts: Array, seed: int = 0) -> Measured:
    """Every measure of realized counts against a target.

    The intervals resample the rounds of each context (1,000 times, contexts
    fixed). A resample is noisier than the sample by as much again, which biases an
    absolute error upwards; so the resamples' spread is laid around the figure itself.
    An interval thus says where the mean of the figure over many such samples may lie.

    Args:
        target: [C, K] rows of q.
        counts: [C, K] classified rounds.
        seed: of the resampling.
    """
    rng = np.random.default_rng(seed)
    counted = counts.sum(-1) > 0
    resampled = _resampled_means(target[counted], counts[counted], rng)
    per_context = {name: function(target, counts) for name, function in MEASURES.items()}
    intervals = {name: _recentred_interval(per_context[name][counted], resampled[name]) for name in MEASURES}
    floors = np.full(len(target), np.nan)
    for c in counted.nonzero()[0]:
        floors[c] = noise_floor(target[c], int(counts[c].sum()))
    floor = float(floors[counted].mean()) if counted.any() else math.nan
    mae = intervals["mae"]
    scale = 1 / floor if floor > 0 else math.nan
    chi2_p, pooled = _chi_square_tests(target, counts, rng)
    low, high = wilson_interval(counts)
    return Measured(
        intervals=intervals | {"ratio": Interval(mae.value * scale, mae.low * scale, mae.high * scale)},
        per_context=per_context,
        realized=shares(counts),
        low=low,
        high=high,
        noise_floors=floors,
        noise_floor=floor,
        chi2_p=chi2_p,
        pooled_chi2_p=pooled,
    )


def marginals(attribute: Attribute, target: Array, counts: Array, seed: int = 0) -> tuple[Marginal, ...]:
    """The measures of each part of a joint attribute; none for an attribute without parts.

    Args:
        target: [C, K] rows of q over the cells.
        counts: [C, K] classified rounds.
        seed: of the resampling.
    """
    shape = (len(target), *map(len, attribute.parts))
    found = []
    for i, part in enumerate(attribute.parts):
        others = tuple(axis for axis in range(1, len(shape)) if axis != i + 1)
        wanted, counted = (values.reshape(shape).sum(others) for values in (target, counts))
        measured = measure(wanted, counted, seed)
        some = counted.sum(-1) > 0
        found.append(
            Marginal(
                part.name,
                part.names,
                tuple(map(float, (wanted[some] if some.any() else wanted).mean(0))),
                tuple(map(float, measured.realized[some].mean(0))) if some.any() else (math.nan,) * len(part),
                measured.intervals["mae"],
                measured.noise_floor,
                measured.intervals["ratio"],
            )
        )
    return tuple(found)


def _chi_square_tests(target: Array, counts: Array, rng: np.random.Generator) -> tuple[Array, float]:
    """p-values of each context, and of all together. [C, K] twice → [C], and one.

    Where a category is expected less than once, the statistic does not follow the law of χ²:
    a p-value that such a context has a part in is drawn from the target itself.
    """
    tests = [chi_square(q, n) for q, n in zip(target, counts, strict=True)]
    totals = counts.sum(-1)
    sparse = ((target > 0) & (target * totals[:, None] < SPARSE)).any(-1) & (totals > 0)
    known = [test for test in tests if not math.isnan(test[0])]
    pooled = sum(statistic for statistic, _ in known) if known else math.nan
    if not sparse.any():
        found = np.array([chi_square_p(*test) for test in tests])
        return found, chi_square_p(pooled, sum(freedom for _, freedom in known))
    found, by_chance = [], np.zeros(RESAMPLES)
    for q, total, test, is_sparse in zip(target, totals, tests, sparse, strict=True):
        drawn = _statistics_by_chance(q, int(total), rng)
        by_chance += drawn
        found.append(_rank_p(test[0], drawn) if is_sparse else chi_square_p(*test))
    return np.array(found), _rank_p(pooled, by_chance)


def _statistics_by_chance(q: Array, total: int, rng: np.random.Generator) -> Array:
    """Pearson's statistic of so many rounds of a perfect sampler, drawn a thousand times. [S]."""
    possible = q[q > 0]
    if total == 0 or len(possible) < 2:
        return np.zeros(RESAMPLES)
    expected = possible * total
    drawn = rng.multinomial(total, possible / possible.sum(), size=RESAMPLES)
    return ((drawn - expected) ** 2 / expected).sum(-1)


def _rank_p(statistic: float, by_chance: Array) -> float:
    """The share of statistics that are as high, this one among them."""
    if math.isnan(statistic) or math.isinf(statistic):
        return chi_square_p(statistic, 1)
    # Sums of the same squares in another order may differ in their last digits.
    return float((1 + (by_chance >= statistic * (1 - 1e-9)).sum()) / (1 + len(by_chance)))


def _resampled_means(target: Array, counts: Array, rng: np.random.Generator) -> dict[str, Array]:
    """The means over contexts of each measure, of resampled rounds. [C, K] twice → [S] each.

    Shares of 0 and 1 would never vary, so each context gets one round more, spread over its categories.
    """
    totals, categories = counts.sum(-1), counts.shape[-1]
    likely = (counts + 1 / categories) / (totals[:, None] + 1)
    means = {name: np.zeros(RESAMPLES) for name in MEASURES}
    at_once = max(1, MOST_RESAMPLED // (RESAMPLES * categories))
    for first in range(0, len(counts), at_once):
        some = slice(first, first + at_once)
        size = (RESAMPLES, len(likely[some]))
        drawn = rng.multinomial(totals[some].astype(int), likely[some], size=size).astype(float)
        for name, function in MEASURES.items():
            means[name] += function(target[some], drawn).sum(-1) / len(counts)
    return means


def _recentred_interval(values: Array, means: Array) -> Interval:
    """Mean of values [C], with the spread of resampled means [S] around it."""
    if len(values) == 0:
        return Interval(math.nan, math.nan, math.nan)
    value = float(values.mean())
    tail = (1 - COVERAGE) / 2
    low, high = np.quantile(means, [tail, 1 - tail]) - means.mean() + value
    return Interval(value, float(max(0.0, low)), float(high))


def wilson_interval(counts: Array) -> tuple[Array, Array]:
    """Wilson's 95 % interval of each share; NaN where nothing was counted. [C, K] → [C, K] twice."""
    low, high = wilson(shares(counts), np.maximum(counts.sum(-1, keepdims=True), 1e-9))
    return np.clip(low, 0, 1), np.clip(high, 0, 1)
