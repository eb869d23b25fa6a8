"""What a page remembers of a run between polls."""

from __future__ import annotations

from itertools import pairwise
from pathlib import Path

import pytest

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


def test_a_long_run_is_caught_up_with_without_reading_every_step(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    store = Store(tmp_path / "runs.db")
    run = store.insert_run(parse_spec({"attribute": "gender"}), state=RunState.RUNNING)
    tell(store, run.id, Progress("stage", "warmup"), *steps("warmup", 1, 1200))
    tell(store, run.id, Progress("stage", "hybrid"), *steps("hybrid", 1201, 2500))
    tell(store, run.id, Progress("stage", "sample"), Progress("log", "sample", message="half done"))
    tell(store, run.id, *steps("sample", 1, 7))
    monkeypatch.setattr(store, "events", None)

    trace = follow(Trace(), store, run)

    shown = [step for step, _ in trace.points]
    assert shown == sorted(shown) and 300 <= len(shown) <= 420
    assert {1, 1200, 1201, 2500} <= set(shown)
    assert max(b - a for a, b in pairwise(shown)) <= 10
    assert trace.steps == 2500
    assert [event.message or event.stage for event in trace.log] == [
        "warmup",
        "hybrid",
        "sample",
        "half done",
    ]
    assert (trace.last.stage, trace.last.step, trace.seq) == ("sample", 7, store.last_event(run.id).seq)
    assert follow(trace, store, run) is trace
    monkeypatch.undo()
    tell(store, run.id, *steps("sample", 8, 9))
    assert follow(trace, store, run).last.step == 9


def test_a_long_attempt_before_this_one_is_left_out(tmp_path: Path) -> None:
    store = Store(tmp_path / "runs.db")
    run = store.insert_run(parse_spec({"attribute": "gender"}), state=RunState.RUNNING)
    tell(store, run.id, *steps("warmup", 1, 1500))
    store.finish(run.id, RunState.FAILED, "no room")
    again = store.requeue(run.id)
    assert follow(Trace(), store, again).points == ()
    store.add_event(run.id, 2, Progress("step", "warmup", 1, 240, values={"loss": 9.0}))
    assert follow(Trace(), store, again).points == ((1, {"loss": 9.0}),)


def steps(stage: str, first: int, last: int) -> list[Progress]:
    return [Progress("step", stage, step, 2500, values={"loss": 1.0}) for step in range(first, last + 1)]


def tell(store: Store, run_id: str, *progress: Progress) -> None:
    for one in progress:
        store.add_event(run_id, 1, one)
