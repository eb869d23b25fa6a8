"""The command line's verbs that put runs in order, and that look at what they used and told."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from bench.made_up import add_steps, finished_run
from distalign.folders import DataFolder
from distalign.progress import Progress
from distalign.spec import parse_spec
from jobs.cli import main
from jobs.curves import rows_of, value_at
from storage import Run, RunState, Store, Usage
from tests.test_jobs_runners import SPEC

SMALL = {"contexts": ["bakers", "pilots"], "target": "even", "rounds": 4}


@pytest.fixture
def data(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> DataFolder:
    monkeypatch.setenv("DISTALIGN_DATA", str(tmp_path / "data"))
    return DataFolder.from_environment()


@pytest.fixture
def store(data: DataFolder) -> Store:
    return Store(data.database)


@pytest.fixture
def run(store: Store, data: DataFolder) -> Run:
    return finished_run(store, data.root, SMALL, steps=20)


def said(capsys: pytest.CaptureFixture, *arguments: str, code: int = 0) -> str:
    capsys.readouterr()
    assert main(list(arguments)) == code
    out, err = capsys.readouterr()
    return err if code else out


def test_runs_are_tagged_noted_and_renamed(run: Run, store: Store, capsys: pytest.CaptureFixture) -> None:
    assert said(capsys, "tag", run.id[:5], "paper", "seed 0") == f"{run.id} paper, seed 0\n"
    assert said(capsys, "tag", run.id, "PAPER", "x", "--remove") == f"{run.id} seed 0\n"
    assert said(capsys, "note", run.id, "Looks\nright.") == "Looks\nright.\n"
    assert said(capsys, "note", run.id) == "Looks\nright.\n"
    assert said(capsys, "rename", run.id, " First try ") == f"{run.id} First try\n"
    out = said(capsys, "show", run.id)
    assert out.startswith("First try\n") and "tags: seed 0\nnote: Looks\nright." in out
    shown = json.loads(said(capsys, "show", run.id, "--json"))
    assert (shown["title"], shown["tags"], shown["note"]) == ("First try", ["seed 0"], "Looks\nright.")
    assert said(capsys, "note", run.id, "") == f"{run.id} has no note\n"
    assert said(capsys, "rename", run.id, "") == f"{run.id} {run.title}\n"
    assert "tags: 'a,b' is no tag" in said(capsys, "tag", run.id, "a,b", code=2)


def test_a_run_that_is_started_again_shows_nothing_of_the_last_attempt(
    run: Run, store: Store, capsys: pytest.CaptureFixture
) -> None:
    assert "% done" in said(capsys, "show", run.id)
    store.requeue(run.id)
    assert "% done" not in said(capsys, "show", run.id)
    shown = json.loads(said(capsys, "show", run.id, "--json"))
    assert [shown[name] for name in ("state", "stage", "fraction", "eta")] == ["queued", None, 0.0, None]


def test_the_list_is_searched_and_filtered(run: Run, store: Store, capsys: pytest.CaptureFixture) -> None:
    other = store.insert_run(parse_spec(SPEC | {"name": "Other"}))
    store.set_tags(run.id, ["paper"])

    def listed(*arguments: str) -> list[str]:
        return [r["run_id"] for r in json.loads(said(capsys, "list", "--json", *arguments))]

    assert listed() == [other.id, run.id]
    assert listed("--search", "other queued") == listed("--search", "waiting hybrid") == [other.id]
    assert listed("--tag", "Paper") == listed("--state", "done") == [run.id]
    assert listed("--archived") == listed("--deleted") == []
    assert "paper" in said(capsys, "list")
    assert said(capsys, "list", "--search", "zebra").startswith("No run is like that")


def test_a_run_is_archived_and_restored(run: Run, capsys: pytest.CaptureFixture) -> None:
    said(capsys, "archive", run.id)
    assert "No runs" in said(capsys, "list")
    assert run.id in said(capsys, "list", "--archived")
    assert "done, archived" in said(capsys, "show", run.id)
    assert said(capsys, "restore", run.id) == f"{run.id} done\n"
    assert run.id in said(capsys, "list")


def test_a_deleted_run_comes_back_unless_it_was_removed_at_once(
    run: Run, store: Store, data: DataFolder, capsys: pytest.CaptureFixture
) -> None:
    data.run(run.id).mkdir(parents=True)
    out = said(capsys, "delete", run.id)
    assert "within 10 minutes" in out and f"python -m jobs restore {run.id}" in out
    assert "No runs" in said(capsys, "list") and run.id in said(capsys, "list", "--deleted")
    said(capsys, "restore", run.id)
    assert store.run(run.id) == run
    assert said(capsys, "delete", run.id[:6], "--now") == f"{run.id} deleted for good\n"
    assert not data.run(run.id).exists()
    assert "is not known" in said(capsys, "restore", run.id, code=2)


def test_what_a_run_used_is_told(run: Run, store: Store, capsys: pytest.CaptureFixture) -> None:
    used = store.usage_summary(run.id, 1)
    line = f"peak memory {used.peak_memory / 2**30:.2f} GB, {used.cpu:.1f} of 2 cores busy on average"
    assert line in said(capsys, "usage", run.id) and line in said(capsys, "show", run.id)
    told = json.loads(said(capsys, "usage", run.id, "--json"))
    assert len(told["samples"]) == told["summary"]["samples"] == used.samples
    waiting = store.insert_run(parse_spec(SPEC))
    assert "has no samples" in said(capsys, "usage", waiting.id, code=2)


def test_what_a_run_used_of_a_gpu_has_columns_where_there_was_one(
    run: Run, store: Store, capsys: pytest.CaptureFixture
) -> None:
    assert "GPU" not in said(capsys, "usage", run.id)
    other = store.insert_run(parse_spec(SPEC), state=RunState.RUNNING)
    # Before its first step, a process has nothing of the GPU; a driver may not tell how busy it is.
    store.add_usage(other.id, 1, Usage(101.0, 2**30, 2**30, 1.0, 1.5, 2))
    store.add_usage(other.id, 1, Usage(102.0, 2**30, 2**30, 1.0, 1.5, 2, 3 * 2**30))
    header, _, first, last = said(capsys, "usage", other.id).splitlines()[2:]
    assert "GPU memory" in header and "GPU busy" not in header
    assert first.split()[-1] == "–" and last.endswith("3.00 GB")
    store.add_usage(other.id, 1, Usage(103.0, 2**30, 2**30, 1.0, 1.5, 2, 2**30, 0.5))
    header, *_, last = said(capsys, "usage", other.id).splitlines()[2:]
    assert "GPU busy" in header and last.endswith("50.0%")


def test_curves_of_several_runs_stand_side_by_side(
    run: Run, store: Store, capsys: pytest.CaptureFixture
) -> None:
    short = store.insert_run(parse_spec(SPEC), state=RunState.RUNNING)
    add_steps(store, short, 10)
    lines = said(capsys, "curves", run.id, short.id).splitlines()
    assert lines[:2] == [f"{run.id} {run.title}", f"{short.id} {short.title}"]
    rows = [line.split() for line in lines[5:]]
    assert [row[0] for row in rows] == ["1", *(str(step) for step in range(2, 21, 2))]
    assert rows[-1][2] == "–" and "–" not in rows[0]
    series = json.loads(said(capsys, "curves", run.id, short.id, "--value", "error", "--json"))
    assert [len(s["points"]) for s in series] == [20, 10]
    waiting = store.insert_run(parse_spec(SPEC))
    assert "none of these runs has trained" in said(capsys, "curves", waiting.id, code=2)


def test_a_value_is_the_newest_at_a_step() -> None:
    points = [(2, {"loss": 3.0}), (5, {"loss": float("nan")}), (9, {"loss": 1.0})]
    assert [value_at(points, "loss", step) for step in (1, 2, 4, 5, 9, 99)] == [
        None,
        3.0,
        3.0,
        None,
        1.0,
        1.0,
    ]
    assert rows_of([[], []], "loss") == []


def test_the_time_left_is_looked_back_on(data: DataFolder, capsys: pytest.CaptureFixture) -> None:
    now = [1000.0]
    store = Store(data.database, lambda: now[0])
    run = store.insert_run(parse_spec(SPEC), state=RunState.RUNNING)
    assert "is not done" in said(capsys, "timeleft", run.id, code=2)
    for second in range(100):
        now[0] = 1000.0 + second
        store.add_event(run.id, 1, Progress("step", "base", second, 100, eta=2.0 * (100 - second)))
    now[0] = 1100.0
    store.finish(run.id, RunState.DONE)
    lines = said(capsys, "timeleft", run.id).splitlines()
    assert lines[2].split() == ["10%", "1:30", "3:00", "+100%", "+90%"]
    assert len(lines) == 2 + 9
    assert json.loads(said(capsys, "timeleft", run.id, "--json"))[0]["error"] == 1.0
