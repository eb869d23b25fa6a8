"""What a page remembers of a run between polls."""

from __future__ import annotations

from pathlib import Path

from distalign.progress import Progress
from distalign.spec import parse_spec
from storage import RunState, Store
from ui.trace import Trace, follow


def test_only_optimizer_steps_are_points_at_the_step_they_belong_to(tmp_path: Path) -> None:
    store = Store(tmp_path / "runs.db")
    run = store.insert_run(parse_spec({"attribute": "gender"}), state=RunState.RUNNING)
    store.add_event(run.id, 1, Progress("step", "base", 96, 400))
    store.add_event(run.id, 1, Progress("step", "warmup", 1, 240, values={"loss": 9.0}))
    trace = follow(Trace(), store, run)
    # Steps between were withheld by the recorder.
    store.add_event(run.id, 1, Progress("step", "hybrid", 60, 240, values={"loss": 1.0}))
    store.add_event(run.id, 1, Progress("step", "sample", 48, 400))
    trace = follow(trace, store, run)

    assert trace.points == ((1, {"loss": 9.0}), (60, {"loss": 1.0}))
    assert trace.steps == 60


def test_another_attempt_begins_anew(tmp_path: Path) -> None:
    store = Store(tmp_path / "runs.db")
    run = store.insert_run(parse_spec({"attribute": "gender"}), state=RunState.RUNNING)
    store.add_event(run.id, 1, Progress("step", "warmup", 7, 240, values={"loss": 9.0}))
    trace = follow(Trace(), store, run)
    store.finish(run.id, RunState.FAILED, "no room")
    again = store.requeue(run.id)

    assert trace.points and follow(trace, store, again).points == ()
