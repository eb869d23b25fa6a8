"""Runs in the store: states, the queue, and callers that race."""

from __future__ import annotations

import json
import subprocess
import sys
import threading
from dataclasses import replace
from pathlib import Path

import pytest

from distalign import spec as spec_module
from distalign import templates
from distalign.errors import DistalignError, SpecError
from distalign.progress import Progress
from distalign.results import Round
from distalign.spec import RunSpec, parse_spec
from distalign.templates import Templates
from distalign.training_config import PRESETS
from jobs.datasets import HOW
from storage import Run, RunState, Store, StoreError, UnknownRun
from storage.records import Line
from tests.test_jobs_runners import SPEC, split_result

PROJECT = Path(__file__).resolve().parent.parent


class Clock:
    """Seconds that a test sets."""

    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def store(tmp_path: Path, clock: Clock) -> Store:
    return Store(tmp_path / "runs.db", clock)


@pytest.fixture
def spec() -> RunSpec:
    return parse_spec(SPEC)


def ended(store: Store, spec: RunSpec, state: RunState = RunState.DONE) -> Run:
    return store.finish(store.insert_run(spec, state=RunState.RUNNING).id, state)


def test_a_new_run_is_queued_with_its_specification(store: Store, spec: RunSpec) -> None:
    run = store.run(store.insert_run(spec).id)
    assert (run.state, run.attempt, run.created_at, run.started_at) == (RunState.QUEUED, 1, 1000.0, None)
    assert run.spec == spec
    assert run.title == spec.title


def test_the_specification_stays_as_it_was_submitted(store: Store) -> None:
    given = parse_spec(SPEC | {"steps": 50, "learning_rate": 0.001, "temperature": 0.7, "name": "Päirs"})
    assert store.run(store.insert_run(given).id).spec == given


def test_a_run_whose_stored_specification_went_bad_does_not_break_the_list(
    store: Store, spec: RunSpec
) -> None:
    run = store.insert_run(spec)
    with store._write() as db:
        db.execute("UPDATE runs SET spec = ? WHERE id = ?", [json.dumps({"attribute": "gone"}), run.id])
    (listed,) = store.runs()
    assert listed.title == spec.title
    with pytest.raises(SpecError, match="gone"):
        _ = listed.spec


def test_an_unknown_run_is_an_error_for_people(store: Store) -> None:
    with pytest.raises(UnknownRun, match="'nope' is not known") as caught:
        store.run("nope")
    assert isinstance(caught.value, DistalignError)


@pytest.mark.parametrize(
    "call",
    [
        lambda s: s.finish("nope", RunState.DONE),
        lambda s: s.requeue("nope"),
        lambda s: s.request_cancel("nope"),
        lambda s: s.cancel_requested("nope"),
        lambda s: s.add_event("nope", 1, Progress("log", "base")),
        lambda s: s.add_rounds("nope", [Round("after", "seen_templates", 0, 0, 0, 0, 0, "x")]),
        lambda s: s.put_result("nope", split_result(parse_spec(SPEC), "after", "seen_templates", 0.1)),
        lambda s: s.set_timing("nope", "train_seconds", 1.0),
        lambda s: s.rename("nope", "x"),
        lambda s: s.delete_run("nope"),
    ],
)
def test_every_method_names_an_unknown_run(store: Store, call) -> None:
    with pytest.raises(UnknownRun):
        call(store)


def test_runs_are_listed_newest_first_in_pages(store: Store, spec: RunSpec) -> None:
    ids = [store.insert_run(spec).id for _ in range(5)]
    assert [run.id for run in store.runs(limit=2)] == ids[:-3:-1]
    assert [run.id for run in store.runs(limit=2, offset=4)] == ids[:1]
    assert store.count_runs() == 5
    assert store.count_runs(RunState.RUNNING) == 0


def test_the_oldest_queued_run_is_claimed_first(store: Store, spec: RunSpec, clock: Clock) -> None:
    ids = [store.insert_run(spec).id for _ in range(3)]
    clock.now = 1010.0
    claimed = [store.claim() for _ in range(3)]
    assert [run.id for run in claimed] == ids
    assert {(run.state, run.started_at) for run in claimed} == {(RunState.RUNNING, 1010.0)}
    assert store.claim() is None


def test_a_resumed_run_waits_behind_those_that_are_queued(store: Store, spec: RunSpec, clock: Clock) -> None:
    first = ended(store, spec)
    second = store.insert_run(spec)
    clock.now += 1
    store.requeue(first.id)
    assert store.claim().id == second.id


def test_two_processes_never_claim_the_same_run(tmp_path: Path, spec: RunSpec) -> None:
    store = Store(tmp_path / "runs.db")
    ids = {store.insert_run(spec).id for _ in range(60)}
    code = (
        "import sys\nfrom storage import Store\nstore = Store(sys.argv[1])\n"
        "print('ready', flush=True)\nsys.stdin.readline()\n"
        "while (run := store.claim()) is not None: print(run.id)"
    )
    workers = [
        subprocess.Popen(
            [sys.executable, "-c", code, str(store.path)],
            cwd=PROJECT,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        for _ in range(2)
    ]
    for worker in workers:
        assert worker.stdout.readline() == "ready\n"
    for worker in workers:
        worker.stdin.write("go\n")
        worker.stdin.flush()
    claimed = [worker.communicate(timeout=30)[0].split() for worker in workers]
    assert sorted(claimed[0] + claimed[1]) == sorted(ids)


def test_many_threads_share_one_store(store: Store, spec: RunSpec) -> None:
    run = store.insert_run(spec)
    failures = []

    def write() -> None:
        try:
            for step in range(20):
                store.add_event(run.id, 1, Progress("step", "hybrid", step))
        except StoreError as error:
            failures.append(error)

    threads = [threading.Thread(target=write) for _ in range(5)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not failures
    assert [event.seq for event in store.events(run.id)] == list(range(1, 101))


def test_only_one_of_two_starters_inserts_the_first_run(store: Store, spec: RunSpec) -> None:
    assert store.insert_first_run(spec) is not None
    assert store.insert_first_run(spec) is None
    assert store.count_runs() == 1


def test_a_queued_run_is_cancelled_at_once(store: Store, spec: RunSpec) -> None:
    run = store.request_cancel(store.insert_run(spec).id)
    assert (run.state, run.finished_at) == (RunState.CANCELLED, 1000.0)
    assert store.claim() is None


def test_a_running_run_is_only_asked_to_stop(store: Store, spec: RunSpec) -> None:
    run = store.insert_run(spec, state=RunState.RUNNING)
    assert not store.cancel_requested(run.id)
    assert store.request_cancel(run.id).state == RunState.RUNNING
    assert store.cancel_requested(run.id)


def test_cancelling_an_ended_run_changes_nothing(store: Store, spec: RunSpec) -> None:
    run = ended(store, spec)
    assert store.request_cancel(run.id) == run


def test_a_run_ends_once(store: Store, spec: RunSpec, clock: Clock) -> None:
    run = store.insert_run(spec, state=RunState.RUNNING)
    clock.now = 1060.0
    done = store.finish(run.id, RunState.FAILED, "no room")
    assert (done.state, done.error, done.finished_at) == (RunState.FAILED, "no room", 1060.0)
    assert store.finish(run.id, RunState.DONE) == done


def test_finish_takes_only_an_end(store: Store, spec: RunSpec) -> None:
    with pytest.raises(ValueError, match="not an end"):
        store.finish(store.insert_run(spec).id, RunState.QUEUED)


def test_requeue_begins_a_new_attempt_without_the_old_records(
    store: Store, spec: RunSpec, tmp_path: Path
) -> None:
    run = store.insert_run(spec, state=RunState.RUNNING)
    file = tmp_path / "adapter.zip"
    file.write_bytes(b"zip")
    store.add_event(run.id, 1, Progress("log", "base"))
    store.add_rounds(run.id, [Round("after", "seen_templates", 0, 0, 0, 0, 0, "male")])
    store.put_result(run.id, split_result(spec, "after", "seen_templates", 0.1))
    store.add_artifact(run.id, "adapter", file)
    store.set_timing(run.id, "train_seconds", 5.0)
    store.finish(run.id, RunState.FAILED, "oh")

    again = store.requeue(run.id)
    assert (again.state, again.attempt, again.error, again.train_seconds, again.finished_at) == (
        RunState.QUEUED, 2, None, None, None,
    )  # fmt: skip
    assert list(store.iter_rounds(run.id)) == store.results(run.id) == store.artifacts(run.id) == []
    store.add_event(run.id, 2, Progress("log", "base"))
    assert [(event.attempt, event.seq) for event in store.events(run.id)] == [(1, 1), (2, 2)]


def test_a_cancelled_run_that_is_resumed_is_not_cancelled_again(store: Store, spec: RunSpec) -> None:
    run = store.request_cancel(store.insert_run(spec).id)
    assert not store.requeue(run.id).cancel_requested


@pytest.mark.parametrize("state", [RunState.QUEUED, RunState.RUNNING])
def test_a_run_that_has_not_ended_is_not_requeued(store: Store, spec: RunSpec, state: RunState) -> None:
    run = store.insert_run(spec, state=state)
    store.add_rounds(run.id, [Round("after", "seen_templates", 0, 0, 0, 0, 0, "male")])
    with pytest.raises(StoreError, match="has not ended"):
        store.requeue(run.id)
    assert len(list(store.iter_rounds(run.id))) == 1


def test_only_running_runs_without_a_process_are_interrupted(store: Store, spec: RunSpec) -> None:
    queued = store.insert_run(spec)
    alive, dead, stopping = (store.insert_run(spec, state=RunState.RUNNING) for _ in range(3))
    store.request_cancel(stopping.id)
    assert set(store.interrupt_running(lambda run_id: run_id == alive.id)) == {dead.id, stopping.id}
    assert store.run(dead.id).state == RunState.INTERRUPTED
    assert "Resume" in store.run(dead.id).error
    assert store.run(stopping.id).state == RunState.CANCELLED
    assert store.run(alive.id).state == RunState.RUNNING
    assert store.run(queued.id).state == RunState.QUEUED


def test_deleting_a_run_removes_all_that_it_recorded_and_nothing_else(store: Store, spec: RunSpec) -> None:
    runs = [store.insert_run(spec, state=RunState.RUNNING) for _ in range(2)]
    for run in runs:
        store.add_event(run.id, 1, Progress("log", "base"))
        store.add_rounds(run.id, [Round("after", "seen_templates", 0, 0, 0, 0, 0, "male")])
        store.put_result(run.id, split_result(spec, "after", "seen_templates", 0.1))
        store.finish(run.id, RunState.DONE)
    store.delete_run(runs[0].id)
    with pytest.raises(UnknownRun):
        store.run(runs[0].id)
    for table in ("events", "rounds", "split_results", "context_results"):
        owners = {row["run_id"] for row in store._rows(f"SELECT run_id FROM {table}")}
        assert owners == {runs[1].id}, table


def test_a_running_run_is_not_deleted(store: Store, spec: RunSpec) -> None:
    run = store.insert_run(spec, state=RunState.RUNNING)
    with pytest.raises(StoreError, match="Cancel it first"):
        store.delete_run(run.id)
    assert store.run(run.id).state == RunState.RUNNING


def test_a_run_is_renamed_and_gets_its_first_title_back(store: Store, spec: RunSpec) -> None:
    run = store.insert_run(spec)
    assert store.rename(run.id, "  My\n run ").title == "My run"
    assert store.run(run.id).spec == spec
    assert store.rename(run.id, " ").title == spec.title
    with pytest.raises(SpecError, match="100 characters"):
        store.rename(run.id, "x" * 101)


def test_a_run_is_found_by_the_beginning_of_its_id(store: Store, spec: RunSpec) -> None:
    for run_id in ("abc1", "abc12", "b%7"):
        store.insert_run(spec, run_id)
    assert store.find_run("b").id == "b%7"
    assert store.find_run("abc1").id == "abc1"
    with pytest.raises(StoreError, match="several"):
        store.find_run("abc")
    for nothing in ("", "%", "c"):
        with pytest.raises(UnknownRun):
            store.find_run(nothing)


def test_timings_are_kept_under_their_names_only(store: Store, spec: RunSpec) -> None:
    run = store.insert_run(spec)
    store.set_timing(run.id, "sample_seconds", 2.5)
    assert store.run(run.id).sample_seconds == 2.5
    with pytest.raises(ValueError, match="title"):
        store.set_timing(run.id, "title = 'x', train_seconds", 1.0)


def test_a_run_keeps_its_training_when_a_preset_changes(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    spec = parse_spec(SPEC | {"preset": "quick", "lora_rank": 4})
    run = store.insert_run(spec)
    other = replace(PRESETS["quick"], steps=7, warmup_steps=1, learning_rate=0.5e-3)
    monkeypatch.setitem(PRESETS, "quick", other)

    kept = store.run(run.id).spec

    assert kept.training == spec.training
    # Written out today, it says in what it differs from today's preset.
    assert kept.to_mapping()["steps"] == spec.training.steps
    assert parse_spec(kept.to_mapping()) == kept


def test_a_run_keeps_its_templates_when_the_built_in_ones_change(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    given = {"attribute": "gender", "contexts": ["nurse"], "stories": True}
    before = parse_spec(given)
    run = store.insert_run(before)
    other = Templates(("A {context}?",), ("The {context}!",), ("On a {context}:",), ("Of a {context}:",))
    for module in (templates, spec_module):
        monkeypatch.setattr(module, "built_in_templates", lambda _: other)

    kept = store.run(run.id)
    assert parse_spec(given).templates == other and kept.spec.templates == before.templates
    assert kept.spec.to_mapping()["templates"]["story_heldout"] == list(before.templates.story_heldout)
    # A dataset of today has other prompts.
    assert [r.id for r in store.runs_alike(before, HOW)] == [run.id]
    assert store.runs_alike(parse_spec(given), HOW) == []


def test_story_templates_of_a_run_without_stories_are_kept_as_they_were_given(store: Store) -> None:
    own = {"story_seen": ["A {context}:"], "story_heldout": ["The {context}:"]}
    spec = parse_spec({"attribute": "gender", "contexts": ["nurse"], "templates": own})
    assert store.run(store.insert_run(spec).id).spec == spec


def test_a_run_of_before_templates_were_kept_has_the_built_in_ones(store: Store, spec: RunSpec) -> None:
    run = store.insert_run(spec)
    with store._write() as db:
        db.execute("UPDATE runs SET templates = NULL")
    assert store.run(run.id).spec == spec and store.runs_alike(spec, HOW)[0].id == run.id


def test_a_queued_run_knows_what_it_waits_for(store: Store) -> None:
    first, second, third = (
        store.insert_run(parse_spec(SPEC | {"name": name})) for name in ("One", "Two", "Three")
    )
    assert store.ahead_of(first.id) == Line()
    assert store.ahead_of(third.id) == Line((), 2)

    store.claim()
    assert store.ahead_of(third.id) == Line(("One",), 1)

    store.request_cancel(second.id)
    assert store.ahead_of(third.id) == Line(("One",), 0)
