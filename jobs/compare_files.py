"""A comparison as plain values, and as a file: JSON, or CSV with a row a category."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from distalign import published
from distalign.errors import SpecError, shown
from jobs.compare import Comparison, Line, by_context
from jobs.export import open_target, write_csv
from jobs.report import finite, measures, side_effects

FORMATS = (".json", ".csv")
COLUMNS = (
    "name", "run_id", "method", "phase", "base_model", "preset", "seed", "split", "context", "category",
    "target", "realized", "mae", "noise_floor",
)  # fmt: skip


def write(comparison: Comparison, path: Path) -> None:
    """Write a comparison to a file whose ending says how.

    Raises:
        SpecError: for another ending.
        DiskError: where the file cannot be written.
    """
    if path.suffix not in FORMATS:
        raise SpecError("--out", f"{shown(path.name)} has no known ending", f"Use {' or '.join(FORMATS)}")
    with open_target(path) as stream:
        if path.suffix == ".csv":
            write_csv(stream, COLUMNS, _rows(comparison))
        else:
            stream.write(json.dumps(finite(as_object(comparison)), ensure_ascii=False) + "\n")


def _rows(comparison: Comparison) -> Iterator[dict[str, Any]]:
    """A row for each line, context and category."""
    told = [{n: v for n, v in _line_object(line).items() if n in COLUMNS} for line in comparison.lines]
    for context, results in by_context(comparison).items():
        for line, own, result in zip(comparison.lines, told, results, strict=True):
            if result is None:
                continue
            figures = _context_object(line, result)
            shares = figures.pop("target"), figures.pop("realized")
            for category, target in shares[0].items():
                yield (
                    own
                    | figures
                    | {
                        "split": comparison.split,
                        "context": context,
                        "category": category,
                        "target": target,
                        "realized": shares[1][category],
                    }
                )


def as_object(comparison: Comparison) -> dict[str, Any]:
    """A comparison as plain values; ``best`` names the line that is better than all others, or is null."""
    names = [line.name for line in comparison.lines]
    best = comparison.best.items()
    return {
        "split": comparison.split,
        "same_data": comparison.same_data,
        "differ": list(comparison.differ),
        "best": {name: None if place is None else names[place] for name, place in best},
        "published": comparison.published
        and {"mae": comparison.published, "source": published.SOURCE},
        "lines": [_line_object(line) for line in comparison.lines],
        "contexts": [
            {"context": context}
            | {"lines": [result and _context_object(line, result) for line, result in zip(comparison.lines, row, strict=True)]}
            for context, row in by_context(comparison).items()
        ],
    }  # fmt: skip


def _line_object(line: Line) -> dict[str, Any]:
    run, spec = line.entry.run, line.entry.run.spec
    train, sample = line.seconds
    figures = measures(line.result) if line.result else {}
    if rate := line.unclassified:
        figures |= rate.named("unclassified")
    return {
        "name": line.name,
        "run_id": run.id,
        "title": run.title,
        "method": line.entry.method,
        "phase": line.entry.phase,
        "borrowed": line.entry.borrowed,
        "rounds_per_context": line.rounds_per_context,
        **{name: getattr(spec, name) for name in ("base_model", "preset", "seed")},
        **figures,
        "side_effects": side_effects(line.effects),
        "train_seconds": train,
        "sample_seconds": sample,
    }


def _context_object(line: Line, result: Any) -> dict[str, Any]:
    names = line.entry.run.spec.attribute.names
    vectors = {name: dict(zip(names, getattr(result, name), strict=False)) for name in ("target", "realized")}
    return {"mae": result.mae, "noise_floor": result.noise_floor} | vectors
