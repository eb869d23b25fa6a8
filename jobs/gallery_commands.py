"""``python -m jobs gallery``: list, open and build the examples that ship with the app."""

from __future__ import annotations

import argparse
import json
import os.path
import shlex
from dataclasses import asdict
from pathlib import Path

from distalign.errors import SpecError, shown
from jobs import gallery
from jobs.display import duration, figure, plain, share, table
from jobs.execution import DEFAULT_RUNNER
from jobs.foreground import run_to_end, spec_of
from jobs.places import opened, store_of


def add_verb(verbs: argparse._SubParsersAction, places: argparse.ArgumentParser) -> None:
    """Add ``gallery`` with its actions to the verbs of the command line."""
    text = "Finished runs that ship with the app."
    actions = verbs.add_parser("gallery", help=text, description=text, allow_abbrev=False)
    actions = actions.add_subparsers(dest="action", metavar="ACTION", required=True)

    def action(name: str, handler: object, text: str) -> argparse.ArgumentParser:
        sub = actions.add_parser(name, help=text, description=text, parents=[places], allow_abbrev=False)
        sub.set_defaults(handler=handler)
        sub.add_argument(
            "--folder", metavar="DIR", default=str(gallery.FOLDER), help="of the examples' files"
        )
        return sub

    listed = action("list", list_examples, "List the examples.")
    listed.add_argument("--json", action="store_true", help="one line of JSON on standard output")
    opened = action("open", open_example, "Put an example among the runs; prints its run's id.")
    opened.add_argument("name", metavar="NAME")
    built = action("build", build, "Run a specification here, and keep it as an example.")
    built.add_argument(
        "spec", metavar="SPEC", help="a file; its first line may be a comment that says what it is"
    )
    built.add_argument(
        "--set", metavar="KEY=VALUE", action="append", default=[], help="replace a field (a YAML value)"
    )
    built.add_argument("--run", metavar="RUN", help="take this run, which was made of the same specification")
    built.add_argument("--with-adapter", action="store_true", help="keep the run's adapter beside it")
    built.add_argument("--runner", default=DEFAULT_RUNNER, help=argparse.SUPPRESS)


def list_examples(args: argparse.Namespace) -> int:
    found = gallery.examples(Path(args.folder))
    if args.json:
        print(json.dumps([{"run_id": e.run_id} | asdict(e) for e in found], ensure_ascii=False))
        return 0
    rows = [
        [
            example.name,
            plain(example.title),
            figure(example.before.mae),
            figure(example.after.mae),
            figure(example.after.ratio, 2),
            share(example.after.unclassified),
            duration(example.train_seconds),
        ]
        for example in found
    ]
    headers = ["name", "title", "MAE before", "MAE after", "ratio", "unclassified", "training"]
    print(table(headers, rows) if rows else "No examples. Make one with: python -m jobs gallery build SPEC")
    return 0


def open_example(args: argparse.Namespace) -> int:
    store = store_of(args)
    print(gallery.open_example(store, args.name, Path(args.folder)))
    return 0


def build(args: argparse.Namespace) -> int:
    """Run, or take a run that is done, and write the file; what was made is said on standard output."""
    path = file_of(args.spec)
    spec, about = spec_of(args), about_of(path)
    store, data = opened(args)
    run = store.find_run(args.run) if args.run else run_to_end(store, data, spec, args.runner)
    if run.spec != spec:
        raise SpecError("--run", f"{run.id} was made of another specification", "Give the one it was made of")
    written = gallery.add(
        store, run, path.stem, about, command_of(args), Path(args.folder), with_adapter=args.with_adapter
    )
    print(f"{written} ({written.stat().st_size:,} bytes, run {run.id})")
    return 0


def file_of(given: str) -> Path:
    """The file of a specification, after which its example is called.

    Raises:
        SpecError: for standard input, a link, or what is no file.
    """
    if given == "-" or not os.path.isfile(given):
        raise SpecError("SPEC", f"{shown(given)} is not a file", "Give the path of a YAML or JSON file")
    return Path(given)


def about_of(path: Path) -> str:
    """The comment that a specification begins with; empty where there is none."""
    first = path.read_text("utf-8").partition("\n")[0]
    return first.lstrip("# ").strip() if first.startswith("#") else ""


def command_of(args: argparse.Namespace) -> str:
    """The command without what is another's on another machine."""
    path = Path(args.spec)
    shown = path.relative_to(Path.cwd()) if path.is_relative_to(Path.cwd()) else path
    settings = [word for setting in args.set for word in ("--set", setting)]
    adapter = ["--with-adapter"] if args.with_adapter else []
    return shlex.join(["python", "-m", "jobs", "gallery", "build", str(shown), *settings, *adapter])
