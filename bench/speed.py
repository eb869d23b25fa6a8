"""``python -m bench speed``: measure what is missing, then write the table, the charts and the page."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path

from bench.budget import FULL, TRIAL
from bench.goals import goals_table
from bench.pages import ended, page_file
from bench.parts import NAMES, Options, Parts, prefixes
from bench.records import Records
from bench.report import write_report
from bench.turns import say, take
from distalign.errors import SpecError
from distalign.folders import DataFolder
from distalign.models import require_known
from distalign.spec import load_spec
from jobs.places import data_folder


def speed(args: argparse.Namespace) -> int:
    """Run the benchmark as the command line says; the exit code: 1 when a measurement failed.

    Raises:
        DistalignError: for arguments that cannot be used.
    """
    data = data_folder(args.data)
    options = _options(args, data)
    names = args.only or NAMES
    anew = prefixes(names) if args.again else ()
    records = Records(_results_file(args, data), _settings(options), again=anew)
    out = page_file(args, data, "speed")
    parts = Parts(options, records)
    # Before hours of measuring, so that a place that cannot be written is told at once.
    records.save()
    write_report(records, options.budget, out, trial=args.trial)
    failures = []
    for name in names:
        failures += _measure(parts, name, data)
        write_report(records, options.budget, out, trial=args.trial)
    print(goals_table(records, options.budget))
    print()
    return ended(out, records, failures)


def _options(args: argparse.Namespace, data: DataFolder) -> Options:
    spec = load_spec(Path(args.spec))
    require_known(spec.base_model, folders=True)
    if args.adapter and not (Path(args.adapter) / "adapter_config.json").is_file():
        raise SpecError(
            "--adapter", f"{args.adapter} holds no adapter_config.json", "Name a folder that PEFT loads"
        )
    for name, low in (("peer_rate", 0), ("peer_batch", 1), ("peer_cap", 0)):
        value = getattr(args, name)
        if value is not None and not value > low:
            flag = f"--{name.replace('_', '-')}"
            raise SpecError(flag, f"{value} is out of range", f"Give more than {low}")
    data.require_room()
    return Options(
        spec=Path(args.spec).absolute(),
        data=data.root.absolute(),
        budget=TRIAL if args.trial else FULL,
        adapter=Path(args.adapter).absolute() if args.adapter else None,
        peer_rate=args.peer_rate,
        peer_batch=args.peer_batch,
        peer_cap=args.peer_cap,
    )


def _settings(options: Options) -> dict[str, object]:
    """What the numbers depend on, as it stands in the results file."""
    spec = load_spec(options.spec)
    budget = {k: list(v) if isinstance(v, tuple) else v for k, v in asdict(options.budget).items()}
    budget["overrides"] = dict(options.budget.overrides)
    return {"specification": spec.to_mapping(), "budget": budget}


def _results_file(args: argparse.Namespace, data: DataFolder) -> Path:
    name = "speed-trial.json" if args.trial else "speed.json"
    return Path(args.results) if args.results else data.root / "bench" / name


def _measure(parts: Parts, name: str, data: DataFolder) -> list[str]:
    """Make the measurements of a part that are missing; the failures."""
    if (why := parts.missing(name)) is not None:
        say(f"{name}: left out, because {why}")
        return []
    failures = []
    for unit in parts.units(name):
        if unit.key in parts.records:
            say(f"{unit.key}: measured before")
        elif failure := take(unit, parts.records, data.root / "bench" / "logs"):
            failures.append(failure)
    return failures


def add_speed(verbs: argparse._SubParsersAction, parents: Sequence[argparse.ArgumentParser]) -> None:
    """The verb and its arguments."""
    text = "Measure the speed against peers and the machine's floor. Goes on where it was stopped."
    verb = verbs.add_parser("speed", help=text, description=text, parents=list(parents), allow_abbrev=False)
    verb.set_defaults(handler=speed)
    verb.add_argument("--only", nargs="+", metavar="PART", choices=NAMES, help=f"of {', '.join(NAMES)}")
    verb.add_argument("--again", action="store_true", help="measure anew what was measured before")
    verb.add_argument("--out", metavar="FILE", help="the page (default: docs/speed.md)")
    verb.add_argument("--results", metavar="FILE", help="the numbers (default: bench/speed.json in the data)")
    verb.add_argument("--spec", metavar="FILE", default="specs/gender-uk-real.yaml", help="what is trained")
    verb.add_argument("--trial", action="store_true", help="small sizes, to see that everything works")
    verb.add_argument("--adapter", metavar="DIR", help="sample with this one (default: train one)")
    verb.add_argument("--peer-rate", type=float, default=1e-3, metavar="RATE", help="default: 1e-3")
    verb.add_argument("--peer-batch", type=int, default=16, metavar="ROWS", help="default: 16")
    verb.add_argument("--peer-cap", type=float, metavar="SECONDS", help="default: 20 times the product's")
