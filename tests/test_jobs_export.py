"""Exports hold what the store holds, in names, and no cell runs as a formula."""

from __future__ import annotations

import csv
import io
import json
import math
from dataclasses import replace
from pathlib import Path

import pytest

from distalign.errors import DiskError
from distalign.progress import Progress
from distalign.results import Interval, Marginal, Round
from distalign.spec import parse_spec
from jobs import export
from jobs.reporting.files import content
from jobs.reporting.views import View
from storage import Run, RunState, Store
from tests.test_jobs_runners import SPEC, split_result

SPEC_WITH_FORMULAS = SPEC | {"contexts": ["=cmd|' /C calc'!A0", "pilot, first"]}


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return Store(tmp_path / "runs.db")


@pytest.fixture
def run(store: Store) -> Run:
    return store.insert_run(parse_spec(SPEC_WITH_FORMULAS), state=RunState.RUNNING)


def rows_of(path: Path) -> list[dict[str, str]]:
    with path.open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


@pytest.mark.parametrize("text", ["=1+1", "+1", "-1", "@x", "\tx", "\rx"])
def test_a_text_that_a_spreadsheet_would_run_is_quoted(
    store: Store, run: Run, tmp_path: Path, text: str
) -> None:
    store.add_rounds(run.id, [Round("after", "heldout_templates", 0, 1, 5, 0, None, text)])
    export.rounds_csv(store, run.id, tmp_path / "rounds.csv")
    (row,) = rows_of(tmp_path / "rounds.csv")
    assert row["text"] == "'" + text
    assert row["context"] == "'=cmd|' /C calc'!A0"


def test_numbers_and_plain_texts_are_left_as_they_are() -> None:
    given = [-0.5, 3, None, "a=b", "male", ""]
    assert [export.safe_cell(value) for value in given] == given


def test_rounds_are_exported_with_names_in_place_of_indices(store: Store, run: Run, tmp_path: Path) -> None:
    store.add_rounds(
        run.id,
        [
            Round("after", "heldout_templates", 1, 1, 5, 0, None, 'He said "no",\nthen é'),
            Round("after", "heldout_templates", 1, 1, 6, None, 1, "female"),
        ],
    )
    export.rounds_csv(store, run.id, tmp_path / "rounds.csv")
    first, second = rows_of(tmp_path / "rounds.csv")
    template = run.spec.templates.heldout[1]
    assert first == {
        "phase": "after",
        "split": "heldout_templates",
        "context": "pilot, first",
        "template": template,
        "round": "5",
        "steering": "male",
        "category": "",
        "text": 'He said "no",\nthen é',
    }
    assert (second["steering"], second["category"]) == ("", "female")

    export.rounds_json(store, run.id, tmp_path / "rounds.json")
    loaded = json.loads((tmp_path / "rounds.json").read_text("utf-8"))
    assert [r["category"] for r in loaded] == [None, "female"]
    assert loaded[0]["text"] == 'He said "no",\nthen é'
    assert loaded[0]["round"] == 5


def test_results_are_exported_for_splits_and_contexts(store: Store, run: Run, tmp_path: Path) -> None:
    store.put_result(run.id, split_result(run.spec, "before", "heldout_templates", 0.4))
    store.put_result(run.id, split_result(run.spec, "after", "heldout_templates", 0.05))
    export.results_csv(store, run.id, tmp_path / "results.csv")
    rows = rows_of(tmp_path / "results.csv")
    assert [(row["phase"], row["context"]) for row in rows] == [
        (phase, context)
        for phase in ("before", "after")
        for context in ("", "'=cmd|' /C calc'!A0", "pilot, first")
    ]
    split, context = rows[3], rows[5]
    assert (float(split["mae"]), float(split["mae_low"]), float(split["unclassified"])) == (0.05, 0.025, 0.25)
    assert (float(context["target male"]), float(context["realized female"])) == (0.3, 0.75)
    assert float(context["unclassified"]) == 0.25

    export.results_json(store, run.id, tmp_path / "results.json")
    loaded = json.loads((tmp_path / "results.json").read_text("utf-8"))
    assert parse_spec(loaded["spec"]) == run.spec
    after = loaded["results"][1]
    assert (after["phase"], after["mae"], after["mae_high"]) == ("after", 0.05, 0.1)
    assert after["contexts"][1]["target"] == {"male": 0.3, "female": 0.7}


def test_a_measure_that_is_not_a_number_is_null_or_empty(store: Store, run: Run, tmp_path: Path) -> None:
    nothing = Interval(math.nan, math.nan, math.inf)
    result = replace(split_result(run.spec, "after", "seen_templates", 0.1), kl=nothing)
    store.put_result(run.id, result)
    export.results_json(store, run.id, tmp_path / "results.json")
    text = (tmp_path / "results.json").read_text("utf-8")
    assert "NaN" not in text
    assert json.loads(text)["results"][0]["kl_high"] is None
    export.results_csv(store, run.id, tmp_path / "results.csv")
    assert rows_of(tmp_path / "results.csv")[0]["kl"] == ""


def test_a_run_without_results_exports_empty_tables(store: Store, run: Run, tmp_path: Path) -> None:
    for write in (export.rounds_csv, export.results_csv):
        write(store, run.id, tmp_path / "empty.csv")
        assert rows_of(tmp_path / "empty.csv") == []
    stream = io.StringIO()
    export.rounds_json(store, run.id, stream)
    assert json.loads(stream.getvalue()) == []


def test_a_place_that_cannot_be_written_is_named(store: Store, run: Run, tmp_path: Path) -> None:
    with pytest.raises(DiskError, match=r"rounds\.csv cannot be written"):
        export.rounds_csv(store, run.id, tmp_path / "missing" / "rounds.csv")


def test_the_parts_of_a_joint_attribute_are_in_the_results(store: Store, run: Run, tmp_path: Path) -> None:
    gender = Marginal(
        "gender",
        ("male", "female"),
        (0.5, 0.5),
        (0.25, 0.75),
        Interval(0.25, 0.2, 0.3),
        0.04,
        Interval(6, 5, 7),
    )
    store.put_result(
        run.id, replace(split_result(run.spec, "after", "heldout_contexts", 0.1), marginals=(gender,))
    )
    export.results_json(store, run.id, tmp_path / "r.json")
    export.results_csv(store, run.id, tmp_path / "r.csv")

    of_split = {r["split"]: r["marginals"] for r in json.loads((tmp_path / "r.json").read_text())["results"]}
    assert of_split["heldout_contexts"] == {
        "gender": {
            "noise_floor": 0.04, "mae": 0.25, "mae_low": 0.2, "mae_high": 0.3,
            "ratio": 6.0, "ratio_low": 5.0, "ratio_high": 7.0,
            "target": {"male": 0.5, "female": 0.5}, "realized": {"male": 0.25, "female": 0.75},
        }
    }  # fmt: skip
    rows = list(csv.DictReader((tmp_path / "r.csv").open()))
    assert {row["mae gender"] for row in rows if row["split"] == "heldout_contexts"} == {"0.25", ""}
    assert "target gender" not in rows[0]


def test_the_log_has_every_line_of_all_attempts(
    store: Store, run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    for attempt, message in ((1, "began"), (1, "broke"), (2, "began anew")):
        store.add_event(run.id, attempt, Progress("log", "prepare", message=message))
        store.add_event(run.id, attempt, Progress("step", "hybrid", 1, 2))
    read = store.events
    monkeypatch.setattr(store, "events", lambda *args, limit, **more: read(*args, limit=2, **more))
    rows = json.loads(content(store, run, View(), "log", "json"))
    told = [(row["attempt"], row["message"]) for row in rows if row["message"]]
    assert told[-3:] == [(1, "began"), (1, "broke"), (2, "began anew")]
    lines = content(store, run, View(), "log", "txt").decode().splitlines()
    assert len(lines) == len(rows) and lines[-1].endswith("attempt 2 prepare: began anew")
