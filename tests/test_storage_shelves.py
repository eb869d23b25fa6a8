"""Runs put in order in the store: lists and searches, tags and notes, the archive, deleting with a way back."""

from __future__ import annotations

from pathlib import Path

import pytest

from distalign.errors import SpecError
from distalign.progress import Progress
from distalign.results import Round
from distalign.spec import parse_spec
from storage import Run, RunFilter, RunState, Store, StoreError, UnknownRun, Usage
from storage import migrations as schema
from tests.test_jobs_runners import SPEC
from tests.test_storage_runs import Clock, ended


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def store(tmp_path: Path, clock: Clock) -> Store:
    return Store(tmp_path / "runs.db", clock)


def run_of(store: Store, state: RunState = RunState.DONE, **fields: object) -> Run:
    return ended(store, parse_spec(SPEC | fields), state)


def found(store: Store, *words: str, names: dict[str, str] | None = None, **which: object) -> list[str]:
    filtered = RunFilter(" ".join(words), **which)
    listed = [run.title for run in store.listed_runs(which=filtered, names=names)]
    if not names:
        assert [run.title for run in store.runs(which=filtered)] == listed
    return listed


# --- searching ---------------------------------------------------------------------


def test_a_search_looks_at_name_tag_note_attribute_method_and_state(store: Store) -> None:
    race = run_of(store, attribute="race", contexts=["nurse"], target="even", name="Alpha", method="kl_only")
    run_of(store, RunState.FAILED, name="Beta")
    store.set_tags(race.id, ["for the report"])
    store.set_note(race.id, "The seeds disagree.")

    for words in ("alp", "RACE", "kl only", "kl_only", "done", "report", "disagree", "alpha race done"):
        assert found(store, words) == ["Alpha"], words
    assert found(store, "failed") == ["Beta"]
    assert found(store, "alpha failed") == []
    assert found(store, race.id[:6]) == ["Alpha"]
    assert found(store, race.id[3:]) == [], "an id is known by its beginning"
    assert found(store) == ["Beta", "Alpha"]


def test_a_search_finds_what_readers_call_methods_and_states(store: Store) -> None:
    run_of(store, name="Tuned", method="sft")
    store.insert_run(parse_spec(SPEC | {"name": "Queued"}))
    names = {"sft": "Fine-tuning", "queued": "Waiting"}

    assert found(store, "fine-t", names=names) == ["Tuned"]
    assert found(store, "wait", names=names) == ["Queued"]
    assert found(store, "fine-t") == []


@pytest.mark.parametrize("word", ["%", "_", "a%b", "\\", "'", '"; DROP TABLE runs; --'])
def test_signs_of_the_database_are_letters_like_others(store: Store, word: str) -> None:
    run_of(store, name=f"with {word} in it")
    run_of(store, name="plain")
    assert found(store, word.split()[0]) == [f"with {word} in it"]


def test_a_tag_and_a_state_are_filters_of_their_own(store: Store) -> None:
    one, other = run_of(store, name="one"), run_of(store, RunState.CANCELLED, name="other")
    store.set_tags(one.id, ["Seed", "paper"])
    store.set_tags(other.id, ["seeds"])

    assert found(store, tag="seed") == ["one"]
    assert found(store, tag="see") == []
    assert found(store, state=RunState.CANCELLED) == ["other"]
    assert found(store, tag="seeds", state=RunState.DONE) == []


def test_a_list_reads_its_index_alone(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    read, told = store._rows, []

    def explained(sql, parameters=()):
        told.extend(row["detail"] for row in read(f"EXPLAIN QUERY PLAN {sql}", parameters))
        return read(sql, parameters)

    monkeypatch.setattr(store, "_rows", explained)
    store.listed_runs(which=RunFilter("kl gender", "tag", RunState.DONE))
    of_runs = [step for step in told if "runs" in step]
    assert of_runs and all("COVERING INDEX runs_listed" in step for step in of_runs)
    assert not any("TEMP B-TREE" in step for step in told)


# --- tags, notes, names ----------------------------------------------------------------


def test_tags_are_cleaned_and_sorted_and_kept_once(store: Store) -> None:
    run = run_of(store)
    assert store.set_tags(run.id, ["  zebra ", "Äpfel", "a  b", "", "ZEBRA"]).tags == (
        "a b",
        "zebra",
        "Äpfel",
    )
    assert store.listed_runs()[0].tags == store.run(run.id).tags
    assert found(store, "äpfel") == [], "letters beyond ASCII keep their case"
    assert found(store, "Äpfel") == [run.title]
    assert store.set_tags(run.id, []).tags == ()


@pytest.mark.parametrize("tags", [["x" * 41], ["a,b"], [f"t{n}" for n in range(21)]])
def test_tags_that_cannot_be_used_are_named_and_change_nothing(store: Store, tags: list[str]) -> None:
    run = run_of(store)
    store.set_tags(run.id, ["kept"])
    with pytest.raises(SpecError, match="tags: "):
        store.set_tags(run.id, tags)
    assert store.run(run.id).tags == ("kept",)


def test_name_tags_and_note_change_together_or_not_at_all(store: Store) -> None:
    run = run_of(store)
    new = store.describe(run.id, " New  name ", ["b", "a"], "  Two\nlines ")
    assert (new.title, new.tags, new.note) == ("New name", ("a", "b"), "Two\nlines")
    for wrong in (("x" * 101, ["c"], ""), ("y", ["c,d"], ""), ("y", ["c"], "n" * 4001)):
        with pytest.raises(SpecError):
            store.describe(run.id, *wrong)
    assert store.run(run.id) == new
    assert store.describe(run.id, "", [], "").title == run.spec.title

    parts = [{"name": f"{'wide ' * 9}{i}", "categories": [f"{i}a", f"{i}b"]} for i in (1, 2)]
    long = store.insert_run(
        parse_spec({"attribute": [*parts, "gender"], "contexts": ["x"], "target": "even"})
    )
    assert len(long.title) > 100
    assert store.describe(long.id, long.title, ["kept"], "").tags == ("kept",), (
        "a title of its own is taken back"
    )


# --- archive, delete, restore -------------------------------------------------------------


def test_an_archived_run_leaves_the_lists_and_comes_back_as_it_was(store: Store, clock: Clock) -> None:
    run = run_of(store, name="old")
    clock.now = 1500.0
    assert store.archive_run(run.id).archived_at == 1500.0
    assert found(store) == [] and store.runs_with_results() == []
    assert found(store, shelf="archived") == ["old"]
    assert store.restore_run(run.id) == run
    assert found(store) == ["old"]


def test_only_an_ended_run_is_archived_and_a_resumed_one_is_back(store: Store) -> None:
    waiting = store.insert_run(parse_spec(SPEC))
    with pytest.raises(StoreError, match="has not ended"):
        store.archive_run(waiting.id)
    cancelled = store.request_cancel(waiting.id)
    store.archive_run(cancelled.id)
    assert store.requeue(cancelled.id).archived_at is None


def test_a_run_that_is_started_again_meanwhile_is_not_archived(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = run_of(store)
    store.requeue(run.id)
    with monkeypatch.context() as patched:
        # What a reader knew of it a moment ago.
        patched.setattr(store, "run", lambda _: run)
        with pytest.raises(StoreError, match="has not ended"):
            store.archive_run(run.id)
    assert store.run(run.id).archived_at is None


def test_a_deleted_run_is_nowhere_but_can_be_restored_whole(store: Store, clock: Clock) -> None:
    run = run_of(store, name="gone")
    store.add_rounds(run.id, [Round("after", "seen_templates", 0, 0, 0, 0, 0, "male")])
    clock.now = 2000.0
    assert store.mark_deleted(run.id).deleted_at == 2000.0
    assert found(store) == [] and found(store, shelf="archived") == []
    assert store.runs_with_results(also=run.id) == []
    assert (store.count_runs(), store.count_runs(RunState.DONE)) == (0, 0)
    assert found(store, shelf="deleted") == ["gone"]
    with pytest.raises(StoreError, match="Restore it first"):
        store.requeue(run.id)
    assert store.restore_run(run.id) == run
    assert len(list(store.iter_rounds(run.id))) == 1


def test_undoing_a_deletion_leaves_an_archived_run_in_the_archive(store: Store) -> None:
    run = store.insert_run(parse_spec(SPEC), state=RunState.RUNNING)
    store.finish(run.id, RunState.DONE)
    archived = store.archive_run(run.id)
    store.mark_deleted(run.id)
    with pytest.raises(StoreError, match="is deleted"):
        store.archive_run(run.id)
    assert store.restore_run(run.id) == archived
    assert store.restore_run(run.id).archived_at is None


def test_a_deleted_run_that_waited_is_not_claimed_until_it_is_restored(store: Store) -> None:
    run = store.insert_run(parse_spec(SPEC))
    store.mark_deleted(run.id)
    assert store.claim() is None
    store.restore_run(run.id)
    assert store.claim().id == run.id


def test_a_running_run_is_not_deleted(store: Store) -> None:
    run = store.insert_run(parse_spec(SPEC), state=RunState.RUNNING)
    with pytest.raises(StoreError, match="Cancel it first"):
        store.mark_deleted(run.id)
    assert store.run(run.id).deleted_at is None


def test_only_what_was_deleted_long_enough_ago_is_purged(store: Store, clock: Clock) -> None:
    old, new, kept, back = (run_of(store, name=name) for name in ("old", "new", "kept", "back"))
    store.add_usage(old.id, 1, Usage(1.0, 10, 20, 2.0, 1.0, 2))
    store.add_event(old.id, 1, Progress("log", "base"))
    for run in (old, back):
        store.mark_deleted(run.id)
    store.restore_run(back.id)
    clock.now += 500
    store.mark_deleted(new.id)
    clock.now += 100
    store.mark_deleted(old.id)  # once more: its time does not begin anew
    assert store.purge_deleted(600) == [old.id]
    assert store.purge_deleted(600) == []
    with pytest.raises(UnknownRun):
        store.run(old.id)
    assert store._rows("SELECT * FROM usage") == store._rows("SELECT * FROM events") == []
    assert {run.id for run in store.runs()} == {kept.id, back.id}


@pytest.mark.parametrize(
    "call",
    [
        lambda s: s.set_tags("nope", ["a"]),
        lambda s: s.set_note("nope", "a"),
        lambda s: s.describe("nope", "a", [], ""),
        lambda s: s.archive_run("nope"),
        lambda s: s.mark_deleted("nope"),
        lambda s: s.restore_run("nope"),
        lambda s: s.add_usage("nope", 1, Usage(1.0, 10, 20, 2.0, 1.0, 2)),
    ],
)
def test_every_method_names_an_unknown_run(store: Store, call) -> None:
    with pytest.raises(UnknownRun):
        call(store)


# --- usage --------------------------------------------------------------------------------


def test_usage_is_summed_up_over_time(store: Store) -> None:
    run = run_of(store)
    assert store.usage_summary(run.id, 1) is None and store.usage(run.id, 1) == []
    store.add_usage(run.id, 1, Usage(10.0, 300, 400, 1.0, 2.0, 2))
    store.add_usage(run.id, 1, Usage(13.0, 100, 500, 3.0, 1.0, 2, 70, 0.5))
    used = store.usage_summary(run.id, 1)
    assert (used.samples, used.peak_memory, used.cores) == (2, 500, 2)
    assert used.cpu == pytest.approx(1.25), "three of four seconds used one core"
    assert (used.peak_gpu_memory, used.gpu) == (70, 0.5)
    assert used.last == Usage(13.0, 100, 500, 3.0, 1.0, 2, 70, 0.5)
    assert store.usage_summary(run.id, 2) is None


def test_of_many_samples_a_few_are_spread_out_with_the_newest(store: Store) -> None:
    run = run_of(store)
    for second in range(100):
        store.add_usage(run.id, 1, Usage(float(second), second, second, 1.0, 1.0, 2))
    samples = store.usage(run.id, 1, most=10)
    assert [s.at for s in samples] == [9, 19, 29, 39, 49, 59, 69, 79, 89, 99]
    assert len(store.usage(run.id, 1)) == 100


# --- older files --------------------------------------------------------------------------


def test_an_older_file_learns_the_attributes_of_its_runs(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    custom = {"name": "age group", "categories": ["young", "old"]}
    attributes = ["gender", custom, ["gender", "race"], ["gender", custom]]
    specs = [
        parse_spec({"attribute": a, "contexts": ["nurse"], "target": "even", "name": f"run {n}"}).to_json()
        for n, a in enumerate(attributes)
    ]
    at = schema.STEPS.index(schema.runs_put_in_order)
    with monkeypatch.context() as older:
        older.setattr(schema, "STEPS", schema.STEPS[:at])
        old = Store(tmp_path / "old.db")
        with old._write() as db:
            for number, spec in enumerate([*specs, "{"]):
                db.execute(
                    "INSERT INTO runs (id, state, title, spec, created_at, queued_at) "
                    "VALUES (?, 'done', ?, ?, 1.0, 1.0)",
                    [f"run{number}", f"run {number}", spec],
                )
        old.close()

    store = Store(tmp_path / "old.db")
    rows = store._rows("SELECT attribute, tags, note, archived_at, deleted_at FROM runs ORDER BY number")
    assert [row["attribute"] for row in rows] == [
        "gender", "age group", "gender and race", "gender and age group", "",
    ]  # fmt: skip
    assert {(row["tags"], row["note"], row["archived_at"], row["deleted_at"]) for row in rows} == {
        ("[]", "", None, None)
    }
    new = store.insert_run(
        parse_spec({"attribute": ["gender", "race"], "contexts": ["nurse"], "target": "even"})
    )
    assert store._rows("SELECT attribute FROM runs WHERE id = ?", [new.id]) == [
        {"attribute": "gender and race"}
    ]
