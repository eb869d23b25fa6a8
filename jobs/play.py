"""Play: what base models and adapters answer to one prompt. Who answers, and what came so far."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cache

from distalign.errors import DistalignError, SpecError, shown
from distalign.play import Drawn, Question, Voice
from distalign.results import SHOWN_SPLITS
from distalign.sampling_config import Sampling
from distalign.spec import DEFAULT_MODEL, RunSpec
from distalign.wanted import Wanted, wanted
from storage import Run, Store, StoreError
from storage.plays import THERE

MAX_RUNS = 4
# Whose templates a prompt can be filled in from; what was not trained on comes first. Stories: of runs that tell some.
STORIES = "stories"
TEMPLATES_OF = (*SHOWN_SPLITS[:2], STORIES)


def templates_of(spec: RunSpec) -> tuple[str, ...]:
    """The splits whose templates a run has to offer."""
    return TEMPLATES_OF if spec.story.stories else TEMPLATES_OF[:-1]


def longest_answer(spec: RunSpec, split: str) -> int:
    """How many tokens an answer to a template of a split may have."""
    return spec.story.story_tokens if split == STORIES else Sampling().max_new_tokens


class PlayError(DistalignError):
    """The process that answers could not be started, or has ended."""


def voices_of(
    store: Store, runs: Sequence[str], *, base: bool, model: str | None = None
) -> tuple[Voice, ...]:
    """Who answers: the adapters of some runs and, if wanted, the base models that these are for.

    Args:
        runs: ids, or beginnings of ids; the first one's base model comes first.
        base: the base models too; the default one where no run is given.
        model: the one base model that is asked, in place of those.

    Raises:
        DistalignError: for nobody, too many, an unknown run, or one without an adapter.
    """
    if not runs and not base:
        raise SpecError("models", "none is chosen", "Choose the base model, a run, or both")
    if len(runs) > MAX_RUNS:
        raise SpecError("models", f"{len(runs)} runs are chosen", f"Choose at most {MAX_RUNS}")
    found = {run.id: run for run in (store.find_run(str(run_id)) for run_id in runs)}
    tuned = [_tuned(store, run) for run in found.values()]
    names = dict.fromkeys(voice.base_model for voice in tuned)
    asked = ([model] if model else list(names) or [DEFAULT_MODEL]) if base else []
    return tuple(
        voice
        for name in dict.fromkeys((*names, *asked))
        for voice in (
            *([Voice(name)] if name in asked else []),
            *(v for v in tuned if v.base_model == name),
        )
    )


def _tuned(store: Store, run: Run) -> Voice:
    adapter = store.artifact(run.id, "adapter")
    if adapter is None or adapter.path.is_symlink() or not adapter.path.is_file():
        raise StoreError(f"run: {shown(run.title)} has no adapter. Take a run that was trained to its end")
    spec = run.spec
    return Voice(spec.base_model, run.id, run.title, spec.method, spec, adapter.path, adapter.sha256)


@dataclass(frozen=True)
class Aim:
    """What is wanted of the answers to a prompt, in words and numbers: as it is shown and kept.

    Attributes:
        attribute, categories: their names.
        target: a share for each category, or None.
        note: whence the target is, or why there is none.
        story_words: an answer of so many words or more is read as a story; None where there are none.
    """

    attribute: str
    categories: tuple[str, ...]
    target: tuple[float, ...] | None
    note: str
    story_words: int | None = None

    @classmethod
    def of(cls, found: Wanted) -> Aim:
        attribute = found.attribute
        return cls(attribute.name, attribute.names, found.target, found.note, found.story_words)


def no_category(text: str) -> None:
    """How answers are read where no categories are asked for."""


@dataclass(frozen=True)
class Played:
    """A question, who answers, and for each of them how often which answer came so far.

    Attributes:
        aim: what the prompt wants by the first adapter; None where only base models answer.
        read: the category of an answer, a place in the aim's, or None.
        id, created_at: of the play that it is kept as, seconds since 1970-01-01 UTC; empty until the first answers.
        runs_now: for each voice what became of its run since, as :class:`storage.PlayVoice` has it.
    """

    question: Question
    voices: tuple[Voice, ...]
    counts: tuple[Mapping[str, int], ...]
    aim: Aim | None = None
    read: Callable[[str], int | None] = field(default=no_category, compare=False)
    id: str = ""
    created_at: float | None = None
    runs_now: tuple[str | None, ...] = ()

    @classmethod
    def nothing(cls, question: Question, voices: tuple[Voice, ...]) -> Played:
        """Before the first answer."""
        spec = next((voice.spec for voice in voices if voice.spec), None)
        runs_now = tuple(THERE if voice.run else None for voice in voices)
        played = cls(question, voices, ({},) * len(voices), runs_now=runs_now)
        if spec is None:
            return played
        found = wanted(spec, question.prompt)
        return replace(played, aim=Aim.of(found), read=cache(found.read))

    def with_drawn(self, drawn: Drawn) -> Played:
        counts = [dict(of_voice) for of_voice in self.counts]
        for text, count in drawn.answers:
            counts[drawn.voice][text] = counts[drawn.voice].get(text, 0) + count
        return replace(self, counts=tuple(counts))

    def rounds(self, voice: int) -> int:
        return sum(self.counts[voice].values())

    @property
    def rounds_of_all(self) -> int:
        """Rounds that every voice has."""
        return min(self.rounds(voice) for voice in range(len(self.voices)))

    @property
    def complete(self) -> bool:
        return self.rounds_of_all >= self.question.rounds
