"""The command line: its verbs, their arguments, and how errors are told."""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Callable
from typing import NoReturn

from distalign.errors import DistalignError
from distalign.results import SPLITS
from jobs import (
    commands,
    compare_command,
    curves,
    exporting,
    gallery_commands,
    looking,
    organise,
    planning,
    play_command,
)
from jobs.execution import DEFAULT_RUNNER, text_of
from jobs.foreground import FAILED, STOPPED, UNUSABLE, RunFailed, run_in_foreground
from storage import RunState

# What a step of training tells; see distalign.progress.


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
    preview = verb("preview", planning.preview, "Show the plan, and examples that a run trains on.", "SPEC")
    preview.add_argument("--first", type=int, default=0, metavar="N", help="skip so many (default: 0)")
    preview.add_argument("--count", type=int, default=3, metavar="N", help="show so many (default: 3)")
    preview.add_argument(
        "--templates",
        action="store_true",
        help="print its templates and phrasings in full instead, to be edited",
    )
    link = verb("link", planning.share, "Print a link that opens the page with the form filled in.", "SPEC")
    link.add_argument("--page", metavar="URL", default=planning.PAGE, help=f"default: {planning.PAGE}")
    link.add_argument("--command", action="store_true", help="print the command that makes the run instead")
    needed = verb("rounds-needed", planning.needed, "Say how many rounds show a gap.")
    needed.add_argument("spec", metavar="SPEC", nargs="?", help="its target and contexts count")
    needed.add_argument("--categories", type=int, default=2, metavar="K", help="without SPEC (default: 2)")
    needed.add_argument("--contexts", type=int, default=25, metavar="C", help="without SPEC (default: 25)")
    needed.add_argument("--gap", type=float, default=5, metavar="POINTS", help="default: 5")
    needed.add_argument("--confidence", type=float, default=95, metavar="PERCENT", help="default: 95")
    needed.add_argument("--power", type=float, default=80, metavar="PERCENT", help="default: 80")
    specs = verb("specs", planning.list_bundled, "List the bundled specifications, or print one.")
    specs.add_argument("name", metavar="NAME", nargs="?")
    for sub in (run, submit, preview, link, needed):
        sub.add_argument(
            "--set", metavar="KEY=VALUE", action="append", default=[], help="replace a field (a YAML value)"
        )
    runs = verb("list", commands.list_runs, "List the runs, newest first.")
    runs.add_argument("--limit", type=int, default=200, help="at most so many (default: 200)")
    runs.add_argument(
        "--search", metavar="WORDS", default="", help="in name, tags, note, attribute, method, state"
    )
    runs.add_argument("--tag", default="", help="only those with this tag")
    runs.add_argument("--state", choices=[str(state) for state in RunState], help="only those in this state")
    shelf = runs.add_mutually_exclusive_group()
    shelf.add_argument("--archived", action="store_true", help="those that were archived")
    shelf.add_argument("--deleted", action="store_true", help="those that can still be restored")
    shown = verb("show", commands.show, "Show a run. RUN may be the beginning of an id.", "RUN")
    shown.add_argument("--log", action="store_true", help="its whole log")
    shown.add_argument(
        "--split", choices=SPLITS, help="the prompts that its summary is of (default: held-out templates)"
    )
    for sub in (run, runs, shown, preview, needed, *add_organising(verb)):
        sub.add_argument("--json", action="store_true", help="one line of JSON on standard output")
    verb("cancel", commands.cancel, "Cancel a queued run, or stop a running one.", "RUN")
    verb("resume", commands.resume, "Queue an ended run again.", "RUN")
    exporting.add_arguments(verb("export", exporting.export_run, "Export what a run produced.", "RUN"))
    looking.add_arguments(verb("rounds", looking.show_rounds, "Look through a run's answers.", "RUN"))
    compare_command.add_arguments(verb("compare", compare_command.compare_runs, compare_command.TEXT))
    play_command.add_arguments(
        verb("play", play_command.play, "Ask a base model or adapters one prompt many times.")
    )
    play_command.add_plays_arguments(
        verb("plays", play_command.plays, "List the questions that were played, or show one again.")
    )
    gallery_commands.add_verb(verbs, places)
    verb("prepare", commands.prepare, "Convert the bundled base model once, so that runs start at once.")
    worker = verb("worker", commands.work, "Execute queued runs until none is left for a while.")
    worker.add_argument("--idle", type=float, default=60.0, metavar="SECONDS", help="default: 60")
    for sub in (run, worker):
        sub.add_argument("--runner", default=DEFAULT_RUNNER, help=argparse.SUPPRESS)
    return parser


def add_organising(verb: Callable[..., argparse.ArgumentParser]) -> list[argparse.ArgumentParser]:
    """The verbs that put runs in order; those of them that can print JSON."""
    tag = verb("tag", organise.tag, "Tag a run; without TAG, print its tags.", "RUN")
    tag.add_argument("tags", metavar="TAG", nargs="*")
    tag.add_argument("--remove", action="store_true", help="take these tags off")
    note = verb("note", organise.note, "Write a note on a run; without TEXT, print it.", "RUN")
    note.add_argument("text", metavar="TEXT", nargs="?")
    verb("rename", organise.rename, "Give a run another name; '' gives its first one back.", "RUN", "NAME")
    verb("archive", organise.archive, "Take an ended run out of the list.", "RUN")
    delete = verb("delete", organise.delete, "Delete a run; for ten minutes it can be restored.", "RUN")
    delete.add_argument(
        "--now", action="store_true", help="remove it and its files at once, with no way back"
    )
    verb("restore", organise.restore, "Bring a deleted or archived run back.", "RUN")
    usage = verb("usage", organise.usage, "Memory and processor that a run used.", "RUN")
    laid = verb("curves", organise.overlay, "The loss of several runs by step, side by side.")
    laid.add_argument("runs", metavar="RUN", nargs="+")
    laid.add_argument("--value", default="loss", choices=curves.VALUES, help="default: loss")
    timeleft = verb("timeleft", organise.timeleft, "How right a run's time left was, from its end.", "RUN")
    return [usage, laid, timeleft]


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
