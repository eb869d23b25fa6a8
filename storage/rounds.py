"""Sampled rounds, and the filters that the page reads them by."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

from distalign.results import Round
from storage.connection import Connections
from storage.records import AnswerGroup, GroupedAnswers

PAGE = 2000
# Of many matching rounds the first so many are grouped: a sort of millions of texts takes seconds.
MOST_GROUPED = 100_000
# How rounds may be sorted, by what a caller names it.
ORDERS = {
    "context": "context, template, round",
    "category": "category, context, template, round",
    "answer": "text COLLATE NOCASE, context, template, round",
    "longest": "length(text) DESC, context, template, round",
}
# The same of different answers; what is equal comes by how often it came.
GROUP_ORDERS = {
    "context": "rounds DESC",
    "category": "category, rounds DESC",
    "answer": "text COLLATE NOCASE, rounds DESC",
    "longest": "length(text) DESC, rounds DESC",
}
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
        template: int | None = None,
        order: str = "context",
    ) -> list[Round]:
        """A page of rounds.

        Args:
            context, category, template: indices into the specification; None for all.
            unclassified: only rounds that name no category (``category`` is then ignored).
            query: text that the round contains; the case of ASCII letters is ignored.
            order: one of :data:`ORDERS`; "category" has unclassified rounds first.
        """
        where, values = _where(run_id, phase, split, context, category, unclassified, query, template)
        rows = self._rows(
            f"SELECT {_COLUMNS} FROM rounds WHERE {where} "
            f"ORDER BY {ORDERS[order]} LIMIT :limit OFFSET :offset",
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
        template: int | None = None,
    ) -> int:
        """How many rounds :meth:`rounds` would page through."""
        where, values = _where(run_id, phase, split, context, category, unclassified, query, template)
        return self._rows(f"SELECT count(*) AS n FROM rounds WHERE {where}", values)[0]["n"]

    def grouped_answers(
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
        template: int | None = None,
        order: str = "context",
    ) -> GroupedAnswers:
        """The different answers among the rounds that :meth:`rounds` would page through.

        ``order`` is one of :data:`GROUP_ORDERS`; "context", the order of rounds, has the most frequent first. Of more than :data:`MOST_GROUPED` rounds the first so many, in an order of the store's choice, are looked at.
        """
        where, values = _where(run_id, phase, split, context, category, unclassified, query, template)
        rows = self._rows(
            "SELECT text, category, count(*) AS rounds, count(DISTINCT context) AS contexts, "
            "count(*) OVER () AS groups, sum(count(*)) OVER () AS looked_at "
            f"FROM (SELECT text, category, context FROM rounds WHERE {where} LIMIT :most) "
            f"GROUP BY text, category ORDER BY {GROUP_ORDERS[order]}, text, category LIMIT :limit OFFSET :offset",
            values | {"most": MOST_GROUPED, "limit": limit, "offset": offset},
        )
        groups = tuple(AnswerGroup(r["text"], r["category"], r["rounds"], r["contexts"]) for r in rows)
        return GroupedAnswers(
            groups, *((rows[0]["groups"], rows[0]["looked_at"]) if rows else (0, 0)), MOST_GROUPED
        )

    def measured_templates(self, run_id: str, phase: str, split: str) -> list[int]:
        """The templates that rounds of a split were asked with, as its first context tells."""
        rows = self._rows(
            "SELECT DISTINCT template FROM rounds WHERE run_id = :run_id AND phase = :phase AND split = :split "
            "AND context = (SELECT min(context) FROM rounds "
            "WHERE run_id = :run_id AND phase = :phase AND split = :split) ORDER BY template",
            {"run_id": run_id, "phase": phase, "split": split},
        )
        return [row["template"] for row in rows]

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
    template: int | None,
) -> tuple[str, dict[str, Any]]:
    terms = ["run_id = :run_id", "phase = :phase", "split = :split"]
    values: dict[str, Any] = {"run_id": run_id, "phase": phase, "split": split}
    if context is not None:
        terms.append("context = :context")
        values["context"] = context
    if template is not None:
        # As an expression: a constant within the key would make SQLite sort what lies in order already.
        terms.append("+template = :template")
        values["template"] = template
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
