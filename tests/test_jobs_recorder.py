"""What a run tells reaches the store, at a sane rate, and a request to stop reaches the run."""

from __future__ import annotations

from pathlib import Path

import pytest

from distalign.errors import Cancelled
from distalign.progress import Progress
from distalign.spec import parse_spec
from jobs.recorder import StoreRecorder
from storage import Run, RunState, Store
from tests.test_jobs_runners import SPEC


class Clock:
    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return Store(tmp_path / "runs.db")


@pytest.fixture
def run(store: Store) -> Run:
    return store.insert_run(parse_spec(SPEC), state=RunState.RUNNING)


def test_steps_are_thinned_out_but_the_first_and_the_last_are_kept(store: Store, run: Run) -> None:
    clock = Clock()
    recorder = StoreRecorder(store, run, clock)
    for step in range(1, 101):
        clock.now += 0.01
        recorder.progress(Progress("step", "hybrid", step, 100))
    steps = [event.step for event in store.events(run.id)]
    assert (steps[0], steps[-1]) == (1, 100)
    assert 5 <= len(steps) <= 8


def test_slow_steps_and_everything_else_are_all_kept(store: Store, run: Run) -> None:
    clock = Clock()
    recorder = StoreRecorder(store, run, clock)
    for step in range(1, 6):
        clock.now += 0.25
        recorder.progress(Progress("step", "hybrid", step, 100))
        recorder.progress(Progress("log", "hybrid", message="a"))
        recorder.progress(Progress("log", "hybrid", message="b"))
    assert len(store.events(run.id, kinds=["step"])) == 5
    assert len(store.events(run.id, kinds=["log"])) == 10


def test_the_last_step_of_a_stage_that_ends_early_is_kept(store: Store, run: Run) -> None:
    recorder = StoreRecorder(store, run, Clock())
    for step in (1, 2, 3):
        recorder.progress(Progress("step", "warmup", step, 10))
    recorder.progress(Progress("stage", "hybrid"))
    recorder.progress(Progress("step", "hybrid", 1, 10))
    kept = [(event.kind, event.stage, event.step) for event in store.events(run.id)]
    assert kept == [
        ("step", "warmup", 1),
        ("step", "warmup", 3),
        ("stage", "hybrid", 0),
        ("step", "hybrid", 1),
    ]


def test_a_listener_hears_every_progress(store: Store, run: Run) -> None:
    heard: list[Progress] = []
    recorder = StoreRecorder(store, run, Clock(), listen=heard.append)
    for step in range(1, 21):
        recorder.progress(Progress("step", "hybrid", step, 100))
    assert [progress.step for progress in heard] == list(range(1, 21))


def test_a_request_to_stop_is_noticed_within_half_a_second(store: Store, run: Run) -> None:
    clock = Clock()
    recorder = StoreRecorder(store, run, clock)
    recorder.progress(Progress("step", "hybrid", 1, 100))
    store.request_cancel(run.id)
    clock.now = 0.4
    recorder.progress(Progress("step", "hybrid", 2, 100))
    clock.now = 0.5
    with pytest.raises(Cancelled):
        recorder.progress(Progress("step", "hybrid", 3, 100))
