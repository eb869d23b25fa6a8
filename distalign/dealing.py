"""Which prompts are answered together, and by what: completions dealt to groups of prompts."""

from __future__ import annotations

import random
from collections.abc import Iterator, Sequence
from functools import cache
from itertools import zip_longest
from typing import TYPE_CHECKING

from distalign.prompts import Prompt
from distalign.steering_pools import SteeringTokens

if TYPE_CHECKING:
    from distalign.stories import Story

DESIRABLE, UNDESIRABLE, MISMATCHED = 0, 1, 2
# Prompts of one template that stand together.
RUN = 6


Ids = tuple[int, ...]
# What may follow each category's steering token.
Texts = list[list[Ids]]
# A group of prompts (their indices), and for each of them (kind, token ids) of its answers.
Dealt = tuple[list[int], list[list[tuple[int, Ids]]]]


def in_runs(prompts: Sequence[Prompt], rng: random.Random) -> list[int]:
    """Indices of the prompts in random order, but in runs of a few contexts of one template.

    The prompts of a run share their beginning, which a step then computes once. Contexts are
    dealt to blocks, and runs of one block after another follow, each of another template: so a
    step asks about as many different contexts as it has prompts, and any number of prompts from
    the first on asks about all contexts about equally often.
    """
    contexts = len({prompt.context for prompt in prompts})
    blocks = max(1, round(contexts / RUN))
    size = max(RUN, -(-contexts // blocks))
    alike: dict[tuple[int, int, int, str], list[int]] = {}
    for index in rng.sample(range(len(prompts)), len(prompts)):
        prompt = prompts[index]
        # What states a target differs behind the context only.
        name = prompt.attribute.name if prompt.attribute else ""
        key = (prompt.context % blocks, prompt.template, prompt.context if prompt.target else -1, name)
        alike.setdefault(key, []).append(index)
    turns: list[list[list[int]]] = [[] for _ in range(blocks)]
    for (block, *_), group in alike.items():
        turns[block] += [group[i : i + size] for i in range(0, len(group), size)]
    for runs in turns:
        rng.shuffle(runs)
    return [index for turn in zip_longest(*turns, fillvalue=[]) for run in turn for index in run]


def answer_groups(
    prompts: Sequence[Prompt], size: int, most: int, rng: random.Random, first: int = 0
) -> list[list[int]]:
    """Groups of ``size`` prompts that carry completions, ``most`` prompts in all; indices begin at ``first``."""
    wanted = min(most, len(prompts)) // size * size or len(prompts)
    chosen = [first + i for i in in_runs(prompts, rng)[:wanted]]
    return [chosen[i : i + size] for i in range(0, wanted, size)]


def deal(
    groups: list[list[int]],
    texts: Sequence[Texts],
    most: int,
    steering: SteeringTokens,
    rng: random.Random,
    contrasted: int | None = None,
    brief: Texts | None = None,
) -> list[Dealt]:
    """Groups of prompts, each prompt with its answers for some categories.

    Args:
        groups: indices of prompts.
        texts: of each prompt, what may be said for each category.
        most: categories a prompt, at most.
        contrasted: tokens to which undesirable and mismatched answers are cut; None: none is.
        brief: what each category's steering token must not be followed by because it is too short.
    """
    hands = cache(lambda count: _hands(count, most, rng))
    dealt: list[Dealt] = []
    for group in groups:
        own = [
            _answers(next(hands(len(texts[p]))), texts[p], steering, rng, contrasted, brief) for p in group
        ]
        # KTO's z0 pairs a prompt with its neighbour's completions (rotation by one, as TRL does).
        crossed = [[(MISMATCHED, ids[:contrasted]) for _, ids in answers] for answers in own[1:] + own[:1]]
        dealt.append((group, [mine + other for mine, other in zip(own, crossed, strict=True)]))
    return dealt


def stories_for(stories: Sequence[Story], prompts: list[Prompt], count: int) -> list[Texts]:
    """For each prompt the stories of each category: those about its context, where there are some."""
    about: dict[tuple[int, int | None], list[Ids]] = {}
    for story in stories:
        for context in (story.context, None):
            about.setdefault((story.category, context), []).append(story.ids)
    return [[about.get((k, prompt.context)) or about[k, None] for k in range(count)] for prompt in prompts]


def in_turn(one: list[Dealt], other: list[Dealt]) -> list[Dealt]:
    """Groups of both in turn; the shorter list begins again."""
    return [groups[i % len(groups)] for i in range(max(len(one), len(other))) for groups in (one, other)]


def _hands(count: int, most: int, rng: random.Random) -> Iterator[list[int]]:
    """Distinct categories for one prompt after another, dealt so that all come equally often."""
    deck: list[int] = []
    while True:
        hand: list[int] = []
        while len(hand) < min(count, most):
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
    texts: Texts,
    steering: SteeringTokens,
    rng: random.Random,
    contrasted: int | None,
    brief: Texts | None,
) -> list[tuple[int, Ids]]:
    """For each category k: (desirable, s_k with a text of k) and (undesirable, s_k with another's).

    With ``brief`` its own, too briefly, is undesirable as well.
    """
    count = len(texts)
    answers = []
    for k in categories:
        wrong = [rng.choice(texts[rng.choice([other for other in range(count) if other != k])])]
        if brief:
            wrong.append(rng.choice(brief[k]))
        answers.append((DESIRABLE, (steering.ids[k], *rng.choice(texts[k]))))
        answers += [(UNDESIRABLE, (steering.ids[k], *ids)[:contrasted]) for ids in wrong]
    return answers
