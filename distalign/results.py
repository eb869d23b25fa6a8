"""What a run measures: rounds, and results per context and per split.

A figure that cannot be measured (no round of a context was classified) is NaN.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

from distalign.noise import mean_absolute_deviation
from distalign.progress import Progress

# All splits that a run may be measured on.
SPLITS = ("seen_templates", "heldout_templates", "heldout_contexts", "stories", "unseen_attributes")
PHASES = ("before", "after")
# Fields of SplitResult: intervals; figures; what needs steering tokens; what needs the exact distribution.
INTERVALS = ("mae", "ratio", "kl", "js_distance", "total_variation")
FIGURES = ("noise_floor", "unclassified", "chi2_p")
STEERING_FIGURES = ("exact_error", "restricted_error", "steering_mass", "agreement")
EXACT_FIGURES = ("exact_mae", "exact_unclassified", "exact_bound")


# The order in which splits are shown: the one to judge a run by comes first.
SHOWN_SPLITS = ("heldout_templates", "seen_templates", "heldout_contexts", "stories", "unseen_attributes")


def split_name(split: str) -> str:
    """A split as a person reads it: "held-out templates"."""
    return split.replace("_", " ").replace("heldout", "held-out")


@dataclass(frozen=True)
class Interval:
    """A figure with its 95 % bootstrap interval."""

    value: float
    low: float
    high: float

    def named(self, name: str) -> dict[str, float]:
        """Figure and ends as ``name``, ``name_low`` and ``name_high``."""
        return {name: self.value, f"{name}_low": self.low, f"{name}_high": self.high}


@dataclass(frozen=True)
class Round:
    """One sampled completion.

    ``context`` and ``template`` are indices into the specification; ``steering``
    is the index k of the steering token that led it, ``category`` that of the
    category its text names; both are None where there is none. ``text`` has no
    steering token in it.
    """

    phase: str
    split: str
    context: int
    template: int
    index: int
    steering: int | None
    category: int | None
    text: str


@dataclass(frozen=True)
class ContextResult:
    """Realized against target for one context.

    ``realized`` holds the shares over the classified rounds, with a 95 %
    interval each (``low``, ``high``); ``steering`` the exact probability of each steering
    token, averaged over the split's templates. MAE and noise floor are in
    probability. ``exact`` holds the probability of each category's answers, averaged
    over the templates, of which ``exact_bound`` was not worked out: each is too
    low by at most so much. Both are None where they were not measured.
    """

    context: int
    rounds: int
    unclassified: int
    target: tuple[float, ...]
    realized: tuple[float, ...]
    low: tuple[float, ...]
    high: tuple[float, ...]
    steering: tuple[float, ...]
    mae: float
    noise_floor: float
    kl: float
    js_distance: float
    total_variation: float
    chi2_p: float
    exact: tuple[float, ...] | None = None
    exact_bound: float | None = None

    def noise_band(self, category: int) -> tuple[float, float]:
        """The target of a category, less and plus what a perfect sampler would be off on average."""
        target = self.target[category]
        off = mean_absolute_deviation(target, max(1, self.rounds - self.unclassified))
        return max(0.0, target - off), min(1.0, target + off)


@dataclass(frozen=True)
class Marginal:
    """One part of a joint attribute by itself, its shares summed over the other parts, or an unseen attribute.

    ``target`` and ``realized`` are the shares of its ``categories``, means over contexts; MAE and
    noise floor are in probability, means over contexts as well.
    """

    attribute: str
    categories: tuple[str, ...]
    target: tuple[float, ...]
    realized: tuple[float, ...]
    mae: Interval
    noise_floor: float
    ratio: Interval


@dataclass(frozen=True)
class SplitResult:
    """The run's measures on one split, in one phase ("before" or "after").

    ``unclassified`` is a rate. ``exact_error`` is the mean over contexts and
    templates of mean_k |q_k − π(s_k|x)|, free of sampling noise;
    ``restricted_error`` the same with π renormalised over the steering tokens
    (as in the paper); ``steering_mass`` the probability on them; ``agreement``
    the share of rounds whose text names the category of their steering token.
    These four are None where the run has no steering tokens. ``exact_mae`` is
    the MAE of the exact distribution of answers: what ``mae`` comes to with ever more
    rounds; ``exact_unclassified`` the probability of answers that name no category;
    ``exact_bound`` the probability that was not worked out, the mean over contexts.
    The last three are None where the distribution was not measured. ``marginals``
    are those of a joint attribute's parts. On unseen attributes all figures are means over them;
    ``marginals`` has those of each, ``contexts`` is empty and ``chi2_p`` NaN.
    """

    phase: str
    split: str
    rounds: int
    unclassified: float
    mae: Interval
    kl: Interval
    js_distance: Interval
    total_variation: Interval
    noise_floor: float
    ratio: Interval
    chi2_p: float
    exact_error: float | None = None
    restricted_error: float | None = None
    steering_mass: float | None = None
    agreement: float | None = None
    exact_mae: float | None = None
    exact_unclassified: float | None = None
    exact_bound: float | None = None
    marginals: tuple[Marginal, ...] = ()
    contexts: tuple[ContextResult, ...] = field(default=(), repr=False)


# The results of a split before and after training, where they were measured.
Pair = tuple[SplitResult | None, SplitResult | None]


def of_split(results: Sequence[SplitResult], split: str) -> Pair:
    """The results of a split before and after training."""
    found = {result.phase: result for result in results if result.split == split}
    return found.get("before"), found.get("after")


def splits_of(results: Sequence[SplitResult]) -> list[str]:
    """The measured splits in the order in which they are shown."""
    measured = {result.split for result in results}
    return [split for split in SHOWN_SPLITS if split in measured]


@dataclass(frozen=True)
class SideEffects:
    """How far the tuned model moved on prompts that have nothing to do with its target.

    Both models read the reference answers of ``prompts`` prompts, ``tokens`` tokens in all.

    Attributes:
        perplexity_before, perplexity_after: of the answers, token-weighted; of the base
            and of the tuned model.
        kl: KL(base‖tuned) of the next token over the whole vocabulary, in nats, the mean
            over the answers' tokens; the interval draws whole prompts anew.
        leak_before, leak_after: probability that an answer opens with one of the run's steering
            tokens, the mean over prompts; NaN where it has none.
        first_token_changed: share of prompts whose likeliest first token is another than
            the base model's.
    """

    prompts: int
    tokens: int
    perplexity_before: float
    perplexity_after: float
    kl: Interval
    leak_before: float
    leak_after: float
    first_token_changed: float

    @property
    def sentence(self) -> str:
        """The headline, for a person."""
        moved = (
            f"On {self.prompts} unrelated prompts: perplexity {self.perplexity_before:.1f} → "
            f"{self.perplexity_after:.1f}, KL {self.kl.value:.2f} nats a token"
        )
        if math.isnan(self.leak_after):
            return f"{moved}."
        return f"{moved}, answers that open with a steering token {self.leak_before:.1%} → {self.leak_after:.1%}."


class Recorder(Protocol):
    """Where a run puts what it finds, as it finds it."""

    def progress(self, progress: Progress) -> None: ...

    def rounds(self, rounds: list[Round]) -> None: ...

    def result(self, result: SplitResult) -> None: ...

    def side_effects(self, effects: SideEffects) -> None: ...

    def artifact(self, kind: str, path: Path) -> None:
        """``kind`` is "adapter" (the zip)."""

    def steering_tokens(self, texts: Sequence[str]) -> None:
        """The texts of the steering tokens, in the order of the categories."""

    def timing(self, name: str, seconds: float) -> None:
        """``name`` is "train_seconds" or "sample_seconds"."""
