"""Judges: the category that a story's text means, or None for "cannot tell". They need no torch."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from distalign.attributes import BUILT_IN, GENDER, RACE, SENTIMENT, Attribute
from distalign.judges.endpoint import endpoint_judge
from distalign.judges.gender import GenderJudge
from distalign.judges.named import NamedJudge
from distalign.judges.race import RaceJudge
from distalign.judges.sentiment import SentimentJudge

if TYPE_CHECKING:
    from distalign.spec import RunSpec

# The index of the category, or None.
Judge = Callable[[str], int | None]
WITH_JUDGE = (GENDER, SENTIMENT, RACE)


@dataclass(frozen=True)
class _ByName:
    """A judge that answers with the name of a category, as one that answers with its index."""

    attribute: Attribute
    answer: Callable[[str], str | None]

    def __call__(self, text: str) -> int | None:
        name = self.answer(text)
        return None if name is None else self.attribute.names.index(name)


@dataclass(frozen=True)
class _Joint:
    """The cell of a joint attribute; None where one part cannot be told."""

    attribute: Attribute
    judges: tuple[Judge, ...]

    def __call__(self, text: str) -> int | None:
        told = {part: judge(text) for part, judge in enumerate(self.judges)}
        return None if None in told.values() else self.attribute.cell(told)


def built_in_judge(attribute: Attribute) -> Judge:
    """The judge of gender, race or sentiment; of any other attribute, the category named most.

    A joint attribute has those of its parts.
    """
    if attribute.parts:
        return _Joint(attribute, tuple(map(built_in_judge, attribute.parts)))
    if BUILT_IN.get(attribute.name) != attribute:
        return NamedJudge(attribute)
    made = {GENDER.name: GenderJudge, RACE.name: RaceJudge, SENTIMENT.name: SentimentJudge}
    return _ByName(attribute, made[attribute.name]())


def judge_of(spec: RunSpec) -> Judge:
    """The judge that a specification names.

    Raises:
        SpecError: when it names the endpoint and the environment has none.
    """
    return (
        endpoint_judge(spec.attribute) if spec.story.judge == "endpoint" else built_in_judge(spec.attribute)
    )


def require_judge(spec: RunSpec) -> None:
    """Tell of a judge that cannot be asked before hours of work.

    Raises:
        SpecError: when stories are read by the endpoint and the environment has none.
    """
    if spec.story.stories:
        judge_of(spec)


def story_reader(spec: RunSpec) -> Judge:
    """The judge of a run, to whom a text that is too short, or repeats itself, is no story: it cannot tell what none is about.

    Raises:
        SpecError: when the judge is the endpoint and the environment has none.
    """
    judge, is_story = judge_of(spec), spec.story.is_story
    return lambda text: judge(text) if is_story(text) else None
