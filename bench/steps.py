"""The steps of a training set, as a benchmark counts and repeats them."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from bench.operations import DecoderShape, Reading, layout_operations, training_operations
from distalign.dealing import MISMATCHED
from distalign.training_config import TrainingConfig
from distalign.training_set import TrainingSet


@dataclass(frozen=True)
class Step:
    """One step: indices into a training set's prompts, completions and retained answers."""

    prompts: list[int]
    completions: list[int]
    retained: list[int]


def step_of(training_set: TrainingSet, config: TrainingConfig, index: int) -> Step:
    """The step ``index``, from 0."""
    size = config.prompts_per_step
    rows = [training_set.rows[i] for i in range(index * size, (index + 1) * size)]
    return Step(
        [r["prompt"] for r in rows],
        [c for r in rows for c in r["completions"]],
        [a for r in rows for a in r["retained"]],
    )


def matched(training_set: TrainingSet, step: Step) -> list[int]:
    """The step's completions that are no mismatched ones: its examples."""
    return [c for c in step.completions if training_set.completions[c].kind != MISMATCHED]


def reading(
    training_set: TrainingSet,
    prompts: Iterable[int],
    completions: Iterable[int],
    retained: Iterable[int] = (),
) -> Reading:
    """What some prompts, completions and retained answers run through the model; distinct prefixes count once."""
    trie = training_set.trie
    reads = training_set.read_nodes(prompts, completions, retained)
    return Reading.of({node: trie.depths[node] for node in trie.closure(reads)}, reads)


def step_operations(
    shape: DecoderShape, training_set: TrainingSet, config: TrainingConfig, step: Step
) -> tuple[int, int]:
    """Operations that the loss of a hybrid step needs, and those of its layout by the simple count."""
    adapted = config.adapted_layers or shape.layers
    whole = reading(training_set, step.prompts, step.completions, step.retained)
    graded = reading(training_set, step.prompts, matched(training_set, step), step.retained)
    rank = config.lora_rank
    needed = training_operations(shape, whole, graded, adapted=adapted, rank=rank)
    laid_out = layout_operations(shape, whole, adapted=adapted, rank=rank)
    return sum(needed.values()), sum(laid_out.values())
