"""Measuring a model on a split: sample rounds, classify them, compare with the target."""

from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import torch

from distalign.metrics import Measured, measure
from distalign.prompts import Prompt, split_prompts
from distalign.results import ContextResult, Round, SplitResult
from distalign.sampling import Answer, sample_answers
from distalign.spec import RunSpec
from distalign.steering import SteeringTokens

if TYPE_CHECKING:
    from transformers import PreTrainedModel, PreTrainedTokenizerBase

# Rounds of a context are spread evenly over this many templates of a split.
MEASURED_TEMPLATES = 8
OnSampled = Callable[[list[Round], int, int], None]


@dataclass(frozen=True)
class Subject:
    """What is measured: a model with its tokenizer, and its steering tokens if it has any."""

    model: PreTrainedModel
    tokenizer: PreTrainedTokenizerBase
    steering: SteeringTokens | None
    phase: str


def measured_templates(count: int, rounds: int) -> list[int]:
    """Indices of the templates that a split is measured on, evenly spaced among ``count``."""
    used = min(count, MEASURED_TEMPLATES, rounds)
    return [i * count // used for i in range(used)]


def stop_ids(subject: Subject) -> frozenset[int]:
    """Tokens that end an answer: those that ``generate`` would stop at."""
    configured = subject.model.generation_config.eos_token_id
    several = configured if isinstance(configured, list) else [configured]
    return frozenset({subject.tokenizer.eos_token_id, *(i for i in several if i is not None)})


def measure_split(subject: Subject, spec: RunSpec, split: str, on_sampled: OnSampled) -> SplitResult:
    """Sample every context's rounds on a split, and measure them.

    Args:
        on_sampled: called with each chunk's rounds, prompts done, and prompts in all.
    """
    templates = measured_templates(len(spec.templates.of(split)), spec.rounds)
    prompts = split_prompts(spec, subject.tokenizer, split, templates)
    order = {template: i for i, template in enumerate(templates)}
    counts = [_share_of(spec.rounds, len(templates), order[p.template]) for p in prompts]
    # A stream of its own for each phase and split, all from the run's seed.
    seed = random.Random(f"{spec.seed} {subject.phase} {split}").getrandbits(31)
    first = torch.zeros(len(prompts), len(spec.attribute), dtype=torch.float64)

    def keep_first(prompt: int, probs: torch.Tensor) -> None:
        if subject.steering is not None:
            first[prompt] = probs[list(subject.steering.ids)]

    rounds: list[Round] = []
    seen_of_context = [0] * len(spec.contexts)
    done = 0
    for answers in sample_answers(
        subject.model, [p.ids for p in prompts], counts, spec.sampling, stop_ids(subject), seed, keep_first
    ):
        chunk = _rounds(subject, spec, split, prompts, answers, seen_of_context)
        rounds += chunk
        done = max(done, *(a.prompt + 1 for a in answers))
        on_sampled(chunk, done, len(prompts))
    return _summarise(subject, spec, split, prompts, rounds, first.numpy())


def _share_of(rounds: int, templates: int, index: int) -> int:
    return rounds // templates + (index < rounds % templates)


def _rounds(
    subject: Subject,
    spec: RunSpec,
    split: str,
    prompts: list[Prompt],
    answers: list[Answer],
    seen_of_context: list[int],
) -> list[Round]:
    """One round a count; ``seen_of_context`` numbers them within their context."""
    rounds = []
    for answer in answers:
        prompt = prompts[answer.prompt]
        steering = None
        if subject.steering is not None and answer.ids:
            steering = subject.steering.index(answer.ids[0])
        ids = answer.ids if steering is None else answer.ids[1:]
        text = subject.tokenizer.decode(ids, skip_special_tokens=True).strip()
        category = spec.attribute.classify(text)
        for _ in range(answer.count):
            index = seen_of_context[prompt.context]
            seen_of_context[prompt.context] += 1
            rounds.append(
                Round(subject.phase, split, prompt.context, prompt.template, index, steering, category, text)
            )
    return rounds


def _summarise(
    subject: Subject,
    spec: RunSpec,
    split: str,
    prompts: list[Prompt],
    rounds: list[Round],
    first: np.ndarray,
) -> SplitResult:
    target = np.array(spec.target.rows)
    counts = np.zeros_like(target)
    unclassified = np.zeros(len(target), dtype=int)
    for r in rounds:
        if r.category is None:
            unclassified[r.context] += 1
        else:
            counts[r.context, r.category] += 1
    measured = measure(target, counts, spec.seed)
    steering = np.zeros_like(target)
    np.add.at(steering, [p.context for p in prompts], first)
    steering /= len(prompts) / len(target)
    return SplitResult(
        phase=subject.phase,
        split=split,
        rounds=len(rounds),
        unclassified=float(unclassified.sum() / len(rounds)),
        noise_floor=measured.noise_floor,
        chi2_p=measured.pooled_chi2_p,
        contexts=tuple(
            _context_result(measured, c, target, counts, unclassified, steering) for c in range(len(target))
        ),
        **measured.intervals,
        **({} if subject.steering is None else _exact(target, prompts, rounds, first)),
    )


def _exact(
    target: np.ndarray, prompts: list[Prompt], rounds: list[Round], first: np.ndarray
) -> dict[str, float]:
    """Measures of the steering distribution, free of sampling noise."""
    wanted = target[[p.context for p in prompts]]
    mass = first.sum(-1, keepdims=True)
    led = [r for r in rounds if r.steering is not None]
    return {
        "exact_error": float(np.abs(wanted - first).mean()),
        "restricted_error": float(np.abs(wanted - first / np.maximum(mass, 1e-12)).mean()),
        "steering_mass": float(mass.mean()),
        "agreement": sum(r.steering == r.category for r in led) / len(led) if led else 0.0,
    }


def _context_result(
    measured: Measured,
    c: int,
    target: np.ndarray,
    counts: np.ndarray,
    unclassified: np.ndarray,
    steering: np.ndarray,
) -> ContextResult:
    figures = {name: float(values[c]) for name, values in measured.per_context.items()}
    return ContextResult(
        context=c,
        rounds=int(counts[c].sum() + unclassified[c]),
        unclassified=int(unclassified[c]),
        target=tuple(map(float, target[c])),
        realized=tuple(map(float, measured.realized[c])),
        low=tuple(map(float, measured.low[c])),
        high=tuple(map(float, measured.high[c])),
        steering=tuple(map(float, steering[c])),
        noise_floor=float(measured.noise_floors[c]),
        chi2_p=float(measured.chi2_p[c]),
        **figures,
    )
