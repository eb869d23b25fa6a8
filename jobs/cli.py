"""The command line: its verbs, their arguments, and how errors are told."""

from __future__ import annotations

import argparse
import os
import sys
from typing import NoReturn

from distalign.errors import DistalignError
from jobs import commands, gallery_commands
from jobs.execution import DEFAULT_RUNNER, text_of
from jobs.foreground import FAILED, STOPPED, UNUSABLE, RunFailed, run_in_foreground


class OneLineParser(argparse.ArgumentParser):
    """A parser whose errors are one line."""

    def error(self, message: str) -> NoReturn:
        self.exit(UNUSABLE, f"distalign: {' '.join(message.split())}\n")


def data_argument() -> argparse.ArgumentParser:
    """A parent parser with --data."""
    places = argparse.ArgumentParser(add_help=False)
    places.add_argument("--data", metavar="DIR", help="the data folder (default: DISTALIGN_DATA, or ./data)")
    return places


def build_parser() -> argparse.ArgumentParser:
    places = data_argument()
    places.add_argument(
        "--db", metavar="FILE", help="the database (default: distalign.db in the data folder)"
    )
    parser = OneLineParser(prog="python -m jobs", description="Run Distalign, and look after its queue.")
    verbs = parser.add_subparsers(dest="verb", metavar="VERB", required=True)

    def verb(name: str, handler: object, text: str, *names: str) -> argparse.ArgumentParser:
        sub = verbs.add_parser(name, help=text, description=text, parents=[places], allow_abbrev=False)
        sub.set_defaults(handler=handler)
        for argument in names:
            sub.add_argument(argument.lower(), metavar=argument)
        return sub

    run = verb("run", run_in_foreground, "Run a specification here, and wait for its end.", "SPEC")
    submit = verb("submit", commands.submit, "Queue a specification; prints the run's id.", "SPEC")
    for sub in (run, submit):
        sub.add_argument(
            "--set", metavar="KEY=VALUE", action="append", default=[], help="replace a field (a YAML value)"
        )
    runs = verb("list", commands.list_runs, "List the runs, newest first.")
    runs.add_argument("--limit", type=int, default=200, help="at most so many (default: 200)")
    shown = verb("show", commands.show, "Show a run. RUN may be the beginning of an id.", "RUN")
    for sub in (run, runs, shown):
        sub.add_argument("--json", action="store_true", help="one line of JSON on standard output")
    verb("cancel", commands.cancel, "Cancel a queued run, or stop a running one.", "RUN")
    verb("resume", commands.resume, "Queue an ended run again.", "RUN")
    verb("delete", commands.delete, "Remove a run and its files.", "RUN")
    export = verb("export", commands.export_run, "Export what a run produced.", "RUN")
    export.add_argument("--what", choices=("rounds", "results", "spec", "adapter"), default="results")
    export.add_argument("--format", choices=("csv", "json"), help="default: csv (a specification: YAML)")
    export.add_argument(
        "--out", metavar="FILE", help="default: standard output (an adapter: a new file here)"
    )
    gallery_commands.add_verb(verbs, places)
    verb("prepare", commands.prepare, "Convert the bundled base model once, so that runs start at once.")
    worker = verb("worker", commands.work, "Execute queued runs until none is left for a while.")
    worker.add_argument("--idle", type=float, default=60.0, metavar="SECONDS", help="default: 60")
    for sub in (run, worker):
        sub.add_argument("--runner", default=DEFAULT_RUNNER, help=argparse.SUPPRESS)
    return parser


def main(argv: list[str] | None = None) -> int:
    """Run the command line; the exit code: 2 for what cannot be used, 130 for a stopped run."""
    args = build_parser().parse_args(argv)
    try:
        return args.handler(args)
    except DistalignError as error:
        return complain(text_of(error), UNUSABLE)
    except RunFailed as error:
        return complain(str(error), FAILED)
    except KeyboardInterrupt:
        return complain("stopped", STOPPED)
    except BrokenPipeError:
        # The reader (head, less) has gone; keep Python from telling so at its end.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return FAILED


def complain(text: str, code: int) -> int:
    """Tell an error in one line; gives back the exit code."""
    print(f"distalign: {text}", file=sys.stderr)
    return code
