"""The noise floor: the MAE that a perfect sampler shows with finitely many rounds."""

from __future__ import annotations

import math
from collections.abc import Sequence

# What a 95 % interval leaves out on either side.
TAIL = 0.025


def mean_absolute_deviation(p: float, n: int) -> float:
    """E|X/n − p| for X ~ Binomial(n, p), by De Moivre's closed form.

    2·v·C(n,v)·p^v·(1−p)^(n−v+1)/n with v = ⌊np⌋ + 1 (Diaconis and Zabell 1991).
    """
    if n < 1:
        raise ValueError(f"n is {n}; give at least 1 round")
    if p <= 0 or p >= 1:
        return 0.0
    v = math.floor(n * p) + 1
    log_choose = math.lgamma(n + 1) - math.lgamma(v + 1) - math.lgamma(n - v + 1)
    log_term = log_choose + v * math.log(p) + (n - v + 1) * math.log1p(-p)
    return 2 * v * math.exp(log_term) / n


def binomial_interval(p: float, n: int) -> tuple[float, float]:
    """The shares between which X/n lies with a probability of at least 95 %, X ~ Binomial(n, p).

    Exact: its quantiles at 2.5 % and 97.5 %, so that each tail beyond them has at most 2.5 %.
    """
    if p <= 0 or p >= 1:
        return p, p
    # Nine standard deviations: what lies below adds nothing that a float could hold.
    first = max(0, math.floor(n * p - 9 * math.sqrt(n * p * (1 - p)) - 9))
    log_choose = math.lgamma(n + 1) - math.lgamma(first + 1) - math.lgamma(n - first + 1)
    term = math.exp(log_choose + first * math.log(p) + (n - first) * math.log1p(-p))
    below, low = 0.0, None
    for k in range(first, n):
        below += term
        if low is None and below > TAIL:
            low = k
        if below >= 1 - TAIL:
            return low / n, k / n
        term *= (n - k) / (k + 1) * p / (1 - p)
    return (n if low is None else low) / n, 1.0


def noise_floor(target: Sequence[float], n: int) -> float:
    """Expected MAE over the categories when n rounds are drawn from ``target`` itself."""
    return sum(mean_absolute_deviation(q, n) for q in target) / len(target)
