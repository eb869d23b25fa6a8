"""Measuring one unit after another, each kept as soon as it is there."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from bench.children import measured
from bench.errors import MeasurementFailed
from bench.parts import Unit
from bench.records import Records
from jobs.display import duration


def take(unit: Unit, records: Records, logs: Path) -> str | None:
    """Measure a unit and keep its value; what went wrong, or None.

    Args:
        logs: the folder for what the unit's process prints.
    """
    say(f"{unit.key} …")
    start = time.monotonic()
    try:
        value: dict[str, Any] = measured(unit.function, unit.arguments(), log_file(logs, unit.key))
    except MeasurementFailed as failure:
        say(f"{unit.key}: {failure}")
        return f"{unit.key}: {failure}"
    taken = time.monotonic() - start
    records.keep(unit.key, value, taken)
    say(f"{unit.key}: {duration(taken)}")
    return None


def log_file(logs: Path, key: str) -> Path:
    return logs / f"{key.replace('/', '-')}.log"


def say(text: str) -> None:
    print(text, file=sys.stderr, flush=True)


def deadline(minutes: float | None) -> Callable[[], bool]:
    """Tells whether so many minutes from now are over; they never are for None."""
    until = None if minutes is None else time.monotonic() + 60 * minutes
    return lambda: until is not None and time.monotonic() >= until
