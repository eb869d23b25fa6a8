"""Rounds and results as CSV and JSON, with names in place of indices.

The functions take a path or an open text stream (opened with ``newline=""``).
"""

from __future__ import annotations

import csv
import json
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from functools import cache, partial
from pathlib import Path
from typing import Any, TextIO

from distalign.asked import Names, names_of
from distalign.errors import DiskError
from distalign.results import ContextResult, Round, SplitResult, splits_of
from distalign.spec import RunSpec
from distalign.summary import summarise
from jobs.report import CONTEXT_FIGURES, finite, measures, side_effects
from storage import Store

ROUND_COLUMNS = ("phase", "split", "context", "template", "round", "steering", "category", "text")
VECTORS = ("target", "realized", "low", "high", "steering", "exact")
# A spreadsheet runs a cell that begins with one of these as a formula.
FORMULA_STARTS = ("=", "+", "-", "@", "\t", "\r")

Target = Path | str | TextIO


def rounds_csv(store: Store, run_id: str, target: Target) -> None:
    """Write every round of a run, one a row."""
    rounds = _round_rows(store, run_id)
    with open_target(target) as stream:
        write_csv(stream, ROUND_COLUMNS, rounds)


def rounds_json(store: Store, run_id: str, target: Target) -> None:
    """Write every round of a run as a JSON list of objects."""
    rounds = _round_rows(store, run_id)
    with open_target(target) as stream:
        stream.write("[")
        for number, row in enumerate(rounds):
            stream.write((",\n" if number else "\n") + json.dumps(row, ensure_ascii=False))
        stream.write("\n]\n")


def results_csv(store: Store, run_id: str, target: Target) -> None:
    """Write the results: a row a split (its ``context`` is empty), then one for each of its contexts."""
    spec = store.run(run_id).spec
    rows = [row for result in store.results(run_id) for row in _result_rows(spec, result)]
    names = list(dict.fromkeys(name for row in rows for name in row)) or ["phase", "split", "context"]
    with open_target(target) as stream:
        write_csv(stream, names, iter(rows))


def results_json(store: Store, run_id: str, target: Target) -> None:
    """Write the results: specification, each split with its contexts, summaries, and side effects.

    ``summary`` is that of the split to judge a run by, ``summaries`` has those of all that were measured.
    """
    run = store.run(run_id)
    measured, effects = store.results(run_id), store.side_effects(run_id)
    results = [
        {"phase": result.phase, "split": result.split}
        | measures(result)
        | {"contexts": [_context_object(run.spec, context) for context in result.contexts]}
        for result in measured
    ]
    whole = {"run_id": run.id, "title": run.title, "spec": run.spec.to_mapping(), "results": results}
    whole["summary"] = summarise(run.spec, measured, effects).lines
    whole["summaries"] = {
        split: summarise(run.spec, measured, effects, split).lines for split in splits_of(measured)
    }
    whole["side_effects"] = side_effects(effects)
    with open_target(target) as stream:
        json.dump(finite(whole), stream, ensure_ascii=False, indent=2)
        stream.write("\n")


def spec_file(spec: RunSpec, ending: str) -> bytes:
    """A specification as "yaml" or "json"."""
    return (spec.to_json() + "\n" if ending == "json" else spec.to_yaml()).encode()


def safe_cell(value: Any) -> Any:
    """A CSV cell; a text that a spreadsheet would take for a formula gets a leading quote."""
    return "'" + value if isinstance(value, str) and value.startswith(FORMULA_STARTS) else value


def write_csv(stream: TextIO, names: Sequence[str], rows: Iterator[dict[str, Any]]) -> None:
    """Write rows under their names, safe to open in a spreadsheet; what is not known is left empty."""
    writer = csv.writer(stream)
    writer.writerow(map(safe_cell, names))
    writer.writerows([safe_cell(finite(row.get(name))) for name in names] for row in rows)


@contextmanager
def open_target(target: Target) -> Iterator[TextIO]:
    """An open stream as it is, or a new file at a path; DiskError where it cannot be written."""
    if not isinstance(target, str | Path):
        yield target
        return
    try:
        with Path(target).open("w", encoding="utf-8", newline="") as stream:
            yield stream
    except OSError as error:
        raise DiskError(f"{target} cannot be written ({error.strerror}). Name another file") from error


def _round_rows(store: Store, run_id: str) -> Iterator[dict[str, Any]]:
    # A run may have millions of rounds, and has a few splits.
    names = cache(partial(names_of, store.run(run_id).spec))
    return (round_object(names(round_.split), round_) for round_ in store.iter_rounds(run_id))


def round_object(names: Names, round_: Round) -> dict[str, Any]:
    """A round with the names of its split in place of indices."""
    steering, category = round_.steering, round_.category
    return {
        "phase": round_.phase,
        "split": round_.split,
        "context": names.contexts[round_.context],
        "template": names.templates[round_.template],
        "round": round_.index,
        "steering": None if steering is None else names.steered(round_.context, steering),
        "category": None if category is None else names.categories[category],
        "text": round_.text,
    }


def _context_object(spec: RunSpec, result: ContextResult) -> dict[str, Any]:
    figures = {name: getattr(result, name) for name in CONTEXT_FIGURES}
    for name in VECTORS:
        figures[name] = dict(zip(spec.attribute.names, figures[name] or (), strict=False))
    return {"context": spec.contexts.names[result.context]} | figures


def _result_rows(spec: RunSpec, result: SplitResult) -> Iterator[dict[str, Any]]:
    key = {"phase": result.phase, "split": result.split}
    figures = measures(result)
    marginals = {
        f"{name} {part}": figure
        for part, of_part in figures.pop("marginals").items()
        for name, figure in of_part.items()
        if not isinstance(figure, dict)
    }
    yield key | {"context": ""} | figures | marginals
    for context in result.contexts:
        row = _context_object(spec, context)
        vectors = {
            f"{name} {category}": share for name in VECTORS for category, share in row.pop(name).items()
        }
        # A split counts its unclassified rounds as a rate.
        row["unclassified"] = context.unclassified / context.rounds if context.rounds else None
        yield key | row | vectors
