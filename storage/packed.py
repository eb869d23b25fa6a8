"""A whole run as plain rows, to be kept in a file and put back; and what marks an example."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from storage.connection import Connections
from storage.records import StoreError

# All that a run recorded, but for its files. The first holds the run itself.
TABLES = ("runs", "events", "rounds", "split_results", "context_results", "side_effects")
# Ids of other runs are hexadecimal.
EXAMPLE = "ex"
# What the title of an example begins with.
EXAMPLE_TITLE = "Example: "


def is_example(run_id: str) -> bool:
    """Whether a run was put back from a file that ships with the app."""
    return run_id.startswith(EXAMPLE)


@dataclass(frozen=True)
class Rows:
    """Rows of one table by column, without the run's id."""

    columns: tuple[str, ...]
    values: tuple[tuple[Any, ...], ...]

    def __post_init__(self) -> None:
        if len(self.columns) != len(self.values) or len(set(map(len, self.values))) > 1:
            raise StoreError("its rows are cut short")

    @property
    def count(self) -> int:
        return len(self.values[0]) if self.values else 0


class Packed(Connections):
    """Methods on all that a run recorded, whatever the columns are."""

    def rows_of_run(self, run_id: str) -> dict[str, Rows]:
        """Every row of a run, by table.

        Raises:
            UnknownRun: for an unknown id.
        """
        with self._write_for(run_id) as db:
            return {table: _packed(list(db.query(_ALL_OF[table], [run_id]))) for table in TABLES}

    def put_run(self, run_id: str, packed: Mapping[str, Rows]) -> bool:
        """Put a run back under an id, at the end of the list; False, and nothing is done, when a run has this id.

        Raises:
            StoreError: when the rows are not those of a run, or were packed by a newer version.
        """
        if set(packed) != set(TABLES) or packed["runs"].count != 1:
            raise StoreError("it holds no run")
        with self._write() as db:
            if list(db.query("SELECT 1 FROM runs WHERE id = ?", [run_id])):
                return False
            last = next(db.query("SELECT min(0, coalesce(min(number), 0)) - 1 AS number FROM runs"))["number"]
            for table in TABLES:
                rows = packed[table]
                if unknown := set(rows.columns) - set(db.table(table).columns_dict):
                    raise StoreError(f"it was made by a newer version of Distalign ({min(unknown)})")
                names = ", ".join(f'"{name}"' for name in (_key(table), *rows.columns))
                marks = ", ".join("?" * (len(rows.columns) + 1))
                db.conn.executemany(
                    f"INSERT INTO {table} ({names}) VALUES ({marks})",
                    [(run_id, *row) for row in zip(*rows.values, strict=True)],
                )
            db.execute("UPDATE runs SET number = ? WHERE id = ?", [last, run_id])
        return True


def _key(table: str) -> str:
    return "id" if table == "runs" else "run_id"


# Rows of the same run lie in the order of their keys, which packs well.
_ALL_OF = {
    table: f"SELECT * FROM {table} WHERE {_key(table)} = ?"
    + {
        "events": " ORDER BY seq",
        "rounds": " ORDER BY phase, split, context, template, round",
        "context_results": " ORDER BY phase, split, context",
    }.get(table, "")
    for table in TABLES
}


def _packed(rows: list[dict[str, Any]]) -> Rows:
    # The number is a run's place in the list of this database.
    columns = tuple(name for name in (rows[0] if rows else ()) if name not in ("id", "run_id", "number"))
    return Rows(columns, tuple(tuple(row[name] for row in rows) for name in columns))
