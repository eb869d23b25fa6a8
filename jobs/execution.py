"""Running one run in this process, to its end in the store: the boundary that catches everything."""

from __future__ import annotations

import traceback
from collections.abc import Callable
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path

from distalign.errors import Cancelled, DistalignError
from distalign.folders import DataFolder
from distalign.progress import Progress
from distalign.results import Recorder
from distalign.spec import RunSpec
from jobs.usage import sampled
from storage import Run, RunState, Store

# Named, not imported: importing it loads torch, which only the process of a run may do.
DEFAULT_RUNNER = "distalign.runner:execute"

Runner = Callable[[RunSpec, DataFolder, Path, Recorder, str], None]


@dataclass(frozen=True)
class Outcome:
    """How a run ended; ``error`` is what it raised, if it did."""

    run: Run
    error: Exception | None = None


def load_runner(name: str) -> Runner:
    """The function that is named ``module:function``."""
    module, _, function = name.partition(":")
    return getattr(import_module(module), function)


def execute_run(store: Store, data: DataFolder, run: Run, runner: str, recorder: Recorder) -> Outcome:
    """Execute a running run and set the state in which it ended.

    A failure's text for people goes to the run's ``error``, its traceback to
    a log event.
    """
    folder = data.run(run.id)
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with sampled(store, run):
            load_runner(runner)(run.spec, data, folder, recorder, run.id)
    except Cancelled as error:
        return Outcome(store.finish(run.id, RunState.CANCELLED), error)
    except Exception as error:
        _log_traceback(store, run, error)
        return Outcome(store.finish(run.id, RunState.FAILED, text_of(error)), error)
    return Outcome(store.finish(run.id, RunState.DONE))


def text_of(error: BaseException) -> str:
    """What to tell a person: the text of an error raised on purpose, else one line with its name."""
    text = " ".join(str(error).split())
    if isinstance(error, DistalignError):
        return text
    name = type(error).__name__
    return f"{name}: {text[:500]}" if text else name


def _log_traceback(store: Store, run: Run, error: Exception) -> None:
    last = store.last_event(run.id, run.attempt)
    stage, fraction = (last.stage, last.fraction) if last else ("prepare", 0.0)
    message = "".join(traceback.format_exception(error))
    store.add_event(run.id, run.attempt, Progress("log", stage, fraction=fraction, message=message))
