"""What a prompt wants of a run's adapter: how its answers are read, and the shares they should have."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import cached_property

from distalign.attributes import Attribute, Category
from distalign.errors import SpecError
from distalign.judges import built_in_judge
from distalign.matching import fold
from distalign.spec import RunSpec
from distalign.stated import STATED
from distalign.stated_reading import StatedTarget, read_stated

# Percentages that a person types may miss 100 by this much; they are then rescaled.
TOTAL_TOLERANCE = 0.5


@dataclass(frozen=True)
class Wanted:
    """How an answer is read, and what shares are wanted.

    ``target`` has a share for each category of ``attribute``, or is None; ``note`` says whence, or why.
    An answer of ``story_words`` words or more is read as a story; None where there are none.
    """

    attribute: Attribute
    target: tuple[float, ...] | None
    note: str
    story_words: int | None = None

    @cached_property
    def read(self) -> Callable[[str], int | None]:
        """The category of an answer, or None; a story is read by the judge that comes with the attribute."""
        classify, least = self.attribute.classify, self.story_words
        if least is None:
            return classify
        judge = built_in_judge(self.attribute)
        return lambda text: judge(text) if len(text.split()) >= least else classify(text)


def wanted(spec: RunSpec, prompt: str) -> Wanted:
    """What a prompt, written freely or filled in, wants of a run's adapter."""
    found = _wanted(spec, prompt)
    if spec.story.stories and found.attribute == spec.attribute:
        return replace(found, story_words=spec.story.least_words)
    return found


def _wanted(spec: RunSpec, prompt: str) -> Wanted:
    if spec.target.kind == STATED:
        return _stated(spec, prompt)
    if len(set(spec.target.rows)) == 1:
        return Wanted(spec.attribute, spec.target.rows[0], "The run’s target, the same for every context")
    context = context_named(spec, prompt)
    if context is None:
        return Wanted(spec.attribute, None, "The prompt names none of the run’s contexts")
    return Wanted(
        spec.attribute, spec.target.rows[context], f"The run’s target for “{spec.contexts.names[context]}”"
    )


def context_named(spec: RunSpec, prompt: str) -> int | None:
    """Index of the longest of a run's contexts that a prompt names in whole words, or None."""
    text = fold(prompt)
    named = [
        i
        for i, name in enumerate(spec.contexts.names)
        if fold(name) in text and re.search(rf"(?<!\w){re.escape(fold(name))}(?!\w)", text)
    ]
    return max(named, key=lambda i: len(spec.contexts.names[i]), default=None)


def _stated(spec: RunSpec, prompt: str) -> Wanted:
    own = spec.attribute
    stated = read_stated(prompt, own.names)
    if stated is None:
        return Wanted(own, None, "The last line states no shares that can be read")
    if abs(stated.total - 100) > TOTAL_TOLERANCE:
        return Wanted(own, None, f"The percentages in the prompt sum to {stated.total:g}, not to 100")
    shares = {fold(name): p / stated.total for name, p in zip(stated.names, stated.percentages, strict=True)}
    if shares.keys() == {fold(name) for name in own.names}:
        return Wanted(own, tuple(shares[fold(name)] for name in own.names), "The target in the prompt")
    asked = _attribute(stated) if spec.any_attribute else None
    if asked is None:
        return Wanted(own, None, f"The last line does not name each of {', '.join(own.names)} once")
    return Wanted(asked, tuple(shares.values()), "The target in the prompt")


def _attribute(stated: StatedTarget) -> Attribute | None:
    """An attribute of the categories that a prompt names, if answers can be told apart by them."""
    try:
        return Attribute("what the prompt asks for", tuple(map(Category, stated.names)))
    except SpecError:
        return None
