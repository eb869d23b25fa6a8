"""Measuring a model on a split: sample rounds, classify them, compare with the target."""

from __future__ import annotations

import itertools
import math
import random
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import torch

from distalign.exact import Expansion
from distalign.judges import story_reader
from distalign.kept_answers import Draw, KeptAnswers
from distalign.metrics import Measured, absolute_error, marginals, measure
from distalign.prompts import Preface, Prompt, split_prompts
from distalign.results import ContextResult, Round, SplitResult
from distalign.sampling import Answer, sample_answers
from distalign.spec import RunSpec
from distalign.steering import SteeringTokens
from distalign.templates import measured_templates

if TYPE_CHECKING:
    from transformers import PreTrainedModel, PreTrainedTokenizerBase

# Rounds are handed on in lists of at most so many, however many there are.
ROUNDS_AT_ONCE = 10_000
OnSampled = Callable[[list[Round], int, int], None]


@dataclass(frozen=True)
class Subject:
    """What is measured: a model with its tokenizer, and its steering tokens if it has any.

    ``prefaces``, if any, are the turns before the question, one preface a context.
    ``tuned`` says whether the model was trained: then its answers' exact distribution
    is worked out, while most of a base model's probability would stay open. ``kept`` has the
    answers that an untouched base model gave before. ``opening`` are the tokens that its answers may
    begin with, empty for plain sampling; nothing is kept of such answers.
    """

    model: PreTrainedModel
    tokenizer: PreTrainedTokenizerBase
    steering: SteeringTokens | None
    phase: str
    prefaces: tuple[Preface, ...] = ()
    tuned: bool = False
    kept: KeptAnswers | None = None
    opening: tuple[int, ...] = ()


def stop_ids(subject: Subject) -> frozenset[int]:
    """Tokens that end an answer: those that ``generate`` would stop at."""
    configured = subject.model.generation_config.eos_token_id
    several = configured if isinstance(configured, list) else [configured]
    return frozenset({subject.tokenizer.eos_token_id, *(i for i in several if i is not None)})


def measure_split(
    subject: Subject, spec: RunSpec, split: str, on_sampled: OnSampled, stream: str = ""
) -> SplitResult:
    """Sample the rounds of a split's contexts, and measure them.

    Args:
        stream: sets the random numbers apart from those of other measures of the same split.
        on_sampled: called with some rounds, perhaps none, how many are drawn, and how many there will be.
    """
    rounds_each = spec.rounds_of(split, subject.phase)
    sampling = spec.sampling_of(split)
    templates = measured_templates(len(spec.templates.of(split)), rounds_each)
    prompts = split_prompts(spec, subject.tokenizer, split, templates, subject.prefaces)
    if subject.prefaces:
        # Long prefaces are read once where the prompts that share one stand together.
        prompts.sort(key=lambda prompt: prompt.context)
    order = {template: i for i, template in enumerate(templates)}
    counts = [_share_of(rounds_each, len(templates), order[p.template]) for p in prompts]
    # A stream of its own for each phase and split, all from the run's seed; what runs share has one for all.
    own = 0 if subject.kept else spec.seed
    seed = random.Random(f"{own} {subject.phase} {split}{stream and ' ' + stream}").getrandbits(31)
    first = torch.zeros(len(prompts), len(spec.attribute), dtype=torch.float64)

    def keep_first(prompt: int, probs: torch.Tensor) -> None:
        if subject.steering is not None:
            first[prompt] = probs[list(subject.steering.ids)]

    drawn = 0

    def count(rounds: int) -> None:
        nonlocal drawn
        drawn = rounds

    epsilon = sampling.exact_epsilon if subject.tuned else 0
    ids = tuple(p.ids for p in prompts)
    draw = Draw(ids, tuple(counts), sampling, stop_ids(subject), seed)
    kept = subject.kept.answers(draw) if subject.kept else None
    if kept is not None:
        chunks, drawn = iter([kept]), sum(counts)
    else:
        expansion = Expansion(epsilon) if epsilon else None
        chunks = sample_answers(
            subject.model,
            ids,
            counts,
            sampling,
            draw.stops,
            seed,
            keep_first,
            expansion,
            count,
            subject.opening,
        )
        chunks = subject.kept.keeping(draw, chunks) if subject.kept else chunks
    tally, total = _Tally(subject, spec, split, prompts), sum(counts)
    for answers in chunks:
        batches = tally.rounds(answers)
        for rounds in iter(lambda batches=batches: list(itertools.islice(batches, ROUNDS_AT_ONCE)), []):
            on_sampled(rounds, drawn, total)
        if not answers:
            on_sampled([], drawn, total)
    return _summarise(subject, spec, split, prompts, tally, first.numpy(), exact=epsilon > 0)


def _share_of(rounds: int, templates: int, index: int) -> int:
    return rounds // templates + (index < rounds % templates)


class _Tally:
    """What the rounds of a split add up to, and the probability of the answers that were worked out.

    ``classified`` [C, K] and ``unclassified`` [C] count rounds; ``mass`` [P, K + 1] is
    probability by prompt, that of answers without a category last.
    """

    def __init__(self, subject: Subject, spec: RunSpec, split: str, prompts: list[Prompt]) -> None:
        self.subject, self.spec, self.split, self.prompts = subject, spec, split, prompts
        contexts, categories = len(spec.contexts), len(spec.attribute)
        self.classified = np.zeros((contexts, categories), dtype=np.int64)
        self.unclassified = np.zeros(contexts, dtype=np.int64)
        self.mass = np.zeros((len(prompts), categories + 1))
        self.led = self.agreeing = 0
        self._category = story_reader(spec) if split == "stories" else spec.attribute.classify
        self._read: dict[tuple[int, ...], tuple[int | None, int | None, str]] = {}

    def rounds(self, answers: list[Answer]) -> Iterator[Round]:
        """Count answers; one round for each time that an answer came, numbered within its context."""
        for answer in answers:
            prompt = self.prompts[answer.prompt]
            steering, category, text = self._reading(answer.ids)
            self.mass[answer.prompt, -1 if category is None else category] += answer.probability
            index = int(self.classified[prompt.context].sum() + self.unclassified[prompt.context])
            if category is None:
                self.unclassified[prompt.context] += answer.count
            else:
                self.classified[prompt.context, category] += answer.count
            if steering is not None:
                self.led += answer.count
                self.agreeing += answer.count * (steering == category)
            for number in range(index, index + answer.count):
                yield Round(
                    self.subject.phase,
                    self.split,
                    prompt.context,
                    prompt.template,
                    number,
                    steering,
                    category,
                    text,
                )

    def _reading(self, ids: tuple[int, ...]) -> tuple[int | None, int | None, str]:
        """Steering token's category, text's category, and text of a completion; many prompts share it."""
        if ids not in self._read:
            steering = self.subject.steering.index(ids[0]) if self.subject.steering and ids else None
            rest = ids if steering is None else ids[1:]
            text = self.subject.tokenizer.decode(rest, skip_special_tokens=True).strip()
            self._read[ids] = steering, self._category(text), text
        return self._read[ids]


def _summarise(
    subject: Subject,
    spec: RunSpec,
    split: str,
    prompts: list[Prompt],
    tally: _Tally,
    first: np.ndarray,
    *,
    exact: bool,
) -> SplitResult:
    # Tallies go by the specification's contexts; what follows goes by those of the split.
    measured_contexts = list(spec.contexts_of(split))
    target = np.array(spec.target.rows)[measured_contexts]
    counts = tally.classified[measured_contexts].astype(float)
    measured = measure(target, counts, spec.seed)
    place = {context: i for i, context in enumerate(measured_contexts)}
    places = [place[p.context] for p in prompts]
    mass = _mean_of_contexts(tally.mass, places, len(target)) if exact else None
    steering = _mean_of_contexts(first, places, len(target))
    rounds = int(tally.classified.sum() + tally.unclassified.sum())
    return SplitResult(
        phase=subject.phase,
        split=split,
        rounds=rounds,
        unclassified=float(tally.unclassified.sum() / rounds),
        noise_floor=measured.noise_floor,
        chi2_p=measured.pooled_chi2_p,
        marginals=marginals(spec.attribute, target, counts, spec.seed),
        contexts=tuple(
            _context_result(measured, i, context, target, tally, steering, mass)
            for i, context in enumerate(measured_contexts)
        ),
        **measured.intervals,
        **({} if subject.steering is None else _steering_measures(target[places], tally, first)),
        **({} if mass is None else _exact_measures(target, mass)),
    )


def _mean_of_contexts(values: np.ndarray, contexts: list[int], count: int) -> np.ndarray:
    """Values [P, …] of prompts as the mean over the templates of each context [C, …].

    ``contexts`` [P] are places among the ``count`` contexts of the split.
    """
    total = np.zeros((count, values.shape[1]))
    np.add.at(total, contexts, values)
    return total / (len(contexts) / count)


def _steering_measures(wanted: np.ndarray, tally: _Tally, first: np.ndarray) -> dict[str, float]:
    """Measures of the steering distribution, free of sampling noise; ``wanted`` and ``first`` are [P, K]."""
    mass = first.sum(-1, keepdims=True)
    return {
        "exact_error": float(np.abs(wanted - first).mean()),
        "restricted_error": float(np.abs(wanted - first / np.maximum(mass, 1e-12)).mean()),
        "steering_mass": float(mass.mean()),
        "agreement": tally.agreeing / tally.led if tally.led else 0.0,
    }


def _exact_measures(target: np.ndarray, mass: np.ndarray) -> dict[str, float]:
    """Measures of the exact distribution of answers; ``mass`` [C, K + 1], unclassified last."""
    naming = mass[:, :-1].sum(-1, keepdims=True)
    shares = np.divide(mass[:, :-1], naming, out=np.full(target.shape, math.nan), where=naming > 0)
    error = absolute_error(target, shares)
    return {
        "exact_mae": float(np.nanmean(error)) if np.isfinite(error).any() else math.nan,
        "exact_unclassified": float(mass[:, -1].mean()),
        "exact_bound": float(_unknown(mass).mean()),
    }


def _unknown(mass: np.ndarray) -> np.ndarray:
    """Probability that was not worked out: [..., K + 1] → [...]. Rounding may leave less than none."""
    return np.maximum(1 - mass.sum(-1), 0)


def _context_result(
    measured: Measured,
    i: int,
    context: int,
    target: np.ndarray,
    tally: _Tally,
    steering: np.ndarray,
    mass: np.ndarray | None,
) -> ContextResult:
    figures = {name: float(values[i]) for name, values in measured.per_context.items()}
    return ContextResult(
        context=context,
        rounds=int(tally.classified[context].sum() + tally.unclassified[context]),
        unclassified=int(tally.unclassified[context]),
        target=tuple(map(float, target[i])),
        realized=tuple(map(float, measured.realized[i])),
        low=tuple(map(float, measured.low[i])),
        high=tuple(map(float, measured.high[i])),
        steering=tuple(map(float, steering[i])),
        noise_floor=float(measured.noise_floors[i]),
        chi2_p=float(measured.chi2_p[i]),
        exact=None if mass is None else tuple(map(float, mass[i, :-1])),
        exact_bound=None if mass is None else float(_unknown(mass[i])),
        **figures,
    )
