"""Method "prompt": the target stated in words, in the system turn. Needs no torch.

A target differs by context, and so does its instruction. With ``few_shot``, questions
about the context stand behind it, with answers drawn from its target.
"""

from __future__ import annotations

import random

from distalign.prompts import Preface
from distalign.spec import RunSpec
from distalign.templates import fill, responses, spoken_list


def instruction(spec: RunSpec, context: int, *, story: bool = False) -> str:
    """The target of a context in words, with a percentage for each category; of short answers, or of stories."""
    attribute, name = spec.attribute, spec.contexts.names[context]
    about = f"a person whose occupation is {name}" if attribute.kind == "person" else name
    shares = [
        f"{category} in {percentage(q)} %"
        for category, q in zip(attribute.names, spec.target.rows[context], strict=True)
    ]
    stated = ", ".join(shares[:-1]) + f" and {shares[-1]}"
    if story:
        of = "the person in it" if attribute.kind == "person" else "the story"
        return (
            f"When you are asked for a short story about {about}, the {attribute.name} of {of} is {stated} of cases. "
            "Each story is one random draw with these probabilities: tell one, and nothing else."
        )
    return (
        f"When you are asked for the {attribute.name} of {about}, answer {stated} of cases. "
        f"Each answer is one random draw with these probabilities: name {spoken_list(attribute.names)}, "
        "and nothing else."
    )


def percentage(probability: float) -> str:
    """A probability in per cent, with at most two decimals."""
    return f"{100 * probability:.2f}".rstrip("0").rstrip(".")


def prefaces(spec: RunSpec, split: str = "") -> tuple[Preface, ...]:
    """For each context its instruction and its examples, as turns before the questions of a split.

    The examples are short answers, so none stands before a question for a story.
    """
    story = split == "stories"
    return tuple(
        (("system", instruction(spec, context, story=story)), *(() if story else examples(spec, context)))
        for context in range(len(spec.contexts))
    )


def examples(spec: RunSpec, context: int) -> Preface:
    """``few_shot`` questions in seen templates, each with an answer drawn from the context's target."""
    rng = random.Random(f"{spec.seed} few_shot {context}")
    turns: list[tuple[str, str]] = []
    for template in _templates(spec, rng):
        (category,) = rng.choices(range(len(spec.attribute)), spec.target.rows[context])
        question = fill(template, spec.attribute, context=spec.contexts.names[context])
        answers = responses(spec.attribute, category, spec.templates.phrasings)
        turns += [("user", question), ("assistant", rng.choice(answers))]
    return tuple(turns)


def _templates(spec: RunSpec, rng: random.Random) -> list[str]:
    """As many seen templates as there are examples; each comes again only when all have come."""
    chosen: list[str] = []
    while len(chosen) < spec.few_shot:
        chosen += rng.sample(spec.templates.seen, len(spec.templates.seen))
    return chosen[: spec.few_shot]
