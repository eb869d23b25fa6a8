"""The training set: one trie of prompts with their completions behind them.

A row of the dataset is a prompt; some rows carry completions, each a steering
token and a response. A step is a run of consecutive rows, packed into one row
for the model.
"""

from __future__ import annotations

import random
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import torch
from datasets import Dataset
from torch import Tensor

from distalign.answers import MAX_TOLD, asking_for_stories, short_answers, story_groups, story_prompts
from distalign.dealing import deal, in_runs, in_turn, stories_for
from distalign.prompts import Prompt, response_ids
from distalign.spec import RunSpec
from distalign.steering import SteeringTokens
from distalign.training_config import RETAINED_PROMPTS, RETAINED_TOKENS, TrainingConfig
from distalign.trie import Pack, TokenTrie, pack
from distalign.unrelated import exchange_ids, unrelated_prompts

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase

    from distalign.stories import Story

# Tokens of what KTO sets a story against. The beginning decides a story's category, and a whole one's
# log-ratio, a sum over its tokens, would leave the loss no slope.
CONTRASTED = 24


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
        sizes: [prompts] categories of what each asks about, K at most.
        completions: all completions, which rows refer to by index.
        retained: answers to unrelated prompts, each by the nodes that predict its first
            tokens; empty where nothing is retained.
        rows: columns ``prompt``, ``completions`` and ``retained`` (indices into the two
            lists); each ``prompts_per_step`` consecutive rows make a step.
    """

    trie: TokenTrie
    leaves: list[int]
    target: Tensor
    sizes: Tensor
    completions: list[Completion]
    retained: list[tuple[int, ...]]
    rows: Dataset

    def read_nodes(
        self, prompts: Iterable[int], completions: Iterable[int], retained: Iterable[int]
    ) -> list[int]:
        """Nodes whose next-token distribution the loss reads, ascending. A completion's last token is only predicted."""
        found = {self.leaves[p] for p in prompts}
        found |= {self.trie.parents[node] for c in completions for node in self.completions[c].nodes}
        found |= {node for r in retained for node in self.retained[r]}
        return sorted(found)

    def packed_nodes(self) -> list[int]:
        """All nodes that any step lays out."""
        everything = (range(len(x)) for x in (self.leaves, self.completions, self.retained))
        return self.trie.closure(self.read_nodes(*everything))


def build_training_set(
    spec: RunSpec,
    tokenizer: PreTrainedTokenizerBase,
    steering: SteeringTokens,
    stories: Sequence[Story] = (),
) -> TrainingSet:
    """Lay out every step of a run's training in advance, from its seed.

    Args:
        stories: what stands behind prompts that ask for a story; without any, no prompt does.
    """
    rng = random.Random(spec.seed)
    config = spec.training
    asking = asking_for_stories(spec) if stories else 0
    prompts, dealt = short_answers(spec, tokenizer, steering, rng, asking)
    if stories:
        further = story_prompts(spec, tokenizer, rng)
        told = story_groups(further, rng, first=len(prompts))
        prompts += further
        texts = stories_for(stories, prompts, len(spec.attribute))
        brief = response_ids(tokenizer, spec, attribute=spec.attribute)
        dealt = in_turn(dealt, deal(told, texts, MAX_TOLD, steering, rng, CONTRASTED, brief))
    trie = TokenTrie()
    leaves = [trie.insert(prompt.ids)[-1] for prompt in prompts]
    shares = [p.target or spec.target.rows[p.context] for p in prompts]
    # An attribute with fewer categories leaves the last tokens without a share.
    target = torch.tensor([[*q, *[0.0] * (len(steering.ids) - len(q))] for q in shares], dtype=torch.float32)
    sizes = torch.tensor([len(q) for q in shares])
    completions: list[Completion] = []
    of_prompt: dict[int, list[int]] = {}
    for group, answers in dealt:
        for prompt, own in zip(group, answers, strict=True):
            if prompt in of_prompt:
                continue
            start = len(completions)
            completions += [Completion(kind, tuple(trie.insert(ids, leaves[prompt]))) for kind, ids in own]
            of_prompt[prompt] = list(range(start, len(completions)))
    rows = _rows(spec, prompts, [group for group, _ in dealt], of_prompt, rng)
    retained = _retained(trie, tokenizer, config)
    if retained:
        rows["retained"] = _retained_rows(len(retained), config, spec.seed)
    return TrainingSet(trie, leaves, target, sizes, completions, retained, Dataset.from_dict(rows))


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


def tokens_of_steps(training_set: TrainingSet, prompts_per_step: int) -> int:
    """Tokens that all steps run together: what the sequences of a step share counts once."""
    trie = training_set.trie
    rows = training_set.rows[:]
    total = 0
    for first in range(0, len(rows["prompt"]), prompts_per_step):
        step = slice(first, first + prompts_per_step)
        completions = [c for cs in rows["completions"][step] for c in cs]
        retained = [r for rs in rows["retained"][step] for r in rs]
        total += len(trie.closure(training_set.read_nodes(rows["prompt"][step], completions, retained)))
    return total


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
                order = in_runs(prompts, rng)
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
        sizes: [P] categories of what each prompt asks about.
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
    sizes: Tensor
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
    predicted = [node for c in chosen for node in c.nodes]
    parents = [trie.parents[node] for node in predicted]
    read_nodes = training_set.read_nodes(prompts, completions, retained)
    packed = pack(trie, read_nodes)
    at = {node: i for i, node in enumerate(read_nodes)}
    return StepBatch(
        pack=packed,
        reads=packed.places(read_nodes),
        prompt_reads=torch.tensor([at[n] for n in leaves]),
        target=training_set.target[prompts],
        sizes=training_set.sizes[prompts],
        token_reads=torch.tensor([at[n] for n in parents], dtype=torch.long),
        labels=torch.tensor([trie.tokens[n] for n in predicted], dtype=torch.long),
        owner=torch.tensor([i for i, c in enumerate(chosen) for _ in c.nodes], dtype=torch.long),
        is_steering=torch.tensor([i == 0 for c in chosen for i in range(len(c.nodes))], dtype=torch.bool),
        kinds=torch.tensor([c.kind for c in chosen], dtype=torch.long),
        completions=torch.tensor(completions, dtype=torch.long),
        retained_reads=torch.tensor([at[n] for n in kept], dtype=torch.long),
        retained=list(retained),
    )
