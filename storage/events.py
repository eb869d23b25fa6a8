"""What runs tell while they work."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from typing import Any

from distalign.progress import Progress
from storage.connection import Connections
from storage.records import Event, UnknownRun

EVENTS_AT_ONCE = 10_000


def event_from(row: dict[str, Any]) -> Event:
    values = json.loads(row["values"])
    return Event(**({name: cell for name, cell in row.items() if name != "run_id"} | {
        "run": row["run_id"], "values": values,
    }))  # fmt: skip


class Events(Connections):
    """Methods on the table ``events``."""

    def add_event(self, run_id: str, attempt: int, progress: Progress) -> Event:
        """Append to the run's events; ``seq`` is one more than the last. UnknownRun for an unknown id."""
        rows = self._returned(
            "INSERT INTO events SELECT id, "
            "(SELECT coalesce(max(seq), 0) + 1 FROM events WHERE run_id = runs.id), "
            "?, ?, ?, ?, ?, ?, ?, ?, ?, ? FROM runs WHERE id = ? RETURNING *",
            [
                attempt,
                self._clock(),
                progress.kind,
                progress.stage,
                progress.step,
                progress.total,
                progress.fraction,
                progress.eta,
                json.dumps({name: float(value) for name, value in progress.values.items()}),
                progress.message,
                run_id,
            ],
        )
        if not rows:
            raise UnknownRun(run_id)
        return event_from(rows[0])

    def events(
        self,
        run_id: str,
        after: int = 0,
        kinds: Sequence[str] | None = None,
        limit: int = 1000,
        attempt: int | None = None,
    ) -> list[Event]:
        """Events with ``seq > after``, in order; of the given kinds or attempt only, if any are given."""
        rows = self._rows(
            "SELECT * FROM events WHERE run_id = ?1 AND seq > ?2 AND (?5 IS NULL OR attempt = ?5) "
            "AND (?3 IS NULL OR kind IN (SELECT value FROM json_each(?3))) ORDER BY seq LIMIT ?4",
            [run_id, after, None if kinds is None else json.dumps(list(kinds)), limit, attempt],
        )
        return [event_from(row) for row in rows]

    def all_events(
        self, run_id: str, kinds: Sequence[str] | None = None, attempt: int | None = None
    ) -> list[Event]:
        """All events, in order, however many; of the given kinds or attempt only, if any are given."""
        found: list[Event] = []
        while page := self.events(
            run_id, found[-1].seq if found else 0, kinds, limit=EVENTS_AT_ONCE, attempt=attempt
        ):
            found += page
        return found

    def spread_steps(
        self, run_id: str, attempt: int, after: int, until: int, most: int, also: Iterable[int] = ()
    ) -> list[Event]:
        """At most ``most`` steps of an attempt, evenly spread over ``after < seq <= until``.

        It reads only these, however many events there are.

        Args:
            also: sequence numbers that are looked up beside the spread ones.
        """
        rows = self._rows(
            "SELECT max(seq) AS seq FROM events INDEXED BY events_told "
            "WHERE run_id = ? AND attempt < ? AND kind != 'step'",
            [run_id, attempt],
        )
        # All of this attempt lies behind what the attempts before it told.
        after = max(after, rows[0]["seq"] or 0)
        stride = max(1, -(-(until - after) // most))
        wanted = {*range(until, after, -stride), *(seq for seq in also if after < seq <= until)}
        rows = self._rows(
            "SELECT * FROM events WHERE run_id = ? AND seq IN (SELECT value FROM json_each(?)) "
            "AND attempt = ? AND kind = 'step' ORDER BY seq",
            [run_id, json.dumps(sorted(wanted)), attempt],
        )
        return [event_from(row) for row in rows]

    def told(self, run_id: str, attempt: int, after: int, until: int, limit: int) -> list[Event]:
        """The newest events of an attempt that are no steps, in order, with ``after < seq <= until``."""
        rows = self._rows(
            "SELECT * FROM events INDEXED BY events_told WHERE run_id = ? AND attempt = ? AND kind != 'step' "
            "AND seq > ? AND seq <= ? ORDER BY seq DESC LIMIT ?",
            [run_id, attempt, after, until, limit],
        )
        return [event_from(row) for row in reversed(rows)]

    def last_event(self, run_id: str, attempt: int | None = None) -> Event | None:
        """The newest event of any kind; None where there is none, or where it is not of the given attempt."""
        rows = self._rows("SELECT * FROM events WHERE run_id = ? ORDER BY seq DESC LIMIT 1", [run_id])
        last = event_from(rows[0]) if rows else None
        # Attempts follow one another: where the newest event is of another, this one has told nothing yet.
        return None if last and attempt not in (None, last.attempt) else last
