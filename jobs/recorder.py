"""A Recorder that writes to the store, and stops the run when that was asked for."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from pathlib import Path

from distalign.errors import Cancelled
from distalign.progress import Emit, Progress
from distalign.results import Round, SideEffects, SplitResult
from storage import Run, Store

STEP_SECONDS = 0.2
CANCEL_SECONDS = 0.5


class StoreRecorder:
    """Records one attempt of a run.

    Of the step events it keeps at most one in :data:`STEP_SECONDS` seconds,
    and always the first and the last of a stage.

    Args:
        clock: seconds that only grow.
        listen: called with every progress, kept or not.
    """

    def __init__(
        self, store: Store, run: Run, clock: Callable[[], float] = time.monotonic, listen: Emit | None = None
    ) -> None:
        self._store = store
        self._run = run
        self._clock = clock
        self._listen = listen
        self._stepped: str | None = None
        self._withheld: Progress | None = None
        self._stored_at = self._asked_at = float("-inf")

    def progress(self, progress: Progress) -> None:
        """Keep a progress.

        Raises:
            Cancelled: when the store says that the run shall stop.
        """
        now = self._clock()
        if self._listen is not None:
            self._listen(progress)
        if self._is_due(progress, now):
            self._flush(progress)
            self._store.add_event(self._run.id, self._run.attempt, progress)
            self._stored_at, self._withheld = now, None
            if progress.kind != "log":
                # A stage that begins, perhaps again, has no step yet.
                self._stepped = progress.stage if progress.kind == "step" else None
        else:
            self._withheld = progress
        self._stop_if_asked(now)

    def rounds(self, rounds: list[Round]) -> None:
        self._store.add_rounds(self._run.id, rounds)

    def result(self, result: SplitResult) -> None:
        self._store.put_result(self._run.id, result)

    def side_effects(self, effects: SideEffects) -> None:
        self._store.put_side_effects(self._run.id, effects)

    def artifact(self, kind: str, path: Path) -> None:
        self._store.add_artifact(self._run.id, kind, path)

    def steering_tokens(self, texts: Sequence[str]) -> None:
        self._store.set_steering_tokens(self._run.id, texts)

    def timing(self, name: str, seconds: float) -> None:
        self._store.set_timing(self._run.id, name, seconds)

    def _is_due(self, progress: Progress, now: float) -> bool:
        return (
            progress.kind != "step"
            or progress.stage != self._stepped
            or progress.step == progress.total
            or now - self._stored_at >= STEP_SECONDS
        )

    def _flush(self, following: Progress) -> None:
        """Keep the last step of a stage that ended before its announced total."""
        if self._withheld is not None and (following.kind != "step" or following.stage != self._stepped):
            self._store.add_event(self._run.id, self._run.attempt, self._withheld)

    def _stop_if_asked(self, now: float) -> None:
        if now - self._asked_at < CANCEL_SECONDS:
            return
        self._asked_at = now
        if self._store.cancel_requested(self._run.id):
            raise Cancelled("the run was cancelled")
