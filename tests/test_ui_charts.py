"""Charts hold what they claim to draw; fragments of HTML escape what they are given."""

from __future__ import annotations

import math
import re

import pytest

from distalign.errors import DiskError, SpecError
from distalign.results import Round
from distalign.spec import parse_spec
from distalign.summary import Sentence, Summary
from jobs.reporting import layers
from storage.records import AnswerGroup, GroupedAnswers
from ui import cards, curves, present, report
from ui.chart_tables import target_table
from ui.tables import check_sums
from ui.target_bars import target_bars

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


def bars_of(mapping: dict) -> str:
    spec = parse_spec(mapping)
    return target_bars(spec.attribute, spec.contexts, spec.target)


def table_of(mapping: dict) -> str:
    spec = parse_spec(mapping)
    return target_table(spec.attribute, spec.contexts, spec.target)


def widths(row: str) -> list[float]:
    return [float(width) for width in re.findall(r"width:([\d.e-]+)%", row)]


def test_every_context_has_a_bar_that_is_filled_by_its_shares():
    first, *rows = bars_of({"attribute": "gender", "target": "real"}).split('<div class="row">')
    assert first.count("</span>") == 2 + 6, "two categories and the axis"
    assert len(rows) == 25 and "Office managers" in "".join(rows)
    assert all(math.fsum(widths(row)) == pytest.approx(100, abs=0.05) for row in rows)
    assert 'title="male: 28.2 %"' in next(row for row in rows if "Office managers" in row)


def test_of_many_contexts_and_categories_the_first_and_the_largest_are_drawn():
    names = [f"c{i}" for i in range(50)]
    contexts = [f"place {i}" for i in range(1000)]
    rows = {
        c: {n: (0.51 if j == i % 50 else 0.01) for j, n in enumerate(names)} for i, c in enumerate(contexts)
    }
    mapping = {"attribute": {"name": "kind", "categories": names}, "contexts": contexts, "target": rows}
    head, *drawn = bars_of(mapping).split('<div class="row">')
    assert len(drawn) == layers.MAX_CONTEXTS
    assert head.count("The first 60 of 1,000 contexts.") == 2, "in sight, and for those who do not see it"
    assert "Target shares of the first 60 of 1,000 contexts" in table_of(mapping)
    assert len(widths(drawn[0])) == len(layers.PALETTE) and layers.OTHER in drawn[0]
    assert math.fsum(widths(drawn[0])) == pytest.approx(100, abs=0.05)


@pytest.mark.parametrize(("contexts", "categories", "drawn"), [(200, 2, 200), (1000, 2, 1000), (400, 8, 250)])
def test_as_many_contexts_are_drawn_as_a_browser_takes(contexts, categories, drawn):
    names = [f"c{i}" for i in range(categories)]
    rows = {
        f"place {i}": {
            n: (0.3 if j == i % categories else 0.7 / (categories - 1)) for j, n in enumerate(names)
        }
        for i in range(contexts)
    }
    mapping = {"attribute": {"name": "kind", "categories": names}, "contexts": list(rows), "target": rows}
    html = bars_of(mapping)
    assert html.count('<div class="row">') == drawn == table_of(mapping).count('<th scope="row">')
    assert ("The first" in html) == (drawn < contexts)


def test_equal_rows_are_drawn_once():
    _, *rows = bars_of({"attribute": "sentiment", "target": "even"}).split('<div class="row">')
    assert len(rows) == 1 and "All 25 contexts" in rows[0]


def test_names_in_the_bars_are_escaped():
    text = bars_of(
        {
            "attribute": {"name": "kind", "categories": ['a"b&c', "plain"]},
            "contexts": ["d'e&f"],
            "target": "even",
        }
    )
    assert 'a"b' not in text and "a&quot;b&amp;c" in text and "e&amp;f" in text


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
