"""What the store gives back: frozen records, and its errors."""

from __future__ import annotations

import json
import secrets
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from functools import cached_property
from pathlib import Path
from typing import Literal

from distalign.errors import DistalignError, shown
from distalign.spec import RunSpec, parse_spec


def new_id() -> str:
    """Ten hexadecimal digits: unlikely to clash, and short enough to type the first few."""
    return secrets.token_hex(5)


class StoreError(DistalignError):
    """The database cannot be opened, read or written, or a run is not in the state that is needed."""


class UnknownRun(StoreError):
    """There is no run of this id."""

    def __init__(self, run_id: str) -> None:
        self.run_id = run_id
        super().__init__(
            f"run: {shown(run_id)} is not known. Take an id from the list of runs (python -m jobs list)"
        )


class RunState(StrEnum):
    """Where a run is in its life."""

    QUEUED = "queued"
    RUNNING = "running"
    DONE = "done"
    FAILED = "failed"
    CANCELLED = "cancelled"
    INTERRUPTED = "interrupted"

    @property
    def ended(self) -> bool:
        return self not in (RunState.QUEUED, RunState.RUNNING)


@dataclass(frozen=True)
class RunFilter:
    """Which runs a list shows.

    Attributes:
        search: words; each must be part of the title, the note, a tag, the attribute, the method or
            the state, or begin the id. The case of ASCII letters is ignored.
        tag: a whole tag, whatever its case.
        state: the state, None for any.
        shelf: "current" (neither archived nor deleted), "archived", or "deleted".
    """

    search: str = ""
    tag: str = ""
    state: RunState | None = None
    shelf: Literal["current", "archived", "deleted"] = "current"


@dataclass(frozen=True)
class ListedRun:
    """What a list says of a run; it is read without the run's specification."""

    id: str
    state: RunState
    title: str
    method: str
    created_at: float
    tags: tuple[str, ...] = ()


@dataclass(frozen=True)
class Usage:
    """What a run's process used, at one moment or over a time.

    Attributes:
        at: seconds since 1970-01-01 UTC.
        memory: bytes of main memory in use.
        peak_memory: the most that it used so far.
        seconds: the time that ``cpu`` and ``gpu`` are means over, which ends at ``at``.
        cpu: processor cores kept busy, 0 to ``cores``.
        cores: cores that there are.
        gpu_memory, gpu: bytes of the GPU's memory, and the share of time that it was busy; None
            where there is none, or it does not tell.
    """

    at: float
    memory: int
    peak_memory: int
    seconds: float
    cpu: float
    cores: int
    gpu_memory: int | None = None
    gpu: float | None = None


@dataclass(frozen=True)
class UsageSummary:
    """What an attempt of a run used over all of its samples; see :class:`Usage`.

    ``cpu`` and ``gpu`` are means over time, ``last`` is the newest sample.
    """

    samples: int
    peak_memory: int
    cpu: float
    cores: int
    peak_gpu_memory: int | None
    gpu: float | None
    last: Usage


@dataclass(frozen=True)
class Line:
    """What stands before a queued run: titles of the runs that run, and how many wait before it."""

    running: tuple[str, ...] = ()
    queued: int = 0


@dataclass(frozen=True)
class ComparableRun:
    """What tells a finished run from others, read without its whole specification."""

    id: str
    title: str
    method: str
    base_model: str
    preset: str
    seed: int
    few_shot: int


@dataclass(frozen=True)
class Run:
    """One run, as it was when it was read.

    Times are seconds since 1970-01-01 UTC. ``attempt`` counts from 1 and grows
    with each requeue. ``error`` is a text for people. ``train_seconds`` and
    ``sample_seconds`` are None until they were measured. ``steering_tokens`` are
    the texts of the tokens, in the order of the categories; empty until chosen.
    ``archived_at`` and ``deleted_at`` are None but for runs that are put away.
    """

    id: str
    state: RunState
    title: str
    method: str
    created_at: float
    started_at: float | None
    finished_at: float | None
    attempt: int
    cancel_requested: bool
    error: str | None
    train_seconds: float | None
    sample_seconds: float | None
    steering_tokens: tuple[str, ...]
    tags: tuple[str, ...]
    note: str
    archived_at: float | None
    deleted_at: float | None
    spec_json: str = field(repr=False)
    templates_json: str | None = field(default=None, repr=False)

    @cached_property
    def spec(self) -> RunSpec:
        """The specification as it was submitted, with the templates of then.

        Raises:
            SpecError: when it was stored by a version that allowed what this one does not.
        """
        given = json.loads(self.spec_json)
        if self.templates_json:
            given["templates"] = (given.get("templates") or {}) | json.loads(self.templates_json)
        return parse_spec(given)

    @cached_property
    def few_shot(self) -> int:
        """How many examples its prompts hold; read without the rest, which this version may not allow."""
        return json.loads(self.spec_json).get("few_shot") or 0


@dataclass(frozen=True)
class Event:
    """One :class:`~distalign.progress.Progress` as it was stored.

    ``run`` is the run's id; ``seq`` grows by one within a run, over all its
    attempts; ``at`` is seconds since 1970-01-01 UTC.
    """

    run: str
    attempt: int
    seq: int
    at: float
    kind: str
    stage: str
    step: int
    total: int
    fraction: float
    eta: float | None
    values: Mapping[str, float]
    message: str

    def left(self, now: float) -> float | None:
        """Seconds left at ``now``, counted down since the event; None while unknown."""
        return None if self.eta is None else max(0.0, self.eta - (now - self.at))


@dataclass(frozen=True)
class AnswerGroup:
    """Rounds with the same answer: its text, its category (None for unclassified), how many, in how many contexts."""

    text: str
    category: int | None
    rounds: int
    contexts: int


@dataclass(frozen=True)
class GroupedAnswers:
    """A page of groups; ``total`` groups in all, of ``looked_at`` rounds, which are at most ``most``."""

    groups: tuple[AnswerGroup, ...]
    total: int
    looked_at: int
    most: int

    @property
    def whole(self) -> bool:
        """Whether all matching rounds were looked at."""
        return self.looked_at < self.most


@dataclass(frozen=True)
class Answer:
    """One of the different answers to a prompt: its text, without spaces around it, and how often it was given.

    ``category`` is an index into the attribute, None for an unclassified one; ``of`` counts all answers.
    """

    text: str
    category: int | None
    times: int
    of: int


@dataclass(frozen=True)
class Artifact:
    """A file that a run produced.

    ``path`` is absolute; ``bytes`` and ``sha256`` are of the file when it was
    added; ``created_at`` is seconds since 1970-01-01 UTC.
    """

    run: str
    kind: str
    path: Path
    bytes: int
    sha256: str
    created_at: float
