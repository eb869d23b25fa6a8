"""What the trained baselines read: answers, and pairs of answers, drawn from the target.

Prompts and phrasings are those of the hybrid; there are no steering tokens.
"""

from __future__ import annotations

import itertools
import random
from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from distalign.prompts import Prompt, response_ids
from distalign.spec import RunSpec
from distalign.steering import SteeringTokens
from distalign.training_set import build_training_set, tokens_of_steps, training_prompts

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase

Ids = tuple[int, ...]


@dataclass(frozen=True)
class Drawn:
    """A prompt with an answer drawn from its target, and one of another category.

    ``chosen`` is a draw from q(·|context), ``rejected`` one from the same row without the
    chosen category, renormalised; ``answer`` and ``other`` are their token ids.
    """

    prompt: Prompt
    chosen: int
    answer: Ids
    rejected: int
    other: Ids

    def as_answer(self) -> dict[str, Any]:
        """A row of TRL's SFTTrainer: loss on the answer only (−100 is not read)."""
        ids = [*self.prompt.ids, *self.answer]
        return {"input_ids": ids, "labels": [-100] * len(self.prompt.ids) + list(self.answer)}

    def as_pair(self) -> dict[str, Any]:
        """A row of TRL's DPOTrainer."""
        return {
            "prompt_ids": list(self.prompt.ids),
            "chosen_ids": list(self.answer),
            "rejected_ids": list(self.other),
        }


class Source:
    """An endless supply of drawn answers, the same for every baseline of a run's seed.

    Attributes:
        tokens: how many tokens of prompts and completions the hybrid's steps run, what
            the sequences of a step share counted once.
        row_tokens: tokens of a prompt with one answer, on average.
    """

    def __init__(self, spec: RunSpec, tokenizer: PreTrainedTokenizerBase) -> None:
        rng = random.Random(spec.seed)
        self.prompts = training_prompts(spec, tokenizer, rng)
        self.phrasings = response_ids(tokenizer, spec, lead="")
        self.tokens = _hybrid_tokens(spec, tokenizer)
        answers = [len(ids) for phrasings in self.phrasings for ids in phrasings]
        prompts = [len(prompt.ids) for prompt in self.prompts]
        self.row_tokens = sum(prompts) / len(prompts) + sum(answers) / len(answers)
        self._draws = self._draw(spec, rng)

    def take(self, count: int) -> list[Drawn]:
        return list(itertools.islice(self._draws, count))

    def rows_per_step(self, steps: int) -> int:
        """Rows with which ``steps`` steps run as many tokens as the hybrid's steps, as nearly as can be."""
        return max(1, round(self.tokens / steps / self.row_tokens))

    def _draw(self, spec: RunSpec, rng: random.Random) -> Iterator[Drawn]:
        categories = range(len(spec.attribute))
        while True:
            for prompt in rng.sample(self.prompts, len(self.prompts)):
                row = prompt.target or spec.target.rows[prompt.context]
                (chosen,) = rng.choices(categories, row)
                (rejected,) = rng.choices(categories, others(row, chosen))
                answer, other = (rng.choice(self.phrasings[k]) for k in (chosen, rejected))
                yield Drawn(prompt, chosen, answer, rejected, other)


def others(row: tuple[float, ...], chosen: int) -> list[float]:
    """Weights of the categories but one; even where the target gives all to that one."""
    weights = [0.0 if k == chosen else q for k, q in enumerate(row)]
    return weights if sum(weights) > 0 else [float(k != chosen) for k in range(len(row))]


def _hybrid_tokens(spec: RunSpec, tokenizer: PreTrainedTokenizerBase) -> int:
    # Which tokens steer does not change how many tokens a step has.
    steering = SteeringTokens(spec.attribute.names, tuple(range(len(spec.attribute))))
    training_set = build_training_set(spec, tokenizer, steering)
    return tokens_of_steps(training_set, spec.training.prompts_per_step)
