"""Charts hold what they claim to draw; fragments of HTML escape what they are given."""

from __future__ import annotations

import json
import math
from dataclasses import replace

import pytest
import vl_convert

from distalign.errors import DiskError, SpecError
from distalign.noise import mean_absolute_deviation
from distalign.results import ContextResult, Interval, Round, SplitResult
from distalign.spec import parse_spec
from ui import cards, charts, curves, present, report
from ui.tables import check_sums

NAMES = ("bakers", "pilots")
HOSTILE = "<img src=x onerror=alert(1)>\"'&"


def context(i: int, realized: tuple[float, ...] = (0.4, 0.6), unclassified: int = 0) -> ContextResult:
    return ContextResult(
        i, 100, unclassified, (0.5, 0.5), realized, (0.3, 0.5), (0.5, 0.7), realized,
        0.1, 0.04, 0.02, 0.1, 0.1, 0.05,
    )  # fmt: skip


def split(phase: str, mae: float, contexts: tuple[ContextResult, ...] = ()) -> SplitResult:
    around = Interval(mae, mae - 0.01, mae + 0.01)
    ratio = Interval(mae / 0.04, 1, 2)
    return SplitResult(
        phase,
        "heldout_templates",
        200,
        0.02,
        around,
        around,
        around,
        around,
        0.04,
        ratio,
        0.5,
        contexts=contexts,
    )


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
        charts.realized_chart([context(0)], [context(0)], NAMES, 0).to_dict(),
    ],
    ids=["table", "one row", "realized"],
)
def test_every_field_that_is_drawn_is_in_every_row(spec):
    rows = values_of(spec)
    assert rows
    for row in rows:
        assert drawn_fields(spec) <= set(row)


def test_a_missing_field_is_an_error_and_not_an_empty_chart():
    with pytest.raises(charts.ChartError, match="'share'"):
        charts.table([{"context": "a", "share": 1}, {"context": "b"}], ["context", "share"])


def test_a_chart_never_has_more_rows_than_gradio_draws():
    with pytest.raises(charts.ChartError):
        charts.table([{"x": 1}] * (charts.MAX_ROWS + 1), ["x"])
    names = [f"c{i}" for i in range(50)]
    contexts = [f"place {i}" for i in range(1000)]
    rows = {
        c: {n: (0.51 if j == i % 50 else 0.01) for j, n in enumerate(names)} for i, c in enumerate(contexts)
    }
    mapping = {"attribute": {"name": "kind", "categories": names}, "contexts": contexts, "target": rows}
    drawn = values_of(chart_of(mapping))
    assert len({row["context"] for row in drawn}) == charts.MAX_CONTEXTS
    assert len({row["category"] for row in drawn}) == len(charts.PALETTE)
    first = [row["share"] for row in drawn if row["place"] == 0]
    assert math.fsum(first) == pytest.approx(1)


def test_equal_rows_are_drawn_once():
    drawn = values_of(chart_of({"attribute": "sentiment", "target": "even"}))
    assert {row["context"] for row in drawn} == {"All 25 contexts"}


def test_contexts_are_sorted_by_gap_after_training_and_the_band_is_the_noise_floor():
    near, far = context(0, (0.49, 0.51)), context(1, (0.8, 0.2), unclassified=20)
    rows = charts.realized_rows([context(0, (1.0, 0.0)), context(1, (0.5, 0.5))], [near, far], NAMES, 0)
    assert [row["context"] for row in rows] == ["pilots", "pilots", "bakers", "bakers"]
    after = next(row for row in rows if row["context"] == "pilots" and row["phase"] == "after")
    floor = mean_absolute_deviation(0.5, 80)
    assert (after["floor_low"], after["floor_high"]) == pytest.approx((0.5 - floor, 0.5 + floor))
    assert [row["latest"] for row in rows] == [False, True, False, True]


def test_a_chart_can_be_exported_by_itself():
    chart = charts.realized_chart([context(0)], [context(0)], NAMES, 1)
    spec = json.dumps(charts.for_export(chart, "Title", ["of a chart"]))
    svg = vl_convert.vegalite_to_svg(spec)
    assert "bakers" in svg and "Title" in svg
    assert vl_convert.vegalite_to_png(spec).startswith(b"\x89PNG")


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


def test_the_sentence_says_what_was_reached_and_what_was_not():
    spec = parse_spec({"attribute": "gender"})
    text = report.sentence(spec, "heldout_templates", (split("before", 0.4), split("after", 0.05)))
    assert "5.0 points" in text and "40.0 points" in text and "2.0 %" in text
    worse = report.sentence(spec, "heldout_templates", (split("before", 0.04), split("after", 0.05)))
    assert "did not bring it closer" in worse
    alone = report.sentence(spec, "heldout_templates", (split("before", 0.4), None))
    assert "40.0 points" in alone and "before" not in alone


def test_measures_that_a_run_lacks_are_dashes():
    html = report.measures_table([split("before", 0.4), replace(split("after", 0.05), exact_error=0.02)])
    assert "Held-out templates" in html and "0.020" in html and present.NONE in html
    assert report.tiles((None, None)) == ""
    assert "0.400 →" in report.tiles((split("before", 0.4), split("after", 0.05)))


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


def test_a_context_without_a_classified_round_keeps_its_target_and_valid_json():
    lost = context(0, (math.nan, math.nan), unclassified=100)
    lost = replace(lost, low=(math.nan, math.nan), high=(math.nan, math.nan))
    chart = charts.realized_chart([lost, context(1)], [], NAMES, 0)
    assert "NaN" not in charts.plot_data(chart).plot
    assert [row["context"] for row in charts.realized_rows([context(1), lost], [], NAMES, 0)] == [*NAMES]
