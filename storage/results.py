"""Results of runs per split and per context."""

from __future__ import annotations

import json
import math
from collections.abc import Iterable
from dataclasses import asdict, replace
from typing import Any

from distalign.results import (
    EXACT_FIGURES,
    FIGURES,
    INTERVALS,
    STEERING_FIGURES,
    ContextResult,
    Interval,
    Marginal,
    SideEffects,
    SplitResult,
)
from storage.connection import Connections

VECTORS = ("target", "realized", "low", "high", "steering")
EFFECTS = ("perplexity_before", "perplexity_after", "leak_before", "leak_after", "first_token_changed")
CONTEXT_MEASURES = ("mae", "noise_floor", "kl", "js_distance", "total_variation", "chi2_p")


class Results(Connections):
    """Methods on the tables ``split_results``, ``context_results`` and ``side_effects``."""

    def put_result(self, run_id: str, result: SplitResult) -> None:
        """Keep a result with its contexts, in place of one of the same phase and split."""
        key = {"run_id": run_id, "phase": result.phase, "split": result.split}
        with self._write_for(run_id) as db:
            db.table("split_results").delete_where(
                "run_id = :run_id AND phase = :phase AND split = :split", key
            )
            db.table("split_results").insert(key | _split_row(result))
            db.table("context_results").insert_all(key | _context_row(c) for c in result.contexts)

    def results(self, run_id: str) -> list[SplitResult]:
        """All results of a run with their contexts: before ahead of after, then by split."""
        contexts: dict[tuple[str, str], list[ContextResult]] = {}
        for row in self._rows("SELECT * FROM context_results WHERE run_id = ? ORDER BY context", [run_id]):
            contexts.setdefault((row["phase"], row["split"]), []).append(_context_from(row))
        rows = self._rows(
            "SELECT * FROM split_results WHERE run_id = ? ORDER BY phase DESC, split DESC", [run_id]
        )
        return [
            replace(_split_from(row), contexts=tuple(contexts.get((row["phase"], row["split"]), ())))
            for row in rows
        ]

    def result(self, run_id: str, phase: str, split: str) -> SplitResult | None:
        """One result of a run with its contexts; None where it was not measured."""
        where = "WHERE run_id = ? AND phase = ? AND split = ?"
        found = self._rows(f"SELECT * FROM split_results {where}", [run_id, phase, split])
        if not found:
            return None
        rows = self._rows(f"SELECT * FROM context_results {where} ORDER BY context", [run_id, phase, split])
        return replace(_split_from(found[0]), contexts=tuple(map(_context_from, rows)))

    def summaries(self, run_ids: Iterable[str]) -> dict[str, SplitResult]:
        """The result on held-out templates of each run that has one, without contexts.

        It is the one after training; of a run that is done and trains nothing, the only one.
        """
        rows = self._rows(
            "SELECT r.* FROM split_results r JOIN runs ON runs.id = r.run_id "
            "WHERE r.split = 'heldout_templates' AND (r.phase = 'after' OR runs.state = 'done') "
            "AND r.run_id IN (SELECT value FROM json_each(?)) ORDER BY r.phase DESC",
            [json.dumps(list(run_ids))],
        )
        # "before" comes first, so that "after" takes its place.
        return {row["run_id"]: _split_from(row) for row in rows}

    def put_side_effects(self, run_id: str, effects: SideEffects) -> None:
        """Keep a run's side effects, in place of those it had."""
        row = {name: getattr(effects, name) for name in ("prompts", "tokens", *EFFECTS)}
        row |= effects.kl.named("kl")
        with self._write_for(run_id) as db:
            db.table("side_effects").upsert({"run_id": run_id} | row, pk="run_id")

    def side_effects(self, run_id: str) -> SideEffects | None:
        """None for a run that was not trained, or not yet."""
        rows = self._rows("SELECT * FROM side_effects WHERE run_id = ?", [run_id])
        if not rows:
            return None
        (row,) = rows
        return SideEffects(
            prompts=row["prompts"],
            tokens=row["tokens"],
            kl=Interval(*(_number(row[name]) for name in ("kl", "kl_low", "kl_high"))),
            **{name: _number(row[name]) for name in EFFECTS},
        )


def _split_row(result: SplitResult) -> dict[str, Any]:
    row: dict[str, Any] = {"rounds": result.rounds}
    for name in INTERVALS:
        row |= getattr(result, name).named(name)
    row |= {name: getattr(result, name) for name in FIGURES + STEERING_FIGURES + EXACT_FIGURES}
    return row | {"marginals": json.dumps([asdict(marginal) for marginal in result.marginals])}


def _context_row(result: ContextResult) -> dict[str, Any]:
    row = {name: getattr(result, name) for name in ("context", "rounds", "unclassified", *CONTEXT_MEASURES)}
    row |= {
        "exact": None if result.exact is None else json.dumps(result.exact),
        "exact_bound": result.exact_bound,
    }
    return row | {name: json.dumps([float(v) for v in getattr(result, name)]) for name in VECTORS}


def _number(cell: float | None) -> float:
    """SQLite keeps NaN as NULL."""
    return math.nan if cell is None else cell


def _split_from(row: dict[str, Any]) -> SplitResult:
    return SplitResult(
        phase=row["phase"],
        split=row["split"],
        rounds=row["rounds"],
        **{
            name: Interval(*(_number(row[name + end]) for end in ("", "_low", "_high"))) for name in INTERVALS
        },
        **{name: _number(row[name]) for name in FIGURES},
        **{name: row[name] for name in STEERING_FIGURES + EXACT_FIGURES},
        marginals=tuple(map(_marginal_from, json.loads(row["marginals"]))),
    )


def _marginal_from(kept: dict[str, Any]) -> Marginal:
    return Marginal(
        kept["attribute"],
        *(tuple(kept[name]) for name in ("categories", "target", "realized")),
        Interval(**kept["mae"]),
        kept["noise_floor"],
        Interval(**kept["ratio"]),
    )


def _context_from(row: dict[str, Any]) -> ContextResult:
    return ContextResult(
        context=row["context"],
        rounds=row["rounds"],
        unclassified=row["unclassified"],
        **{name: tuple(json.loads(row[name])) for name in VECTORS},
        **{name: _number(row[name]) for name in CONTEXT_MEASURES},
        exact=None if row["exact"] is None else tuple(json.loads(row["exact"])),
        exact_bound=row["exact_bound"],
    )
