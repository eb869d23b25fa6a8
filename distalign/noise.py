"""The noise floor: the MAE that a perfect sampler shows with finitely many rounds."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

# Standard deviations of a normal distribution within which 95 % of it lies.
NORMAL_95 = 1.959964


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


def share_band(p: float, n: int) -> tuple[float, float]:
    """Where X/n lies with a probability of 95 % or a little more, X ~ Binomial(n, p).

    The normal approximation with its continuity correction: p ± (1.96·√(p(1−p)/n) + 1/(2n)), within 0 and 1.
    """
    if p <= 0 or p >= 1:
        return p, p
    reach = NORMAL_95 * math.sqrt(p * (1 - p) / n) + 1 / (2 * n)
    return max(0.0, p - reach), min(1.0, p + reach)


def wilson(share: Any, n: Any) -> tuple[Any, Any]:
    """The ends of Wilson's 95 % interval of a share among n rounds, which stays sensible at 0 and 1.

    Also of arrays, place by place.
    """
    middle = share + NORMAL_95**2 / (2 * n)
    reach = NORMAL_95 * (share * (1 - share) / n + NORMAL_95**2 / (4 * n**2)) ** 0.5
    whole = 1 + NORMAL_95**2 / n
    return (middle - reach) / whole, (middle + reach) / whole


def noise_floor(target: Sequence[float], n: int) -> float:
    """Expected MAE over the categories when n rounds are drawn from ``target`` itself."""
    return sum(mean_absolute_deviation(q, n) for q in target) / len(target)
