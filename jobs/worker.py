"""The worker: one process a database that executes queued runs, one after another."""

from __future__ import annotations

import subprocess
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass

from distalign.folders import DataFolder
from jobs.execution import DEFAULT_RUNNER, text_of
from jobs.executor import PROJECT, Execution, Executor, python_command, signal_name
from jobs.liveness import hold, is_held, run_lock, worker_lock
from jobs.places import worker_log
from jobs.removal import purge
from storage import Run, RunState, Store, StoreBusy, UnknownRun

RECOVER_SECONDS = 5.0
# Somebody who asks whether a worker lives has its lock for a moment.
LOCK_PATIENCE_SECONDS = 1.0


@dataclass(frozen=True)
class Pace:
    """How long the worker waits, in seconds.

    Attributes:
        poll: between two looks at the queue, or at the child.
        idle: without work, before the worker ends.
        grace: between a request to cancel, or the run's end, and SIGTERM to a child that goes on.
        kill: between SIGTERM and SIGKILL.
    """

    poll: float = 0.3
    idle: float = 60.0
    grace: float = 10.0
    kill: float = 5.0


class Worker:
    def __init__(self, store: Store, data: DataFolder, executor: Executor, pace: Pace | None = None) -> None:
        self._store = store
        self._data = data
        self._executor = executor
        self._pace = pace or Pace()
        self._recovered_at = float("-inf")

    def work(self) -> bool:
        """Execute runs until none is left for a while; False when another worker is there."""
        while (lock := hold(worker_lock(self._data), LOCK_PATIENCE_SECONDS)) is not None:
            with lock:
                self._serve()
            # Whoever submitted before the lock was free has not started another worker.
            if not self._store.count_runs(RunState.QUEUED):
                return True
        return False

    def _serve(self) -> None:
        idle_since = time.monotonic()
        while time.monotonic() - idle_since < self._pace.idle:
            run = None
            # Another program may hold the database for a while; what is queued waits for its end.
            with suppress(StoreBusy):
                self._recover()
                run = self._store.claim()
            if run is None:
                time.sleep(self._pace.poll)
                continue
            self._execute(run)
            idle_since = time.monotonic()

    def _execute(self, run: Run) -> None:
        print(f"{run.id} attempt {run.attempt}: {run.title}", flush=True)
        try:
            execution = self._executor.start(run)
        except OSError as error:
            text = f"its process could not be started ({text_of(error)})"
            self._when_free(lambda: self._store.finish(run.id, RunState.FAILED, text))
            return
        over_at: float | None = None
        while (code := execution.poll()) is None:
            with suppress(StoreBusy):
                if over_at is None and self._is_over(run):
                    over_at = time.monotonic()
                self._recover(current=run.id)
            if over_at is not None:
                self._press(execution, time.monotonic() - over_at)
            time.sleep(self._pace.poll)
        execution.close()
        self._when_free(lambda: self._settle(run, code))

    def _when_free(self, act: Callable[[], object]) -> None:
        """Do what must not be left out, as soon as no other program holds the database."""
        while True:
            try:
                act()
                return
            except StoreBusy:
                time.sleep(self._pace.poll)

    def _is_over(self, run: Run) -> bool:
        """Whether a run's process is to end: it is asked to, or its run has ended, or even been started again."""
        try:
            now = self._store.run(run.id)
        except UnknownRun:
            return True
        return now.cancel_requested or now.state.ended or now.attempt != run.attempt

    def _press(self, execution: Execution, waited: float) -> None:
        if waited > self._pace.grace + self._pace.kill:
            execution.kill()
        elif waited > self._pace.grace:
            execution.terminate()

    def _settle(self, run: Run, code: int) -> None:
        """Set the state of a run whose process died before it could."""
        try:
            run = self._store.run(run.id)
            if run.state == RunState.RUNNING and run.cancel_requested:
                run = self._store.finish(run.id, RunState.CANCELLED)
            elif run.state == RunState.RUNNING:
                run = self._store.finish(run.id, RunState.FAILED, _text_of_code(code))
        except UnknownRun:
            # It had ended, and was removed before its process was gone.
            return
        print(f"{run.id} {run.state}", flush=True)

    def _recover(self, current: str | None = None) -> None:
        now = time.monotonic()
        if current is None or now - self._recovered_at >= RECOVER_SECONDS:
            self._recovered_at = now
            self._store.interrupt_running(lambda i: i == current or is_held(run_lock(self._data, i)))
            purge(self._store, self._data)


def _text_of_code(code: int) -> str:
    if code >= 0:
        return f"its process ended with exit code {code}. Its log file says more"
    name = signal_name(-code)
    hint = ". Perhaps the memory was not enough: choose a smaller model, or fewer prompts per step"
    return f"its process was ended by {name}{hint if name == 'SIGKILL' else ''}"


def ensure_worker(data: DataFolder, runner: str = DEFAULT_RUNNER) -> None:
    """Start a worker, detached from this process, unless one is there.

    Of two that are started at once the second ends by itself.
    """
    if is_held(worker_lock(data)):
        return
    log = worker_log(data)
    log.parent.mkdir(parents=True, exist_ok=True)
    with log.open("ab") as output:
        process = subprocess.Popen(
            python_command("jobs", data, "worker", "--runner", runner),
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            cwd=PROJECT,
            start_new_session=True,
        )
    # Waited for, so that an ended worker leaves no zombie in a page that runs for weeks.
    threading.Thread(target=process.wait, name="reap-worker", daemon=True).start()
