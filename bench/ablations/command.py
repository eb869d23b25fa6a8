"""``python -m bench ablations``: measure what is missing of the grid, then write the page."""

from __future__ import annotations

import argparse
import json
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from bench.ablations.decisions import SAMPLING
from bench.ablations.grid import BASE, SEEDS, TITLES, TRIAL, USUAL, Fields, Grid
from bench.ablations.page import write_page
from bench.arguments import minutes
from bench.pages import ended, page_file
from bench.parts import Unit
from bench.records import Records
from bench.settings import settings_of
from bench.turns import deadline, say, take
from distalign.folders import DataFolder
from distalign.models import require_known
from jobs.places import data_folder

# A unit that trains for longer is measured with one seed only.
SHORT_SECONDS = 60
NAMES = (*TITLES, SAMPLING)


def ablations(args: argparse.Namespace) -> int:
    """Measure the grid as the command line says; the exit code: 1 when a training failed.

    Raises:
        DistalignError: for arguments that cannot be used.
    """
    data = data_folder(args.data)
    data.require_room()
    grid = Grid(Path(args.spec), {"preset": args.preset} | (TRIAL if args.trial else {}), args.trial)
    base = grid.spec({})
    require_known(base.base_model, folders=True)
    out = page_file(args, data, "ablations")
    results = Path(args.results) if args.results else out.with_suffix(".json")
    names = args.only or NAMES
    plan = dict(_plan(grid, names))
    # With the knobs go the values that were of the grid once.
    anew = (BASE, *names) if args.again else ()
    records = Records(results, {"specification": settings_of(base)}, again=anew)
    # Before hours of measuring, so that a place that cannot be written is told at once.
    write_page(records, grid, out)
    records.save()
    failures = []
    for unit in _missing(grid, plan, records, data, args.minutes):
        if failure := take(unit, records, data.root / "bench" / "logs"):
            failures.append(failure)
        write_page(records, grid, out)
    write_page(records, grid, out)
    return ended(out, records, failures)


def _plan(grid: Grid, names: Sequence[str]) -> Iterator[tuple[str, Fields]]:
    """The units of some knobs, by name, and the fields of each; the default first."""
    yield BASE, {}
    for name in names:
        if name != SAMPLING:
            for label, unit in grid.units(name).items():
                if unit != BASE:
                    yield unit, grid.values[name][label]


def _missing(
    grid: Grid, plan: dict[str, Fields], records: Records, data: DataFolder, limit: float | None
) -> Iterator[Unit]:
    """What is still to be measured, one seed of all values before the next.

    A second seed is for the default, from which every knob has its spread, and for short units.
    """
    is_over = deadline(limit)
    for seed in SEEDS:
        for name, fields in plan.items():
            key = f"{name}/{seed}"
            if key in records:
                say(f"{key}: measured before")
            elif is_over():
                say(f"{limit:g} minutes are over")
                return
            elif seed == SEEDS[0] or name == BASE or _is_short(records, f"{name}/{SEEDS[0]}"):
                yield _unit(grid, key, fields, seed, data)


def _is_short(records: Records, key: str) -> bool:
    value = records.get(key)
    return value is not None and value["train_seconds"] < SHORT_SECONDS


def _unit(grid: Grid, key: str, fields: Fields, seed: int, data: DataFolder) -> Unit:
    def arguments() -> dict[str, Any]:
        resolved = json.loads(grid.spec(fields, seed).to_json())
        return {"spec": str(grid.file.absolute()), "data": str(data.root.absolute()), "set": resolved}

    return Unit(key, "bench.ablations.unit:measure", arguments)


def add_ablations(verbs: argparse._SubParsersAction, parents: Sequence[argparse.ArgumentParser]) -> None:
    """The verb and its arguments."""
    text = "Turn one knob at a time, to choose the defaults. Goes on where it was stopped."
    verb = verbs.add_parser(
        "ablations", help=text, description=text, parents=list(parents), allow_abbrev=False
    )
    verb.set_defaults(handler=ablations)
    verb.add_argument("--only", nargs="+", metavar="KNOB", choices=NAMES, help=f"of {', '.join(NAMES)}")
    verb.add_argument("--spec", metavar="FILE", default="specs/gender-uk-real.yaml", help="what is trained")
    verb.add_argument("--preset", default=USUAL, help=f"default: {USUAL}")
    verb.add_argument("--minutes", type=minutes, metavar="N", help="start nothing after so many minutes")
    verb.add_argument("--again", action="store_true", help="measure anew what was measured before")
    verb.add_argument("--out", metavar="FILE", help="the page (default: docs/ablations.md)")
    verb.add_argument("--results", metavar="FILE", help="the numbers (default: beside the page, .json)")
    verb.add_argument("--trial", action="store_true", help="small sizes, to see that everything works")
