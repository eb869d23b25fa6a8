"""Submitting, cancelling, resuming, deleting and recovering, without a worker."""

from __future__ import annotations

from pathlib import Path

import pytest

from distalign import folders
from distalign.errors import DiskError, SpecError
from distalign.folders import DataFolder
from distalign.judges.endpoint import URL
from distalign.spec import parse_spec
from jobs import queue, removal
from jobs.liveness import hold, run_lock
from storage import RunState, Store, StoreError, UnknownRun
from tests.test_jobs_runners import SPEC


class Starts:
    """Counts how often a worker would have been started."""

    def __init__(self) -> None:
        self.count = 0

    def __call__(self, data: DataFolder) -> None:
        self.count += 1


@pytest.fixture
def data(tmp_path: Path) -> DataFolder:
    return DataFolder(tmp_path)


@pytest.fixture
def store(data: DataFolder) -> Store:
    return Store(data.database)


@pytest.fixture
def start() -> Starts:
    return Starts()


def test_submit_queues_and_sees_to_a_worker(store: Store, data: DataFolder, start: Starts) -> None:
    run = queue.submit(store, data, parse_spec(SPEC), start)
    assert (store.run(run.id).state, start.count) == (RunState.QUEUED, 1)


def test_a_run_whose_judge_cannot_be_asked_is_not_queued(
    store: Store, data: DataFolder, start: Starts, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv(URL, raising=False)
    with pytest.raises(SpecError, match="endpoint needs an address"):
        queue.submit(store, data, parse_spec(SPEC | {"stories": True, "judge": "endpoint"}), start)
    assert (store.count_runs(), start.count) == (0, 0)


def test_submit_queues_nothing_on_a_full_disk(
    store: Store, data: DataFolder, start: Starts, monkeypatch: pytest.MonkeyPatch
) -> None:
    usage = type("Usage", (), {"free": 1000})
    monkeypatch.setattr(folders.shutil, "disk_usage", lambda path: usage)
    with pytest.raises(DiskError, match="Free some room"):
        queue.submit(store, data, parse_spec(SPEC), start)
    assert (store.count_runs(), start.count) == (0, 0)


def test_cancelling_a_run_whose_process_is_dead_ends_it(store: Store, data: DataFolder) -> None:
    dead, other = (store.insert_run(parse_spec(SPEC), state=RunState.RUNNING) for _ in range(2))
    assert queue.cancel(store, data, dead.id).state == RunState.CANCELLED
    assert store.run(other.id).state == RunState.RUNNING


def test_recover_leaves_queued_runs_queued_and_starts_a_worker(
    store: Store, data: DataFolder, start: Starts
) -> None:
    assert queue.recover(store, data, start) == []
    assert start.count == 0
    queued = store.insert_run(parse_spec(SPEC))
    dead = store.insert_run(parse_spec(SPEC), state=RunState.RUNNING)
    assert queue.recover(store, data, start) == [dead.id]
    assert (store.run(queued.id).state, start.count) == (RunState.QUEUED, 1)


def test_resume_queues_an_ended_run_once(store: Store, data: DataFolder, start: Starts) -> None:
    run = store.insert_run(parse_spec(SPEC))
    queue.cancel(store, data, run.id)
    assert queue.resume(store, data, run.id, start).attempt == 2
    with pytest.raises(StoreError, match="has not ended"):
        queue.resume(store, data, run.id, start)
    assert start.count == 1


def test_a_deleted_run_keeps_its_files_until_its_time_is_over(store: Store, data: DataFolder) -> None:
    runs = [store.insert_run(parse_spec(SPEC)) for _ in range(2)]
    for run in runs:
        data.run(run.id).mkdir(parents=True)
        (data.run(run.id) / "adapter.zip").write_bytes(b"x")
        with hold(run_lock(data, run.id)):
            pass
    queue.delete(store, data, runs[0].id)
    assert removal.purge(store, data) == []
    assert data.run(runs[0].id).exists()
    assert [run.id for run in store.runs()] == [runs[1].id]

    assert removal.purge(store, data, after=0) == [runs[0].id]
    assert [path.name for path in data.runs.iterdir()] == [runs[1].id]
    assert [path.name for path in data.locks.iterdir()] == [run_lock(data, runs[1].id).name]


def test_a_run_is_removed_at_once_where_that_is_asked_for(store: Store, data: DataFolder) -> None:
    run = store.insert_run(parse_spec(SPEC))
    data.run(run.id).mkdir(parents=True)
    removal.remove(store, data, run.id)
    assert not data.run(run.id).exists() and store.count_runs() == 0
    with pytest.raises(UnknownRun):
        removal.remove(store, data, "../runs")
    assert data.runs.exists()


def test_a_running_run_keeps_its_files(store: Store, data: DataFolder) -> None:
    run = store.insert_run(parse_spec(SPEC), state=RunState.RUNNING)
    data.run(run.id).mkdir(parents=True)
    for end in (queue.delete, removal.remove):
        with pytest.raises(StoreError, match="running"):
            end(store, data, run.id)
    assert data.run(run.id).exists()


def test_a_deleted_run_that_waited_waits_again_when_it_is_restored(
    store: Store, data: DataFolder, start: Starts
) -> None:
    run = store.insert_run(parse_spec(SPEC))
    queue.delete(store, data, run.id)
    assert queue.restore(store, data, run.id, start).state == RunState.QUEUED
    assert start.count == 1
    ended = store.request_cancel(run.id)
    queue.archive(store, data, ended.id)
    queue.restore(store, data, ended.id, start)
    assert (start.count, store.run(run.id).archived_at) == (1, None)


@pytest.mark.parametrize("by", [
    lambda s, d, start: queue.recover(s, d, start),
    lambda s, d, start: queue.delete(s, d, s.insert_run(parse_spec(SPEC)).id),
])  # fmt: skip
def test_what_was_deleted_long_ago_goes_at_the_next_start_and_the_next_delete(
    data: DataFolder, start: Starts, by
) -> None:
    now = [1000.0]
    store = Store(data.database, lambda: now[0])
    run = store.insert_run(parse_spec(SPEC))
    queue.delete(store, data, run.id)
    now[0] += removal.RESTORE_SECONDS - 1
    by(store, data, start)
    assert store.run(run.id)
    now[0] += 1
    by(store, data, start)
    with pytest.raises(UnknownRun):
        store.run(run.id)


def test_the_default_run_is_queued_in_an_empty_database_only(
    store: Store, data: DataFolder, start: Starts, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DISTALIGN_DEFAULT_RUN", "0")
    assert queue.queue_default(store, data, start) is None
    monkeypatch.delenv("DISTALIGN_DEFAULT_RUN")
    run = queue.queue_default(store, data, start)
    assert (run.state, run.spec.target.kind, run.spec.contexts.source) == (
        RunState.QUEUED, "real", "uk-occupations",
    )  # fmt: skip
    assert queue.queue_default(store, data, start) is None
    assert (store.count_runs(), start.count) == (1, 1)
