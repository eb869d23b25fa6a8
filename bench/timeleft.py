"""``python -m bench timeleft``: real runs, and how right the time left was that each of them told; docs/timeleft.md."""

from __future__ import annotations

import argparse
import shlex
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from bench import arguments
from bench.errors import BenchError
from bench.job import run_job
from bench.machine import PROJECT, commit, describe_machine
from bench.pages import origin, writing
from bench.sections import markdown_table
from distalign.wording import listed, plural
from jobs.display import table
from jobs.foreground import overrides
from jobs.hindsight import TENTHS, Said, of_run
from jobs.organise import signed
from jobs.places import data_folder
from storage import RunState, Store

SPEC = PROJECT / "specs" / "gender-uk-real.yaml"
SET = ["preset=quick"]
# What was asked for: after the first tenth, what is told is off by no more.
GOAL = 0.25
INTRODUCTION = (
    "At each tenth of a run's whole time: how far off the seconds that it told to be left were, as a share of those that were "
    "left, and its end, as a share of the whole time. +10 % means that a tenth more was told than was left."
)


@dataclass(frozen=True)
class Looked:
    """A run that was looked back on: what it told at each tenth, and how many seconds it took."""

    said: Sequence[Said]
    seconds: float


def add_timeleft(verbs: Any, parents: Sequence[argparse.ArgumentParser]) -> None:
    """Add the command to a parser's verbs."""
    text = "Run a specification, and say how right the time left was at each tenth of its time."
    verb = verbs.add_parser(
        "timeleft", help=text, description=text, parents=list(parents), allow_abbrev=False
    )
    verb.add_argument("spec", nargs="?", default=str(SPEC), metavar="SPEC", help="default: gender-uk-real")
    verb.add_argument("--set", metavar="KEY=VALUE", action="append", default=None, help=f"default: {SET[0]}")
    verb.add_argument(
        "--runs", type=arguments.runs, default=1, metavar="N", help="how many, one after another (default: 1)"
    )
    verb.add_argument(
        "--out", metavar="FILE", default="docs/timeleft.md", help="the page (default: docs/timeleft.md)"
    )
    verb.set_defaults(handler=run)


def run(args: argparse.Namespace) -> int:
    """Make the runs, print the table and write the page; the exit code.

    Raises:
        DistalignError: for arguments that cannot be used, and where a run fails.
    """
    data, out = data_folder(args.data), Path(args.out)
    given = args.set or SET
    store, fields = Store(data.database), overrides(given)
    # Before minutes of runs, so that a place that cannot be written is told at once.
    with writing(out):
        out.parent.mkdir(parents=True, exist_ok=True)
        is_new = not out.exists()
        out.open("a").close()
        if is_new:
            out.unlink()
    before = store.count_runs(RunState.DONE)
    found: list[Looked] = []
    for number in range(args.runs):
        with tempfile.TemporaryDirectory() as folder:
            try:
                told = run_job(args.spec, data.root, fields, Path(folder) / "run.log")
            except RuntimeError as error:
                raise BenchError(str(error)) from error
        found.append(Looked(of_run(store, store.run(told["report"]["run_id"])), told["seconds"]))
        print(f"run {number + 1}: {told['seconds']:.0f} s")
    print(f"{table(headers(found), rows(found))}\n\n{verdict(found)}\n\n{out}")
    with writing(out):
        out.write_text(page(found, before, command(args.spec, given, args.runs)), "utf-8")
    return 0


def command(spec: str, given: Sequence[str], runs: int) -> str:
    """What makes the same runs, but for the data folder."""
    path = Path(spec).resolve()
    within = path.relative_to(PROJECT) if PROJECT in path.parents else Path(path.name)
    words = [] if path == SPEC else [str(within)]
    words += [word for field in given for word in ("--set", field)] if list(given) != SET else []
    return shlex.join(["python", "-m", "bench", "timeleft", *words, "--runs", str(runs)])


def page(found: Sequence[Looked], before: int, command: str) -> str:
    """The page, in Markdown.

    Args:
        before: finished runs in the data folder before the first of these, by which the time left is told.
    """
    stamp = {
        "machine": describe_machine(),
        "at": datetime.now(UTC).isoformat(timespec="seconds"),
        "commit": commit(),
    }
    machine, day, revision = origin([stamp])
    seconds = listed([f"{looked.seconds:.0f} s" for looked in found])
    blocks = [
        "# The time left",
        f"Written by `{command}` · {machine} · {day} · revision {revision}",
        INTRODUCTION,
        f"One after another, after {plural(before, 'finished run')} in the same data folder: {seconds}.",
        markdown_table(headers(found), rows(found)),
        f"{verdict(found)[:1].upper()}{verdict(found)[1:]}.",
    ]
    return "\n\n".join(blocks) + "\n"


def headers(found: Sequence[Looked]) -> list[str]:
    numbers = range(1, len(found) + 1)
    return ["of the time", *(f"left, run {n}" for n in numbers), *(f"end, run {n}" for n in numbers)]


def rows(found: Sequence[Looked]) -> list[list[str]]:
    """A row for each tenth: the error of the time left in each run, and of its end."""
    told = [looked.said for looked in found]
    return [
        [f"{share:.0%}", *(signed(f[n].error) for f in told), *(signed(f[n].end_error) for f in told)]
        for n, share in enumerate(TENTHS)
    ]


def verdict(found: Sequence[Looked]) -> str:
    """How often the error was small enough, and the largest one; where nothing was told it is 100 %."""
    errors = [abs(said.error) if said.error is not None else 1.0 for looked in found for said in looked.said]
    within = sum(error <= GOAL for error in errors)
    return f"within {GOAL:.0%} of what was left: {within} of {len(errors)}; the most off by {max(errors):.0%}"
