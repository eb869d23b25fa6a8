"""A run as rows: what is put back equals what was there, wherever it is put."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from bench.made_up import finished_run
from storage import Run, Store, StoreError, UnknownRun
from storage.packed import Rows, is_example

ID = "ex01234567"


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return Store(tmp_path / "runs.db")


@pytest.fixture
def run(store: Store, tmp_path: Path) -> Run:
    return finished_run(store, tmp_path, {"rounds": 6, "target": "even"}, steps=5)


def test_a_run_that_is_put_back_has_all_that_it_recorded_but_its_files(
    store: Store, run: Run, tmp_path: Path
) -> None:
    other = Store(tmp_path / "elsewhere" / "runs.db")
    assert other.put_run(ID, store.rows_of_run(run.id))
    assert other.run(ID) == replace(run, id=ID)
    assert other.results(ID) == store.results(run.id)
    assert list(other.iter_rounds(ID)) == list(store.iter_rounds(run.id))
    assert [replace(event, run=run.id) for event in other.events(ID)] == store.events(run.id)
    assert other.side_effects(ID) == store.side_effects(run.id)
    assert other.artifacts(ID) == []
    assert other.summaries([ID])[ID] == store.summaries([run.id])[run.id]


def test_a_run_is_put_back_once(store: Store, run: Run) -> None:
    packed = store.rows_of_run(run.id)
    assert store.put_run(ID, packed)
    assert not store.put_run(ID, packed)
    assert store.count_runs() == 2
    store.delete_run(ID)
    assert store.put_run(ID, packed)


def test_rows_that_are_not_a_whole_run_change_nothing(store: Store, run: Run) -> None:
    packed = store.rows_of_run(run.id)
    with pytest.raises(StoreError, match="holds no run"):
        store.put_run(ID, {name: rows for name, rows in packed.items() if name != "rounds"})
    newer = packed["rounds"]
    newer = Rows((*newer.columns, "mood"), (*newer.values, newer.values[0]))
    with pytest.raises(StoreError, match=r"newer version of Distalign \(mood\)"):
        store.put_run(ID, packed | {"rounds": newer})
    with pytest.raises(StoreError, match="cut short"):
        Rows(("a", "b"), ((1, 2), (1,)))
    assert store.count_runs() == 1


def test_an_unknown_run_cannot_be_packed(store: Store) -> None:
    with pytest.raises(UnknownRun):
        store.rows_of_run("feed")


def test_only_ids_of_examples_are_taken_for_examples(run: Run) -> None:
    assert is_example(ID) and not is_example(run.id)
