"""How far a run is, and how long is left: each stage's plan, corrected by what the run has shown."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import replace

from distalign.progress import Emit, Progress

# Stages of :class:`Progress`, by the stage of the plan whose time they use.
PLANNED = {
    "prepare": "prepare",
    "base": "base",
    "write": "write",
    "cache": "cache",
    "warmup": "train",
    "hybrid": "train",
    "sft": "train",
    "dpo": "train",
    "effects": "effects",
    "sample": "sample",
    "save": "save",
}
# In the order in which a run goes through them.
ORDER = {stage: place for place, stage in enumerate(dict.fromkeys(PLANNED.values()))}
# Loading a model from a warm or a cold disk says nothing of how fast it computes.
UNTELLING = ("prepare", "save")
# How much planned time must be seen before what it took counts half, as a share of the whole plan: of a
# plan that follows earlier runs, and of any other.
TRUST_KNOWN, TRUST = 0.12, 0.03
# The same for a stage, as a share of it.
STAGE_TRUST_KNOWN, STAGE_TRUST = 0.3, 0.07
# How much of the pace later stages share. Where earlier runs were like this one, a stage that differs is
# more often one that was disturbed than a sign of a slower machine. Chosen on recorded runs.
SHARED_KNOWN, SHARED = 0.2, 0.9
# A first step of a stage that is a larger part of it tells of the stage's own pace.
LARGE_STEP = 0.1
# A machine is taken for at most so many times slower or faster than planned.
MOST_PACE = 6.0
# The share of a stage that must have been worked on, to tell what all of it would have taken.
LEAST_SHOWN = 0.5
# What is still expected of a stage that ought to be over, as a share of what it took.
OVERDUE = 0.1


class Timeline:
    """Passes progress on with ``fraction`` and ``eta`` filled in.

    A run that has taken longer than planned so far is expected to go on so: the *pace*, a mean of
    how much longer, stretches what is planned for the rest, the more the more of the plan has been
    seen. Within a stage, its own progress counts the more, the further it is.

    Args:
        planned: seconds by stage of the plan.
        emit: where progress goes on to.
        clock: seconds, monotonic.
        known: whether the plan follows earlier runs that were like this one.
    """

    def __init__(
        self,
        planned: Mapping[str, float],
        emit: Emit,
        clock: Callable[[], float],
        known: bool = False,
    ) -> None:
        self._planned = dict(planned)
        self._shared = SHARED_KNOWN if known else SHARED
        self._stage_trust = STAGE_TRUST_KNOWN if known else STAGE_TRUST
        self._trust = (TRUST_KNOWN if known else TRUST) * sum(planned.values())
        self._emit = emit
        self._clock = clock
        self._began = self._stage_began = clock()
        self._stage = "prepare"
        self._done, self._done_at = 0.0, 0.0
        self._first: tuple[float, float] | None = None
        self._fraction = 0.0
        self.taken: dict[str, float] = {}
        self._told_nothing: set[str] = set()
        self._rest: dict[str, float] = {}

    def forget(self, stage: str, share: float = 1.0) -> None:
        """Leave a share of a stage, also of the present one, out of what it shows of the machine.

        The rest of it counts as if the whole stage had gone so; the stage leaves the plan where that is too little.
        """
        if 1 - share < LEAST_SHOWN:
            self._planned.pop(stage, None)
            self._told_nothing.add(stage)
        else:
            self._rest[stage] = 1 - share

    def __call__(self, progress: Progress) -> None:
        now = self._clock()
        stage = PLANNED[progress.stage]
        if stage != self._stage:
            if self._stage not in self._told_nothing:
                took = (now - self._stage_began) / self._rest.get(self._stage, 1.0)
                self.taken[self._stage] = self.taken.get(self._stage, 0) + took
            self._stage, self._stage_began, self._done, self._done_at = stage, now, 0.0, 0.0
            self._first = None
        elapsed = now - self._stage_began
        # A line of the log has no position: the stage is where it was.
        done = _part(progress)
        if done > self._done:
            self._done, self._done_at = done, elapsed
            if self._first is None:
                # What comes before the first step is no part of the steps, unless it is a large one.
                self._first = (0.0, 0.0) if self._done > LARGE_STEP else (self._done, elapsed)
        later = sum(seconds for name, seconds in self._planned.items() if ORDER[name] > ORDER[stage])
        left = self._left_in_stage(elapsed) + later * self._pace() ** self._shared
        whole = now - self._began
        # A slower stage than planned must not send the bar back.
        self._fraction = max(self._fraction, whole / max(whole + left, 1e-9))
        self._emit(replace(progress, fraction=self._fraction, eta=left))

    def _pace(self, *, present: bool = True) -> float:
        """How many times as long as planned the run takes, as far as it has shown, or shown before the present stage."""
        seen = [
            (self._planned[name], took)
            for name, took in self.taken.items()
            if self._planned.get(name) and took and name not in UNTELLING
        ]
        planned, (whole, seen_part) = self._planned.get(self._stage, 0.0), self._shown()
        if present and planned and whole and seen_part and self._stage not in UNTELLING:
            seen.append((planned * seen_part, whole * seen_part))
        weight = sum(planned for planned, _ in seen) + self._trust
        if not weight:
            return 1.0
        slower = sum(planned * math.log(took / planned) for planned, took in seen) / weight
        return math.exp(min(max(slower, -math.log(MOST_PACE)), math.log(MOST_PACE)))

    def _left_in_stage(self, elapsed: float) -> float:
        planned = self._planned.get(self._stage, 0.0) * self._pace(present=False)
        if not self._done:
            return max(planned - elapsed, OVERDUE * elapsed) if planned else 0.0
        whole, part = self._shown()
        if planned and whole:
            trust = part / (part + self._stage_trust)
            whole = math.exp((1 - trust) * math.log(planned) + trust * math.log(whole))
        # Some stages tell of their progress in large pieces: between two of them the time runs down.
        since = elapsed - self._done_at
        return max((1 - self._done) * whole - since, OVERDUE * since)

    def _shown(self) -> tuple[float, float]:
        """Seconds of the whole stage as its own steps show it, and the part of it that they cover."""
        if self._first is None:
            return 0.0, 0.0
        done, at = self._first
        part = self._done - done
        if part <= 0:
            return self._done_at / self._done, 0.0
        return at + (1 - done) * (self._done_at - at) / part, part


def _part(progress: Progress) -> float:
    """The share of its stage that is done, 0 where nothing is said of it."""
    if progress.part is not None:
        return min(1.0, progress.part)
    return min(1.0, progress.step / progress.total) if progress.total else 0.0
