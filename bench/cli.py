"""The command line: ``python -m bench speed``."""

from __future__ import annotations

import argparse
import sys

from bench.speed import add_speed
from distalign.errors import DistalignError
from jobs.cli import OneLineParser
from jobs.execution import text_of
from jobs.foreground import STOPPED, UNUSABLE


def build_parser() -> argparse.ArgumentParser:
    places = argparse.ArgumentParser(add_help=False)
    places.add_argument("--data", metavar="DIR", help="the data folder (default: DISTALIGN_DATA, or ./data)")
    parser = OneLineParser(prog="python -m bench", description="Measure Distalign against its peers.")
    verbs = parser.add_subparsers(dest="verb", metavar="VERB", required=True)
    add_speed(verbs, [places])
    return parser


def main(argv: list[str] | None = None) -> int:
    """Run the command line; the exit code: 2 for what cannot be used, 130 when it was stopped."""
    args = build_parser().parse_args(argv)
    try:
        return args.handler(args)
    except DistalignError as error:
        print(f"distalign: {text_of(error)}", file=sys.stderr)
        return UNUSABLE
    except KeyboardInterrupt:
        print("distalign: stopped; the same command goes on from here", file=sys.stderr)
        return STOPPED
