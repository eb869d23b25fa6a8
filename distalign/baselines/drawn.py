"""What the trained baselines read: answers, and pairs of answers, drawn from the target.

Prompts, phrasings and stories are those of the hybrid; there are no steering tokens.
"""

from __future__ import annotations

import itertools
import random
from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

from distalign.answers import asking_for_stories, story_prompts, training_prompts
from distalign.baselines.draws import Drawn, draw_answers
from distalign.dealing import Ids, stories_for
from distalign.prompts import response_ids
from distalign.spec import RunSpec
from distalign.steering_pools import SteeringTokens
from distalign.training_set import build_training_set, tokens_of_steps

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase

    from distalign.stories import Story


class Source:
    """An endless supply of drawn answers, the same for every baseline of a run's seed.

    Attributes:
        tokens: how many tokens of prompts and completions the hybrid's steps run, what
            the sequences of a step share counted once.
        row_tokens: tokens of a prompt with one answer, on average.
    """

    def __init__(
        self, spec: RunSpec, tokenizer: PreTrainedTokenizerBase, stories: Sequence[Story] = ()
    ) -> None:
        rng = random.Random(spec.seed)
        asking = asking_for_stories(spec) if stories else 0
        self.prompts = training_prompts(spec, tokenizer, rng, spec.training.distinct_prompts - asking)
        self.texts = [response_ids(tokenizer, spec, lead="")] * len(self.prompts)
        if stories:
            further = story_prompts(spec, tokenizer, rng)
            told = [replace(story, ids=_without_lead(story.ids, tokenizer)) for story in stories]
            self.prompts += further
            self.texts += stories_for(told, further, len(spec.attribute))
        self.tokens = _hybrid_tokens(spec, tokenizer, stories)
        answers = [len(ids) for texts in self.texts for category in texts for ids in category]
        prompts = [len(prompt.ids) for prompt in self.prompts]
        self.row_tokens = sum(prompts) / len(prompts) + sum(answers) / len(answers)
        self._draws = draw_answers(spec, self.prompts, self.texts, rng)

    def take(self, count: int) -> list[Drawn]:
        return list(itertools.islice(self._draws, count))

    def rows_per_step(self, steps: int) -> int:
        """Rows with which ``steps`` steps run as many tokens as the hybrid's steps, as nearly as can be."""
        return max(1, round(self.tokens / steps / self.row_tokens))


def _without_lead(ids: Ids, tokenizer: PreTrainedTokenizerBase) -> Ids:
    """A story as it stands where no steering token is before it."""
    end = ids[-1:] if ids[-1] == tokenizer.eos_token_id else ()
    text = tokenizer.decode(ids[: len(ids) - len(end)]).strip()
    return (*tokenizer.encode(text, add_special_tokens=False), *end)


def _hybrid_tokens(spec: RunSpec, tokenizer: PreTrainedTokenizerBase, stories: Sequence[Story]) -> int:
    # Which tokens steer does not change how many tokens a step has.
    steering = SteeringTokens(spec.attribute.names, tuple(range(len(spec.attribute))))
    training_set = build_training_set(spec, tokenizer, steering, stories)
    return tokens_of_steps(training_set, spec.training.prompts_per_step)
