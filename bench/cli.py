"""The command line: ``python -m bench speed|quality|ablations|judges|timeleft``."""

from __future__ import annotations

import argparse

from bench.ablations.command import add_ablations
from bench.judges import add_judges
from bench.quality.command import add_quality
from bench.speed import add_speed
from bench.timeleft import add_timeleft
from distalign.errors import DistalignError
from jobs.cli import OneLineParser, complain, data_argument
from jobs.execution import text_of
from jobs.foreground import STOPPED, UNUSABLE


def build_parser() -> argparse.ArgumentParser:
    parser = OneLineParser(prog="python -m bench", description="Measure Distalign against its peers.")
    verbs = parser.add_subparsers(dest="verb", metavar="VERB", required=True)
    add_speed(verbs, [data_argument()])
    add_quality(verbs, [data_argument()])
    add_ablations(verbs, [data_argument()])
    add_judges(verbs)
    add_timeleft(verbs, [data_argument()])
    return parser


def main(argv: list[str] | None = None) -> int:
    """Run the command line; the exit code: 2 for what cannot be used, 130 when it was stopped."""
    args = build_parser().parse_args(argv)
    try:
        return args.handler(args)
    except DistalignError as error:
        return complain(text_of(error), UNUSABLE)
    except KeyboardInterrupt:
        return complain("stopped; the same command goes on from here", STOPPED)
