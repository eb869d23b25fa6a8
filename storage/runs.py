"""The table of runs: the queue, the states, and the timings."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from typing import Any

from distalign.spec import RunSpec
from storage.connection import Connections
from storage.records import Line, Run, RunState, StoreError, UnknownRun, new_id

TIMINGS = ("train_seconds", "sample_seconds")
INTERRUPTED = "the run's process ended before it was done. Resume the run to start it again"


def templates_json(spec: RunSpec) -> str:
    """The templates that a run uses, as they are kept beside its specification."""
    return json.dumps(spec.templates.to_mapping(stories=spec.story.stories), ensure_ascii=False)


def run_from(row: dict[str, Any]) -> Run:
    return Run(
        id=row["id"],
        state=RunState(row["state"]),
        title=row["title"],
        method=row["method"],
        created_at=row["created_at"],
        started_at=row["started_at"],
        finished_at=row["finished_at"],
        attempt=row["attempt"],
        cancel_requested=bool(row["cancel_requested"]),
        error=row["error"],
        train_seconds=row["train_seconds"],
        sample_seconds=row["sample_seconds"],
        steering_tokens=tuple(json.loads(row["steering_tokens"] or "[]")),
        tags=tuple(json.loads(row["tags"])),
        note=row["note"],
        archived_at=row["archived_at"],
        deleted_at=row["deleted_at"],
        spec_json=row["spec"],
        templates_json=row["templates"],
    )


class Runs(Connections):
    """Methods on the table ``runs``."""

    def insert_run(self, spec: RunSpec, run_id: str | None = None, state: RunState = RunState.QUEUED) -> Run:
        """Add a run. One that is inserted as running is never claimed by a worker."""
        return self._insert(spec, run_id, state, "")[0]

    def insert_first_run(self, spec: RunSpec) -> Run | None:
        """Queue a run if the database holds none, else None; of two callers one wins."""
        rows = self._insert(spec, None, RunState.QUEUED, "WHERE NOT EXISTS (SELECT 1 FROM runs)")
        return rows[0] if rows else None

    def _insert(self, spec: RunSpec, run_id: str | None, state: RunState, where: str) -> list[Run]:
        now = self._clock()
        started = now if state == RunState.RUNNING else None
        rows = self._returned(
            "INSERT INTO runs "
            "(id, state, title, method, attribute, spec, templates, created_at, queued_at, started_at) "
            f"SELECT ?, ?, ?, ?, ?, ?, ?, ?, ?, ? {where} RETURNING *",
            [
                run_id or new_id(),
                str(state),
                spec.title,
                spec.method,
                spec.attribute.name,
                spec.to_json(whole=True),
                templates_json(spec),
                now,
                now,
                started,
            ],
        )
        return [run_from(row) for row in rows]

    def run(self, run_id: str) -> Run:
        """Raises UnknownRun for an unknown id."""
        rows = self._rows("SELECT * FROM runs WHERE id = ?", [run_id])
        if not rows:
            raise UnknownRun(run_id)
        return run_from(rows[0])

    def find_run(self, prefix: str) -> Run:
        """The run whose id begins with ``prefix``; UnknownRun for none, StoreError for several."""
        row = self._named_by("runs", prefix)
        if row is None:
            raise UnknownRun(prefix)
        return run_from(row)

    def count_runs(self, state: RunState | None = None) -> int:
        """How many runs there are, or how many in ``state``; deleted ones are not counted."""
        return self._rows(
            "SELECT count(*) AS n FROM runs WHERE (?1 IS NULL OR state = ?1) AND deleted_at IS NULL",
            [state and str(state)],
        )[0]["n"]

    def ahead_of(self, run_id: str) -> Line:
        """What a queued run waits for."""
        rows = self._rows(
            "SELECT title, state FROM runs WHERE deleted_at IS NULL AND (state = 'running' OR state = 'queued' "
            "AND (queued_at, number) < (SELECT queued_at, number FROM runs WHERE id = ?)) "
            "ORDER BY state DESC, queued_at, number",
            [run_id],
        )
        running = tuple(row["title"] for row in rows if row["state"] == RunState.RUNNING)
        return Line(running, len(rows) - len(running))

    def claim(self) -> Run | None:
        """The oldest queued run becomes running, and no other caller gets it; None if none waits."""
        rows = self._returned(
            "UPDATE runs SET state = 'running', started_at = ? WHERE number = ("
            "SELECT number FROM runs WHERE state = 'queued' AND deleted_at IS NULL "
            "ORDER BY queued_at, number LIMIT 1"
            ") RETURNING *",
            [self._clock()],
        )
        return run_from(rows[0]) if rows else None

    def finish(self, run_id: str, state: RunState, error: str | None = None) -> Run:
        """A running run ends in ``state``; one that has ended already stays as it is."""
        if not RunState(state).ended:
            raise ValueError(f"{state} is not an end")
        self._returned(
            "UPDATE runs SET state = ?, error = ?, finished_at = ? WHERE id = ? AND state = 'running' "
            "RETURNING id",
            [str(state), error, self._clock(), run_id],
        )
        return self.run(run_id)

    def requeue(self, run_id: str) -> Run:
        """A new attempt of an ended run: queued again, without what the last attempt recorded.

        Events and samples of usage are kept, each with its attempt. An archived run comes back.

        Raises:
            StoreError: when the run is queued, running or deleted.
        """
        with self._write_for(run_id) as db:
            rows = list(
                db.query(
                    "UPDATE runs SET state = 'queued', attempt = attempt + 1, queued_at = ?, "
                    "cancel_requested = 0, error = NULL, started_at = NULL, finished_at = NULL, "
                    "train_seconds = NULL, sample_seconds = NULL, "
                    "steering_tokens = NULL, archived_at = NULL "
                    "WHERE id = ? AND state NOT IN ('queued', 'running') AND deleted_at IS NULL RETURNING *",
                    [self._clock(), run_id],
                )
            )
            if not rows and self.run(run_id).deleted_at is not None:
                raise StoreError(f"run: {run_id} is deleted. Restore it first")
            if not rows:
                raise StoreError(f"run: {run_id} has not ended. Wait for its end, or cancel it first")
            for table in ("rounds", "split_results", "side_effects", "artifacts"):
                db.table(table).delete_where("run_id = ?", [run_id])
        return run_from(rows[0])

    def request_cancel(self, run_id: str) -> Run:
        """A queued run is cancelled at once, a running one is asked to stop, an ended one stays."""
        self._returned(
            "UPDATE runs SET cancel_requested = 1, "
            "finished_at = CASE state WHEN 'queued' THEN ? END, "
            "state = CASE state WHEN 'queued' THEN 'cancelled' ELSE state END "
            "WHERE id = ? AND state IN ('queued', 'running') RETURNING id",
            [self._clock(), run_id],
        )
        return self.run(run_id)

    def cancel_requested(self, run_id: str) -> bool:
        return self.run(run_id).cancel_requested

    def interrupt_running(self, alive: Callable[[str], bool]) -> list[str]:
        """Running runs whose process is gone become interrupted (cancelled, if that was asked for).

        Args:
            alive: whether the run of this id has a process; called outside of any transaction.

        Returns:
            the ids of the runs that it ended.
        """
        ended = []
        for row in self._rows("SELECT id, attempt FROM runs WHERE state = 'running'"):
            if alive(row["id"]):
                continue
            ended += self._returned(
                "UPDATE runs SET finished_at = ?, "
                "state = CASE cancel_requested WHEN 1 THEN 'cancelled' ELSE 'interrupted' END, "
                "error = CASE cancel_requested WHEN 1 THEN NULL ELSE ? END "
                "WHERE id = ? AND attempt = ? AND state = 'running' RETURNING id",
                [self._clock(), INTERRUPTED, row["id"], row["attempt"]],
            )
        return [row["id"] for row in ended]

    def set_timing(self, run_id: str, name: str, seconds: float) -> None:
        """``name`` is one of :data:`TIMINGS`."""
        if name not in TIMINGS:
            raise ValueError(f"{name!r} is not one of {TIMINGS}")
        with self._write_for(run_id) as db:
            db.execute(f"UPDATE runs SET {name} = ? WHERE id = ?", [seconds, run_id])

    def set_steering_tokens(self, run_id: str, texts: Sequence[str]) -> None:
        """Keep the texts of the run's steering tokens, in the order of the categories."""
        with self._write_for(run_id) as db:
            db.execute("UPDATE runs SET steering_tokens = ? WHERE id = ?", [json.dumps(list(texts)), run_id])

    def delete_run(self, run_id: str) -> None:
        """Remove a run and all that it recorded (its files stay).

        Raises:
            StoreError: when it is running.
        """
        with self._write_for(run_id) as db:
            if not list(
                db.query("DELETE FROM runs WHERE id = ? AND state != 'running' RETURNING id", [run_id])
            ):
                raise StoreError(f"run: {run_id} is running. Cancel it first")
