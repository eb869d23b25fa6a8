"""What each knob's figures decide. A line follows from the numbers, and is empty until they are there."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from statistics import mean
from typing import Any

from bench.ablations.grid import BASE, Grid
from bench.records import Records

# A value whose answers name no category more often than this is no candidate.
UNCLASSIFIED = 0.01
# Nor is one that moves the model so far on unrelated prompts, in nats a token: it no longer answers them.
HARMFUL_KL = 1.0
# A value is told to be quicker when it trains in less than this share of the default's time.
QUICKER = 0.8
SAMPLING = "sampling"
PLAIN, TWO_PASSES = "plain", "restricted, two passes"
# What is sampled twice.
RESTRICTED = ("mae", "unclassified", "agreement")
MEANS = ("unclassified", "agreement", "train_seconds", "mae", "effects_kl", "perplexity_after")


@dataclass(frozen=True)
class Row:
    """A value of a knob: its exact errors by seed, and the means of its other figures, NaN where one is unknown."""

    label: str
    default: bool
    errors: tuple[float, ...]
    unclassified: float
    agreement: float
    train_seconds: float
    mae: float
    effects_kl: float
    perplexity_after: float

    @property
    def usable(self) -> bool:
        """Whether it may be a default at all."""
        return self.unclassified <= UNCLASSIFIED and self.effects_kl <= HARMFUL_KL

    @property
    def error(self) -> float:
        return mean(self.errors)

    @property
    def spread(self) -> float:
        return max(self.errors) - min(self.errors)


def rows_of(records: Records, grid: Grid, knob: str) -> list[Row]:
    """The values of a knob that were measured."""
    found = []
    for label, unit in grid.units(knob).items():
        if values := records.several(unit):
            found.append(_row(label, unit == BASE, [v["exact_error"] for v in values], values))
    return found


def sampling_rows(records: Records) -> list[Row]:
    """Plain sampling, and the reference code's: the vocabulary masked to the steering tokens, then a second pass."""
    if not (values := records.several(BASE)):
        return []
    again = [v | {name: v.get(f"restricted_{name}") for name in RESTRICTED} for v in values]
    return [
        _row(PLAIN, True, [v["exact_error"] for v in values], values),
        _row(TWO_PASSES, False, [v["restricted_error"] for v in values], again),
    ]


def _row(label: str, default: bool, errors: Sequence[float], values: Sequence[dict[str, Any]]) -> Row:
    means = {n: mean(math.nan if v.get(n) is None else v[n] for v in values) for n in MEANS}
    return Row(label, default, tuple(errors), **means)


def missing(rows: Sequence[Row], grid: Grid, knob: str) -> list[str]:
    """The values of a knob that were not measured, or not in full."""
    labels = (PLAIN, TWO_PASSES) if knob == SAMPLING else grid.values[knob]
    whole = {row.label for row in rows if not math.isnan(row.unclassified)}
    return [label for label in labels if label not in whole]


def decision(rows: Sequence[Row]) -> str:
    """What a whole knob decides, in one line.

    A value is better than the default only if its mean error is lower by more than
    the errors of any one value differ over seeds; with one seed nothing is decided.
    """
    default = next(row for row in rows if row.default)
    usable = [row for row in rows if row.usable]
    if not usable:
        return "Nothing: no value is a candidate."
    best = min(usable, key=lambda row: (row.error, not row.default))
    several = [row for row in usable if len(row.errors) > 1]
    margin = max((row.spread for row in several), default=None)
    gain = default.error - best.error
    if best == default:
        line = f"{default.label} stays: it has the lowest error."
    elif default not in usable:
        line = f"{best.label}, because {default.label} is no candidate."
    elif margin is None:
        line = f"Nothing yet: {best.label} is lower by {gain:.4f}, at one seed each."
    elif gain <= margin:
        line = (
            f"{default.label} stays: {best.label} is lower by {gain:.4f}, and seeds differ by {margin:.4f}."
        )
    else:
        line = (
            f"{best.label} is better than the default, {default.label}, by {gain:.4f} (seeds differ by "
            f"{margin:.4f}){', at one seed' if len(best.errors) == 1 else ''}, in {best.train_seconds:.0f} s of "
            f"training in place of {default.train_seconds:.0f}."
        )
    return " ".join([line, *_quicker(usable, best, default, margin), *_left_out(rows, usable)])


def _quicker(usable: Sequence[Row], best: Row, default: Row, margin: float | None) -> list[str]:
    """The quickest value that is as good as the best, if it takes much less time than the default."""
    level = [row for row in usable if margin is not None and row.error - best.error <= margin]
    quickest = min(level, key=lambda row: row.train_seconds, default=default)
    if quickest in (best, default) or quickest.train_seconds >= QUICKER * default.train_seconds:
        return []
    return [f"{quickest.label} is as good within that, in {quickest.train_seconds:.0f} s of training."]


def _left_out(rows: Sequence[Row], usable: Sequence[Row]) -> list[str]:
    out = [row.label for row in rows if row not in usable and not row.default]
    return [f"No candidate: {', '.join(out)}."] if out else []
