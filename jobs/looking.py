"""The verb ``rounds``: the sampled answers of a run, filtered, sorted and grouped."""

from __future__ import annotations

import argparse
import json
from collections.abc import Sequence
from typing import Any

from distalign.asked import names_of
from distalign.errors import SpecError
from distalign.results import PHASES, SPLITS, splits_of
from jobs.display import plain, read_as, table
from jobs.export import round_object
from jobs.exporting import category_of, context_of, require_measured, template_of
from jobs.places import store_of
from storage import Run, Store, StoreError
from storage.rounds import ORDERS


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The verb's arguments, but for the run."""
    parser.add_argument("--phase", choices=PHASES, help="default: after, where it was measured")
    parser.add_argument("--split", choices=SPLITS, help="default: held-out templates")
    parser.add_argument("--context", metavar="NAME")
    parser.add_argument("--template", type=int, metavar="N", help="a template of the split, from 1")
    read = parser.add_mutually_exclusive_group()
    read.add_argument("--category", metavar="NAME", help="answers that are read as it")
    read.add_argument("--unclassified", action="store_true", help="answers that name no category")
    parser.add_argument("--contains", default="", metavar="TEXT", help="answers with this text in them")
    sorts = "default: context; grouped: the commonest first"
    parser.add_argument("--sort", choices=tuple(ORDERS), default="context", help=sorts)
    parser.add_argument("--grouped", action="store_true", help="each different answer once, with its count")
    parser.add_argument("--limit", type=int, default=25, metavar="N", help="at most so many (default: 25)")
    parser.add_argument("--offset", type=int, default=0, metavar="N", help="leave out the first N")
    parser.add_argument("--json", action="store_true", help="one line of JSON on standard output")


def show_rounds(args: argparse.Namespace) -> int:
    store = store_of(args)
    run = store.find_run(args.run)
    for name in ("limit", "offset"):
        if getattr(args, name) < 0:
            raise SpecError(f"--{name}", f"{getattr(args, name)} is below 0", "Give 0 or more")
    phase, split = _measured(store, run, args)
    names = names_of(run.spec, split)
    chosen: dict[str, Any] = {
        "context": context_of(run.spec, args.context, split) if args.context else None,
        "category": category_of(run.spec, args.category, split) if args.category else None,
        "template": template_of(run.spec, split, args.template) if args.template is not None else None,
        "unclassified": args.unclassified,
        "query": args.contains,
    }
    page = {"offset": args.offset, "limit": args.limit}
    if args.grouped:
        found = store.grouped_answers(run.id, phase, split, **chosen, **page, order=args.sort)
        return _grouped(names.categories, found, args.json)
    rounds = [
        round_object(names, r) for r in store.rounds(run.id, phase, split, **chosen, **page, order=args.sort)
    ]
    if args.json:
        print(json.dumps(rounds, ensure_ascii=False))
        return 0
    count = store.count_rounds(run.id, phase, split, **chosen)
    rows = [[plain(r["context"]), r["round"], read_as(r["category"]), plain(r["text"])] for r in rounds]
    print(f"{len(rows):,} of {count:,} rounds, {phase}, {split}")
    print(table(["context", "round", "read as", "answer"], rows))
    return 0


def _grouped(names: Sequence[str], found: Any, as_json: bool) -> int:
    groups = [
        {
            "text": group.text,
            "category": None if group.category is None else names[group.category],
            "rounds": group.rounds,
            "contexts": group.contexts,
        }
        for group in found.groups
    ]
    if as_json:
        print(json.dumps(groups, ensure_ascii=False))
        return 0
    print(f"{len(groups):,} of {found.total:,} different answers in {found.looked_at:,} rounds")
    rows = [[g["rounds"], g["contexts"], read_as(g["category"]), plain(g["text"])] for g in groups]
    print(table(["rounds", "contexts", "read as", "answer"], rows))
    return 0


def _measured(store: Store, run: Run, args: argparse.Namespace) -> tuple[str, str]:
    """The phase and the split that were asked for, or those that are there."""
    results = store.results(run.id)
    phases = [p for p in reversed(PHASES) if any(r.phase == p for r in results)]
    splits = splits_of(results)
    if not splits:
        raise StoreError(f"run: {run.id} has no results yet. Wait for its end")
    for argument, given, there in (("--phase", args.phase, phases), ("--split", args.split, splits)):
        if given:
            require_measured(argument, given, there)
    return args.phase or phases[0], args.split or splits[0]
