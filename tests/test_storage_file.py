"""The database file: opening, migrating, copying, and files that are something else."""

from __future__ import annotations

import subprocess
import sys
import warnings
from dataclasses import replace
from pathlib import Path

import pytest
from sqlite_utils.utils import sqlite3

from distalign.spec import parse_spec
from storage import Store, StoreError
from storage import migrations as schema
from storage.connection import warn_of_wal_bug
from tests.test_jobs_runners import SIDE_EFFECTS, SPEC

PROJECT = Path(__file__).resolve().parent.parent


def test_processes_that_open_a_new_database_at_once_all_succeed(tmp_path: Path) -> None:
    code = (
        "import sys\nfrom storage import Store\nprint('ready', flush=True)\nsys.stdin.readline()\n"
        "for n in range(10): print(Store(f'{sys.argv[1]}/{n}.db').count_runs())"
    )
    starters = [
        subprocess.Popen(
            [sys.executable, "-c", code, str(tmp_path)],
            cwd=PROJECT,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        for _ in range(3)
    ]
    for starter in starters:
        assert starter.stdout.readline() == "ready\n"
    for starter in starters:
        starter.stdin.write("go\n")
        starter.stdin.flush()
    for starter in starters:
        out, err = starter.communicate(timeout=30)
        assert (out.split(), err) == (["0"] * 10, "")


def test_opening_again_keeps_what_is_there(tmp_path: Path) -> None:
    run = Store(tmp_path / "deep" / "runs.db").insert_run(parse_spec(SPEC))
    assert Store(tmp_path / "deep" / "runs.db").run(run.id) == run


def test_a_failing_migration_leaves_the_database_as_it_was(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = Store(tmp_path / "runs.db").insert_run(parse_spec(SPEC))

    def half_done(db) -> None:
        db.execute("ALTER TABLE runs ADD COLUMN extra TEXT")
        db.execute("SELECT * FROM missing")

    monkeypatch.setattr(schema, "STEPS", (*schema.STEPS, half_done))
    with pytest.raises(StoreError, match="no such table: missing"):
        Store(tmp_path / "runs.db")
    monkeypatch.undo()
    reopened = Store(tmp_path / "runs.db")
    assert reopened.run(run.id) == run
    assert "extra" not in reopened._rows("SELECT * FROM runs")[0]


def test_a_later_migration_is_applied_to_an_older_database(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    Store(tmp_path / "runs.db").insert_run(parse_spec(SPEC))

    def later(db) -> None:
        db.execute("ALTER TABLE runs ADD COLUMN extra TEXT")

    monkeypatch.setattr(schema, "STEPS", (*schema.STEPS, later))
    assert "extra" in Store(tmp_path / "runs.db")._rows("SELECT * FROM runs")[0]
    monkeypatch.undo()
    with pytest.raises(StoreError, match="newer version"):
        Store(tmp_path / "runs.db")


def run_of_an_older_file(store: Store) -> str:
    """A run as every version has kept it; the id."""
    with store._write() as db:
        db.execute(
            "INSERT INTO runs (id, state, title, spec, created_at, queued_at) VALUES (?, 'queued', ?, ?, 1.0, 1.0)",
            ["older", "A run", parse_spec(SPEC).to_json()],
        )
    return "older"


def test_results_of_a_file_without_exact_figures_are_read_and_new_ones_kept(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    at = schema.STEPS.index(schema.exact_distributions_of_answers)
    with monkeypatch.context() as older:
        older.setattr(schema, "STEPS", schema.STEPS[:at])
        store = Store(tmp_path / "runs.db")
        run_id = run_of_an_older_file(store)
        with store._write() as db:
            key = {"run_id": run_id, "phase": "after", "split": "seen_templates"}
            db.table("split_results").insert(key | {"rounds": 5, "mae": 0.25})
            vectors = dict.fromkeys(("target", "realized", "low", "high", "steering"), "[0.5, 0.5]")
            db.table("context_results").insert(
                key | vectors | {"context": 0, "rounds": 5, "unclassified": 0, "mae": 0.25}
            )
        store.close()

    store = Store(tmp_path / "runs.db")
    (old,) = store.results(run_id)
    assert old.mae.value == 0.25
    assert old.marginals == ()
    assert (old.exact_mae, old.exact_unclassified, old.exact_bound) == (None, None, None)
    assert (old.contexts[0].exact, old.contexts[0].exact_bound) == (None, None)
    context = replace(old.contexts[0], exact=(0.25, 0.625), exact_bound=0.125)
    new = replace(old, exact_mae=0.1, exact_unclassified=0.0, exact_bound=0.125, contexts=(context,))
    store.put_result(run_id, new)
    (read,) = store.results(run_id)
    assert (read.exact_mae, read.exact_unclassified, read.exact_bound) == (0.1, 0.0, 0.125)
    assert (read.contexts[0].exact, read.contexts[0].exact_bound) == ((0.25, 0.625), 0.125)


def test_a_file_without_side_effects_takes_them_from_now_on(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    at = schema.STEPS.index(schema.side_effects_of_runs)
    with monkeypatch.context() as older:
        older.setattr(schema, "STEPS", schema.STEPS[:at])
        store = Store(tmp_path / "runs.db")
        run_id = run_of_an_older_file(store)
        store.close()

    store = Store(tmp_path / "runs.db")
    assert store.side_effects(run_id) is None
    store.put_side_effects(run_id, SIDE_EFFECTS)
    assert store.side_effects(run_id) == SIDE_EFFECTS
    store.delete_run(run_id)
    assert store._rows("SELECT * FROM side_effects") == []


def test_a_file_that_is_no_database_is_named_with_what_to_do(tmp_path: Path) -> None:
    path = tmp_path / "notes.db"
    path.write_text("shopping list\n" * 100)
    with pytest.raises(StoreError, match=r"notes\.db cannot be used .*not a database.* Move it away"):
        Store(path)
    assert path.read_text().startswith("shopping")


def test_another_programs_database_is_left_alone(tmp_path: Path) -> None:
    path = tmp_path / "other.db"
    other = sqlite3.connect(path)
    other.execute("CREATE TABLE runs (a)")
    other.close()
    with pytest.raises(StoreError, match="another program"):
        Store(path)
    other = sqlite3.connect(path)
    assert other.execute("SELECT name FROM sqlite_master").fetchall() == [("runs",)]
    other.close()


@pytest.mark.parametrize("name", ["folder", "file/runs.db"])
def test_a_path_that_cannot_be_opened_is_named(tmp_path: Path, name: str) -> None:
    (tmp_path / "folder").mkdir()
    (tmp_path / "file").write_text("x")
    with pytest.raises(StoreError, match="folder" if name == "folder" else "file"):
        Store(tmp_path / name)


def test_a_snapshot_holds_what_is_only_in_the_write_ahead_log(tmp_path: Path) -> None:
    store = Store(tmp_path / "runs.db")
    run = store.insert_run(parse_spec(SPEC))
    assert (tmp_path / "runs.db-wal").stat().st_size > 0
    copy = store.snapshot(tmp_path / "it's a copy.db")
    assert Store(copy).run(run.id) == run
    with pytest.raises(StoreError, match="already there"):
        store.snapshot(copy)


@pytest.mark.parametrize(
    ("version", "affected"),
    [((3, 6, 23), False), ((3, 7, 0), True), ((3, 40, 1), True), ((3, 51, 2), True), ((3, 51, 3), False)],
)
def test_it_warns_of_sqlite_versions_that_can_corrupt_a_file(
    version: tuple[int, int, int], affected: bool
) -> None:
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        warn_of_wal_bug(version)
    assert bool(caught) == affected


def test_a_closed_store_opens_again_by_itself(tmp_path: Path) -> None:
    store = Store(tmp_path / "runs.db")
    store.close()
    assert store.count_runs() == 0


def test_a_database_that_somebody_holds_is_told_apart_from_a_broken_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("storage.connection.BUSY_SECONDS", 0.1)
    store = Store(tmp_path / "runs.db")
    holder = sqlite3.connect(tmp_path / "runs.db", isolation_level=None)
    holder.execute("BEGIN EXCLUSIVE")
    with pytest.raises(StoreError, match=r"runs\.db is locked by another program\. Try again"):
        store.insert_run(parse_spec(SPEC))
    holder.execute("ROLLBACK")
    holder.close()
    assert store.insert_run(parse_spec(SPEC)).attempt == 1
