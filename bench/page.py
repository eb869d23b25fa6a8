"""The page's speed: start, Train, polls and results, on a large database; ``python -m bench.page``."""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import signal
import statistics
import sys
import tempfile
import time
from collections.abc import Iterator
from dataclasses import asdict
from pathlib import Path
from typing import Any

from bench import page_browser, page_data, page_server
from bench.page_app import App, NoBrowser, chromium, start_app, without_worker

# Milliseconds that the project set itself.
GOALS = {"start": 8000.0, "train": 300.0, "poll": 50.0, "results": 500.0}
REPEATS = 5
ENDING_SECONDS = 20.0


def measure(folder: Path, repeats: int = REPEATS, runs: int = 1000, rounds: int = 1000) -> dict[str, Any]:
    """Every figure of the page, medians of several repeats, in milliseconds unless the name says otherwise.

    Args:
        folder: an empty folder for data, about 600 MB; it stays.
        runs: runs in the database.
        rounds: rounds a context of its long run, which has 1,000 contexts and two phases.

    Returns:
        ``data`` (what was made), ``start``, ``train``, ``poll`` and ``results``; where there is no
        browser, only the server's part of each, and ``browser`` says why.
    """
    busy, fresh = folder / "busy", folder / "fresh"
    made = page_data.make(busy, runs, rounds=rounds)
    found: dict[str, Any] = {"goals_ms": GOALS, "repeats": repeats, "data": asdict(made), "browser": None}
    with contextlib.ExitStack() as stack:
        try:
            browser = stack.enter_context(chromium())
        except NoBrowser as error:
            browser, found["browser"] = None, str(error)
        with without_worker(busy):
            found["start"] = _starts(busy, browser, min(3, repeats))
            with start_app(busy) as app:
                found["poll"] = page_server.poll(app, made, repeats)
                found["train"] = {"server": page_server.train(app, repeats)}
                found["results"] = {"server": page_server.results(app, made, repeats)}
                if browser is not None:
                    found["train"]["browser"] = page_browser.train(browser, app, repeats)
                    found["results"]["browser"] = page_browser.results(browser, app, made, repeats)
        if browser is not None:
            found["train"]["browser, with a worker to start"] = _first_clicks(fresh, browser, min(3, repeats))
    return found


def _starts(folder: Path, browser: Any, repeats: int) -> dict[str, float]:
    answered, usable = [], []
    for _ in range(repeats):
        with start_app(folder) as app:
            answered.append(1000 * app.answered)
            if browser is not None:
                usable.append(1000 * page_browser.usable_seconds(browser, app))
    figures = {"answered_ms": statistics.median(answered)}
    return figures | ({"usable_ms": statistics.median(usable)} if usable else {})


def _first_clicks(folder: Path, browser: Any, repeats: int) -> dict[str, float]:
    """Clicks that must start a worker, and a run beside them: nothing holds the worker's lock here."""
    shown = []
    for number in range(repeats):
        with start_app(folder / str(number)) as app, _ended_children(app):
            shown.append(page_browser.train_once(browser, app))
    return {"median_ms": statistics.median(shown), "slowest_ms": max(shown)}


@contextlib.contextmanager
def _ended_children(app: App) -> Iterator[None]:
    """End the worker that an app has started; the process of its run ends with it."""
    try:
        yield
    finally:
        for pid in children_of(app.pid):
            os.kill(pid, signal.SIGTERM)
        end = time.monotonic() + ENDING_SECONDS
        while children_of(app.pid) and time.monotonic() < end:
            time.sleep(0.1)


def children_of(pid: int) -> list[int]:
    """The processes that a process started and that go on."""
    tasks = Path(f"/proc/{pid}/task").glob("*/children")
    return [int(child) for task in tasks for child in task.read_text().split()]


def figures(found: dict[str, Any]) -> Iterator[tuple[str, float, float]]:
    """Name, median in milliseconds and goal of each figure."""
    for name, value in found["start"].items():
        yield f"start: {name.removesuffix('_ms')}", value, GOALS["start"]
    for name, value in found["train"].items():
        yield f"Train: {name}", value["median_ms"], GOALS["train"]
    yield "poll of a live run: first", found["poll"]["first_ms"], GOALS["poll"]
    yield "poll of a live run", found["poll"]["median_ms"], GOALS["poll"]
    for part, values in found["results"].items():
        for name, value in values.items():
            yield f"{part}: {name}", value["median_ms"], GOALS["results"]


def main(arguments: list[str] | None = None) -> int:
    """Measure, print a table, and write JSON where that is asked for."""
    parser = argparse.ArgumentParser(prog="python -m bench.page", description=__doc__)
    parser.add_argument("--folder", type=Path, help="for the data (default: a temporary folder)")
    parser.add_argument("--repeats", type=int, default=REPEATS)
    parser.add_argument("--runs", type=int, default=1000)
    parser.add_argument("--rounds", type=int, default=1000, help="a context of the long run")
    parser.add_argument("--out", type=Path, help="a JSON file for all figures")
    args = parser.parse_args(arguments)
    with tempfile.TemporaryDirectory(prefix="distalign-page-") as temporary:
        found = measure(args.folder or Path(temporary), args.repeats, args.runs, args.rounds)
    print(f"{'':48}{'median':>10}{'goal':>10}")
    for name, value, goal in figures(found):
        print(f"{name:48}{value:7.0f} ms{goal:7.0f} ms{'' if value <= goal else '  over'}")
    if args.out:
        args.out.write_text(json.dumps(found, indent=2), "utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
