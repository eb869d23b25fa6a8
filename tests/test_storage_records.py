"""What runs record: events, rounds, results, artifacts."""

from __future__ import annotations

import math
import time
from dataclasses import replace
from pathlib import Path

import pytest

from distalign.progress import Progress
from distalign.results import Interval, Marginal, Round
from distalign.spec import parse_spec
from storage import Run, RunState, Store, StoreError
from tests.test_jobs_runners import SIDE_EFFECTS, SPEC, split_result

HELD_OUT = ("after", "heldout_templates")


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return Store(tmp_path / "data" / "runs.db", lambda: 7.0)


@pytest.fixture
def run(store: Store) -> Run:
    return store.insert_run(parse_spec(SPEC), state=RunState.RUNNING)


def test_an_event_keeps_every_field_of_the_progress(store: Store, run: Run) -> None:
    progress = Progress("step", "hybrid", 3, 10, 0.3, 12.5, {"loss": 0.25, "kl": 1.0}, "so far")
    event = store.add_event(run.id, 1, progress)
    assert (event.run, event.attempt, event.seq, event.at) == (run.id, 1, 1, 7.0)
    for name in ("kind", "stage", "step", "total", "fraction", "eta", "values", "message"):
        assert getattr(event, name) == getattr(progress, name), name
    assert store.events(run.id) == [event] == [store.last_event(run.id)]


def test_events_are_read_on_from_a_sequence_number(store: Store, run: Run) -> None:
    for step in range(10):
        store.add_event(run.id, 1, Progress("step" if step % 2 else "log", "hybrid", step))
    assert [e.seq for e in store.events(run.id, limit=4)] == [1, 2, 3, 4]
    assert [e.seq for e in store.events(run.id, after=4, limit=4)] == [5, 6, 7, 8]
    assert [e.step for e in store.events(run.id, after=2, kinds=["step"])] == [3, 5, 7, 9]
    assert store.events(run.id, kinds=[]) == []
    assert store.events(run.id, after=10) == []
    assert store.last_event(run.id).seq == 10
    store.add_event(run.id, 2, Progress("log", "base"))
    assert [e.seq for e in store.events(run.id, attempt=2)] == [11]


def test_each_run_counts_its_own_events(store: Store, run: Run) -> None:
    other = store.insert_run(run.spec)
    store.add_event(run.id, 1, Progress("log", "base"))
    assert store.last_event(other.id) is None
    assert store.add_event(other.id, 1, Progress("log", "base")).seq == 1


def test_an_attempt_that_has_told_nothing_has_no_last_event(store: Store, run: Run) -> None:
    store.add_event(run.id, 1, Progress("stage", "save", fraction=1.0, eta=0.0))
    store.finish(run.id, RunState.DONE)
    again = store.requeue(run.id)
    assert store.last_event(run.id).stage == "save"
    assert store.last_event(run.id, again.attempt) is None
    told = store.add_event(run.id, again.attempt, Progress("stage", "prepare"))
    assert store.last_event(run.id, again.attempt) == told


def test_the_time_left_is_counted_down_since_it_was_told(store: Store, run: Run) -> None:
    event = store.add_event(run.id, 1, Progress("step", "hybrid", eta=60.0))
    assert (event.left(7.0), event.left(27.0), event.left(99.0)) == (60.0, 40.0, 0.0)
    assert store.add_event(run.id, 1, Progress("step", "hybrid")).left(7.0) is None


def some_rounds() -> list[Round]:
    texts = ("Male.", "a 100% female_x", "unsure", "C:\\male")
    return [
        Round(phase, split, context, template, index, index % 2, (0, 1, None, 0)[index], texts[index])
        for phase in ("before", "after")
        for split in ("seen_templates", "heldout_templates")
        for context in (0, 1)
        for template in (0, 1)
        for index in range(4)
    ]


def test_rounds_come_back_as_they_were(store: Store, run: Run) -> None:
    given = some_rounds()
    store.add_rounds(run.id, given)
    assert sorted(store.iter_rounds(run.id), key=repr) == sorted(given, key=repr)


@pytest.mark.parametrize(
    ("filters", "count"),
    [
        ({}, 16),
        ({"context": 0}, 8),
        ({"category": 0}, 8),
        ({"category": 1, "context": 1}, 2),
        ({"unclassified": True}, 4),
        ({"unclassified": True, "category": 1}, 4),
        ({"query": "MALE"}, 12),
        ({"query": "100%"}, 4),
        ({"query": "%"}, 4),
        ({"query": "_"}, 4),
        ({"query": ":\\"}, 4),
        ({"query": "male", "category": 0, "context": 1}, 4),
        ({"query": "' OR 1=1 --"}, 0),
        ({"context": 7}, 0),
    ],
)
def test_rounds_are_filtered_and_counted_alike(store: Store, run: Run, filters: dict, count: int) -> None:
    store.add_rounds(run.id, some_rounds())
    store.add_rounds(store.insert_run(run.spec).id, some_rounds())
    found = store.rounds(run.id, *HELD_OUT, **filters)
    assert len(found) == store.count_rounds(run.id, *HELD_OUT, **filters) == count
    assert {(r.phase, r.split) for r in found} <= {HELD_OUT}


def test_pages_of_rounds_join_without_gaps(store: Store, run: Run) -> None:
    store.add_rounds(run.id, some_rounds())
    pages = [store.rounds(run.id, *HELD_OUT, offset=offset, limit=5) for offset in (0, 5, 10, 15)]
    assert [len(page) for page in pages] == [5, 5, 5, 1]
    joined = [(r.context, r.template, r.index) for page in pages for r in page]
    assert joined == sorted(set(joined))


def test_a_round_is_not_counted_twice_and_a_bad_batch_leaves_none(store: Store, run: Run) -> None:
    first, second, *_ = some_rounds()
    store.add_rounds(run.id, [first])
    with pytest.raises(StoreError, match="UNIQUE"):
        store.add_rounds(run.id, [second, first])
    assert list(store.iter_rounds(run.id)) == [first]


def test_every_round_is_read_across_the_pages_of_the_iterator(store: Store, run: Run) -> None:
    store.add_rounds(run.id, (Round(*HELD_OUT, i % 7, i % 3, i, None, None, "x") for i in range(4001)))
    seen = set()
    for round_ in store.iter_rounds(run.id):
        if round_.index == 2000:
            store.add_event(run.id, 1, Progress("log", "sample"))
        seen.add(round_.index)
    assert seen == set(range(4001))


def test_the_reader_of_rounds_stays_quick_with_many(store: Store, run: Run) -> None:
    rounds = (Round(*HELD_OUT, i // 1000, i % 8, i, 0, (0, 1, None)[i % 3], "female") for i in range(60_000))
    store.add_rounds(run.id, rounds)
    began = time.perf_counter()
    assert store.count_rounds(run.id, *HELD_OUT, category=1) == 20_000
    assert store.count_rounds(run.id, *HELD_OUT, context=30, unclassified=True) == 333
    assert len(store.rounds(run.id, *HELD_OUT, offset=59_990)) == 10
    assert time.perf_counter() - began < 1.0


def test_results_come_back_with_their_contexts_before_ahead_of_after(store: Store, run: Run) -> None:
    given = [
        split_result(run.spec, phase, split, 0.1)
        for phase in ("before", "after")
        for split in ("seen_templates", "heldout_templates")
    ]
    for result in reversed(given):
        store.put_result(run.id, result)
    assert store.results(run.id) == given


def test_a_result_replaces_the_one_before_it(store: Store, run: Run) -> None:
    store.put_result(run.id, split_result(run.spec, *HELD_OUT, 0.1))
    better = split_result(run.spec, *HELD_OUT, 0.05)
    better = replace(better, contexts=better.contexts[:1])
    store.put_result(run.id, better)
    assert store.results(run.id) == [better]


def test_a_measure_that_could_not_be_taken_comes_back_as_nan(store: Store, run: Run) -> None:
    result = split_result(run.spec, *HELD_OUT, 0.1)
    nothing = Interval(math.nan, math.nan, math.nan)
    context = replace(result.contexts[0], realized=(math.nan, math.nan), mae=math.nan, kl=math.inf)
    store.put_result(run.id, replace(result, mae=nothing, chi2_p=math.nan, contexts=(context,)))
    (back,) = store.results(run.id)
    assert math.isnan(back.mae.low)
    assert math.isnan(back.chi2_p)
    assert math.isnan(back.contexts[0].realized[1])
    assert back.contexts[0].kl == math.inf
    assert back.agreement is None


def test_side_effects_come_back_as_they_were_and_leave_with_their_attempt(store: Store, run: Run) -> None:
    assert store.side_effects(run.id) is None
    store.put_side_effects(run.id, replace(SIDE_EFFECTS, tokens=7))
    store.put_side_effects(run.id, SIDE_EFFECTS)
    assert store.side_effects(run.id) == SIDE_EFFECTS
    store.finish(run.id, RunState.DONE)
    store.requeue(run.id)
    assert store.side_effects(run.id) is None


def test_summaries_are_the_held_out_results_after_training(store: Store, run: Run) -> None:
    without = store.insert_run(run.spec)
    for phase, mae in (("before", 0.4), ("after", 0.1)):
        for split in ("seen_templates", "heldout_templates"):
            store.put_result(run.id, split_result(run.spec, phase, split, mae))
    store.put_result(without.id, split_result(run.spec, "before", "heldout_templates", 0.4))
    summaries = store.summaries([run.id, without.id, "nope"])
    assert {i: (s.phase, s.split, s.mae.value) for i, s in summaries.items()} == {run.id: (*HELD_OUT, 0.1)}
    assert store.summaries([]) == {}
    # A run that is done and trained nothing has its only figures in the first phase.
    store.finish(without.id, RunState.DONE)
    assert store.summaries([without.id]) == {}
    for run_id in (run.id, store.insert_run(run.spec, "baseline", RunState.RUNNING).id):
        store.put_result(run_id, split_result(run.spec, "before", "heldout_templates", 0.4))
        store.finish(run_id, RunState.DONE)
    values = {i: s.mae.value for i, s in store.summaries([run.id, "baseline"]).items()}
    assert values == {run.id: 0.1, "baseline": 0.4}


def test_an_artifact_is_found_after_the_data_folder_moved(store: Store, run: Run, tmp_path: Path) -> None:
    file = tmp_path / "data" / "runs" / run.id / "adapter.zip"
    file.parent.mkdir(parents=True)
    file.write_bytes(b"abc")
    artifact = store.add_artifact(run.id, "adapter", file)
    assert (artifact.path, artifact.bytes, artifact.created_at) == (file, 3, 7.0)
    assert artifact.sha256 == "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"
    store.close()
    (tmp_path / "data").rename(tmp_path / "moved")
    (moved,) = Store(tmp_path / "moved" / "runs.db").artifacts(run.id)
    assert moved.path.read_bytes() == b"abc"


def test_a_file_elsewhere_and_a_second_of_the_same_kind(store: Store, run: Run, tmp_path: Path) -> None:
    for name in ("one.zip", "two.zip"):
        (tmp_path / name).write_bytes(name.encode())
        store.add_artifact(run.id, "adapter", tmp_path / name)
    assert [artifact.path for artifact in store.artifacts(run.id)] == [tmp_path / "two.zip"]


def test_only_plain_files_become_artifacts(store: Store, run: Run, tmp_path: Path) -> None:
    (tmp_path / "secret").write_text("x")
    (tmp_path / "link.zip").symlink_to(tmp_path / "secret")
    for path in (tmp_path / "link.zip", tmp_path, tmp_path / "missing.zip"):
        with pytest.raises(StoreError, match="not a plain file"):
            store.add_artifact(run.id, "adapter", path)
    assert store.artifacts(run.id) == []


def test_the_parts_of_a_joint_attribute_are_kept_with_their_result(store: Store, run: Run) -> None:
    unknown = Interval(math.nan, math.nan, math.nan)
    gender = Marginal(
        "gender", ("male", "female"), (0.5, 0.5), (0.25, 0.75), Interval(0.25, 0.2, 0.3), 0.04, unknown
    )
    sentiment = replace(gender, attribute="Größe", categories=("klein", "groß"))
    result = replace(split_result(run.spec, *HELD_OUT, 0.1), marginals=(gender, sentiment))
    store.put_result(run.id, result)

    (kept,) = store.results(run.id)
    assert [m.attribute for m in kept.marginals] == ["gender", "Größe"]
    assert math.isnan(kept.marginals[0].ratio.value)
    assert replace(kept.marginals[1], ratio=unknown) == replace(sentiment, ratio=unknown)
    assert store.summaries([run.id])[run.id].marginals[0].mae == gender.mae
