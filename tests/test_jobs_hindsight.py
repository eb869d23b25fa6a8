"""How right the time left was: the arithmetic, and recorded runs that are told anew."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from distalign.progress import Progress
from distalign.spec import parse_spec
from distalign.timeline import Timeline
from jobs.hindsight import TENTHS, Said, hindsight, of_run
from storage import Event, RunState, Store, StoreError
from tests.test_jobs_runners import SPEC

RECORDED = json.loads((Path(__file__).parent / "timelines.json").read_text("utf-8"))
# After the first tenth the end that is told is off by no more than this, relative to the whole time.
GOAL = 0.25


def event(at: float, eta: float | None) -> Event:
    return Event("run", 1, 1, at, "step", "base", 0, 0, 0.0, eta, {}, "")


def test_what_was_told_is_counted_down_as_on_the_page() -> None:
    events = [event(100.0, None), event(101.0, 99.0), event(150.0, 80.0), event(199.0, 0.5)]
    found = hindsight(events, 100.0, 200.0, (0.005, 0.1, 0.6, 0.995))
    assert found == [
        Said(0.005, 99.5, None),
        Said(0.1, 90.0, 90.0),
        Said(0.6, 40.0, 70.0),
        Said(0.995, 0.5, 0.0),
    ]
    assert [said.error for said in found] == [None, 0.0, pytest.approx(0.75), -1.0]
    assert found[2].end_error == pytest.approx(0.3)


def test_only_a_run_that_is_done_can_be_looked_back_on(tmp_path: Path) -> None:
    store = Store(tmp_path / "runs.db")
    run = store.insert_run(parse_spec(SPEC), state=RunState.RUNNING)
    with pytest.raises(StoreError, match="is not done"):
        of_run(store, run)


def test_a_long_attempt_is_read_to_its_end(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    now = 100.0
    store = Store(tmp_path / "runs.db", lambda: now)
    first = store.insert_run(parse_spec(SPEC), state=RunState.RUNNING)
    for _ in range(9):
        store.add_event(first.id, 1, Progress("step", "hybrid", eta=999.0))
    store.finish(first.id, RunState.FAILED)
    store.requeue(first.id)
    store.claim()
    for _ in range(10):
        store.add_event(first.id, 2, Progress("step", "hybrid", eta=200.0 - now))
        now += 10
    run, read = store.finish(first.id, RunState.DONE), store.events
    monkeypatch.setattr(store, "events", lambda *args, limit, **more: read(*args, limit=4, **more))

    assert [said.error for said in of_run(store, run)] == pytest.approx([0.0] * 9)


def told_anew(recorded: dict) -> list[Said]:
    """What the present estimate would have told of a recorded run: its stages and steps at their moments."""
    now, events = recorded["began"], []
    timeline = Timeline(
        recorded["planned"],
        lambda progress: events.append(event(now, progress.eta)),
        lambda: now,
        recorded["known"],
    )
    for at, kind, stage, step, total in recorded["events"]:
        now = at
        timeline(Progress(kind, stage, step, total))
    return hindsight(events, recorded["began"], recorded["ended"])


def test_the_end_of_recorded_runs_is_told_right_within_a_quarter() -> None:
    """Real runs on a machine that others used, too: each after some that were like it, or none."""
    known = [recorded for recorded in RECORDED if recorded["known"]]
    errors = [abs(said.end_error) for recorded in known for said in told_anew(recorded)]
    assert len(errors) >= 9 * 5
    assert sum(error <= GOAL for error in errors) / len(errors) > 0.85
    assert sorted(errors)[len(errors) // 2] < 0.1


@pytest.mark.parametrize("recorded", RECORDED, ids=[recorded["name"] for recorded in RECORDED])
def test_a_run_that_is_told_anew_ends_with_nothing_left(recorded: dict) -> None:
    found = told_anew(recorded)
    assert [said.share for said in found] == list(TENTHS)
    assert all(said.said > 0 for said in found[:5])
    assert abs(found[-1].end_error) < 0.2
