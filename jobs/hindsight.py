"""How right the time left was that a run told, seen from its end."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from storage import Event, Run, Store, StoreError

TENTHS = tuple(part / 10 for part in range(1, 10))


@dataclass(frozen=True)
class Said:
    """What the page showed at one moment: ``left`` seconds were left, ``said`` were told (None: none).

    ``share`` is the part of the run's whole time that was over.
    """

    share: float
    left: float
    said: float | None

    @property
    def error(self) -> float | None:
        """Of what was told, relative to what was left; −1 where nothing was told to be left."""
        return None if self.said is None else (self.said - self.left) / self.left

    @property
    def end_error(self) -> float | None:
        """Of the end that was told, relative to the run's whole time."""
        return None if self.error is None else self.error * (1 - self.share)


def hindsight(
    events: Sequence[Event], began: float, ended: float, shares: Sequence[float] = TENTHS
) -> list[Said]:
    """What was told at parts of a run's time, counted down from the last event as the page does."""
    found = []
    for share in shares:
        now = began + share * (ended - began)
        last = next((e for e in reversed(events) if e.at <= now and e.eta is not None), None)
        found.append(Said(share, ended - now, last and last.left(now)))
    return found


def of_run(store: Store, run: Run) -> list[Said]:
    """The hindsight on a run's present attempt.

    Raises:
        StoreError: when it has not ended as it should.
    """
    if run.state != "done" or run.started_at is None or run.finished_at is None:
        raise StoreError(f"run: {run.id} is not done. Take one that was done to its end")
    return hindsight(store.all_events(run.id, attempt=run.attempt), run.started_at, run.finished_at)
