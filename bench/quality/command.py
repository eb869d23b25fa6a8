"""``python -m bench quality``: run what is missing, then write the tables, the chart and the page."""

from __future__ import annotations

import argparse
from collections.abc import Iterable, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

from bench.arguments import minutes, seed
from bench.errors import BenchError
from bench.memory import link_models
from bench.pages import ended, page_file
from bench.parts import Unit
from bench.quality import third_set
from bench.quality.cells import KINDS, METHODS, Cell, Selection, cells
from bench.quality.figures import Quality
from bench.quality.goals import goals_table
from bench.quality.page import write_into, write_page
from bench.records import Records
from bench.settings import differences, settings_of
from bench.turns import deadline, log_file, say, take
from distalign.errors import SpecError
from distalign.folders import DataFolder
from distalign.spec import RunSpec
from jobs.places import data_folder

TRIAL = {"preset": "quick", "steps": 6, "warmup_steps": 1, "rounds": 4}


def quality(args: argparse.Namespace) -> int:
    """Fill the table as the command line says; the exit code: 1 when a run failed.

    Raises:
        DistalignError: for arguments that cannot be used.
    """
    if args.trial and args.readme:
        raise BenchError("--readme: the figures of a --trial mean nothing. Leave out one of the two")
    data = data_folder(args.data)
    data.require_room()
    chosen = cells(Selection(args.datasets, args.methods, args.seeds, args.kinds, args.stories))
    out = page_file(args, data, "results")
    results = Path(args.results) if args.results else out.with_suffix(".json")
    anew = [cell.key for cell in chosen] if args.again else ()
    records = Records(results, _settings(args.trial), again=anew)
    work = _Work(args, data, records, out)
    work.look_back(dict.fromkeys([*cells(Selection(stories=True)), *chosen]))
    # Before hours of runs, so that a place that cannot be written is told at once.
    work.write()
    records.save()
    failures = work.fill(chosen)
    print(goals_table(Quality(records)))
    print()
    return ended(out, records, failures)


def _settings(trial: bool) -> dict[str, Any]:
    """What all values in a results file depend on; templates of stories are among the settings of their cells."""
    sets = {"person": third_set.PERSON, "general": third_set.GENERAL}
    return {"third_set": sets, "trial": TRIAL if trial else {}}


def _settings_of(spec: RunSpec) -> dict[str, Any]:
    return settings_of(spec, stories=spec.story.stories)


class _Work:
    """The runs of one command, one after another."""

    def __init__(self, args: argparse.Namespace, data: DataFolder, records: Records, out: Path) -> None:
        self.args, self.records, self.out = args, records, out
        self.overrides = TRIAL if args.trial else {}
        self.logs = data.root / "bench" / "logs"
        # The runs' own data folder, with their database and adapters.
        self.folder = data.root / "bench" / ("quality-trial" if args.trial else "quality")
        self.models = data.root
        # Of what was measured with other settings than those of today, which ones.
        self.older: dict[str, list[str]] = {}
        self.is_over = deadline(args.minutes)

    def look_back(self, known: Iterable[Cell]) -> None:
        """Find what was measured with other settings than those of today."""
        for cell in known:
            if "settings" in (value := self.records.get(cell.key) or {}):
                with suppress(SpecError):
                    now = _settings_of(cell.resolved(self.overrides))
                    if others := differences(value["settings"], now):
                        self.older[cell.key] = others

    def write(self) -> None:
        write_page(self.records, self.out, older=self.older, trial=self.args.trial)
        if self.args.readme:
            write_into(Path(self.args.readme), Quality(self.records))

    def fill(self, chosen: Sequence[Cell]) -> list[str]:
        """Measure the cells that are missing, or were measured with other settings; the failures."""
        failures = []
        for i, cell in enumerate(chosen):
            if (spec := self._spec(cell)) is None or self._is_there(cell, spec):
                continue
            if self.is_over():
                say(
                    f"{self.args.minutes:g} minutes are over; {len(chosen) - i} cells are still to be seen to"
                )
                break
            if failure := take(self._unit(cell, spec), self.records, self.logs):
                failures.append(failure)
            else:
                self.older.pop(cell.key, None)
            self.write()
        self.write()
        return failures

    def _spec(self, cell: Cell) -> RunSpec | None:
        """A cell's specification; None, and a note in the records, where the product cannot run it."""
        try:
            return cell.resolved(self.overrides)
        except SpecError as error:
            reason = f"{error.field}: {error.problem}"
        say(f"{cell.key}: cannot be measured: {reason}")
        if not (self.records.get(cell.key) or {}).get("report"):
            self.records.keep(cell.key, {"unmeasurable": reason}, 0)
        return None

    def _is_there(self, cell: Cell, spec: RunSpec) -> bool:
        value = self.records.get(cell.key)
        if value is None or "unmeasurable" in value:
            return False
        if other := differences(value["settings"], _settings_of(spec)):
            say(f"{cell.key}: was measured with another {', '.join(other)}; anew")
            return False
        say(f"{cell.key}: measured before")
        return True

    def _unit(self, cell: Cell, spec: RunSpec) -> Unit:
        path = self.folder / "specs" / f"{cell.key.replace('/', '-')}.yaml"

        def arguments() -> dict[str, Any]:
            path.parent.mkdir(parents=True, exist_ok=True)
            link_models(self.folder, self.models)
            path.write_text(spec.to_yaml(), "utf-8")
            return {
                "spec": str(path.absolute()),
                "folder": str(self.folder.absolute()),
                "log": str(log_file(self.logs.absolute(), f"{cell.key}-run")),
                "settings": _settings_of(spec),
            }

        return Unit(cell.key, "bench.quality.run:unit", arguments)


def add_quality(verbs: argparse._SubParsersAction, parents: Sequence[argparse.ArgumentParser]) -> None:
    """The verb and its arguments."""
    text = "Fill the table datasets × methods × seeds, the most wanted first. Goes on where it was stopped."
    verb = verbs.add_parser("quality", help=text, description=text, parents=list(parents), allow_abbrev=False)
    verb.set_defaults(handler=quality)
    verb.add_argument(
        "--datasets", nargs="+", metavar="NAME", help="of specs/, or files (default: the paper's)"
    )
    verb.add_argument(
        "--methods", nargs="+", metavar="METHOD", choices=METHODS, help=f"of {', '.join(METHODS)}"
    )
    verb.add_argument("--seeds", nargs="+", type=seed, metavar="SEED", help="default: hybrid 0 1 2, others 0")
    verb.add_argument(
        "--kinds",
        nargs="+",
        metavar="KIND",
        choices=KINDS,
        help=f"of {', '.join(KINDS)} (default: all but stories)",
    )
    verb.add_argument("--stories", action="store_true", help="stories, too (hybrid, or --methods)")
    verb.add_argument("--minutes", type=minutes, metavar="N", help="start no run after so many minutes")
    verb.add_argument("--again", action="store_true", help="measure anew what was measured before")
    verb.add_argument("--out", metavar="FILE", help="the page (default: docs/results.md)")
    verb.add_argument("--results", metavar="FILE", help="the numbers (default: beside the page, .json)")
    verb.add_argument(
        "--readme", metavar="FILE", help="write summary and chart into the marked place of this file"
    )
    verb.add_argument("--trial", action="store_true", help="small sizes, to see that everything works")
