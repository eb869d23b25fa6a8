"""``python -m jobs compare``: runs side by side, and what a dataset lacks."""

from __future__ import annotations

import argparse
import json
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from distalign import published
from distalign.asked import UNSEEN
from distalign.errors import SpecError, shown
from distalign.matching import composed
from distalign.results import SPLITS, Interval, split_name
from distalign.spec import RunSpec, load_spec
from distalign.training_config import PRESETS
from jobs.compare import (
    MAX_ENTRIES,
    MEASURES,
    SHOWN_ANSWERS,
    Comparison,
    Line,
    answers_of,
    compare,
    entries_of,
    prompts_of,
)
from jobs.compare_choice import Choice, of_runs, resolve, write_address
from jobs.compare_files import FORMATS, as_object, check_name, write
from jobs.datasets import (
    METHODS,
    Standing,
    compared_as,
    in_passing,
    lacking_of,
    name_of,
    queue_missing,
    seconds_of,
    spec_of,
    standings,
)
from jobs.display import duration, figure, plain, read_as, share, table
from jobs.foreground import placed, runnable
from jobs.places import opened
from jobs.report import finite
from storage import Answer, Run, Store

# Different answers to one prompt that JSON has: all, as rounds have this limit, too.
MAX_ANSWERS = 100_000
TEXT = "Compare runs, or a dataset's methods; say what is missing, and queue it."


def add_arguments(verb: argparse.ArgumentParser) -> None:
    verb.add_argument(
        "runs", nargs="*", metavar="RUN", help=f"(the beginning of) an id; {MAX_ENTRIES} at most"
    )
    verb.add_argument("--dataset", metavar="NAME", help="of specs/ (gender-uk-real), a file, or a run's id")
    verb.add_argument(
        "--methods", nargs="+", metavar="METHOD", choices=METHODS, help=f"of {', '.join(METHODS)}"
    )
    verb.add_argument(
        "--queue-missing",
        action="store_true",
        help="queue a run for each method without one, and a full zero_shot for a borrowed one with fewer rounds",
    )
    verb.add_argument("--preset", choices=PRESETS, help="of what is queued (default: the dataset's)")
    verb.add_argument(
        "--split", choices=SPLITS, default="heldout_templates", help="default: heldout_templates"
    )
    verb.add_argument("--context", metavar="NAME", help="show the answers to a prompt about this context")
    verb.add_argument("--prompt", type=int, metavar="N", help="which prompt (default: 1)")
    verb.add_argument("--out", metavar="FILE", help=f"write the comparison to a file ({', '.join(FORMATS)})")
    verb.add_argument(
        "--summary",
        action="store_true",
        help="with --out FILE.csv: a row a line of the table with all of its figures",
    )
    verb.add_argument(
        "--link",
        action="store_true",
        help="print what follows the page's address to open this comparison there; with --json in its field link",
    )
    verb.add_argument("--json", action="store_true", help="one line of JSON on standard output")


def compare_runs(args: argparse.Namespace) -> int:
    """Compare what is named; the exit code."""
    if args.summary and not args.out:
        raise SpecError("--summary", "is given without a file", "Give --out and a name that ends in .csv")
    if args.prompt is not None and not args.context:
        raise SpecError("--prompt", "is given without a context", "Give --context and a name")
    if args.preset and not args.queue_missing:
        raise SpecError("--preset", "is given without --queue-missing", "Give both, or leave it out")
    if args.out:
        check_name(Path(args.out), args.summary)
    store, data = opened(args)
    others = [store.find_run(name) for name in args.runs]
    found: list[Standing] = []
    queued: list[Run] = []
    spec = _dataset(store, args.dataset, args.queue_missing) if args.dataset else None
    methods = args.methods or METHODS
    if spec is None:
        _require_runs(args)
    else:
        found = standings(store, spec, methods)
    entries = entries_of(found, others)
    if len(entries) > MAX_ENTRIES:
        less = f"Give at most {MAX_ENTRIES}" + (", or name fewer --methods" if args.dataset else "")
        raise SpecError("RUN", f"{len(entries)} runs are given", less)
    comparison = compare(store, entries, args.split, {})
    context = composed(args.context or "")
    answers = _answers(store, comparison, context, args.prompt or 1) if context else []
    # Nothing is queued before all that was asked for is known to be possible.
    if spec is not None and args.queue_missing:
        queued = queue_missing(store, data, spec, methods, args.preset or "")
        found = standings(store, spec, methods)
    link = _link(store, args, spec, found, context) if args.link else None
    if args.out:
        write(comparison, Path(args.out), args.summary)
    if args.json:
        whole = as_object(comparison) | standings_object(found, queued) | {"link": link}
        told = {line.name: [answer_object(line, answer) for answer in given or ()] for line, given in answers}
        whole["answers"] = told or None
        print(json.dumps(finite(whole), ensure_ascii=False))
        return 0
    if link:
        _print_queued(queued)
        print(link)
        return 0
    seconds = seconds_of(data, spec, lacking_of(found)) if spec is not None else 0.0
    _print(comparison, found, queued, answers, seconds)
    return 0


def _dataset(store: Store, name: str, to_run: bool) -> RunSpec:
    """The dataset of a name, a run or a file; ``to_run``: only one that can be run here."""
    is_file = Path(name).suffix in (".yaml", ".yml", ".json")
    spec = load_spec(Path(name)) if is_file else spec_of(store, name)
    return runnable(spec) if to_run else placed(spec)


def _require_runs(args: argparse.Namespace) -> None:
    for name, given in (("--methods", args.methods), ("--queue-missing", args.queue_missing)):
        if given:
            raise SpecError(name, "is given without a dataset", "Give --dataset, such as gender-uk-real")
    if not args.runs:
        raise SpecError("RUN", "none is given", "Give the ids of runs, or --dataset and a name")


def _link(
    store: Store, args: argparse.Namespace, spec: RunSpec | None, found: Sequence[Standing], context: str
) -> str:
    """What follows the page's address to compare the same there."""
    ids = tuple(store.find_run(name).id for name in args.runs)
    if spec is None:
        choice = of_runs(store, ids)
    else:
        choice = Choice(_address_name(spec, found), tuple(args.methods or METHODS), others=ids)
    choice = replace(choice, split=args.split, context=context, prompt=(args.prompt or 1) - 1)
    return f"?tab=compare&{write_address(resolve(store, choice))}"


def _address_name(spec: RunSpec, found: Sequence[Standing]) -> str:
    """What an address calls a dataset: its name in ``specs/``, or a run of it."""
    runs = [run for s in found for run in (s.done, s.waiting, s.latest, s.base) if run]
    name = name_of(spec) or next((run.id for run in runs), "")
    if not name:
        raise SpecError(
            "--link", "the file is none of specs/ and has no run", "Queue one of it first, or leave it out"
        )
    return name


def _answers(
    store: Store, comparison: Comparison, context: str, number: int
) -> list[tuple[Line, list[Answer] | None]]:
    """Each line with its answers to a prompt of the first run that was asked about the context."""
    if comparison.split == UNSEEN:
        raise SpecError(
            "--context", "on unseen attributes there are none of the runs' own", "Name another --split"
        )
    for line in comparison.lines:
        spec = line.entry.run.spec
        if context not in spec.contexts.names:
            continue
        prompts = prompts_of(spec, comparison.split, spec.contexts.names.index(context))
        if not 1 <= number <= len(prompts):
            raise SpecError(
                "--prompt", f"{number} is out of range", f"Give a number from 1 to {len(prompts)}"
            )
        prompt = prompts[number - 1]
        return [
            (one, answers_of(store, one, comparison.split, context, prompt, MAX_ANSWERS))
            for one in comparison.lines
        ]
    raise SpecError("--context", f"{shown(context)} is in none of the runs", "Name one of their contexts")


def answer_object(line: Line, answer: Answer) -> dict[str, Any]:
    """An answer with the name of the category that it is read as; None where it names none."""
    names = line.entry.run.spec.attribute.names
    return vars(answer) | {"category": None if answer.category is None else names[answer.category]}


def standings_object(found: Sequence[Standing], queued: Sequence[Run]) -> dict[str, Any]:
    """What a dataset has of each method, and what is missing."""
    return {
        "methods": {
            s.method: {
                "state": state_of(s),
                "run_id": getattr(s.done or s.waiting or s.measured or s.latest, "id", None),
                "problem": s.problem or None,
            }
            for s in found
        },
        "missing": [s.method for s in found if s.missing],
        "fewer_rounds": [s.method for s in found if s.improvable],
        "queued": [run.id for run in queued],
    }


def state_of(standing: Standing) -> str:
    """Where a dataset is with a method, in a word."""
    if standing.done or (standing.base and not standing.waiting):
        return "done"
    if standing.latest:
        return str(standing.latest.state)
    return "impossible" if standing.problem else "missing"


# --- text ------------------------------------------------------------------------


def _print(
    comparison: Comparison,
    found: Sequence[Standing],
    queued: Sequence[Run],
    answers: Sequence[tuple[Line, list[Answer] | None]],
    seconds: float,
) -> None:
    if comparison.lines:
        print(f"On {split_name(comparison.split)}:\n")
        print(_table(comparison))
        print("\n* better than all others: its interval lies below theirs")
        for line in comparison.lines:
            if line.entry.borrowed and line.result:
                when = f"measured {in_passing(line.entry.run)} run {line.entry.run.id}"
                print(f"{plain(line.name)}: {line.rounds_per_context} rounds a context, {when}")
        if comparison.published is not None:
            print(f"Best published MAE: {comparison.published} ({published.SOURCE})")
        if comparison.differ:
            print(f"The runs differ in: {', '.join(comparison.differ)}")
        if not comparison.same_data:
            print("They are not measured on the same, so none is marked as better.")
    for line, given in answers:
        print(f"\n{plain(line.name)}")
        print(_answers_table(line, given[:SHOWN_ANSWERS]) if given else "  was not asked this")
        if given and len(given) > SHOWN_ANSWERS:
            rest = sum(answer.times for answer in given[SHOWN_ANSWERS:])
            print(f"  {rest:,} of {given[0].of:,} not shown; --json has them")
    _print_queued(queued)
    if missing := [s.method for s in found if s.missing]:
        print(f"Missing: {', '.join(missing)}. Queue them with --queue-missing")
    if seconds:
        print(f"All that can be queued takes about {duration(seconds)} here.")
    for standing in found:
        if standing.improvable and (rounds := standing.borrowed_rounds):
            print(
                f"{standing.method} has {rounds[0]} of {rounds[1]} rounds a context. "
                "Queue a full run with --queue-missing"
            )
    for standing in found:
        if standing.problem:
            print(f"{standing.method}: {standing.problem}")


def _print_queued(queued: Sequence[Run]) -> None:
    for run in queued:
        print(f"{run.id} queued: {compared_as(run)}")


def _answers_table(line: Line, given: Sequence[Answer]) -> str:
    told = [answer_object(line, answer) for answer in given]
    rows = [[f"{a['times']:3} of {a['of']}", read_as(a["category"]), plain(a["text"])] for a in told]
    return table(["given", "read as", "answer"], rows)


def _table(comparison: Comparison) -> str:
    best = comparison.best
    rows = []
    for place, line in enumerate(comparison.lines):
        marks = {name: " *" if best[name] == place else "" for name in MEASURES}
        cells = {name: _interval(read(line)) + marks[name] for name, read in MEASURES.items()}
        rate = line.unclassified
        cells["unclassified"] = (share(rate.value) if rate else "–") + marks["unclassified"]
        floor = figure(line.result.noise_floor) if line.result else "–"
        seconds = [duration(value) for value in line.seconds]
        whose = [plain(line.name), line.entry.run.id, line.rounds_per_context or "–"]
        rows.append([*whose, cells.pop("mae"), floor, *cells.values(), *seconds])
    headers = ["", "run", "rounds", "MAE [95 %]", "noise floor", "ratio", "KL", "unclassified", "side effects", "training", "sampling"]  # fmt: skip
    return table(headers, rows)


def _interval(value: Interval | None) -> str:
    return f"{figure(value.value)} [{figure(value.low)}, {figure(value.high)}]" if value else "–"
