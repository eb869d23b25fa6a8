"""How far a run is, and how long is left: each stage's plan, corrected by what it takes."""

from __future__ import annotations

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


class Timeline:
    """Passes progress on with ``fraction`` and ``eta`` filled in.

    Within a stage, seconds left are the larger part of what the plan says at
    first and of what the stage itself shows later; later stages count as planned.

    Args:
        planned: seconds by stage of the plan.
        emit: where progress goes on to.
        clock: seconds, monotonic.
    """

    def __init__(self, planned: Mapping[str, float], emit: Emit, clock: Callable[[], float]) -> None:
        self._planned = dict(planned)
        self._emit = emit
        self._clock = clock
        self._began = self._stage_began = clock()
        self._stage = "prepare"
        self._fraction = 0.0
        self.taken: dict[str, float] = {}

    def __call__(self, progress: Progress) -> None:
        now = self._clock()
        stage = PLANNED[progress.stage]
        if stage != self._stage:
            self.taken[self._stage] = self.taken.get(self._stage, 0) + now - self._stage_began
            self._planned.pop(self._stage, None)
            self._stage, self._stage_began = stage, now
        left = self._left_in_stage(progress, now) + sum(
            seconds for name, seconds in self._planned.items() if name != stage
        )
        elapsed = now - self._began
        # A slower stage than planned must not send the bar back.
        self._fraction = max(self._fraction, elapsed / max(elapsed + left, 1e-9))
        self._emit(replace(progress, fraction=self._fraction, eta=left))

    def _left_in_stage(self, progress: Progress, now: float) -> float:
        planned = self._planned.get(self._stage, 0.0)
        elapsed = now - self._stage_began
        if not progress.total:
            return max(planned - elapsed, 0.0)
        done = progress.step / progress.total
        if done <= 0:
            return planned
        # What the stage shows counts the more, the further it is.
        return (1 - done) * ((1 - done) * planned + done * elapsed / done)
