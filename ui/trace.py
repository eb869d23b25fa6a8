"""What a session has read of a run's events, so that each poll reads only what is new."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

from distalign.progress import TRAINING_STAGES
from storage import Event, Run, Store
from ui.curves import MAX_POINTS, Point, thin

LOG_LINES = 300
PAGE = 1000


@dataclass(frozen=True)
class Trace:
    """Points of the curves and lines of the log of one attempt of one run.

    ``steps`` is the last optimizer step that was read; ``seq`` the last event.
    """

    run: str = ""
    attempt: int = 0
    seq: int = 0
    steps: int = 0
    points: tuple[Point, ...] = ()
    log: tuple[Event, ...] = ()
    last: Event | None = None


def follow(trace: Trace, store: Store, run: Run) -> Trace:
    """The trace with every event that came since; begins anew for another run or attempt."""
    if (trace.run, trace.attempt) != (run.id, run.attempt):
        trace = Trace(run.id, run.attempt)
    newest = store.last_event(run.id, run.attempt)
    if newest is None or newest.seq == trace.seq:
        return trace
    if newest.seq - trace.seq > PAGE:
        return _caught_up(trace, store, newest)
    events = store.events(run.id, after=trace.seq, limit=PAGE)
    return _with(trace, [e for e in events if e.attempt == run.attempt], events[-1].seq)


def _caught_up(trace: Trace, store: Store, newest: Event) -> Trace:
    """The trace of a run that told more than a curve shows, without reading the steps between."""
    span = (trace.run, trace.attempt, trace.seq, newest.seq)
    told = store.told(*span, limit=LOG_LINES)
    # The curves begin and end where their stages do.
    ends = [seq for e in told if e.kind == "stage" for seq in (e.seq - 1, e.seq + 1)]
    steps = store.spread_steps(*span, most=MAX_POINTS, also=ends)
    events = {event.seq: event for event in (*told, *steps, newest)}
    return _with(trace, [events[seq] for seq in sorted(events)], newest.seq)


def _with(trace: Trace, events: list[Event], seq: int) -> Trace:
    points = list(trace.points)
    steps = trace.steps
    for event in events:
        if event.kind == "step" and event.stage in TRAINING_STAGES:
            steps = event.step
            points.append((steps, _numbers(event.values)))
    log = [*trace.log, *(e for e in events if e.kind != "step")][-LOG_LINES:]
    return replace(
        trace,
        seq=seq,
        steps=steps,
        points=tuple(thin(points) if len(points) > 2 * MAX_POINTS else points),
        log=tuple(log),
        last=events[-1] if events else trace.last,
    )


def _numbers(values: Mapping[str, float]) -> dict[str, float]:
    return {name: float(value) for name, value in values.items()}
