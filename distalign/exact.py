"""The exact distribution of answers: which prefixes are expanded for their probability.

The *mass* of a prefix is the probability that a completion begins with it. What is
not expanded, dropped, is the error bound: no answer's probability can be off by more.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]
Flags = NDArray[np.bool_]

# A level may drop this share of what is left of the budget, and more where completions end.
LEAST_SHARE = 0.25
# Where the bound is out of reach, prefixes are expanded down to this multiple of epsilon.
WORTH = 8


@dataclass(frozen=True)
class Expansion:
    """How far the tree of each prompt is expanded.

    Attributes:
        epsilon: mass that may be dropped.
        prefixes: cap on a prompt's prefixes beyond those that its rounds need.
            A level that would need more to keep to its share of epsilon expands only what
            is heavier than 8 epsilon: the bound is then larger.
    """

    epsilon: float = 1e-3
    prefixes: int = 64


@dataclass(frozen=True)
class Level:
    """Prefixes of one length, of one or more prompts.

    ``prompts`` [M]; ``mass`` [M]; ``open`` [M] the part of the mass that goes on;
    ``allowance`` [M] is how much each may still drop.
    """

    prompts: Ints
    mass: Floats
    open: Floats
    allowance: Floats


def lightest(expansion: Expansion, prompts: Ints, allowance: Floats) -> Floats:
    """[M] mass below which no child of a prefix can be among those that are expanded."""
    budget = _summed(prompts, allowance)
    needed = budget * LEAST_SHARE / (2 * max(1, expansion.prefixes))
    floor = WORTH * expansion.epsilon
    return np.where(budget > 0, np.minimum(needed, floor), floor)


def choose(
    expansion: Expansion, level: Level, rows: Ints, mass: Floats, drawn: Flags, used: Ints
) -> tuple[Flags, Floats]:
    """Which children to expand: the fewest that keep each prompt to its budget.

    Args:
        rows: [C] the place in ``level`` of each child's prefix.
        mass: [C] of each child.
        drawn: [C] children that rounds need in any case.
        used: [max prompt + 1] prefixes that each prompt has spent of its cap; is counted on.

    Returns:
        flags [C] of the children to expand, and their allowances [C].
    """
    found, group = np.unique(level.prompts, return_inverse=True)
    going_on, budget, whole = (
        np.bincount(group, weights) for weights in (level.open, level.allowance, level.mass)
    )
    share = np.maximum(1 - going_on / np.maximum(whole, 1e-300), LEAST_SHARE)
    prompt = group[rows]
    order = np.lexsort((-mass, ~drawn, prompt))
    before, rank = _running(prompt[order], mass[order], ~drawn[order])
    needed = np.zeros(len(rows), dtype=bool)
    needed[order] = going_on[prompt[order]] - before > (share * budget)[prompt[order]]
    extra = np.zeros(len(rows), dtype=np.int64)
    extra[order] = rank
    room = expansion.prefixes - used[found]
    left = going_on - np.bincount(prompt, mass, len(found))
    count = np.bincount(prompt[needed & ~drawn], minlength=len(found))
    reached = (count <= room) & (left <= share * budget)
    worth = (mass >= WORTH * expansion.epsilon) & (extra < room[prompt])
    kept = drawn | np.where(reached[prompt], needed, worth)
    used[found] += np.bincount(prompt[kept & ~drawn], minlength=len(found))
    expanded = np.bincount(prompt[kept], mass[kept], len(found))
    rest = np.maximum(budget - (going_on - expanded), 0)
    return kept, (rest / np.maximum(expanded, 1e-300))[prompt] * mass


def _summed(groups: Ints, values: Floats) -> Floats:
    """For each element the sum of its group's values."""
    _, group = np.unique(groups, return_inverse=True)
    return np.bincount(group, values)[group]


def _running(groups: Ints, mass: Floats, counted: Flags) -> tuple[Floats, Ints]:
    """Mass, and how many are counted, ahead of each element in its group; groups lie together."""
    starts = np.flatnonzero(np.diff(groups, prepend=-1))
    sizes = np.diff(starts, append=len(groups))
    ahead, number = np.cumsum(mass) - mass, np.cumsum(counted) - counted
    return ahead - np.repeat(ahead[starts], sizes), number - np.repeat(number[starts], sizes)
