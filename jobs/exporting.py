"""The verb ``export``: what a run produced, as files."""

from __future__ import annotations

import argparse
import shutil
import sys
from collections.abc import Sequence
from pathlib import Path

from distalign.asked import names_of
from distalign.errors import DiskError, SpecError, shown
from distalign.matching import composed
from distalign.results import SPLITS, splits_of
from distalign.spec import RunSpec
from jobs import export
from jobs.places import store_of
from storage import Run, Store, StoreError

# What may be exported, and as what; the first is the default.
FORMATS = {
    "results": ("csv", "json"),
    "rounds": ("csv", "json"),
    "report": ("html",),
    "chart": ("svg", "png"),
    "convergence": ("csv", "json", "svg", "png"),
    "log": ("txt", "json"),
    "spec": ("yaml", "json"),
    "adapter": ("zip",),
}
ORDERS = ("gap", "name", "target")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The verb's arguments, but for the run."""
    parser.add_argument("--what", choices=tuple(FORMATS), default="results")
    formats = sorted({name for names in FORMATS.values() for name in names})
    told = "; ".join(f"{what}: {', '.join(names)}" for what, names in FORMATS.items())
    parser.add_argument("--format", choices=formats, help=f"the first is the default. {told}")
    parser.add_argument(
        "--out", metavar="FILE", help="default: standard output (an adapter: a new file here)"
    )
    looks = parser.add_argument_group("of a report, a chart and convergence")
    looks.add_argument("--split", choices=SPLITS, help="the prompts (default: held-out templates)")
    looks.add_argument("--category", metavar="NAME", help="whose share is drawn (default: the first)")
    looks.add_argument("--sort", choices=ORDERS, help="how contexts are sorted (default: gap)")
    looks.add_argument("--skip", type=int, metavar="N", help="leave out the first N contexts (default: 0)")
    looks.add_argument(
        "--context", metavar="NAME", help="whose shares converge (default: the mean error over all)"
    )


def export_run(args: argparse.Namespace) -> int:
    store = store_of(args)
    run = store.find_run(args.run)
    ending = args.format or FORMATS[args.what][0]
    if ending not in FORMATS[args.what]:
        possible = " or ".join(FORMATS[args.what])
        raise SpecError("--format", f"{args.what} cannot be written as {ending}", f"Use {possible}")
    _require_read(args)
    if args.what == "adapter":
        return _export_adapter(store, run, args.out)
    if args.what == "spec":
        return _write(export.spec_file(run.spec, ending), args.out)
    if args.what in ("rounds", "results"):
        getattr(export, f"{args.what}_{ending}")(store, run.id, args.out or sys.stdout)
        return 0
    return _write(_drawn(store, run, args, ending), args.out)


# What each kind of file reads of the options that say how something looks.
LOOKS = {
    "report": ("split", "category", "sort"),
    "chart": ("split", "category", "sort", "skip"),
    "convergence": ("split", "context"),
}


def _require_read(args: argparse.Namespace) -> None:
    """Refuse an option that what is exported does not read."""
    given = {name: getattr(args, name) for name in ("split", "category", "sort", "skip", "context")}
    for name, value in given.items():
        if value is not None and name not in LOOKS.get(args.what, ()):
            told = ", ".join(f"--{known}" for known in LOOKS.get(args.what, ())) or "no such option"
            raise SpecError(
                f"--{name}", f"{args.what} does not read it", f"Leave it out; {args.what} reads {told}"
            )


def _drawn(store: Store, run: Run, args: argparse.Namespace, ending: str) -> bytes:
    # Altair takes half a second to import; only what draws needs it.
    from jobs.reporting import files
    from jobs.reporting.views import View

    skip = args.skip or 0
    if skip < 0:
        raise SpecError("--skip", f"{skip} is below 0", "Give 0 or more")
    if args.split:
        require_measured("--split", args.split, splits_of(store.results(run.id)))
    category = category_of(run.spec, args.category) if args.category else 0
    context = context_of(run.spec, args.context) if args.context else None
    view = View(args.split or "", category, args.sort or "gap", skip, context)
    return files.content(store, run, view, args.what, ending)


def require_measured(argument: str, given: str, measured: Sequence[str]) -> None:
    """Raise SpecError for a split, or a phase, that is none of those that a run was measured on."""
    if given not in measured:
        remedy = (
            f"Use {' or '.join(measured)}" if measured else "Wait for the run's end: it has no results yet"
        )
        raise SpecError(argument, f"{given} was not measured", remedy)


def category_of(spec: RunSpec, name: str, split: str = "") -> int:
    """The index of a category, in the rounds of a split, that a person named.

    Raises:
        SpecError: when there is none.
    """
    return _place("--category", names_of(spec, split).categories, name)


def context_of(spec: RunSpec, name: str, split: str = "") -> int:
    """The index of a context, in the rounds of a split, that a person named.

    Raises:
        SpecError: when there is none.
    """
    return _place("--context", names_of(spec, split).contexts, name)


def template_of(spec: RunSpec, split: str, number: int) -> int:
    """The index of a split's template that a person numbered from 1.

    Raises:
        SpecError: when there is none.
    """
    count = len(names_of(spec, split).templates)
    if not 1 <= number <= count:
        raise SpecError("--template", f"{number} is none of this split's", f"Give 1 to {count}")
    return number - 1


def _place(argument: str, names: tuple[str, ...], name: str) -> int:
    name = composed(name)
    if name not in names:
        some = ", ".join(names[:5]) + (", …" if len(names) > 5 else "")
        raise SpecError(argument, f"{shown(name)} is none of this run's", f"Name one of {some}")
    return names.index(name)


def _export_adapter(store: Store, run: Run, out: str | None) -> int:
    adapter = store.artifact(run.id, "adapter")
    if adapter is None or not adapter.path.is_file():
        raise StoreError(f"run: {run.id} has no adapter. Take a run that was trained to its end")
    target = Path(out or f"distalign-{run.id}.zip")
    if not out and target.exists():
        raise SpecError("--out", f"{target} is already there", "Name another file")
    try:
        shutil.copyfile(adapter.path, target)
    except OSError as error:
        raise DiskError(f"{target} cannot be written ({error.strerror}). Name another file") from error
    print(target)
    return 0


def _write(content: bytes, out: str | None) -> int:
    if out is None:
        sys.stdout.flush()
        sys.stdout.buffer.write(content)
        sys.stdout.buffer.flush()
        return 0
    try:
        Path(out).write_bytes(content)
    except OSError as error:
        raise DiskError(f"{out} cannot be written ({error.strerror}). Name another file") from error
    return 0
