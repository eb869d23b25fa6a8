"""Lists and pages are found by index, and read no more than they show, however large the database is."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from distalign.progress import Progress
from distalign.results import Round
from distalign.spec import parse_spec
from storage import Run, RunState, Store
from storage import migrations as schema
from tests.test_jobs_runners import SPEC, split_result

AFTER = ("after", "heldout_templates")


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return Store(tmp_path / "runs.db")


@pytest.fixture
def run(store: Store) -> Run:
    return store.insert_run(parse_spec(SPEC), state=RunState.RUNNING)


def plans(store: Store, monkeypatch: pytest.MonkeyPatch, call: Callable[[], object]) -> list[str]:
    """How SQLite runs each statement that a call reads with."""
    read, told = store._rows, []

    def explained(sql, parameters=()):
        told.extend(row["detail"] for row in read(f"EXPLAIN QUERY PLAN {sql}", parameters))
        return read(sql, parameters)

    with monkeypatch.context() as patch:
        patch.setattr(store, "_rows", explained)
        call()
    return told


@pytest.mark.parametrize(
    "filters",
    [
        {},
        {"context": 1},
        {"category": 0},
        {"unclassified": True},
        {"category": 0, "context": 1},
        {"query": "x"},
        {"template": 1},
    ],
)
def test_no_look_at_rounds_scans_or_sorts_the_table(
    store: Store, run: Run, monkeypatch: pytest.MonkeyPatch, filters: dict
) -> None:
    told = plans(
        store,
        monkeypatch,
        lambda: (store.rounds(run.id, *AFTER, **filters), store.count_rounds(run.id, *AFTER, **filters)),
    )
    assert len(told) == 2
    for step in told:
        assert step.startswith("SEARCH rounds USING") and "run_id=? AND phase=? AND split=?" in step


def test_sorting_by_category_and_grouping_search_a_run_only(
    store: Store, run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    (told,) = plans(store, monkeypatch, lambda: store.rounds(run.id, *AFTER, order="category"))
    assert "rounds_by_category" in told and "run_id=?" in told
    told = plans(
        store,
        monkeypatch,
        lambda: (
            store.grouped_answers(run.id, *AFTER, unclassified=True),
            store.measured_templates(run.id, *AFTER),
        ),
    )
    assert not [step for step in told if step.startswith("SCAN rounds")]


@pytest.mark.parametrize(
    "call",
    [
        lambda s, r: s.events(r.id, after=3),
        lambda s, r: s.last_event(r.id),
        lambda s, r: s.told(r.id, 1, 0, 9, 5),
        lambda s, r: s.spread_steps(r.id, 1, 0, 9, 5),
        lambda s, r: s.results(r.id),
        lambda s, r: s.summaries([r.id]),
        lambda s, r: s.run(r.id),
        lambda s, r: s.artifacts(r.id),
        lambda s, r: s.usage_summary(r.id, 1),
    ],
)
def test_what_a_poll_reads_of_a_run_is_found_by_index(
    store: Store, run: Run, monkeypatch: pytest.MonkeyPatch, call
) -> None:
    for step in plans(store, monkeypatch, lambda: call(store, run)):
        assert not step.startswith("SCAN") or "json_each" in step, step


def test_a_log_is_found_without_the_steps(store: Store, run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    (step,) = plans(store, monkeypatch, lambda: store.told(run.id, 1, 0, 9, 5))
    assert "USING INDEX events_told (run_id=? AND attempt=? AND seq>? AND seq<?)" in step
    step, *_ = plans(store, monkeypatch, lambda: store.spread_steps(run.id, 2, 0, 9, 5))
    assert "USING INDEX events_told (run_id=? AND attempt<?)" in step


def test_lists_of_runs_never_read_a_specification(store: Store, run: Run) -> None:
    with store._write() as db:
        db.execute("UPDATE runs SET spec = 'not even JSON'")
    (listed,) = store.listed_runs()
    assert (listed.id, listed.state, listed.title, listed.method, listed.created_at) == (
        run.id, run.state, run.title, "hybrid", run.created_at,
    )  # fmt: skip
    store.finish(run.id, RunState.DONE)
    assert [r.id for r in store.runs_with_results()] == [run.id]


def test_runs_to_show_results_of_are_the_done_and_the_measured(store: Store) -> None:
    spec = parse_spec(SPEC)
    waiting, failed, measured, done, before = (
        store.insert_run(spec, name, RunState.RUNNING)
        for name in ("waiting", "failed", "measured", "done", "before")
    )
    store.finish(failed.id, RunState.FAILED)
    store.finish(done.id, RunState.DONE)
    store.put_result(measured.id, split_result(spec, *AFTER, 0.1))
    store.put_result(before.id, split_result(spec, "before", "heldout_templates", 0.4))
    assert [r.id for r in store.runs_with_results()] == ["done", "measured"]
    assert [r.id for r in store.runs_with_results(limit=1)] == ["done"]
    assert [r.id for r in store.runs_with_results(also="measured")] == ["done", "measured"]
    # A link may name a run that is still working, or older than the list.
    assert [r.id for r in store.runs_with_results(also=before.id)] == ["before", "done", "measured"]
    assert [r.id for r in store.runs_with_results(limit=1, also="measured")] == ["measured", "done"]
    for nothing in (waiting.id, "gone"):
        assert [r.id for r in store.runs_with_results(also=nothing)] == ["done", "measured"]


def test_an_older_database_keeps_its_runs_and_learns_their_methods(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "old.db"
    with monkeypatch.context() as patch:
        patch.setattr(schema, "STEPS", schema.STEPS[:1])
        old = Store(path)
        with old._write() as db:
            for number, (run_id, spec) in enumerate(
                [
                    ("plain", parse_spec(SPEC).to_json()),
                    ("kl", parse_spec(SPEC | {"method": "kl_only"}).to_json()),
                    ("without", '{"attribute": "gender"}'),
                    ("odd", '{"attribute": "gender", "method": 7}'),
                    ("broken", "{"),
                ]
            ):
                db.execute(
                    "INSERT INTO runs (id, state, title, spec, created_at, queued_at) "
                    "VALUES (?, 'done', ?, ?, ?, 1.0)",
                    [run_id, f"Run {run_id}", spec, float(number)],
                )
            db.execute(
                "INSERT INTO events VALUES ('kl', 1, 1, 5.0, 'log', 'base', 0, 0, 0.0, NULL, '{}', 'hello')"
            )
        old.add_rounds("kl", [Round(*AFTER, 0, 0, 0, 0, 1, "female")])
        old.close()

    new = Store(path)
    assert {run.id: run.method for run in new.runs()} == {
        "plain": "hybrid", "kl": "kl_only", "without": "hybrid", "odd": "hybrid", "broken": "hybrid",
    }  # fmt: skip
    assert new.run("kl").spec == parse_spec(SPEC | {"method": "kl_only"})
    assert [(run.title, run.created_at) for run in new.listed_runs(limit=1)] == [("Run broken", 4.0)]
    assert [event.message for event in new.told("kl", 1, 0, 9, 5)] == ["hello"]
    assert list(new.iter_rounds("kl")) == [Round(*AFTER, 0, 0, 0, 0, 1, "female")]


def test_a_new_run_keeps_its_method(store: Store) -> None:
    run = store.insert_run(parse_spec(SPEC | {"method": "kto_only"}))
    assert (run.method, store.run(run.id).method) == ("kto_only", "kto_only")


def test_steps_are_spread_over_one_attempt(store: Store, run: Run) -> None:
    store.add_event(run.id, 1, Progress("stage", "prepare"))
    for step in range(1, 11):
        store.add_event(run.id, 1, Progress("step", "warmup", step))
    store.add_event(run.id, 1, Progress("log", "warmup", message="it failed"))
    for step in range(1, 101):
        store.add_event(run.id, 2, Progress("step", "warmup", step))
    spread = store.spread_steps(run.id, 2, after=0, until=112, most=10)
    assert [event.step for event in spread] == [10, 20, 30, 40, 50, 60, 70, 80, 90, 100]
    assert {event.attempt for event in spread} == {2}
    assert [e.step for e in store.spread_steps(run.id, 2, 0, 112, most=1, also=(13, 15, 5, 900))] == [
        1,
        3,
        100,
    ]
    assert [e.step for e in store.spread_steps(run.id, 1, 0, 12, most=100)] == list(range(1, 11))
    assert [e.message for e in store.told(run.id, 1, 0, 112, limit=1)] == ["it failed"]
    assert [e.kind for e in store.told(run.id, 1, 0, 112, limit=9)] == ["stage", "log"]
    assert store.told(run.id, 2, 0, 112, limit=9) == store.told(run.id, 1, 12, 112, limit=9) == []
