"""How many rounds it takes to see a gap between what a model does and its target. Needs no torch.

A gap of d in category k, for which the others give way in proportion, is an effect of
w² = d² / (q_k·(1−q_k)) in Pearson's χ² test of the shares against the target, and n rounds give
the test the non-centrality n·w² (Cohen 1988, Statistical Power Analysis, 2nd ed., ch. 7; Guenther
1977, The American Statistician 31(2), 83–85). So n = λ·q_k·(1−q_k) / d², where λ is the
non-centrality at which the test with K−1 degrees of freedom has the power that is asked for. The
category that needs the most rounds decides.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cache

from distalign.errors import SpecError, shown

CONFIDENCE, POWER = 0.95, 0.8
# Smaller ones take more rounds than any model ever answered, and their squares come to nothing.
LEAST_GAP = 1e-6
# Terms of the Poisson mixture whose weight is below this are left out.
NEGLIGIBLE = 1e-12
Rows = Sequence[Sequence[float]]


@dataclass(frozen=True)
class RoundsNeeded:
    """Rounds a context: to see the gap in a context by itself, and in the mean over all contexts."""

    per_context: int
    overall: int


@dataclass(frozen=True)
class VisibleGaps:
    """The smallest gaps that so many rounds show, as differences of probabilities."""

    per_context: float
    overall: float


def rounds_needed(
    rows: Rows, gap: float, confidence: float = CONFIDENCE, power: float = POWER
) -> RoundsNeeded:
    """The rounds a context at which a gap is told from none.

    Args:
        rows: the target of each context, [contexts][categories].
        gap: by how much a category's probability is off, such as 0.05.
        confidence: one minus how often a perfect model is taken for one with a gap.
        power: how often a model with the gap is found.

    Raises:
        SpecError: for a gap, confidence or power that is no probability between 0 and 1, or a gap too small.
    """
    for name, value in (("gap", gap), ("confidence", confidence), ("power", power)):
        _require_between(name, value)
    if gap < LEAST_GAP:
        raise SpecError("gap", f"{gap:g} is too small a gap", f"Give one of at least {LEAST_GAP:f}")
    shift = non_centrality(len(rows[0]) - 1, confidence, power)
    # Where the target leaves no variance, the gap must still come up at least once.
    least = math.log1p(-power) / math.log1p(-gap)

    def needed(variance: float) -> float:
        return max(shift * variance / gap**2, least)

    alone = math.ceil(needed(_largest_variance(rows)))
    together = math.ceil(needed(_mean_variance(rows)) / len(rows))
    return RoundsNeeded(alone, together)


def visible_gaps(
    rows: Rows, rounds: int, confidence: float = CONFIDENCE, power: float = POWER
) -> VisibleGaps:
    """The smallest gaps that ``rounds`` a context show; the way back from :func:`rounds_needed`."""
    shift = non_centrality(len(rows[0]) - 1, confidence, power)

    def seen(variance: float, count: int) -> float:
        return min(1.0, max(math.sqrt(shift * variance / count), 1 - (1 - power) ** (1 / count)))

    return VisibleGaps(seen(_largest_variance(rows), rounds), seen(_mean_variance(rows), rounds * len(rows)))


def _largest_variance(rows: Rows) -> float:
    return max(q * (1 - q) for row in rows for q in row)


def _mean_variance(rows: Rows) -> float:
    """Of the category with the largest: that of its share in a round, the mean over the contexts."""
    return max(sum(q * (1 - q) for q in column) / len(rows) for column in zip(*rows, strict=True))


def _require_between(name: str, value: object) -> None:
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 < value < 1:
        raise SpecError(name, f"{shown(value)} is out of range", "Give a number between 0 and 1")


@cache
def non_centrality(freedom: int, confidence: float = CONFIDENCE, power: float = POWER) -> float:
    """λ at which the χ² test at this confidence has this power; 0 where chance alone gives it."""
    critical = _solve(lambda x: chi_square_cdf(x, freedom) - confidence)
    if 1 - chi_square_cdf(critical, freedom) >= power:
        return 0.0
    return _solve(lambda shift: 1 - power - chi_square_cdf(critical, freedom, shift))


def chi_square_cdf(x: float, freedom: int, shift: float = 0.0) -> float:
    """P(χ² ≤ x), non-central with ``shift``: central ones with 2 more degrees each, Poisson-weighted."""
    half, mean = x / 2, shift / 2
    if half <= 0:
        return 0.0
    # P(a, x) at a = 1/2 or 1 is closed; P(a+1, x) = P(a, x) − x^a·e^−x / Γ(a+1).
    a = 0.5 if freedom % 2 else 1.0
    below = math.erf(math.sqrt(half)) if freedom % 2 else -math.expm1(-half)
    total, j, left = 0.0, 0, 1.0
    while left > NEGLIGIBLE:
        if a >= freedom / 2:
            weight = math.exp(j * math.log(mean) - mean - math.lgamma(j + 1)) if mean else float(j == 0)
            total, left, j = total + weight * max(0.0, below), left - weight, j + 1
            if j > mean and weight < NEGLIGIBLE:
                break
        below -= math.exp(a * math.log(half) - half - math.lgamma(a + 1))
        a += 1
    return total


def _solve(rising: Callable[[float], float]) -> float:
    """Where a function that rises from below 0 is 0, by halving."""
    low, high = 0.0, 1.0
    while rising(high) < 0:
        low, high = high, 2 * high
    for _ in range(60):
        middle = (low + high) / 2
        low, high = (middle, high) if rising(middle) < 0 else (low, middle)
    return (low + high) / 2
