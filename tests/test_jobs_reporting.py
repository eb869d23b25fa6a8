"""Charts hold what they claim to draw; tables and the report escape what they are given, and load nothing."""

from __future__ import annotations

import csv
import io
import json
import math
import re
from dataclasses import replace
from pathlib import Path

import pytest

from bench.made_up import finished_run
from distalign.convergence import running_error, running_shares
from distalign.noise import mean_absolute_deviation
from distalign.results import ContextResult, Interval, Round, SplitResult, of_split
from distalign.spec import parse_spec
from distalign.story_config import UNCLASSIFIED_STORIES
from jobs.reporting import charts, contexts, convergence_charts, files, layers, measures, pictures
from jobs.reporting.tables import Cell, html_table
from jobs.reporting.views import View, settled
from storage import Run, RunState, Store, StoreError

NAMES = ("bakers", "pilots", "Actors")
HOSTILE = "<img src=x onerror=alert(1)>\"'&"


def context(
    i: int,
    realized: tuple[float, ...] = (0.4, 0.6),
    unclassified: int = 0,
    target: tuple[float, ...] = (0.5, 0.5),
    exact: tuple[float, ...] | None = None,
) -> ContextResult:
    return ContextResult(
        i, 100, unclassified, target, realized, (0.3, 0.5), (0.5, 0.7), realized,
        0.1, 0.04, 0.02, 0.1, 0.1, 0.05, exact, None if exact is None else 0.01,
    )  # fmt: skip


def split(phase: str, mae: float, *contexts: ContextResult) -> SplitResult:
    around, ratio = Interval(mae, mae - 0.01, mae + 0.01), Interval(mae / 0.04, 1, 2)
    return SplitResult(
        phase, "heldout_templates", 200, 0.02, around, around, around, around, 0.04, ratio, 0.5,
        contexts=contexts,
    )  # fmt: skip


def drawn_fields(spec: dict) -> set[str]:
    """Every field that some mark of a chart encodes."""
    found = {
        part["field"]
        for part in spec.get("encoding", {}).values()
        for part in (part if isinstance(part, list) else [part])
        if "field" in part
    }
    return found.union(*(drawn_fields(layer) for layer in spec.get("layer", [])))


def values_of(spec: dict) -> list[dict]:
    if "data" in spec and spec["data"].get("values") != []:
        return spec["data"].get("values") or spec["datasets"][spec["data"]["name"]]
    return [row for layer in spec["layer"] for row in values_of(layer)]


PAIR = (split("before", 0.4, context(0)), split("after", 0.1, context(0, exact=(0.5, 0.4))))
ERRORS = tuple(running_error(result.contexts, 0) for result in PAIR)


@pytest.mark.parametrize(
    "spec",
    [
        charts.realized_chart(PAIR, NAMES, 0).to_dict(),
        convergence_charts.error_chart(*ERRORS).to_dict(),
        convergence_charts.error_chart(ERRORS[0], None).to_dict(),
        convergence_charts.shares_chart(running_shares(context(0), 0), ("male", "female")).to_dict(),
    ],
    ids=["realized", "errors", "one error", "shares"],
)
def test_every_field_that_is_drawn_is_in_every_row(spec: dict) -> None:
    rows = values_of(spec)
    assert rows and drawn_fields(spec)
    for row in rows:
        assert drawn_fields(spec) <= set(row)


def test_a_missing_field_is_an_error_and_not_an_empty_chart() -> None:
    with pytest.raises(layers.ChartError, match="'share'"):
        layers.table([{"context": "a", "share": 1}, {"context": "b"}], ["context", "share"])
    with pytest.raises(layers.ChartError):
        layers.table([{"x": 1}] * (layers.MAX_ROWS + 1), ["x"])


def test_contexts_are_sorted_by_gap_after_training_and_the_band_is_the_noise_floor() -> None:
    near, far = context(0, (0.49, 0.51)), context(1, (0.8, 0.2), unclassified=20)
    pair = (
        split("before", 0.4, context(0, (1.0, 0.0)), context(1, (0.5, 0.5))),
        split("after", 0.1, near, far),
    )
    rows = charts.realized_rows(pair, NAMES, 0)
    assert [row["context"] for row in rows] == ["pilots", "pilots", "bakers", "bakers"]
    after = next(row for row in rows if row["context"] == "pilots" and row["phase"] == "after")
    floor = mean_absolute_deviation(0.5, 80)
    assert (after["floor_low"], after["floor_high"]) == pytest.approx((0.5 - floor, 0.5 + floor))
    assert [row["latest"] for row in rows] == [False, True, False, True]


def test_every_context_can_be_reached_in_every_order() -> None:
    shares = (0.9, 0.2, 0.5)
    pair = (None, split("after", 0.1, *(context(i, target=(q, 1 - q)) for i, q in enumerate(shares))))
    assert charts.ordered_contexts(pair, NAMES, 0, "gap") == [0, 1, 2]
    assert charts.ordered_contexts(pair, NAMES, 0, "name") == [2, 0, 1]
    assert charts.ordered_contexts(pair, NAMES, 0, "target") == [0, 2, 1]
    assert charts.ordered_contexts(pair, NAMES, 1, "target") == [1, 2, 0]
    second = charts.realized_rows(pair, NAMES, 0, "name", first=1, most=1)
    assert [row["context"] for row in second] == ["bakers"]


def test_the_exact_share_is_of_the_answers_that_name_a_category() -> None:
    given = context(0, exact=(0.3, 0.6))
    assert charts.exact_share(given, 0) == pytest.approx(1 / 3)
    assert charts.exact_share(context(0), 0) is None
    assert charts.exact_share(context(0, exact=(0.0, 0.0)), 0) is None


def test_what_was_not_classified_is_no_number_in_a_chart() -> None:
    lost = context(0, (math.nan, math.nan), unclassified=100)
    chart = charts.realized_chart((None, split("after", 0.1, lost)), NAMES, 0)
    assert "NaN" not in json.dumps(chart.to_dict())
    assert "NaN" not in json.dumps(convergence_charts.error_chart(None, running_error([lost], 0)).to_dict())
    assert "NaN" not in json.dumps(
        convergence_charts.shares_chart(running_shares(lost, 0), ("a", "b")).to_dict()
    )


def test_small_categories_beyond_the_palette_are_summed_and_equal_bands_drawn_once() -> None:
    many = (0.3, 0.2, *[0.05] * 10)
    rows = convergence_charts.shares_rows(
        running_shares(context(0, many, target=many), 0), [f"c{k}" for k in range(12)]
    )
    last = [row for row in rows if row["round"] == 100]
    assert len(last) == len(layers.PALETTE) and last[-1]["category"] == layers.OTHER
    assert sum(row["share"] for row in last) == pytest.approx(1)
    assert [row["category"] for row in last if row["banded"]] == ["c0", "c1", "c2"]


def test_a_chart_can_be_exported_by_itself() -> None:
    chart = charts.realized_chart(PAIR, NAMES, 1)
    svg = pictures.svg(chart, "Title", ["of a chart"])
    assert "bakers" in svg and "Title" in svg
    assert pictures.png(chart, "Title", []).startswith(b"\x89PNG")


def test_charts_on_one_page_do_not_share_inner_names() -> None:
    drawn = pictures.inline_svg(convergence_charts.error_chart(*ERRORS), "b", "what it shows")
    ids = set(re.findall(r'id="([^"]+)"', drawn))
    assert all(name.startswith("b-") for name in ids)
    assert set(re.findall(r"url\(#([^)]+)\)", drawn)) <= ids
    assert 'aria-label="what it shows"' in drawn


def test_cells_are_escaped() -> None:
    html = html_table(HOSTILE, [HOSTILE, "b"], [[Cell(HOSTILE, HOSTILE), HOSTILE]], name=HOSTILE)
    assert "<img" not in html and "&lt;img" in html
    assert contexts.contexts_table(PAIR, (HOSTILE,), 0).count("<img") == 0
    # In a file there is nothing that a button could lead to.
    assert "<button" not in contexts.contexts_table(PAIR, (HOSTILE,), 0)
    assert contexts.contexts_table(PAIR, (HOSTILE,), 0, linked=True).count("<img") == 0


def test_measures_that_a_run_lacks_are_dashes() -> None:
    html = measures.measures_table([split("before", 0.4), replace(split("after", 0.05), exact_error=0.02)])
    assert "Held-out templates" in html and "0.020" in html and "<td" in html and "–" in html
    assert "0.400" in measures.splits_table(list(PAIR)) and "2.50×" in measures.splits_table(list(PAIR))


def test_tables_of_convergence_begin_at_one_round_and_end_at_all() -> None:
    html = contexts.error_table(*ERRORS)
    assert html.count("<tr>") == 1 + contexts.MOST_LINES
    assert '<th scope="row">1</th>' in html and '<th scope="row">100</th>' in html
    assert "40.0 %" in contexts.shares_table(running_shares(context(0), 0), ("male", "female"))


# --- a whole run ----------------------------------------------------------------------


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return Store(tmp_path / "runs.db")


@pytest.fixture
def run(store: Store, tmp_path: Path) -> Run:
    mapping = {"name": HOSTILE, "contexts": ["bakers", "<script>alert(1)</script>"], "target": "even"}
    return finished_run(store, tmp_path, mapping, steps=2)


def test_the_report_is_one_file_that_runs_and_loads_nothing(store: Store, run: Run) -> None:
    store.add_rounds(run.id, [Round("after", "heldout_templates", 0, 0, 999, 0, None, f"{HOSTILE} lost")])
    html = files.report_html(store, run, View()).decode()
    assert "<script" not in html and "<img" not in html
    assert "src=" not in html.replace(HOSTILE, "").replace("src=x", "")
    assert "@import" not in html and "url(http" not in html
    assert not re.findall(r'(?:href|src)="(?!#)', html)
    assert "&lt;img src=x" in html and "lost" in html
    assert html.count("<svg") == 2 and html.count("<html") == 1
    for wanted in (
        "not fairness",
        "python -m jobs run spec.yaml",
        "attribute: gender",
        run.id,
        "prefers-color-scheme: dark",
        "@media print",
    ):
        assert wanted in html, wanted


def test_the_report_of_a_run_that_trained_nothing_and_lacks_most(store: Store) -> None:
    run = store.insert_run(parse_spec({"attribute": "gender", "method": "zero_shot"}), state=RunState.RUNNING)
    with pytest.raises(StoreError, match="no results yet"):
        files.report_html(store, run, View())
    store.put_result(run.id, split("before", 0.4, context(0), context(1)))
    html = files.report_html(store, run, View()).decode()
    assert "nothing was trained" in html and "Side effects" not in html
    unseen = replace(split("after", 0.4), split="unseen_attributes", chi2_p=math.nan)
    store.put_result(run.id, unseen)
    assert "<svg" not in files.report_html(store, run, View(split="unseen_attributes")).decode()
    with pytest.raises(StoreError, match="no contexts to draw"):
        files.chart_file(store, run, View(split="unseen_attributes"), "convergence", "svg")


def test_the_report_says_why_a_story_is_unclassified(store: Store, run: Run) -> None:
    assert UNCLASSIFIED_STORIES not in files.report_html(store, run, View()).decode()
    store.put_result(run.id, replace(split("after", 0.4, context(0)), split="stories"))
    html = files.report_html(store, run, View(split="stories")).decode()
    assert f"unclassified, of 200 rounds: {UNCLASSIFIED_STORIES}" in html
    assert "stories that the judge cannot tell or that are too short" in html


def test_convergence_as_a_file_agrees_with_the_results(store: Store, run: Run) -> None:
    after = of_split(store.results(run.id), "heldout_templates")[1]
    rows = json.loads(files.convergence_file(store, run, View(), "json"))
    last = [row for row in rows if row["phase"] == "after"][-1]
    assert last["round"] == run.spec.rounds
    assert last["mae"] == pytest.approx(after.mae.value)
    text = files.convergence_file(store, run, View(context=1), "csv").decode()
    cells = list(csv.DictReader(io.StringIO(text)))
    assert cells[0]["context"] == "<script>alert(1)</script>"
    finals = {row["category"]: float(row["share"]) for row in cells if row["round"] == str(run.spec.rounds)}
    assert list(finals.values()) == pytest.approx(after.contexts[1].realized)


@pytest.mark.parametrize("kind", ["chart", "convergence"])
@pytest.mark.parametrize("context_", [None, 1])
def test_both_charts_are_files_of_both_kinds(store: Store, run: Run, kind: str, context_: int | None) -> None:
    view = View(context=context_)
    assert files.chart_file(store, run, view, kind, "png").startswith(b"\x89PNG")
    svg = files.chart_file(store, run, view, kind, "svg").decode()
    assert svg.startswith("<svg") and "<script" not in svg and "bakers" in svg + "bakers" * (kind != "chart")


def test_a_view_of_what_is_not_there_becomes_one_of_what_is(store: Store, run: Run) -> None:
    results = store.results(run.id)
    wild = View("stories", 99, "weight", 500, 77)
    assert settled(wild, run.spec, results) == View("heldout_templates", 0, "gap", 0, None)
    fine = View("seen_templates", 1, "name", 1, 1)
    assert settled(fine, run.spec, results) == fine
