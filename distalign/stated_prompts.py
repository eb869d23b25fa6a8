"""The prompts of a training whose targets are stated: drawn for each prompt, also over other attributes."""

from __future__ import annotations

import random
from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from distalign import stated
from distalign.asked import Asked, small_attributes
from distalign.attributes import Attribute
from distalign.prompts import Prompt, chat_ids, split_prompts
from distalign.spec import RunSpec
from distalign.stated import STATED
from distalign.templates import built_in_templates, fill

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase

# Targets stated behind the same template and context, which are then computed once.
TARGETS_A_PAIR = 4
# The same where other attributes are trained, too: they need variety more than targets do.
TARGETS_A_PAIR_ANY = 2
# Share of the prompts that ask about the run's own attribute, if others are trained beside it.
OWN_SHARE = 0.3


def targets_a_question(spec: RunSpec) -> int:
    """How many targets are stated behind the same question."""
    return TARGETS_A_PAIR_ANY if spec.any_attribute else TARGETS_A_PAIR


def prompt_pool(
    spec: RunSpec, tokenizer: PreTrainedTokenizerBase, split: str = "seen_templates"
) -> list[Prompt]:
    """The prompts that a training may choose from.

    They are those of the split, unless the target is stated: then targets, and words
    that state them, are drawn from the seed, for as many prompts as the training wants.
    With ``any_attribute`` most of them ask about bundled attributes, and the order in
    which categories are named, and so what the tokens stand for, is drawn as well.
    """
    if spec.target.kind != STATED:
        return split_prompts(spec, tokenizer, split)
    rng = random.Random(f"{spec.seed} stated targets")
    questions = _any_questions(spec, split, rng) if spec.any_attribute else _own_questions(spec, split, rng)
    prompts: list[Prompt] = []
    for question in questions:
        prompts += [_stating(question, tokenizer, rng) for _ in range(targets_a_question(spec))]
        if len(prompts) >= spec.training.distinct_prompts:
            break
    return prompts


@dataclass(frozen=True)
class _Question:
    """A filled template; ``attribute`` is None for the run's own, in its own order."""

    text: str
    template: int
    context: int
    names: tuple[str, ...]
    attribute: Attribute | None = None


def _own_questions(spec: RunSpec, split: str, rng: random.Random) -> Iterator[_Question]:
    """Each pair of a template and a context once, in random order."""
    texts = spec.templates.of(split)
    pairs = [(t, c) for t in range(len(texts)) for c in spec.contexts_of(split)]
    for t, c in rng.sample(pairs, len(pairs)):
        text = fill(texts[t], spec.attribute, context=spec.contexts.names[c])
        yield _Question(text, t, c, spec.attribute.names)


def _any_questions(spec: RunSpec, split: str, rng: random.Random) -> Iterator[_Question]:
    """Without end: questions about the run's attribute and about others, categories in any order."""
    own = Asked(spec.attribute, spec.contexts)
    own_contexts = [spec.contexts.names[c] for c in spec.contexts_of(split)]
    others = small_attributes("trained")
    while True:
        is_own = rng.random() < OWN_SHARE
        subject = own if is_own else rng.choice(others)
        names = own_contexts if is_own else list(subject.contexts.names)
        texts = spec.templates.of(split) if is_own else built_in_templates(subject.attribute).seen
        categories = subject.attribute.categories
        asked = replace(subject.attribute, categories=tuple(rng.sample(categories, len(categories))))
        t, c = rng.randrange(len(texts)), rng.randrange(len(names))
        yield _Question(fill(texts[t], asked, context=names[c]), t, c, asked.names, asked)


def _stating(question: _Question, tokenizer: PreTrainedTokenizerBase, rng: random.Random) -> Prompt:
    target = stated.draw_target(len(question.names), rng)
    text = stated.behind(question.text, rng.choice(stated.SEEN), question.names, target)
    shares = tuple(p / 100 for p in target)
    return Prompt(question.context, question.template, chat_ids(tokenizer, text), shares, question.attribute)
