"""What a training asks, and the short answers behind its questions. Needs no torch."""

from __future__ import annotations

import random
from functools import cache
from typing import TYPE_CHECKING

from distalign.dealing import Dealt, answer_groups, deal, in_runs
from distalign.prompts import Prompt, response_ids, split_prompts
from distalign.spec import RunSpec
from distalign.stated_prompts import prompt_pool
from distalign.steering_pools import SteeringTokens
from distalign.templates import SEEN_STORIES
from distalign.training_config import MAX_ANSWERED

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase

# Prompts that carry completions; responses are learned long before these run out.
MAX_ANSWER_PROMPTS = 96
# The same where the words of other attributes are to be copied, not learned.
MAX_COPIED_PROMPTS = 480
# With stories, this share of the prompts asks for one.
STORY_SHARE = 0.4
# A story is as long as ten short answers, so fewer stand behind a prompt. They are read once or twice each:
# a small model soon knows a story by heart, and then tells no other.
MAX_STORY_PROMPTS, STORY_PROMPTS_A_STEP, MAX_TOLD = 160, 2, 2


def short_answers(
    spec: RunSpec,
    tokenizer: PreTrainedTokenizerBase,
    steering: SteeringTokens,
    rng: random.Random,
    asking: int = 0,
) -> tuple[list[Prompt], list[Dealt]]:
    """The prompts of a training, but ``asking`` that ask for stories, and the answers dealt to some of them."""
    config = spec.training
    prompts = training_prompts(spec, tokenizer, rng, config.distinct_prompts - asking)
    size = min(config.answers_per_step, config.prompts_per_step)
    answered = MAX_COPIED_PROMPTS if spec.any_attribute else MAX_ANSWER_PROMPTS
    groups = answer_groups(prompts, size, answered, rng)
    phrasings = cache(lambda attribute: response_ids(tokenizer, spec, attribute=attribute))
    texts = [phrasings(prompt.attribute or spec.attribute) for prompt in prompts]
    return prompts, deal(groups, texts, MAX_ANSWERED, steering, rng)


def asking_for_stories(spec: RunSpec) -> int:
    """How many prompts of a training ask for a story."""
    return round(STORY_SHARE * spec.training.distinct_prompts) if spec.story.stories else 0


def story_prompts(spec: RunSpec, tokenizer: PreTrainedTokenizerBase, rng: random.Random) -> list[Prompt]:
    """The prompts of a training that ask for a story."""
    further = split_prompts(spec, tokenizer, SEEN_STORIES)
    return [further[i] for i in in_runs(further, rng)[: asking_for_stories(spec)]]


def story_groups(prompts: list[Prompt], rng: random.Random, first: int) -> list[list[int]]:
    """Groups of those prompts that carry stories; their indices begin at ``first``."""
    return answer_groups(prompts, STORY_PROMPTS_A_STEP, MAX_STORY_PROMPTS, rng, first)


def training_prompts(
    spec: RunSpec, tokenizer: PreTrainedTokenizerBase, rng: random.Random, count: int | None = None
) -> list[Prompt]:
    """The ``count`` prompts (by default all) that a training reads, in random order.

    Those of a run are chosen in the same way from its seed, whatever its method.
    """
    prompts = prompt_pool(spec, tokenizer)
    count = spec.training.distinct_prompts if count is None else count
    return [prompts[i] for i in in_runs(prompts, rng)[:count]]
