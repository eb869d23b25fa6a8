"""Targets that a prompt states: how they are worded, drawn for training, and kept for measuring.

A statement names the categories with whole percentages behind the template's question;
steering token k stands for the k-th category that it names.
"""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache

from distalign.errors import SpecError, shown

# The kind of a target that each prompt states for itself.
STATED = "stated"
MAX_STATED = 10
# Tokens that stand for the first, second, … category of any attribute.
ANY_CATEGORIES = 5
# Two categories: every 9th percentage is kept for measuring, so that each last digit is both trained and kept.
GRID = range(5, 100, 9)
# More categories: so many drawn targets are kept.
KEPT_DRAWS = 16
# A trained target differs from each that is kept by at least so many points, in some category.
DISTANCE = 3
# How often training draws a target near even, near one category alone, and any other.
NEAR_EVEN, NEAR_ONE = 0.1, 0.25
# Near one category alone, the others get at most so many points together: percentages of one digit are
# read differently, and would be too rare.
LEFT_OVER = 12

Percentages = tuple[int, ...]


@dataclass(frozen=True)
class Statement:
    """A way to state a target: a sentence with {shares}, and what stands there for each category."""

    sentence: str
    item: str
    joint: str = ", "

    def __call__(self, names: Sequence[str], percentages: Sequence[int]) -> str:
        items = (
            self.item.replace("{p}", str(p)).replace("{c}", name)
            for name, p in zip(names, percentages, strict=True)
        )
        return self.sentence.replace("{shares}", self.joint.join(items))


SEEN = (
    Statement("Answer in these proportions: {shares}.", "{p} % {c}"),
    Statement("Follow this distribution: {shares}.", "{c} {p} %"),
    Statement("The shares should be {shares}.", "{p}% {c}", " and "),
    Statement("({shares})", "{c}: {p}%"),
    Statement("Out of 100 answers, {shares}.", "{p} should be {c}"),
    Statement("Target: {shares}.", "{c} = {p} %"),
    Statement("Over many answers I want {shares}.", "{p} percent {c}"),
    Statement("Probabilities: {shares}.", "{c} {p}%", " / "),
    Statement("Sample from {shares}.", "{c} ({p} %)"),
    Statement("Weights: {shares}.", "{c}={p}"),
    Statement("Let {shares}.", "{p} % of the answers be {c}", " and "),
    Statement("If I ask often, {shares}, please.", "{p}% should say {c}"),
)
HELDOUT = (
    Statement("Keep to these shares: {shares}.", "{p} % {c}"),
    Statement("Desired mix: {shares}.", "{c}: {p} %", "; "),
    Statement("Please draw with these chances: {shares}.", "{c} {p}%"),
    Statement("In the long run {shares}.", "{p} % of the replies are {c}"),
)


def check_stated(kind: str, any_attribute: object, *, joint: bool, stories: bool, steered: bool) -> None:
    """Raise SpecError if a run cannot have a target of this kind, or cannot be for any attribute.

    Args:
        joint: the attribute has parts.
        stories: the run is about stories, too.
        steered: answers open with steering tokens, or nothing is trained.
    """
    if kind == STATED and joint:
        raise SpecError("target", "a joint target cannot be stated", "State that of one attribute")
    if kind == STATED and stories:
        raise SpecError(
            "target", "a story's prompt cannot state a target", "Leave stories out, or fix the target"
        )
    if not isinstance(any_attribute, bool):
        raise SpecError("any_attribute", f"{shown(any_attribute)} is not true or false", "Use one of them")
    if any_attribute and kind != STATED:
        raise SpecError(
            "any_attribute",
            f"the target is not stated ({kind})",
            "Use the target stated, which prompts can give for any attribute",
        )
    if any_attribute and not steered:
        raise SpecError(
            "any_attribute",
            "without steering tokens an answer has no place among the categories",
            "Use the method hybrid, or one of its ablations",
        )


def behind(question: str, statement: Statement, names: Sequence[str], percentages: Sequence[int]) -> str:
    """A question with its target stated behind it, on a line of its own."""
    return f"{question}\n{statement(names, percentages)}"


@cache
def kept_targets(count: int) -> tuple[Percentages, ...]:
    """Targets over ``count`` categories that are never trained on, in percent; the same for every seed."""
    if count == 2:
        return tuple((p, 100 - p) for p in GRID)
    rng = random.Random(f"kept targets {count}")
    return tuple(_any(count, rng) for _ in range(KEPT_DRAWS))


def kept_rows(count: int, contexts: int, stream: str = "") -> tuple[tuple[float, ...], ...]:
    """A kept target for each context, each of them about equally often: probabilities [contexts][count].

    ``stream`` names another order in which they are dealt.

    Raises:
        SpecError: for more categories than a prompt can state.
    """
    if count > MAX_STATED:
        raise SpecError(
            "target",
            f"a prompt cannot state shares of {count} categories",
            f"Use at most {MAX_STATED} categories, or another target",
        )
    targets = kept_targets(count)
    rng = random.Random(f"contexts of kept targets {count} {stream}")
    dealt: list[Percentages] = []
    while len(dealt) < contexts:
        dealt += rng.sample(targets, len(targets))
    return tuple(tuple(p / 100 for p in target) for target in dealt[:contexts])


def draw_target(count: int, rng: random.Random) -> Percentages:
    """A target to train on, in percent: any, near even or near one category; never close to a kept one."""
    while True:
        kind = rng.random()
        if kind < NEAR_ONE:
            target = _near_one(count, rng)
        elif kind < NEAR_ONE + NEAR_EVEN:
            target = _dirichlet([20.0] * count, rng)
        else:
            target = _any(count, rng)
        if all(max(abs(p - q) for p, q in zip(target, kept, strict=True)) >= DISTANCE
               for kept in kept_targets(count)):  # fmt: skip
            return target


def _any(count: int, rng: random.Random) -> Percentages:
    """Evenly from the simplex."""
    return _dirichlet([1.0] * count, rng)


def _near_one(count: int, rng: random.Random) -> Percentages:
    """One category takes nearly all, the others share what is left."""
    left = rng.randint(0, LEFT_OVER)
    others = [rng.gammavariate(1, 1) + 1e-9 for _ in range(count - 1)]
    shares = [100 - left, *(left * w / sum(others) for w in others)]
    return rounded(rng.sample(shares, count))


def _dirichlet(alpha: Sequence[float], rng: random.Random) -> Percentages:
    return rounded([rng.gammavariate(a, 1) + 1e-9 for a in alpha])


def rounded(weights: Sequence[float]) -> Percentages:
    """Weights as whole percentages that sum to 100: rounded down, the largest remainders up."""
    total = sum(weights)
    exact = [100 * w / total for w in weights]
    whole = [int(x) for x in exact]
    order = sorted(range(len(exact)), key=lambda k: whole[k] - exact[k])
    for k in order[: 100 - sum(whole)]:
        whole[k] += 1
    return tuple(whole)
