"""Runs put in order: lists and searches, names, tags and notes, the archive, and deleting with a way back."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

from distalign.errors import SpecError, shown
from storage.packed import EXAMPLE_TITLE, is_example
from storage.records import ListedRun, Run, RunFilter, RunState, StoreError
from storage.runs import Runs, run_from

MAX_NAME, MAX_NOTE, MAX_TAG, MAX_TAGS = 100, 4000, 40, 20
# Words of a search beyond these are not looked for.
MAX_WORDS = 10
CURRENT = RunFilter()

_LISTED = "id, state, title, method, created_at, tags"
_SHELVES = {
    "current": "archived_at IS NULL AND deleted_at IS NULL",
    "archived": "archived_at IS NOT NULL AND deleted_at IS NULL",
    "deleted": "deleted_at IS NOT NULL",
}
# ``names`` has what readers call methods and states.
_NAMES = "WITH names AS MATERIALIZED (SELECT key, value FROM json_each(:names)) "
_TEXT = (
    "title || ' ' || attribute || ' ' || tags || ' ' || note || ' ' || method || ' ' || state || ' ' || "
    "coalesce((SELECT value FROM names WHERE key = method), '') || ' ' || "
    "coalesce((SELECT value FROM names WHERE key = state), '')"
)


def listed_from(row: dict[str, Any]) -> ListedRun:
    return ListedRun(
        row["id"],
        RunState(row["state"]),
        row["title"],
        row["method"],
        row["created_at"],
        tuple(json.loads(row["tags"])),
    )


class Shelves(Runs):
    """Methods on the table ``runs`` for those who look for a run, or put runs in order."""

    def runs(
        self,
        limit: int = 200,
        offset: int = 0,
        which: RunFilter = CURRENT,
        names: Mapping[str, str] | None = None,
    ) -> list[Run]:
        """Newest first; ``names`` are what readers call methods and states: a search finds these, too."""
        where, values = _where(which, names or {})
        rows = self._rows(
            f"{_NAMES} SELECT * FROM runs WHERE {where} ORDER BY number DESC LIMIT :limit OFFSET :offset",
            values | {"limit": limit, "offset": offset},
        )
        return [run_from(row) for row in rows]

    def listed_runs(
        self, limit: int = 200, which: RunFilter = CURRENT, names: Mapping[str, str] | None = None
    ) -> list[ListedRun]:
        """Newest first, as a list shows them.

        Args:
            names: as in :meth:`runs`.
        """
        where, values = _where(which, names or {})
        rows = self._rows(
            f"{_NAMES} SELECT {_LISTED} FROM runs INDEXED BY runs_listed WHERE {where} "
            "ORDER BY number DESC LIMIT :limit",
            values | {"limit": limit},
        )
        return [listed_from(row) for row in rows]

    def runs_with_results(self, limit: int = 200, also: str = "") -> list[ListedRun]:
        """Newest first: current runs that are done, or were measured after training.

        Args:
            also: a run that is put in front if it was measured at all, is not deleted and is not among them.
        """
        rows = self._rows(
            f"SELECT {_LISTED} FROM runs WHERE (state = 'done' OR EXISTS (SELECT 1 FROM split_results "
            "WHERE run_id = runs.id AND phase = 'after' AND split = 'heldout_templates')) "
            f"AND {_SHELVES['current']} ORDER BY number DESC LIMIT ?",
            [limit],
        )
        if also and all(row["id"] != also for row in rows):
            found = "EXISTS (SELECT 1 FROM split_results WHERE run_id = runs.id)"
            rows = (
                self._rows(
                    f"SELECT {_LISTED} FROM runs WHERE id = ? AND deleted_at IS NULL AND {found}", [also]
                )
                + rows
            )
        return [listed_from(row) for row in rows]

    def runs_with_adapter(self, limit: int = 200, also: str = "") -> list[ListedRun]:
        """Newest first: current runs that are done and left an adapter.

        Args:
            also: a run that is put in front if it left one, is not deleted and is not among them.
        """
        query = (
            f"SELECT {_LISTED} FROM runs WHERE state = 'done' AND EXISTS "
            "(SELECT 1 FROM artifacts WHERE run_id = runs.id AND kind = 'adapter') AND "
        )
        rows = self._rows(f"{query} {_SHELVES['current']} ORDER BY number DESC LIMIT ?", [limit])
        if also and all(row["id"] != also for row in rows):
            rows = self._rows(f"{query} deleted_at IS NULL AND id = ?", [also]) + rows
        return [listed_from(row) for row in rows]

    def rename(self, run_id: str, name: str) -> Run:
        """Give the run another title; an empty one restores the specification's, which an example says that it is.

        Raises:
            SpecError: for a name of more than 100 characters.
        """
        return self._set(run_id, title=self._title(run_id, name))

    def set_tags(self, run_id: str, tags: Sequence[str]) -> Run:
        """The run's tags, in place of those it had: without doubles, in alphabetical order.

        Raises:
            SpecError: for a tag that is too long or has a comma in it, or too many tags.
        """
        return self._set(run_id, tags=clean_tags(tags))

    def set_note(self, run_id: str, note: str) -> Run:
        """A text about the run, in place of the one it had.

        Raises:
            SpecError: for a note of more than 4,000 characters.
        """
        return self._set(run_id, note=clean_note(note))

    def describe(self, run_id: str, name: str, tags: Sequence[str], note: str) -> Run:
        """Name, tags and note at once; where one of them cannot be used, none is changed."""
        changed = {"title": self._title(run_id, name), "tags": clean_tags(tags), "note": clean_note(note)}
        return self._set(run_id, **changed)

    def archive_run(self, run_id: str) -> Run:
        """Take an ended run out of the lists; nothing else about it changes.

        Raises:
            StoreError: when it is queued, running or deleted.
        """
        if self.run(run_id).deleted_at is not None:
            raise StoreError(f"run: {run_id} is deleted. Restore it first")
        with self._write_for(run_id) as db:
            if not list(
                db.query(
                    "UPDATE runs SET archived_at = ? "
                    "WHERE id = ? AND state NOT IN ('queued', 'running') RETURNING id",
                    [self._clock(), run_id],
                )
            ):
                raise StoreError(f"run: {run_id} has not ended. Wait for its end, or cancel it first")
        return self.run(run_id)

    def mark_deleted(self, run_id: str) -> Run:
        """Take a run out of the lists until it is restored, or removed by :meth:`delete_run`.

        Raises:
            StoreError: when it is running.
        """
        with self._write_for(run_id) as db:
            if not list(
                db.query(
                    "UPDATE runs SET deleted_at = coalesce(deleted_at, ?) "
                    "WHERE id = ? AND state != 'running' RETURNING id",
                    [self._clock(), run_id],
                )
            ):
                raise StoreError(f"run: {run_id} is running. Cancel it first")
        return self.run(run_id)

    def restore_run(self, run_id: str) -> Run:
        """Bring a deleted run back to where it was, or an archived one to the list."""
        if self.run(run_id).deleted_at is not None:
            return self._set(run_id, deleted_at=None)
        return self._set(run_id, archived_at=None)

    def purge_deleted(self, longer_than: float) -> list[str]:
        """Remove runs that were deleted so many seconds ago, with all that they recorded.

        Returns:
            the ids of the runs that are gone; their files are still there.
        """
        until = self._clock() - longer_than
        if not self._rows("SELECT 1 FROM runs WHERE deleted_at <= ? LIMIT 1", [until]):
            return []
        gone = self._returned(
            "DELETE FROM runs WHERE deleted_at <= ? AND state != 'running' RETURNING id", [until]
        )
        return [row["id"] for row in gone]

    def _title(self, run_id: str, name: str) -> str:
        title = " ".join(name.split())
        # A title made of the settings may be longer; who changes a tag hands it back.
        if len(title) > MAX_NAME and title != self.run(run_id).title:
            raise SpecError(
                "name", f"{shown(title)} is not a short text", f"Use at most {MAX_NAME} characters"
            )
        mark = EXAMPLE_TITLE if is_example(run_id) else ""
        return title or mark + self.run(run_id).spec.title

    def _set(self, run_id: str, **values: object) -> Run:
        """Change columns, which are named by this module alone; a list is kept as JSON."""
        kept = [json.dumps(v, ensure_ascii=False) if isinstance(v, list) else v for v in values.values()]
        changes = ", ".join(f"{name} = ?" for name in values)
        with self._write_for(run_id) as db:
            db.execute(f"UPDATE runs SET {changes} WHERE id = ?", [*kept, run_id])
        return self.run(run_id)


def clean_note(note: str) -> str:
    """A note without spaces around it; SpecError where it is too long."""
    note = note.strip()
    if len(note) > MAX_NOTE:
        raise SpecError("note", f"{len(note):,} characters are given", f"Use at most {MAX_NOTE:,}")
    return note


def clean_tags(tags: Sequence[str]) -> list[str]:
    """Tags without spaces around them, without doubles, in alphabetical order.

    Raises:
        SpecError: for a tag that is too long or has a comma in it, or too many tags.
    """
    found: dict[str, str] = {}
    for tag in (" ".join(tag.split()) for tag in tags):
        if len(tag) > MAX_TAG or "," in tag:
            raise SpecError(
                "tags", f"{shown(tag)} is no tag", f"Use at most {MAX_TAG} characters, and no comma"
            )
        if tag:
            found.setdefault(tag.casefold(), tag)
    if len(found) > MAX_TAGS:
        raise SpecError("tags", f"{len(found)} are given", f"Use at most {MAX_TAGS}")
    return [found[key] for key in sorted(found)]


def _where(which: RunFilter, names: Mapping[str, str]) -> tuple[str, dict[str, Any]]:
    terms = [_SHELVES[which.shelf]]
    values: dict[str, Any] = {"names": json.dumps(dict(names))}
    if which.state is not None:
        terms.append("state = :state")
        values["state"] = str(which.state)
    if which.tag:
        terms.append("EXISTS (SELECT 1 FROM json_each(tags) WHERE value = :tag COLLATE NOCASE)")
        values["tag"] = which.tag.strip()
    for number, word in enumerate(which.search.split()[:MAX_WORDS]):
        literal = word.replace("\\", "\\\\").replace("%", "\\%").replace("_", "\\_")
        terms.append(
            f"({_TEXT} LIKE '%' || :word{number} || '%' ESCAPE '\\' "
            f"OR id LIKE :word{number} || '%' ESCAPE '\\')"
        )
        values[f"word{number}"] = literal
    return " AND ".join(terms), values
