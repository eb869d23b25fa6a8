"""The worker with real child processes: how runs end, are stopped, and survive its death."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from distalign.folders import DataFolder
from distalign.spec import parse_spec
from jobs import queue
from jobs.executor import LocalExecutor
from jobs.liveness import hold, is_held, run_lock, worker_lock
from jobs.places import run_log
from jobs.removal import RESTORE_SECONDS, remove
from jobs.worker import Pace, Worker, ensure_worker
from storage import Run, RunFilter, RunState, Store, StoreBusy
from tests.test_jobs_runners import SPEC

PROJECT = Path(__file__).resolve().parent.parent
QUICK = Pace(poll=0.05, idle=0.2, grace=0.3, kill=0.3)


def runner(name: str) -> str:
    return f"tests.test_jobs_runners:{name}"


def wait_for(condition: Callable[[], bool], what: str, seconds: float = 20.0) -> None:
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, f"waited in vain for {what}"
        time.sleep(0.05)


@pytest.fixture
def data(tmp_path: Path) -> DataFolder:
    return DataFolder(tmp_path)


@pytest.fixture
def store(data: DataFolder) -> Store:
    return Store(data.database)


@pytest.fixture
def worker_process(data: DataFolder) -> Iterator[Callable[..., subprocess.Popen]]:
    """Starts workers that end with the test."""
    started: list[subprocess.Popen] = []

    def start(name: str, *arguments: str) -> subprocess.Popen:
        command = [sys.executable, "-m", "jobs", "worker", "--data", str(data.root), "--runner", runner(name)]
        started.append(
            subprocess.Popen([*command, *arguments], cwd=PROJECT, stdout=subprocess.PIPE, text=True)
        )
        return started[-1]

    yield start
    for process in started:
        process.kill()
        process.communicate()


def execute(store: Store, data: DataFolder, name: str) -> Run:
    run = store.insert_run(parse_spec(SPEC))
    Worker(store, data, LocalExecutor(data, runner(name)), QUICK).work()
    return store.run(run.id)


def test_a_queued_run_is_executed_in_a_child_to_its_end(store: Store, data: DataFolder) -> None:
    run = execute(store, data, "complete")
    assert (run.state, run.error, run.train_seconds, run.sample_seconds) == (RunState.DONE, None, 1.5, 0.5)
    assert run.finished_at >= run.started_at
    assert store.count_rounds(run.id, "after", "heldout_templates") == 8
    assert len(store.results(run.id)) == 4
    (adapter,) = store.artifacts(run.id)
    assert adapter.path.read_bytes() == b"PK" + run.id.encode()


def test_a_failure_on_purpose_is_told_in_its_own_words(store: Store, data: DataFolder) -> None:
    run = execute(store, data, "wrong_on_purpose")
    assert (run.state, run.error) == (RunState.FAILED, "the model cannot be read. Prepare it again")


def test_a_failure_by_accident_is_one_line_and_its_traceback_is_kept(store: Store, data: DataFolder) -> None:
    run = execute(store, data, "wrong_by_accident")
    assert (run.state, run.error) == (RunState.FAILED, "ZeroDivisionError: a secret of two lines")
    last = store.last_event(run.id)
    assert (last.kind, last.stage, last.fraction) == ("log", "base", 0.25)
    assert "Traceback" in last.message
    assert "in wrong_by_accident" in last.message


def test_a_runner_that_cannot_be_imported_fails_the_run_not_the_worker(
    store: Store, data: DataFolder
) -> None:
    run = execute(store, data, "missing")
    assert run.state == RunState.FAILED
    assert run.error.startswith("AttributeError")


def test_a_child_that_is_killed_fails_the_run_with_a_hint(store: Store, data: DataFolder) -> None:
    run = execute(store, data, "killed")
    assert run.state == RunState.FAILED
    assert "SIGKILL" in run.error
    assert "memory" in run.error


def test_a_child_that_is_ended_by_a_signal_without_a_name_fails_the_run(
    store: Store, data: DataFolder
) -> None:
    run = execute(store, data, "ended_by_a_signal_for_real_time")
    assert run.state == RunState.FAILED
    assert run.error == "its process was ended by signal 40"


def test_a_child_that_cannot_be_started_fails_the_run(store: Store, data: DataFolder) -> None:
    class NoProcesses(LocalExecutor):
        def start(self, run: Run):
            raise OSError(12, "Cannot allocate memory")

    run = store.insert_run(parse_spec(SPEC))
    Worker(store, data, NoProcesses(data), QUICK).work()
    assert store.run(run.id).state == RunState.FAILED
    assert "Cannot allocate memory" in store.run(run.id).error


@pytest.mark.parametrize("name", ["endless", "deaf"])
def test_a_running_run_is_stopped_gently_or_by_force(store: Store, data: DataFolder, name: str) -> None:
    run = store.insert_run(parse_spec(SPEC))
    worker = Worker(store, data, LocalExecutor(data, runner(name)), QUICK)
    thread = threading.Thread(target=worker.work)
    thread.start()
    try:
        wait_for(lambda: store.last_event(run.id) is not None, "the first event")
        assert store.run(run.id).state == RunState.RUNNING
    finally:
        store.request_cancel(run.id)
        thread.join(20)
    assert not thread.is_alive()
    assert store.run(run.id).state == RunState.CANCELLED
    assert store.run(run.id).error is None


def test_a_child_that_goes_on_behind_its_end_does_not_hold_up_the_queue(
    store: Store, data: DataFolder
) -> None:
    ids = [store.insert_run(parse_spec(SPEC)).id for _ in range(2)]
    with working(Worker(store, data, LocalExecutor(data, runner("lingering")), QUICK)):
        wait_for(lambda: all(store.run(run_id).state.ended for run_id in ids), "the ends of both")
    assert [store.run(run_id).state for run_id in ids] == [RunState.DONE] * 2


def test_a_run_is_started_again_or_removed_while_its_child_goes_on(store: Store, data: DataFolder) -> None:
    again, removed = (store.insert_run(parse_spec(SPEC)).id for _ in range(2))
    with working(Worker(store, data, LocalExecutor(data, runner("lingering")), QUICK)):
        wait_for(lambda: store.run(again).state.ended, "the first end")
        store.requeue(again)
        wait_for(lambda: store.run(removed).state.ended, "the end of the second run")
        remove(store, data, removed)
        wait_for(lambda: store.run(again).state.ended, "the end of the second attempt")
    assert (store.run(again).state, store.run(again).attempt) == (RunState.DONE, 2)


@contextmanager
def working(worker: Worker) -> Iterator[None]:
    """A worker in a thread; waits for its end."""
    thread = threading.Thread(target=worker.work, daemon=True)
    thread.start()
    yield
    thread.join(20)
    assert not thread.is_alive()


@pytest.mark.parametrize("name", ["run", "claim", "interrupt_running"])
def test_a_database_that_is_busy_for_a_while_does_not_end_the_worker(
    store: Store, data: DataFolder, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    asked, real = [], getattr(store, name)

    def busy(*arguments: object) -> object:
        asked.append(name)
        if len(asked) < 4:
            raise StoreBusy("it is locked by another program")
        return real(*arguments)

    monkeypatch.setattr(store, name, busy)
    assert execute(store, data, "complete").state == RunState.DONE
    assert len(asked) >= 4


def test_runs_are_executed_one_after_another_in_order(store: Store, data: DataFolder) -> None:
    ids = [store.insert_run(parse_spec(SPEC)).id for _ in range(3)]
    Worker(store, data, LocalExecutor(data, runner("complete")), QUICK).work()
    runs = [store.run(run_id) for run_id in ids]
    assert [run.state for run in runs] == [RunState.DONE] * 3
    assert runs[0].finished_at <= runs[1].started_at <= runs[1].finished_at <= runs[2].started_at


def test_a_killed_worker_takes_its_child_along_and_the_run_can_be_resumed(
    store: Store, data: DataFolder, worker_process
) -> None:
    run = store.insert_run(parse_spec(SPEC))
    worker = worker_process("endless")
    wait_for(lambda: store.last_event(run.id) is not None, "the first event")
    child = int((data.run(run.id) / "pid").read_text())
    assert queue.recover(store, data, start=lambda d: None) == []
    assert is_held(run_lock(data, run.id))

    worker.send_signal(signal.SIGKILL)
    worker.wait()
    wait_for(lambda: not is_held(run_lock(data, run.id)), "the end of the child")
    # It is nobody's child now; the system may take a moment to bury it.
    wait_for(lambda: not _is_running(child), "the child's process to be gone")
    assert store.run(run.id).state == RunState.RUNNING
    assert queue.recover(store, data, start=lambda d: None) == [run.id]
    assert store.run(run.id).state == RunState.INTERRUPTED

    queue.resume(store, data, run.id, start=lambda d: worker_process("complete", "--idle", "0.5"))
    wait_for(lambda: store.run(run.id).state.ended, "the second attempt")
    assert (store.run(run.id).state, store.run(run.id).attempt) == (RunState.DONE, 2)
    assert {event.attempt for event in store.events(run.id)} == {1, 2}


def _is_running(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"


def test_a_worker_interrupts_what_a_dead_one_left(store: Store, data: DataFolder) -> None:
    left = store.insert_run(parse_spec(SPEC), state=RunState.RUNNING)
    Worker(store, data, LocalExecutor(data, runner("complete")), QUICK).work()
    assert store.run(left.id).state == RunState.INTERRUPTED


def test_a_second_worker_ends_at_once_and_only_one_executes(
    store: Store, data: DataFolder, worker_process
) -> None:
    first = worker_process("endless")
    wait_for(lambda: is_held(worker_lock(data)), "the first worker")
    second = worker_process("endless")
    assert second.wait(timeout=20) == 0
    assert "another worker" in second.stdout.read()
    assert first.poll() is None


def test_an_idle_worker_ends(store: Store, data: DataFolder) -> None:
    began = time.monotonic()
    assert Worker(store, data, LocalExecutor(data), QUICK).work()
    assert time.monotonic() - began < 5


def test_a_run_submitted_while_the_worker_leaves_is_not_forgotten(
    store: Store, data: DataFolder, monkeypatch: pytest.MonkeyPatch
) -> None:
    worker = Worker(store, data, LocalExecutor(data, runner("complete")), QUICK)
    serve, submitted = worker._serve, []

    def serve_then_submit() -> None:
        serve()
        if not submitted:
            # The queue was seen empty, the lock is not free yet: submit() starts no worker.
            submitted.append(store.insert_run(parse_spec(SPEC)).id)

    monkeypatch.setattr(worker, "_serve", serve_then_submit)
    assert worker.work()
    assert store.run(submitted[0]).state == RunState.DONE


def test_a_worker_is_started_detached_and_only_once(store: Store, data: DataFolder) -> None:
    queue.submit(store, data, parse_spec(SPEC), start=lambda d: ensure_worker(d, runner("endless")))
    run = store.runs()[0]
    wait_for(lambda: store.last_event(run.id) is not None, "the first event")
    child = int((data.run(run.id) / "pid").read_text())
    assert os.getsid(child) != os.getsid(0)
    before = threading.active_count()
    ensure_worker(data, runner("endless"))
    assert threading.active_count() == before
    worker = int(Path(f"/proc/{child}/stat").read_text().rpartition(")")[2].split()[1])
    assert os.getsid(worker) == worker
    os.kill(worker, signal.SIGTERM)
    wait_for(lambda: not is_held(run_lock(data, run.id)), "the end of the child")


def test_what_a_child_prints_is_in_its_log(store: Store, data: DataFolder) -> None:
    run = execute(store, data, "complete")
    assert run_log(data, run.id).read_text() == "a library prints this\n"
    assert store.usage_summary(run.id, run.attempt).peak_memory > 2**20
    remove(store, data, run.id)
    assert not run_log(data, run.id).exists()
    assert not data.run(run.id).exists()
    assert store.runs() == []


def test_the_worker_removes_what_was_deleted_long_ago(store: Store, data: DataFolder) -> None:
    run = store.insert_run(parse_spec(SPEC))
    data.run(run.id).mkdir(parents=True)
    queue.delete(store, data, run.id)
    with store._write() as db:
        db.execute("UPDATE runs SET deleted_at = deleted_at - ?", [RESTORE_SECONDS])
    assert Worker(store, data, LocalExecutor(data), QUICK).work()
    assert store.runs(which=RunFilter(shelf="deleted")) == []
    assert not data.run(run.id).exists()


def test_neither_worker_nor_page_side_loads_torch_or_gradio() -> None:
    code = (
        "import sys, jobs.cli, jobs.queue, jobs.export, jobs.child\n"
        "print([m for m in ('torch', 'transformers', 'gradio', 'altair', 'ray') if m in sys.modules])"
    )
    out = subprocess.run(
        [sys.executable, "-c", code], cwd=PROJECT, capture_output=True, text=True, check=True
    )
    assert out.stdout.strip() == "[]"


def test_a_lock_is_free_once_its_holder_is_dead(tmp_path: Path) -> None:
    path = tmp_path / "locks" / "a.lock"
    code = (
        "import sys, pathlib\nfrom jobs.liveness import hold\nlock = hold(pathlib.Path(sys.argv[1]))\n"
        "print('held', flush=True)\nsys.stdin.read()"
    )
    holder = subprocess.Popen(
        [sys.executable, "-c", code, str(path)],
        cwd=PROJECT,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    assert not is_held(tmp_path / "locks" / "never.lock")
    assert holder.stdout.readline() == "held\n"
    assert is_held(path)
    assert hold(path, patience=0.1) is None
    holder.kill()
    holder.communicate()
    assert not is_held(path)
    with hold(path) as lock:
        assert lock is not None
