"""``python -m bench timeleft``: real runs, and how right the time left was that each of them told."""

from __future__ import annotations

import argparse
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from bench.errors import BenchError
from bench.job import run_job
from bench.machine import PROJECT
from jobs.display import table
from jobs.foreground import overrides
from jobs.hindsight import TENTHS, Said, of_run
from jobs.organise import signed
from jobs.places import data_folder
from storage import Store

SPEC = PROJECT / "specs" / "gender-uk-real.yaml"
# What was asked for: after the first tenth, what is told is off by no more.
GOAL = 0.25


def add_timeleft(verbs: Any, parents: Sequence[argparse.ArgumentParser]) -> None:
    """Add the command to a parser's verbs."""
    text = "Run a specification, and say how right the time left was at each tenth of its time."
    verb = verbs.add_parser(
        "timeleft", help=text, description=text, parents=list(parents), allow_abbrev=False
    )
    verb.add_argument("spec", nargs="?", default=str(SPEC), metavar="SPEC", help="default: gender-uk-real")
    verb.add_argument(
        "--set", metavar="KEY=VALUE", action="append", default=None, help="default: preset=quick"
    )
    verb.add_argument("--runs", type=int, default=1, help="how many, one after another (default: 1)")
    verb.set_defaults(handler=run)


def run(args: argparse.Namespace) -> int:
    data = data_folder(args.data)
    store, fields = Store(data.database), overrides(args.set or ["preset=quick"])
    found: list[list[Said]] = []
    for number in range(args.runs):
        with tempfile.TemporaryDirectory() as folder:
            try:
                told = run_job(args.spec, data.root, fields, Path(folder) / "run.log")
            except RuntimeError as error:
                raise BenchError(str(error)) from error
        found.append(of_run(store, store.run(told["report"]["run_id"])))
        print(f"run {number + 1}: {told['seconds']:.0f} s")
    print(report(found))
    return 0


def report(found: Sequence[Sequence[Said]]) -> str:
    """A row for each tenth: the error of the time left in each run, and of its end."""
    rows = [
        [f"{share:.0%}", *(signed(f[n].error) for f in found), *(signed(f[n].end_error) for f in found)]
        for n, share in enumerate(TENTHS)
    ]
    numbers = range(1, len(found) + 1)
    headers = ["of the time", *(f"left, run {n}" for n in numbers), *(f"end, run {n}" for n in numbers)]
    errors = [abs(s.error) if s.error is not None else 1.0 for f in found for s in f]
    within = sum(error <= GOAL for error in errors)
    last = f"within {GOAL:.0%} of what was left: {within} of {len(errors)}; the most off by {max(errors):.0%}"
    return f"{table(headers, rows)}\n\n{last}"
