"""The training set: one trie of prompts with their completions behind them.

A row of the dataset is a prompt; some rows carry completions, each a steering
token and a response. A step is a run of consecutive rows, packed into one row
for the model.
"""

from __future__ import annotations

import random
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import torch
from datasets import Dataset
from torch import Tensor

from distalign.prompts import Prompt, response_ids, split_prompts
from distalign.spec import RunSpec
from distalign.steering import SteeringTokens
from distalign.training_config import MAX_ANSWERED, RETAINED_PROMPTS, RETAINED_TOKENS, TrainingConfig
from distalign.trie import Pack, TokenTrie, pack
from distalign.unrelated import exchange_ids, unrelated_prompts

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase

DESIRABLE, UNDESIRABLE, MISMATCHED = 0, 1, 2
# Prompts that carry completions; responses are learned long before these run out.
MAX_ANSWER_PROMPTS = 96
# Prompts of one template that stand together.
RUN = 6


@dataclass(frozen=True)
class Completion:
    """A completion behind a prompt: the nodes of its steering token and its response."""

    kind: int
    nodes: tuple[int, ...]


@dataclass
class TrainingSet:
    """All that training reads.

    Attributes:
        trie: prompts and completions.
        leaves: [prompts] the node of each prompt's last token.
        target: [prompts, K] rows of q.
        completions: all completions, which rows refer to by index.
        retained: answers to unrelated prompts, each by the nodes that predict its first
            tokens; empty where nothing is retained.
        rows: columns ``prompt``, ``completions`` and ``retained`` (indices into the two
            lists); each ``prompts_per_step`` consecutive rows make a step.
    """

    trie: TokenTrie
    leaves: list[int]
    target: Tensor
    completions: list[Completion]
    retained: list[tuple[int, ...]]
    rows: Dataset


def build_training_set(
    spec: RunSpec, tokenizer: PreTrainedTokenizerBase, steering: SteeringTokens
) -> TrainingSet:
    """Lay out every step of a run's training in advance, from its seed."""
    rng = random.Random(spec.seed)
    prompts = training_prompts(spec, tokenizer, rng)
    trie = TokenTrie()
    leaves = [trie.insert(prompt.ids)[-1] for prompt in prompts]
    target = torch.tensor([spec.target.rows[p.context] for p in prompts], dtype=torch.float32)
    completions: list[Completion] = []
    groups = _answer_groups(spec, prompts, rng)
    phrasings = response_ids(tokenizer, spec)
    hands = _hands(len(spec.attribute), rng)
    of_prompt: dict[int, list[int]] = {}
    for group in groups:
        texts = [_answers(next(hands), phrasings, steering, rng) for _ in group]
        for i, prompt in enumerate(group):
            matched = [Completion(kind, tuple(trie.insert(ids, leaves[prompt]))) for kind, ids in texts[i]]
            # KTO's z0 pairs a prompt with its neighbour's completions (rotation by one, as TRL does).
            neighbour = texts[(i + 1) % len(group)]
            mismatched = [
                Completion(MISMATCHED, tuple(trie.insert(ids, leaves[prompt]))) for _, ids in neighbour
            ]
            start = len(completions)
            completions += matched + mismatched
            of_prompt[prompt] = list(range(start, len(completions)))
    rows = _rows(spec, prompts, groups, of_prompt, rng)
    retained = _retained(trie, tokenizer, spec.training)
    if retained:
        rows["retained"] = _retained_rows(len(retained), spec.training, spec.seed)
    return TrainingSet(trie, leaves, target, completions, retained, Dataset.from_dict(rows))


def _retained(
    trie: TokenTrie, tokenizer: PreTrainedTokenizerBase, config: TrainingConfig
) -> list[tuple[int, ...]]:
    """The beginnings of answers to unrelated prompts, as many as the steps will read."""
    if config.retain_weight == 0:
        return []
    chosen = unrelated_prompts("retain")[: config.steps * RETAINED_PROMPTS]
    found = []
    for prompt, answer in exchange_ids(tokenizer, chosen):
        last = trie.insert(prompt)[-1]
        found.append((last, *trie.insert(answer[: RETAINED_TOKENS - 1], last)))
    return found


def _retained_rows(count: int, config: TrainingConfig, seed: int) -> list[list[int]]:
    """The retained answers of every row: those of a step stand on its first row.

    The stream is one of their own, so that they change nothing else of a training.
    """
    rng = random.Random(f"retained {seed}")
    order: list[int] = []
    rows: list[list[int]] = []
    for _ in range(config.steps):
        while len(order) < RETAINED_PROMPTS:
            order = rng.sample(range(count), count) + order
        rows.append([order.pop() for _ in range(RETAINED_PROMPTS)])
        rows += [[] for _ in range(config.prompts_per_step - 1)]
    return rows


def training_prompts(spec: RunSpec, tokenizer: PreTrainedTokenizerBase, rng: random.Random) -> list[Prompt]:
    """The prompts that a training reads, in random order; those of a run in the same way from its seed."""
    prompts = split_prompts(spec, tokenizer, "seen_templates")
    return [prompts[i] for i in _in_runs(prompts, rng)[: spec.training.distinct_prompts]]


def tokens_of_steps(training_set: TrainingSet, prompts_per_step: int) -> int:
    """Tokens that all steps run together: what the sequences of a step share counts once."""
    trie = training_set.trie
    rows = training_set.rows[:]
    total = 0
    for first in range(0, len(rows["prompt"]), prompts_per_step):
        step = slice(first, first + prompts_per_step)
        ends = [training_set.leaves[p] for p in rows["prompt"][step]]
        ends += [training_set.completions[c].nodes[-1] for cs in rows["completions"][step] for c in cs]
        ends += [training_set.retained[r][-1] for rs in rows["retained"][step] for r in rs]
        total += len(trie.closure(ends))
    return total


def _in_runs(prompts: Sequence[Prompt], rng: random.Random) -> list[int]:
    """Indices of the prompts in random order, but in runs of a few contexts of one template.

    The prompts of a run share their beginning, which a step then computes once.
    """
    by_template: dict[int, list[int]] = {}
    for index in rng.sample(range(len(prompts)), len(prompts)):
        by_template.setdefault(prompts[index].template, []).append(index)
    runs = [group[i : i + RUN] for group in by_template.values() for i in range(0, len(group), RUN)]
    return [index for run in rng.sample(runs, len(runs)) for index in run]


def _answer_groups(spec: RunSpec, prompts: list[Prompt], rng: random.Random) -> list[list[int]]:
    """Groups of prompts that carry completions, of ``answers_per_step`` each."""
    size = min(spec.training.answers_per_step, spec.training.prompts_per_step)
    wanted = min(MAX_ANSWER_PROMPTS, len(prompts) // size * size) or len(prompts)
    chosen = _in_runs(prompts, rng)[:wanted]
    return [chosen[i : i + size] for i in range(0, wanted, size)]


def _hands(count: int, rng: random.Random) -> Iterator[list[int]]:
    """Distinct categories for one prompt after another, dealt so that all come equally often."""
    deck: list[int] = []
    while True:
        hand: list[int] = []
        while len(hand) < min(count, MAX_ANSWERED):
            deck = deck or rng.sample(range(count), count)
            pick = next((k for k in deck if k not in hand), None)
            if pick is None:
                deck = []
                continue
            deck.remove(pick)
            hand.append(pick)
        yield hand


def _answers(
    categories: list[int],
    phrasings: list[list[tuple[int, ...]]],
    steering: SteeringTokens,
    rng: random.Random,
) -> list[tuple[int, tuple[int, ...]]]:
    """For each category k: (desirable, s_k with k's words) and (undesirable, s_k with another's)."""
    count = len(phrasings)
    answers = []
    for k in categories:
        j = rng.choice([other for other in range(count) if other != k])
        answers.append((DESIRABLE, (steering.ids[k], *rng.choice(phrasings[k]))))
        answers.append((UNDESIRABLE, (steering.ids[k], *rng.choice(phrasings[j]))))
    return answers


def _rows(
    spec: RunSpec,
    prompts: list[Prompt],
    groups: list[list[int]],
    of_prompt: dict[int, list[int]],
    rng: random.Random,
) -> dict[str, list]:
    """Columns of the rows of every step: a group of answered prompts, filled up with further prompts."""
    config = spec.training
    column: list[int] = []
    completions: list[list[int]] = []
    order: list[int] = []
    for step in range(config.steps):
        group = groups[step % len(groups)]
        rest = []
        while len(group) + len(rest) < config.prompts_per_step:
            if not order:
                order = _in_runs(prompts, rng)
            rest.append(order.pop())
        column += group + rest
        completions += [of_prompt[p] for p in group] + [[] for _ in rest]
    return {"prompt": column, "completions": completions, "retained": [[] for _ in column]}


@dataclass(frozen=True)
class StepBatch:
    """One step, packed.

    P prompts, C completions, T predicted tokens, A places of retained answers,
    R places whose logits are read.

    Attributes:
        pack: the row of N tokens.
        reads: [R] places whose logits the loss reads.
        prompt_reads: [P] index into ``reads`` of each prompt's last token.
        target: [P, K].
        token_reads: [T] index into ``reads`` of the place that predicts a token.
        labels: [T] that token's id.
        owner: [T] the completion (0 to C−1) it belongs to.
        is_steering: [T] bool, true for a completion's first token.
        kinds: [C] DESIRABLE, UNDESIRABLE or MISMATCHED.
        completions: [C] indices into the training set's completions.
        retained_reads: [A] index into ``reads`` of each place of the retained answers.
        retained: indices into the training set's retained answers, whose places these are, in order.
    """

    pack: Pack
    reads: Tensor
    prompt_reads: Tensor
    target: Tensor
    token_reads: Tensor
    labels: Tensor
    owner: Tensor
    is_steering: Tensor
    kinds: Tensor
    completions: Tensor
    retained_reads: Tensor
    retained: list[int]


def collate(
    training_set: TrainingSet, prompts: list[int], completions: list[int], retained: Sequence[int] = ()
) -> StepBatch:
    """Pack some prompts, completions and retained answers of a training set into one row."""
    trie = training_set.trie
    chosen = [training_set.completions[c] for c in completions]
    leaves = [training_set.leaves[p] for p in prompts]
    kept = [node for r in retained for node in training_set.retained[r]]
    packed = pack(trie, [*leaves, *(c.nodes[-1] for c in chosen), *kept])
    predicted = [node for c in chosen for node in c.nodes]
    parents = [trie.parents[node] for node in predicted]
    read_nodes = sorted({*leaves, *parents, *kept})
    at = {node: i for i, node in enumerate(read_nodes)}
    return StepBatch(
        pack=packed,
        reads=packed.places(read_nodes),
        prompt_reads=torch.tensor([at[n] for n in leaves]),
        target=training_set.target[prompts],
        token_reads=torch.tensor([at[n] for n in parents], dtype=torch.long),
        labels=torch.tensor([trie.tokens[n] for n in predicted], dtype=torch.long),
        owner=torch.tensor([i for i, c in enumerate(chosen) for _ in c.nodes], dtype=torch.long),
        is_steering=torch.tensor([i == 0 for c in chosen for i in range(len(c.nodes))], dtype=torch.bool),
        kinds=torch.tensor([c.kind for c in chosen], dtype=torch.long),
        completions=torch.tensor(completions, dtype=torch.long),
        retained_reads=torch.tensor([at[n] for n in kept], dtype=torch.long),
        retained=list(retained),
    )
