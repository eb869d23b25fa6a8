"""What the commands that fill a page have in common: where it lies, writing it, its origin, and the end."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from bench.errors import BenchError
from bench.machine import machine_text
from bench.records import Records
from distalign.folders import DataFolder

OK, FAILED = 0, 1
TRIAL_NOTE = "**A trial: sizes are too small for the figures to mean anything.**"


def page_file(args: argparse.Namespace, data: DataFolder, name: str) -> Path:
    """Where a command's page goes, the folder made: ``--out``, the data folder for a trial, or docs/.

    Raises:
        BenchError: when the folder cannot be made.
    """
    usual = data.root / "bench" / f"{name}-trial.md" if args.trial else Path("docs") / f"{name}.md"
    path = Path(args.out) if args.out else usual
    with writing(path):
        path.parent.mkdir(parents=True, exist_ok=True)
    return path


@contextmanager
def writing(path: Path) -> Iterator[None]:
    """Within the block, what cannot be written to a page or beside it is told as the fault of ``--out``."""
    try:
        yield
    except OSError as error:
        raise BenchError(f"--out: {path} cannot be written ({error.strerror}). Name another file") from error


def origin(stamps: Sequence[dict[str, Any]]) -> tuple[str, str, str]:
    """Machines, days and revisions of some values, by their stamps."""
    machines = sorted({machine_text(s["machine"]) for s in stamps})
    days = sorted({s["at"][:10] for s in stamps})
    revisions = sorted({s["commit"] for s in stamps})
    return "; ".join(machines), " to ".join(dict.fromkeys((days[0], days[-1]))), ", ".join(revisions)


def ended(out: Path, records: Records, failures: Sequence[str]) -> int:
    """Say where page and numbers are, and what failed; the exit code: 1 when something did."""
    print(f"{out}\n{records.path}")
    for failure in failures:
        print(f"distalign: {failure}", file=sys.stderr)
    return FAILED if failures else OK
