"""Connections to the database file: one a thread, errors that name the file."""

from __future__ import annotations

import threading
import time
import warnings
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from sqlite_utils import Database
from sqlite_utils.utils import sqlite3

from distalign.errors import shown
from storage.migrations import migrate, up_to_date
from storage.records import StoreError, UnknownRun

BUSY_SECONDS = 20.0
WAL_RETRY_SECONDS = 0.05
# https://sqlite.org/wal.html#walresetbug
WAL_BUG_FIRST, WAL_BUG_LAST = (3, 7, 0), (3, 51, 2)

Clock = Callable[[], float]


def warn_of_wal_bug(version: tuple[int, ...] = sqlite3.sqlite_version_info) -> None:
    """Warn where SQLite is of a version that can, rarely, corrupt a database in WAL mode."""
    if WAL_BUG_FIRST <= version <= WAL_BUG_LAST:
        warnings.warn(
            f"SQLite {'.'.join(map(str, version))} has a rare bug that can corrupt a database in use "
            "by several processes. Install pysqlite3 0.6.1 or newer, which brings SQLite 3.51.3 or newer",
            RuntimeWarning,
            stacklevel=3,
        )


class StoreBusy(StoreError):
    """Another program holds the database for longer than :data:`BUSY_SECONDS`."""


class Connections:
    """The base of the store: opens the file, and runs statements on it.

    Args:
        path: the database file; made, with its folder, if it is not there.
        clock: seconds since 1970-01-01 UTC.

    Raises:
        StoreError: when the file cannot be opened or is not a database of Distalign.
    """

    def __init__(self, path: Path | str, clock: Clock = time.time) -> None:
        self.path = Path(path).absolute()
        self._clock = clock
        self._local = threading.local()
        warn_of_wal_bug()
        try:
            self.path.parent.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise StoreError(
                f"the folder {self.path.parent} cannot be made ({error.strerror}). "
                "Set DISTALIGN_DATA to a folder that can be written"
            ) from error
        self._prepare()

    def close(self) -> None:
        """Close the connection of the calling thread; a later call opens a new one."""
        if (db := getattr(self._local, "db", None)) is not None:
            db.close()
            self._local.db = None

    def _prepare(self) -> None:
        try:
            db = self._database()
            if not up_to_date(db):
                with self._write() as db:
                    migrate(db)
        except StoreBusy:
            raise
        except StoreError as error:
            self.close()
            raise StoreError(
                f"{self.path} cannot be used as the database: {error.__cause__ or error}. "
                "Move it away, or set DISTALIGN_DATA to another folder"
            ) from error

    def _database(self) -> Database:
        db = getattr(self._local, "db", None)
        if db is None:
            with self._named_errors():
                db = self._local.db = self._connect()
        return db

    def _connect(self) -> Database:
        # isolation_level None: the driver begins no transaction by itself, so that
        # every write begins with BEGIN IMMEDIATE and waits for its turn.
        connection = sqlite3.connect(str(self.path), timeout=BUSY_SECONDS, isolation_level=None)
        try:
            _use_wal(connection)
            connection.execute("PRAGMA synchronous = NORMAL")
            connection.execute("PRAGMA foreign_keys = ON")
        except sqlite3.Error:
            connection.close()
            raise
        return Database(connection, execute_plugins=False)

    @contextmanager
    def _named_errors(self) -> Iterator[None]:
        try:
            yield
        except sqlite3.Error as error:
            if "locked" in str(error):
                raise StoreBusy(
                    f"{self.path} is locked by another program. Try again, or end that program"
                ) from error
            raise StoreError(f"{self.path}: {error}") from error

    @contextmanager
    def _write(self) -> Iterator[Database]:
        """One transaction that holds the write lock from its begin; rolled back on any error."""
        db = self._database()
        with self._named_errors():
            db.conn.execute("BEGIN IMMEDIATE")
            try:
                yield db
                db.conn.execute("COMMIT")
            except BaseException:
                db.rollback()
                raise

    def _rows(self, sql: str, parameters: Sequence[Any] | Mapping[str, Any] = ()) -> list[dict[str, Any]]:
        # Fetched at once: an open cursor would keep its snapshot, and stop WAL checkpoints.
        with self._named_errors():
            return list(self._database().query(sql, parameters))

    def _named_by(self, table: str, prefix: str) -> dict[str, Any] | None:
        """The row of "runs" or "plays" whose id begins with ``prefix``, or None; StoreError for several."""
        rows = self._rows(
            f"SELECT * FROM {table} WHERE id = ?1 OR (?1 != '' AND substr(id, 1, length(?1)) = ?1) "
            "ORDER BY id != ?1 LIMIT 2",
            [prefix],
        )
        if len(rows) > 1 and rows[0]["id"] != prefix:
            what = f"{table.removesuffix('s')}: {shown(prefix)} begins the ids of several {table}"
            raise StoreError(f"{what}. Give more of it")
        return rows[0] if rows else None

    def _returned(self, sql: str, parameters: Sequence[Any] | Mapping[str, Any]) -> list[dict[str, Any]]:
        """The rows of one writing statement with RETURNING."""
        with self._write() as db:
            return list(db.query(sql, parameters))

    @contextmanager
    def _write_for(self, run_id: str) -> Iterator[Database]:
        """A write that belongs to a run; UnknownRun when there is none of this id."""
        with self._write() as db:
            if not list(db.query("SELECT 1 FROM runs WHERE id = ?", [run_id])):
                raise UnknownRun(run_id)
            yield db

    def snapshot(self, path: Path | str) -> Path:
        """A consistent copy of the database, made while others write.

        Raises:
            StoreError: when ``path`` is already there or cannot be written.
        """
        target = Path(path).absolute()
        if target.exists():
            raise StoreError(f"{shown(str(target))} is already there. Name a file that is not")
        with self._named_errors():
            self._database().conn.execute("VACUUM INTO ?", [str(target)])
        return target


def _use_wal(connection: sqlite3.Connection) -> None:
    """Switch to WAL. SQLite does not wait for its lock here, so two starters need a retry."""
    end = time.monotonic() + BUSY_SECONDS
    while True:
        try:
            if connection.execute("PRAGMA journal_mode").fetchone()[0] != "wal":
                connection.execute("PRAGMA journal_mode = WAL").fetchone()
            return
        except sqlite3.OperationalError as error:
            if "locked" not in str(error) or time.monotonic() > end:
                raise
            time.sleep(WAL_RETRY_SECONDS)
