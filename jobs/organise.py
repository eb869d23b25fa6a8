"""The verbs of the command line that put runs in order, and that look at what they used."""

from __future__ import annotations

import argparse
import json
from collections.abc import Callable, Sequence
from dataclasses import asdict

from jobs import curves, hindsight, queue, removal
from jobs.display import duration, figure, gigabytes, moment, plain, share, table, usage_line
from jobs.places import opened, store_of
from storage import StoreError, Usage

MAX_SAMPLES, SHOWN_SAMPLES = 100_000, 20


def tag(args: argparse.Namespace) -> int:
    """Add tags, or remove them; without any, print those that the run has."""
    store = store_of(args)
    run = store.find_run(args.run)
    if args.tags:
        given = {name.strip().casefold() for name in args.tags}
        if args.remove:
            run = store.set_tags(run.id, [name for name in run.tags if name.casefold() not in given])
        else:
            run = store.set_tags(run.id, [*run.tags, *args.tags])
    print(f"{run.id} {plain(', '.join(run.tags)) or 'has no tags'}")
    return 0


def note(args: argparse.Namespace) -> int:
    """Replace the note; without a text, print it."""
    store = store_of(args)
    run = store.find_run(args.run)
    if args.text is not None:
        run = store.set_note(run.id, args.text)
    print(plain(run.note) or f"{run.id} has no note")
    return 0


def rename(args: argparse.Namespace) -> int:
    store = store_of(args)
    run = store.rename(store.find_run(args.run).id, args.name)
    print(f"{run.id} {plain(run.title)}")
    return 0


def archive(args: argparse.Namespace) -> int:
    store = store_of(args)
    run = store.archive_run(store.find_run(args.run).id)
    print(f"{run.id} archived")
    return 0


def delete(args: argparse.Namespace) -> int:
    """Delete a run, with a way back unless ``--now`` is given."""
    store, data = opened(args)
    run = store.find_run(args.run)
    if args.now:
        removal.remove(store, data, run.id)
        print(f"{run.id} deleted for good")
        return 0
    queue.delete(store, data, run.id)
    minutes = f"{removal.RESTORE_SECONDS / 60:.0f} minutes"
    print(f"{run.id} deleted; within {minutes} it comes back with: python -m jobs restore {run.id}")
    return 0


def restore(args: argparse.Namespace) -> int:
    store, data = opened(args)
    run = queue.restore(store, data, store.find_run(args.run).id)
    print(f"{run.id} {run.state}")
    return 0


def usage(args: argparse.Namespace) -> int:
    """Peak and means, and the last samples."""
    store = store_of(args)
    run = store.find_run(args.run)
    used = store.usage_summary(run.id, run.attempt)
    if args.json:
        samples = [asdict(s) for s in store.usage(run.id, run.attempt, most=MAX_SAMPLES)]
        print(json.dumps({"run_id": run.id, "summary": used and asdict(used), "samples": samples}))
        return 0
    if used is None:
        raise StoreError(f"run: {run.id} has no samples. They are taken while a run works")
    print(usage_line(used))
    print("\n" + _samples_table(store.usage(run.id, run.attempt, most=SHOWN_SAMPLES)))
    return 0


def _samples_table(samples: Sequence[Usage]) -> str:
    """A row a sample; what no sample has of a GPU has no column."""
    columns: dict[str, Callable[[Usage], str | None]] = {
        "time": lambda s: moment(s.at),
        "memory": lambda s: gigabytes(s.memory),
        "cores busy": lambda s: f"{s.cpu:.2f} of {s.cores}",
        "GPU memory": lambda s: None if s.gpu_memory is None else gigabytes(s.gpu_memory),
        "GPU busy": lambda s: None if s.gpu is None else share(s.gpu),
    }
    cells = {name: [read(sample) for sample in samples] for name, read in columns.items()}
    cells = {name: column for name, column in cells.items() if any(column)}
    rows = [[cell or "–" for cell in row] for row in zip(*cells.values(), strict=True)]
    return table(list(cells), rows)


def overlay(args: argparse.Namespace) -> int:
    """A value of the training of several runs, side by side, by step."""
    store = store_of(args)
    runs = [store.find_run(name) for name in args.runs]
    found = [curves.training_points(store, run) for run in runs]
    if args.json:
        series = [
            {
                "run_id": run.id,
                "title": run.title,
                "points": [[step, values[args.value]] for step, values in points if args.value in values],
            }
            for run, points in zip(runs, found, strict=True)
        ]
        print(json.dumps(series, ensure_ascii=False))
        return 0
    rows = [[str(step), *map(figure, values)] for step, values in curves.rows_of(found, args.value)]
    if not rows:
        raise StoreError("run: none of these runs has trained. Take runs of a method that trains")
    for run in runs:
        print(f"{run.id} {plain(run.title)}")
    print("\n" + table([f"{args.value} at step", *(run.id for run in runs)], rows))
    return 0


def timeleft(args: argparse.Namespace) -> int:
    """What a run told of the time left, beside what was left."""
    store = store_of(args)
    found = hindsight.of_run(store, store.find_run(args.run))
    if args.json:
        print(json.dumps([asdict(s) | {"error": s.error, "end_error": s.end_error} for s in found]))
        return 0
    rows = [
        [f"{s.share:.0%}", duration(s.left), duration(s.said), signed(s.error), signed(s.end_error)]
        for s in found
    ]
    print(table(["of the time", "were left", "were told", "off by", "its end off by"], rows))
    return 0


def signed(share: float | None) -> str:
    """A relative error with its sign."""
    return "–" if share is None else f"{share:+.0%}"
