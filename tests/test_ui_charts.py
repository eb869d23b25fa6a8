"""Charts hold what they claim to draw; fragments of HTML escape what they are given."""

from __future__ import annotations

import math

import pytest

from distalign.errors import DiskError, SpecError
from distalign.results import Round
from distalign.spec import parse_spec
from distalign.summary import Sentence, Summary
from jobs.reporting import layers
from storage.records import AnswerGroup, GroupedAnswers
from ui import cards, charts, curves, present, report
from ui.tables import check_sums

HOSTILE = "<img src=x onerror=alert(1)>\"'&"


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
    if "data" in spec:
        return spec["data"].get("values") or spec["datasets"][spec["data"]["name"]]
    return [row for layer in spec["layer"] for row in values_of(layer)]


def chart_of(mapping: dict) -> dict:
    spec = parse_spec(mapping)
    return charts.target_chart(spec.attribute, spec.contexts, spec.target).to_dict()


@pytest.mark.parametrize(
    "spec",
    [
        chart_of({"attribute": "gender", "target": "real"}),
        chart_of({"attribute": "race", "target": "even"}),
    ],
    ids=["table", "one row"],
)
def test_every_field_that_is_drawn_is_in_every_row(spec):
    rows = values_of(spec)
    assert rows
    for row in rows:
        assert drawn_fields(spec) <= set(row)


def test_a_chart_never_has_more_rows_than_gradio_draws():
    names = [f"c{i}" for i in range(50)]
    contexts = [f"place {i}" for i in range(1000)]
    rows = {
        c: {n: (0.51 if j == i % 50 else 0.01) for j, n in enumerate(names)} for i, c in enumerate(contexts)
    }
    mapping = {"attribute": {"name": "kind", "categories": names}, "contexts": contexts, "target": rows}
    drawn = values_of(chart_of(mapping))
    assert len({row["context"] for row in drawn}) == layers.MAX_CONTEXTS
    assert len({row["category"] for row in drawn}) == len(layers.PALETTE)
    first = [row["share"] for row in drawn if row["place"] == 0]
    assert math.fsum(first) == pytest.approx(1)


def test_equal_rows_are_drawn_once():
    drawn = values_of(chart_of({"attribute": "sentiment", "target": "even"}))
    assert {row["context"] for row in drawn} == {"All 25 contexts"}


def test_curves_are_thinned_and_end_at_the_last_step():
    points = [(step, {"loss": 1 / step, "kl": math.nan}) for step in range(1, 5001)]
    kept = curves.thin(points)
    assert len(kept) <= curves.MAX_POINTS + 1
    assert kept[-1] is points[-1]
    html = curves.curves_html(points, 5000)
    assert "nan" not in html
    assert f"{curves.WIDTH:.1f}," in html


def test_curves_without_points_are_empty_axes():
    assert "da-curve" in curves.curves_html([], 100)


@pytest.mark.parametrize(
    ("values", "top", "expected"),
    [([], None, (0, 1)), ([3.2, 0.1], None, (0, 4)), ([-0.3, 0.9], None, (-0.3, 1)), ([0.2], 1.0, (0, 1))],
)
def test_axes_end_at_round_numbers(values, top, expected):
    assert curves.axis_range(values, top) == pytest.approx(expected)


def test_errors_are_escaped_and_say_what_to_do():
    note = cards.error_note(SpecError("rounds", HOSTILE, "Give less"))
    assert "<img" not in note and "Give less" in note
    assert "<img" not in cards.error_note(DiskError(HOSTILE))


def test_rounds_are_escaped_and_the_token_stands_apart():
    spec = parse_spec({"attribute": {"name": "a", "categories": ["x & y", "z"]}, "contexts": ["b & c"]})
    rounds = [
        Round("after", "heldout_templates", 0, 0, 0, 1, 1, HOSTILE),
        Round("after", "heldout_templates", 0, 0, 1, None, None, ""),
    ]
    html = report.rounds_table(rounds, spec, ("1", "<2>"))
    assert "<img" not in html and "b &amp; c" in html
    assert '<span class="da-token">&lt;2&gt;</span> z' in html
    assert "unclassified" in html
    assert "No round matches" in report.rounds_table([], spec, ())


def test_the_summary_and_grouped_answers_are_escaped():
    html = report.summary_html(Summary(HOSTILE, (Sentence(HOSTILE, HOSTILE),), HOSTILE))
    assert "<img" not in html and html.count("&lt;img") == 4
    groups = (AnswerGroup(HOSTILE, None, 3, 2), AnswerGroup("", 1, 1, 1))
    html = report.answers_table(GroupedAnswers(groups, 9, 4, 4), (HOSTILE, HOSTILE))
    assert "<img" not in html and "75.0 %" in html and "(an empty answer)" in html
    assert "9 different answers in 4 rounds. Only the first 4 matching rounds" in html
    assert "Only" not in report.answers_table(GroupedAnswers(groups, 9, 4, 5), ("a", "b"))
    assert "No round matches" in report.answers_table(GroupedAnswers((), 0, 0, 5), ("a", "b"))


def test_sums_in_words():
    assert "All 2 rows" in cards.sum_line(check_sums({"a": {"x": "1"}, "b": {"x": "1"}}))
    assert "Sums to 0.9, not 1" in cards.sum_line(check_sums({"": {"x": "0.9"}}))
    assert "no probability" in cards.sum_line(check_sums({"": {"x": "y"}}))
    assert cards.sum_line(check_sums({})) == ""


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (0.2, "1 s"),
        (45, "45 s"),
        (60, "1 min"),
        (359, "6 min"),
        (3600, "1 h"),
        (4800, "1 h 20 min"),
        (None, "–"),
    ],
)
def test_durations(seconds, text):
    assert present.duration(seconds) == text


def test_figures():
    assert present.figure(0.03979) == "0.040"
    assert present.figure(1e-6) == "1e-06"
    assert present.figure(math.nan) == present.figure(None) == "–"
    assert present.percent(0.123, 1) == "12.3 %"
    assert present.ago(1000, 1000 + 60 * 5) == "5 min ago"
    assert present.rough_duration(20) == "under a minute"
