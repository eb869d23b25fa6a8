"""``python -m jobs run``: one run in this process."""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Mapping, Sequence
from contextlib import redirect_stdout
from dataclasses import replace
from pathlib import Path
from typing import Any

from distalign.errors import DistalignError, SpecError, shown
from distalign.folders import DataFolder
from distalign.models import ALLOWED, require_known
from distalign.sharing import is_link, packed_in, unpack
from distalign.spec import RunSpec, load_spec, parse_spec
from distalign.training_config import reads
from distalign.yaml_text import parse_text
from jobs.display import ProgressDisplay, plain, results_table
from jobs.execution import Outcome, execute_run
from jobs.liveness import hold, run_lock
from jobs.places import data_folder
from jobs.recorder import StoreRecorder
from jobs.report import report
from storage import Run, RunState, Store
from storage.records import new_id

FAILED, UNUSABLE, STOPPED = 1, 2, 130


class RunFailed(Exception):
    """The run ended by an error that is no fault of what was given."""


def overrides(settings: Sequence[str]) -> dict[str, Any]:
    """The mapping that ``--set key=value`` arguments give; values are YAML.

    Raises:
        SpecError: for an argument without ``=``, or a value that is not YAML.
    """
    values = {}
    for setting in settings:
        key, equals, text = setting.partition("=")
        if not equals or not key.strip():
            raise SpecError(
                "--set", f"{shown(setting)} is not key=value", "Write, for example, --set steps=50"
            )
        try:
            values[key.strip()] = parse_text(f"value: {text}")["value"]
        except SpecError:
            raise SpecError(
                key.strip(), f"{shown(text)} is not a YAML value", "Put quotes around a text with signs"
            ) from None
    return values


def spec_of(args: argparse.Namespace) -> RunSpec:
    """The specification that the arguments name; fields of ``--set`` that do nothing are told on standard error.

    Raises:
        SpecError: for a field that cannot be used.
        ModelError: for a base model that is neither known nor a local folder.
    """
    replaced = overrides(args.set)
    spec = given_spec(args.spec, replaced)
    if unread := [name for name in replaced if not reads(spec.method, name)]:
        print(f"The method {spec.method} does not read: {', '.join(unread)}", file=sys.stderr)
    return runnable(spec)


def runnable(spec: RunSpec) -> RunSpec:
    """A specification as it can be run from anywhere; see :func:`placed`.

    Raises:
        ModelError: for a base model that is neither known nor a local folder.
    """
    require_known(spec.base_model, folders=True)
    return placed(spec)


def placed(spec: RunSpec) -> RunSpec:
    """A specification whose base model, where it is a folder, is an absolute path.

    The worker's child runs in another working folder.
    """
    if spec.base_model in ALLOWED:
        return spec
    return replace(spec, base_model=str(Path(spec.base_model).absolute()))


def given_spec(given: str, replaced: Mapping[str, Any]) -> RunSpec:
    """The specification in a file, in standard input (``-``), or in a link to the page.

    Raises:
        SpecError: for a field that cannot be used.
    """
    if is_link(given):
        return parse_spec(unpack(packed_in(given)) | dict(replaced))
    if given == "-":
        return parse_spec(parse_text(sys.stdin.read()) | dict(replaced), Path.cwd())
    return load_spec(Path(given), replaced)


def run_in_foreground(args: argparse.Namespace) -> int:
    """Run a specification to its end; the exit code."""
    spec = spec_of(args)
    data = data_folder(args.data, args.db)
    data.require_room()
    store = Store(data.database)
    outcome = _watched(store, data, spec, args.runner)
    run, results = outcome.run, store.results(outcome.run.id)
    effects = store.side_effects(run.id)
    if args.json:
        whole = report(run, results, store.artifacts(run.id), effects)
        print(json.dumps(whole, ensure_ascii=False, allow_nan=False))
    else:
        print(f"{plain(run.title)}: {run.state} (run {run.id})")
        if results:
            print("\n" + results_table(results))
        if effects is not None:
            print("\n" + effects.sentence)
    _raise_failure(outcome)
    return 0 if run.state == RunState.DONE else STOPPED


def run_to_end(store: Store, data: DataFolder, spec: RunSpec, runner: str) -> Run:
    """Run a specification, and give back the run that is done.

    Raises:
        DistalignError: when it cannot be run.
        RunFailed: when it failed.
        KeyboardInterrupt: when it was stopped.
    """
    data.require_room()
    outcome = _watched(store, data, spec, runner)
    _raise_failure(outcome)
    if outcome.run.state != RunState.DONE:
        raise KeyboardInterrupt
    return outcome.run


def _watched(store: Store, data: DataFolder, spec: RunSpec, runner: str) -> Outcome:
    display = ProgressDisplay()
    try:
        return _execute(store, data, spec, runner, display)
    finally:
        display.close()


def _raise_failure(outcome: Outcome) -> None:
    run = outcome.run
    if run.state == RunState.FAILED and isinstance(outcome.error, DistalignError):
        raise outcome.error
    if run.state == RunState.FAILED:
        raise RunFailed(f"run {run.id}: {run.error}. python -m jobs show {run.id} has the traceback")


def _execute(store: Store, data: DataFolder, spec: RunSpec, runner: str, display: ProgressDisplay) -> Outcome:
    run_id = new_id()
    # Held before the run is there: a worker takes a running run without a process for a dead one.
    with hold(run_lock(data, run_id)):
        run = store.insert_run(spec, run_id, RunState.RUNNING)
        try:
            # Libraries print as they train; standard output is for the result alone.
            with redirect_stdout(sys.stderr):
                return execute_run(store, data, run, runner, StoreRecorder(store, run, listen=display))
        except KeyboardInterrupt:
            return Outcome(store.finish(run_id, RunState.CANCELLED))
