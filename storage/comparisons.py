"""What a comparison of runs reads: runs of one dataset, what they measured, and answers to one prompt."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence

from distalign.spec import RunSpec
from storage.connection import Connections
from storage.records import Answer, ComparableRun, Run
from storage.runs import run_from, templates_json


class Comparisons(Connections):
    """Methods that read several runs, or several rounds, as one."""

    def runs_alike(self, spec: RunSpec, ignored: Sequence[str], apart: Sequence[str] = ()) -> list[Run]:
        """The runs whose specification is ``spec`` but for some of its fields, newest first.

        Runs that are known to have used other templates, which were built in once, are none of them.
        Of each method, state and value of the fields ``apart`` it is the newest only.
        """
        paths, kept = [f"$.{name}" for name in ignored], [f"$.{name}" for name in apart]
        kinds = ", ".join(["method", "state", *["json_extract(spec, ?)"] * len(kept)])
        marks = ", ".join("?" * len(paths))
        same = f"json_remove(spec, {marks}) = json_remove(?, {marks})"
        # What is kept beside a specification says all of its templates.
        same_but = f"json_remove(spec, {marks}, '$.templates') = json_remove(?, {marks}, '$.templates')"
        rows = self._rows(
            f"SELECT * FROM (SELECT *, row_number() OVER (PARTITION BY {kinds} ORDER BY number DESC) "
            "AS place FROM runs WHERE deleted_at IS NULL AND json_valid(spec) AND CASE WHEN templates IS NULL "
            f"THEN {same} ELSE templates = ? AND {same_but} END) WHERE place = 1 ORDER BY number DESC",
            [*kept, *paths, spec.to_json(), *paths, templates_json(spec), *paths, spec.to_json(), *paths],
        )
        return [run_from(row) for row in rows]

    def comparable_runs(self, limit: int = 300, also: Sequence[str] = ()) -> list[ComparableRun]:
        """Newest first: runs that are done; behind them those of ``also`` that are not among them."""
        columns = (
            "id, title, method, json_extract(spec, '$.base_model') AS base_model, "
            "json_extract(spec, '$.preset') AS preset, json_extract(spec, '$.seed') AS seed, "
            "coalesce(json_extract(spec, '$.few_shot'), 0) AS few_shot"
        )
        rows = self._rows(
            f"SELECT {columns} FROM runs WHERE state = 'done' AND deleted_at IS NULL AND json_valid(spec) "
            "ORDER BY number DESC LIMIT ?",
            [limit],
        )
        if lacking := [run_id for run_id in also if all(row["id"] != run_id for row in rows)]:
            rows += self._rows(
                f"SELECT {columns} FROM runs WHERE id IN (SELECT value FROM json_each(?)) AND json_valid(spec)",
                [json.dumps(lacking)],
            )
        return [ComparableRun(**row) for row in rows]

    def measured_splits(self, run_ids: Iterable[str]) -> dict[str, list[tuple[str, str]]]:
        """Phase and split of every result of some runs."""
        rows = self._rows(
            "SELECT run_id, phase, split FROM split_results "
            "WHERE run_id IN (SELECT value FROM json_each(?)) ORDER BY run_id, phase, split",
            [json.dumps(list(run_ids))],
        )
        found: dict[str, list[tuple[str, str]]] = {}
        for row in rows:
            found.setdefault(row["run_id"], []).append((row["phase"], row["split"]))
        return found

    def answers(
        self, run_id: str, phase: str, split: str, context: int, template: int, limit: int = 20
    ) -> list[Answer]:
        """The different answers that a run gave to one prompt, the commonest first."""
        rows = self._rows(
            "SELECT category, trim(text) AS answer, count(*) AS times, sum(count(*)) OVER () AS total "
            "FROM rounds WHERE run_id = ? AND phase = ? AND split = ? AND context = ? AND template = ? "
            "GROUP BY category, answer ORDER BY times DESC, min(round) LIMIT ?",
            [run_id, phase, split, context, template, limit],
        )
        return [Answer(row["answer"], row["category"], row["times"], row["total"]) for row in rows]
