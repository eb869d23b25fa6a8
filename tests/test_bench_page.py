"""The measurement of the page's speed: what it makes, and that it asks what a browser asks."""

from __future__ import annotations

import os
from contextlib import closing
from pathlib import Path

import pytest

from bench import page_data, page_server
from bench.errors import BenchError
from bench.page_app import start_app, without_worker
from bench.page_session import Session
from distalign.folders import DataFolder
from storage import RunState, Store


def test_the_made_up_database_holds_what_it_says(tmp_path: Path) -> None:
    made = page_data.make(tmp_path, runs=16, contexts=3, rounds=20, live_events=30)
    store = Store(DataFolder(tmp_path).database)
    runs = store.runs()
    assert len(runs) == made.runs == 16
    assert sum(len(list(store.iter_rounds(run.id))) for run in runs) == made.rounds
    assert len(list(store.iter_rounds(made.long))) == made.long_rounds == 120
    assert store.last_event(made.live).step == made.live_events
    assert store.run(made.ordinary).state == RunState.DONE
    assert {RunState.FAILED, RunState.CANCELLED, RunState.RUNNING} < {run.state for run in runs}
    assert all(store.results(run.id) for run in runs if run.state == RunState.DONE)


def test_it_sees_the_answers_that_a_browser_gets(tmp_path: Path) -> None:
    made = page_data.make(tmp_path, runs=4, contexts=501, rounds=1, live_events=3)
    with without_worker(tmp_path), start_app(tmp_path) as app:
        with closing(Session(app.url)) as session:
            asked = page_server._requests(session, made)
            said = {name: str(call(session.reopened()).data) for name, call in asked.items()}
        assert made.ordinary in said["list of all runs"]
        assert "occupation" in said["show the long run"]
        assert "1 to 25 of" in said["rounds: all of a split"]
        assert "26 to 50 of" in said["rounds: next page"]
        assert "No round matches" in said["rounds: a word that is nowhere"]
        assert page_server.train(app, 1)["median_ms"] > 0
        assert {run.state for run in app.store.runs(limit=1)} == {RunState.CANCELLED}
        polled = page_server.poll(app, made, 1)
        assert polled["kilobytes"] > 0.5
        assert app.store.last_event(made.live).step > 3


def test_polls_without_a_writer_are_not_measured(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    made = page_data.make(tmp_path, runs=4, contexts=3, rounds=2, live_events=3)
    # Anything that takes the same arguments and ends at once.
    monkeypatch.setattr(page_server, "write_on", os.path.join)
    with (
        pytest.raises(BenchError, match=f"writes to run {made.live} ended with exit code 0"),
        page_server._writer(Store(DataFolder(tmp_path).database), made.live),
    ):
        raise AssertionError("was measured")
