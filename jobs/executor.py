"""Where runs execute. An executor starts a run; what it gives back is polled and stopped."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import Protocol

from distalign.folders import DataFolder
from jobs.execution import DEFAULT_RUNNER
from jobs.places import run_log
from storage import Run

PROJECT = Path(__file__).resolve().parent.parent
# Threads that wait for work soon sleep rather than spin: the page, and other runs, share the cores.
CALM = {"GOMP_SPINCOUNT": "10000"}


def signal_name(number: int) -> str:
    """What a signal is called; most of those for real time have no name of their own."""
    try:
        return signal.Signals(number).name
    except ValueError:
        return f"signal {number}"


class Execution(Protocol):
    """A run that was started. It sets the run's state itself, unless it dies."""

    def poll(self) -> int | None:
        """None while it goes on, else its exit code (−signal if it was killed)."""

    def terminate(self) -> None:
        """Ask it to end (SIGTERM)."""

    def kill(self) -> None:
        """End it (SIGKILL)."""

    def close(self) -> None:
        """Let go of it, once it has ended."""


class Executor(Protocol):
    def start(self, run: Run) -> Execution:
        """Start a run that was claimed; OSError when that is not possible."""


class LocalExecution:
    """A child process that ends when this process does."""

    def __init__(self, process: subprocess.Popen[bytes]) -> None:
        self._process = process

    def poll(self) -> int | None:
        return self._process.poll()

    def terminate(self) -> None:
        self._process.terminate()

    def kill(self) -> None:
        self._process.kill()

    def close(self) -> None:
        if self._process.stdin is not None:
            self._process.stdin.close()
        self._process.wait()


class LocalExecutor:
    """A child process a run, on this machine.

    Args:
        runner: ``module:function`` that the child calls; see :mod:`jobs.execution`.
    """

    def __init__(self, data: DataFolder, runner: str = DEFAULT_RUNNER) -> None:
        self._data = data
        self._runner = runner

    def start(self, run: Run) -> LocalExecution:
        log = run_log(self._data, run.id)
        log.parent.mkdir(parents=True, exist_ok=True)
        with log.open("ab") as output:
            # Its own session: Ctrl-C at a worker in a terminal reaches the worker alone.
            process = subprocess.Popen(
                python_command("jobs.child", self._data, run.id, "--runner", self._runner),
                stdin=subprocess.PIPE,
                stdout=output,
                stderr=subprocess.STDOUT,
                cwd=PROJECT,
                env=CALM | os.environ,
                start_new_session=True,
            )
        return LocalExecution(process)


def python_command(module: str, data: DataFolder, *arguments: str) -> list[str]:
    """A command that runs a module of this project on a data folder."""
    places = ["--data", str(data.root.absolute()), "--db", str(data.database.absolute())]
    return [sys.executable, "-m", module, *arguments, *places]
