"""A comparison as plain values, and as a file: JSON, or CSV with a row a category, or a row a line."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from distalign import published
from distalign.errors import SpecError, shown
from distalign.results import ContextResult
from jobs.compare import Comparison, Line, by_context, times_floor
from jobs.export import open_target, write_csv
from jobs.report import finite, measures, side_effects

FORMATS = (".json", ".csv")
_WHOSE = ("name", "run_id", "method", "phase", "base_model", "preset", "seed", "split")
# What a context has for each category: shares with their intervals, and the noise floor around the target.
_SHARES, _FLOORS = ("target", "realized", "low", "high"), ("floor_low", "floor_high")
COLUMNS = (
    *_WHOSE, "context", "category", "target", "realized", "mae", "noise_floor",
    "low", "high", *_FLOORS, "ratio", "rounds", "unclassified",
)  # fmt: skip
SUMMARY_COLUMNS = (
    *_WHOSE, "title", "borrowed", "rounds", "rounds_per_context", "mae", "mae_low", "mae_high", "noise_floor",
    "ratio", "ratio_low", "ratio_high", "kl", "kl_low", "kl_high",
    "unclassified", "unclassified_low", "unclassified_high",
    "side_effects_kl", "side_effects_kl_low", "side_effects_kl_high", "perplexity_before", "perplexity_after",
    "train_seconds", "sample_seconds", "same_data", "best", "published_mae", "published_source",
)  # fmt: skip


def write(comparison: Comparison, path: Path, summary: bool = False) -> None:
    """Write a comparison to a file whose ending says how.

    Args:
        summary: a row for each line with its figures, in place of one for each context and category; CSV only.

    Raises:
        SpecError: for another ending, or a summary that is not CSV.
        DiskError: where the file cannot be written.
    """
    check_name(path, summary)
    with open_target(path) as stream:
        if summary:
            write_csv(stream, SUMMARY_COLUMNS, _summary_rows(comparison))
        elif path.suffix == ".csv":
            write_csv(stream, COLUMNS, _rows(comparison))
        else:
            stream.write(json.dumps(finite(as_object(comparison)), ensure_ascii=False) + "\n")


def check_name(path: Path, summary: bool) -> None:
    """Raise SpecError for a file that :func:`write` does not write."""
    if path.suffix not in FORMATS:
        raise SpecError("--out", f"{shown(path.name)} has no known ending", f"Use {' or '.join(FORMATS)}")
    if summary and path.suffix != ".csv":
        raise SpecError(
            "--summary",
            f"{shown(path.name)} is not a CSV file",
            "Give --out a name that ends in .csv, or leave --summary out: JSON holds the summary, too",
        )


def _summary_rows(comparison: Comparison) -> Iterator[dict[str, Any]]:
    """A row for each line; ``best`` names the measures in which it is better than all others."""
    best = comparison.best
    of_all = {
        "split": comparison.split,
        "same_data": comparison.same_data,
        "published_mae": comparison.published,
        "published_source": None if comparison.published is None else published.SOURCE,
    }
    for place, line in enumerate(comparison.lines):
        told = _line_object(line)
        effects = told.pop("side_effects") or {}
        # Beside the KL of the answers.
        effects |= {f"side_effects_{name}": effects.pop(name, None) for name in ("kl", "kl_low", "kl_high")}
        first_in = ", ".join(measure for measure, first in best.items() if first == place)
        yield of_all | effects | told | {"best": first_in}


def _rows(comparison: Comparison) -> Iterator[dict[str, Any]]:
    """A row for each line, context and category."""
    told = [{n: v for n, v in _line_object(line).items() if n in _WHOSE} for line in comparison.lines]
    for context, results in by_context(comparison).items():
        for line, own, result in zip(comparison.lines, told, results, strict=True):
            if result is None:
                continue
            figures = _context_object(line, result)
            shares = {name: figures.pop(name) for name in (*_SHARES, *_FLOORS)}
            where = {"split": comparison.split, "context": context}
            for category in shares["target"]:
                of_category = {name: values.get(category) for name, values in shares.items()}
                yield own | where | {"category": category} | of_category | figures


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


def _context_object(line: Line, result: ContextResult) -> dict[str, Any]:
    """Figures of a context; shares, their intervals and the noise floor around the target by category."""
    names = line.entry.run.spec.attribute.names
    floors = zip(*(result.noise_band(k) for k in range(len(names))), strict=True)
    vectors = {name: getattr(result, name) for name in _SHARES} | dict(zip(_FLOORS, floors, strict=True))
    figures = {name: getattr(result, name) for name in ("rounds", "unclassified", "mae", "noise_floor")}
    shares = {name: dict(zip(names, values, strict=False)) for name, values in vectors.items()}
    return figures | {"ratio": times_floor(result)} | shares
