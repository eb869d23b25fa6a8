"""Medians with their spread, of repeats that took turns."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from statistics import median


@dataclass(frozen=True)
class Spread:
    """The median of some repeats, with the lowest and the highest."""

    median: float
    low: float
    high: float
    count: int


def spread(values: Sequence[float]) -> Spread | None:
    """None for no values."""
    if not values:
        return None
    return Spread(median(values), min(values), max(values), len(values))


def ratios(above: Sequence[float], below: Sequence[float]) -> Spread | None:
    """Of repeats that took turns: each of ``above`` by the one of ``below`` beside it."""
    return spread([a / b for a, b in zip(above, below, strict=False)])
