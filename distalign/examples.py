"""The examples that a run trains on, as text: by the code that lays out its training. Needs no torch."""

from __future__ import annotations

import itertools
import random
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, cast

from distalign.answers import asking_for_stories, short_answers, story_groups, story_prompts, training_prompts
from distalign.baselines.draws import draw_answers
from distalign.baselines.instruction import prefaces
from distalign.dealing import DESIRABLE, UNDESIRABLE, in_turn
from distalign.prompts import Prompt, response_ids, split_prompts
from distalign.spec import STEERED_METHODS, TRAINED_METHODS, RunSpec
from distalign.spelling import Spelling
from distalign.steering_pools import SteeringTokens, candidates
from distalign.templates import measured_templates


@dataclass(frozen=True)
class Answer:
    """What may stand behind a prompt: the steering token, if any, and the response behind it.

    ``category`` is what the token stands for (without one: what the response names).
    """

    desirable: bool
    token: str
    response: str
    category: str


@dataclass(frozen=True)
class Example:
    """A prompt as the model sees it, its target, and the answers that it is trained on."""

    prompt: str
    target: tuple[tuple[str, float], ...]
    answers: tuple[Answer, ...]


def examples(spec: RunSpec, spelling: Spelling, first: int = 0, count: int = 3) -> list[Example]:
    """Some of the run's examples, in the order of its steps; without answers where nothing is trained."""
    return list(itertools.islice(_all(spec, spelling), first, first + count))


def _all(spec: RunSpec, spelling: Spelling) -> Iterator[Example]:
    if spec.method in STEERED_METHODS:
        return _steered(spec, spelling)
    if spec.method in TRAINED_METHODS:
        return _drawn(spec, spelling)
    return _measured(spec, spelling)


def steering_texts(spec: RunSpec, spelling: Spelling) -> SteeringTokens:
    """The steering tokens that a run takes, but for the check that the model can tell them apart."""
    wanted = max(len(spec.attribute), spec.least_tokens)
    texts = [text for text, _ in candidates(cast(Any, spelling), spec.attribute, spec.steering)][:wanted]
    texts += [f"<token {k + 1}>" for k in range(len(texts), wanted)]
    return SteeringTokens(tuple(texts), cast(Any, tuple(texts)))


def _steered(spec: RunSpec, spelling: Spelling) -> Iterator[Example]:
    tokens = steering_texts(spec, spelling)
    rng = random.Random(spec.seed)
    asking = asking_for_stories(spec)
    prompts, dealt = short_answers(spec, cast(Any, spelling), tokens, rng, asking)
    if asking:
        further = story_prompts(spec, cast(Any, spelling), rng)
        groups = story_groups(further, rng, first=len(prompts))
        prompts += further
        dealt = in_turn(dealt, [(group, [_stories(spec, tokens)] * len(group)) for group in groups])
    for group, answers in dealt:
        for index, own in zip(group, answers, strict=True):
            prompt = prompts[index]
            names = (prompt.attribute or spec.attribute).names
            yield _example(
                spec,
                spelling,
                prompt,
                [
                    Answer(kind == DESIRABLE, str(ids[0]), _text(ids[1:]), names[tokens.ids.index(ids[0])])
                    for kind, ids in own
                    if kind in (DESIRABLE, UNDESIRABLE)
                ],
            )


def _stories(spec: RunSpec, tokens: SteeringTokens) -> list[tuple[int, Any]]:
    """What stands for stories, which are there only when the training has begun: one of each category."""
    return [(DESIRABLE, (tokens.ids[k], _story(spec, name))) for k, name in enumerate(spec.attribute.names)]


def _story(spec: RunSpec, name: str) -> str:
    return f" … a {name} story of at most {spec.story.story_tokens} tokens, by the base model …"


def _drawn(spec: RunSpec, spelling: Spelling) -> Iterator[Example]:
    rng = random.Random(spec.seed)
    asking = asking_for_stories(spec)
    prompts = training_prompts(spec, cast(Any, spelling), rng, spec.training.distinct_prompts - asking)
    names = spec.attribute.names
    texts: list[Any] = [response_ids(cast(Any, spelling), spec, lead="")] * len(prompts)
    if asking:
        further = story_prompts(spec, cast(Any, spelling), rng)
        prompts += further
        texts += [[[_story(spec, name).lstrip()] for name in names]] * len(further)
    for drawn in draw_answers(spec, prompts, texts, rng):
        answers = [Answer(True, "", _text(drawn.answer), names[drawn.chosen])]
        if spec.method == "dpo":
            answers.append(Answer(False, "", _text(drawn.other), names[drawn.rejected]))
        yield _example(spec, spelling, drawn.prompt, answers)


def _measured(spec: RunSpec, spelling: Spelling) -> Iterator[Example]:
    """Prompts of a method that trains nothing: those that it is measured on."""
    templates = measured_templates(len(spec.templates.seen), spec.rounds_of("seen_templates"))
    turns = prefaces(spec) if spec.method == "prompt" else ()
    for prompt in split_prompts(spec, cast(Any, spelling), "seen_templates", templates, turns):
        yield _example(spec, spelling, prompt, [])


def _example(spec: RunSpec, spelling: Spelling, prompt: Prompt, answers: list[Answer]) -> Example:
    names = (prompt.attribute or spec.attribute).names
    target = prompt.target or spec.target.rows[prompt.context]
    (turns,) = prompt.ids
    return Example(spelling.chat(cast(Any, turns)), tuple(zip(names, target, strict=True)), tuple(answers))


def _text(ids: Any) -> str:
    return "".join(map(str, ids))
