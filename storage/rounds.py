"""Sampled rounds, and the filters that the page reads them by."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

from distalign.results import Round
from storage.connection import Connections

PAGE = 2000
_COLUMNS = "phase, split, context, template, round, steering, category, text"


def round_from(row: dict[str, Any]) -> Round:
    return Round(
        phase=row["phase"],
        split=row["split"],
        context=row["context"],
        template=row["template"],
        index=row["round"],
        steering=row["steering"],
        category=row["category"],
        text=row["text"],
    )


class Rounds(Connections):
    """Methods on the table ``rounds``."""

    def add_rounds(self, run_id: str, rounds: Iterable[Round]) -> None:
        """Add rounds of one run, all or none.

        Raises:
            UnknownRun: for an unknown id.
            StoreError: when a round of the same phase, split, context, template and index is there.
        """
        with self._write_for(run_id) as db:
            db.conn.executemany(
                f"INSERT INTO rounds (run_id, {_COLUMNS}) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)",
                (
                    (run_id, r.phase, r.split, r.context, r.template, r.index, r.steering, r.category, r.text)
                    for r in rounds
                ),
            )

    def rounds(
        self,
        run_id: str,
        phase: str,
        split: str,
        context: int | None = None,
        category: int | None = None,
        unclassified: bool = False,
        query: str = "",
        offset: int = 0,
        limit: int = 50,
    ) -> list[Round]:
        """A page of rounds, ordered by context, template and index.

        Args:
            context, category: indices into the specification; None for all.
            unclassified: only rounds that name no category (``category`` is then ignored).
            query: text that the round contains; the case of ASCII letters is ignored.
        """
        where, values = _where(run_id, phase, split, context, category, unclassified, query)
        rows = self._rows(
            f"SELECT {_COLUMNS} FROM rounds WHERE {where} "
            "ORDER BY context, template, round LIMIT :limit OFFSET :offset",
            values | {"limit": limit, "offset": offset},
        )
        return [round_from(row) for row in rows]

    def count_rounds(
        self,
        run_id: str,
        phase: str,
        split: str,
        context: int | None = None,
        category: int | None = None,
        unclassified: bool = False,
        query: str = "",
    ) -> int:
        """How many rounds :meth:`rounds` would page through."""
        where, values = _where(run_id, phase, split, context, category, unclassified, query)
        return self._rows(f"SELECT count(*) AS n FROM rounds WHERE {where}", values)[0]["n"]

    def iter_rounds(self, run_id: str) -> Iterator[Round]:
        """All rounds of a run, read page by page, so that no read stays open between them."""
        key: tuple[Any, ...] = ("", "", -1, -1, -1)
        while True:
            rows = self._rows(
                f"SELECT {_COLUMNS} FROM rounds WHERE run_id = ? "
                "AND (phase, split, context, template, round) > (?, ?, ?, ?, ?) "
                "ORDER BY phase, split, context, template, round LIMIT ?",
                [run_id, *key, PAGE],
            )
            yield from map(round_from, rows)
            if len(rows) < PAGE:
                return
            key = tuple(rows[-1][name] for name in ("phase", "split", "context", "template", "round"))


def _where(
    run_id: str,
    phase: str,
    split: str,
    context: int | None,
    category: int | None,
    unclassified: bool,
    query: str,
) -> tuple[str, dict[str, Any]]:
    terms = ["run_id = :run_id", "phase = :phase", "split = :split"]
    values: dict[str, Any] = {"run_id": run_id, "phase": phase, "split": split}
    if context is not None:
        terms.append("context = :context")
        values["context"] = context
    if unclassified:
        terms.append("category IS NULL")
    elif category is not None:
        terms.append("category = :category")
        values["category"] = category
    if query:
        terms.append("text LIKE :pattern ESCAPE '\\'")
        literal = query.replace("\\", "\\\\").replace("%", "\\%").replace("_", "\\_")
        values["pattern"] = f"%{literal}%"
    return " AND ".join(terms), values
