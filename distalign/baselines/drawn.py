"""What the trained baselines read: answers, and pairs of answers, drawn from the target.

Prompts and phrasings are those of the hybrid; there are no steering tokens.
"""

from __future__ import annotations

import itertools
import random
from typing import TYPE_CHECKING

from distalign.answers import training_prompts
from distalign.baselines.draws import Drawn, draw_answers
from distalign.prompts import response_ids
from distalign.spec import RunSpec
from distalign.steering_pools import SteeringTokens
from distalign.training_set import build_training_set, tokens_of_steps

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase


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
        self._draws = draw_answers(spec, self.prompts, self.phrasings, rng)

    def take(self, count: int) -> list[Drawn]:
        return list(itertools.islice(self._draws, count))

    def rows_per_step(self, steps: int) -> int:
        """Rows with which ``steps`` steps run as many tokens as the hybrid's steps, as nearly as can be."""
        return max(1, round(self.tokens / steps / self.row_tokens))


def _hybrid_tokens(spec: RunSpec, tokenizer: PreTrainedTokenizerBase) -> int:
    # Which tokens steer does not change how many tokens a step has.
    steering = SteeringTokens(spec.attribute.names, tuple(range(len(spec.attribute))))
    training_set = build_training_set(spec, tokenizer, steering)
    return tokens_of_steps(training_set, spec.training.prompts_per_step)
