"""The summary says what was asked, reached and not measured, and calls noise noise."""

from __future__ import annotations

import math
from dataclasses import replace

import pytest

from distalign.results import ContextResult, Interval, Marginal, SideEffects, SplitResult
from distalign.spec import RunSpec, parse_spec
from distalign.story_config import UNCLASSIFIED_STORIES
from distalign.summary import CAUTION, Summary, summarise
from jobs.display import results_table
from ui.report import tiles

EFFECTS = SideEffects(72, 1385, 10.5, 11.25, Interval(0.06, 0.05, 0.07), 0.034, 0.036, 0.125)


@pytest.fixture
def spec() -> RunSpec:
    return parse_spec({"attribute": "gender", "contexts": ["bakers", "pilots", "nurses"], "target": "even"})


def context(i: int, share: float = 0.5, p: float = 0.5) -> ContextResult:
    realized = (share, 1 - share)
    return ContextResult(
        i, 100, 0, (0.5, 0.5), realized, realized, realized, realized, abs(share - 0.5), 0.04, 0, 0, 0, p
    )


def split(
    phase: str, mae: float, p: float = 0.4, name: str = "heldout_templates", unclassified: float = 0.0
) -> SplitResult:
    around, ratio = Interval(mae, mae / 2, mae * 2), Interval(mae / 0.04, 1, 2)
    contexts = (context(0, 0.52), context(1, 0.8, 0.001), context(2, 0.45))
    return SplitResult(
        phase, name, 300, unclassified, around, around, around, around, 0.04, ratio, p, contexts=contexts
    )


def said(summary: Summary, label: str) -> str:
    return next((s.text for s in summary.sentences if s.label == label), "")


def test_the_headline_says_what_was_reached_and_what_was_not(spec: RunSpec) -> None:
    text = summarise(spec, [split("before", 0.4), split("after", 0.05)]).headline
    assert "On held-out templates" in text and "5.0 points" in text and "40.0 points" in text
    assert "perfect sampler with as many rounds would be 4.0 points off" in text
    worse = summarise(spec, [split("before", 0.04), split("after", 0.05)]).headline
    assert "did not bring it closer" in worse
    alone = summarise(spec, [split("before", 0.4)]).headline
    assert "40.0 points" in alone and "before" not in alone


def test_a_difference_is_called_noise_only_where_it_may_be(spec: RunSpec) -> None:
    noise = said(summarise(spec, [split("after", 0.04, p=0.4)]), "Noise")
    assert "no more than sampling noise explains" in noise and "p = 0.4" in noise
    assert "up to 9.8 points off" in noise
    real = said(summarise(spec, [split("after", 0.1, p=1e-9)]), "Noise")
    assert "more than sampling noise" in real and "p < 0.001" in real and "2.5 times" in real
    exact = replace(split("after", 0.04), exact_mae=0.012, exact_bound=0.003)
    assert "it is 1.2 points, with 0.3 % of the probability not worked out" in said(
        summarise(spec, [exact]), "Noise"
    )


def test_the_worst_contexts_are_named_with_their_gap(spec: RunSpec) -> None:
    text = said(summarise(spec, [split("after", 0.1)]), "Furthest off")
    assert text.startswith("pilots (male 80 %, target 50 %)")
    assert "1 of 3 contexts differs" in text and "fewer than one" in text


def test_what_was_not_measured_is_listed(spec: RunSpec) -> None:
    bare = said(summarise(spec, [split("after", 0.05)]), "Not measured")
    for gap in ("before training", "stories", "exact distribution", "side effects", "another seed", "seed 0"):
        assert gap in bare
    results = [split(phase, 0.05, name=name) for phase in ("before", "after") for name in (
        "heldout_templates", "heldout_contexts", "stories")]  # fmt: skip
    results = [replace(r, exact_mae=0.01) for r in results]
    full = said(summarise(spec, results, EFFECTS), "Not measured")
    assert full == "How much another seed would differ (this is one run, seed 0)."


def test_unclassified_answers_are_never_left_out(spec: RunSpec) -> None:
    def text(rate: float) -> str:
        return said(summarise(spec, [split("after", 0.05, unclassified=rate)]), "Unclassified")

    assert text(0) == "All of 300 answers name a category."
    assert "1.0 % of 300 answers" in text(0.01) and "left out of the shares" in text(0.01)
    assert "speak for the others only" in text(0.4)


def test_it_says_why_a_story_is_unclassified(spec: RunSpec) -> None:
    results = [split("after", 0.05, unclassified=0.1), split("after", 0.05, name="stories", unclassified=0.1)]

    stories = said(summarise(spec, results, split="stories"), "Unclassified")
    assert "10.0 % of 300 answers" in stories and UNCLASSIFIED_STORIES in stories
    assert "judge cannot tell" in stories and "the text is no story" in stories
    assert "judge" not in said(summarise(spec, results), "Unclassified")
    assert UNCLASSIFIED_STORIES in results_table(results)
    assert UNCLASSIFIED_STORIES not in results_table(results[:1])
    assert UNCLASSIFIED_STORIES in tiles((None, results[1])) and UNCLASSIFIED_STORIES not in tiles(
        (None, results[0])
    )


def test_other_prompts_side_effects_and_the_caution_are_told(spec: RunSpec) -> None:
    results = [split("after", 0.05), split("after", 0.1, name="stories")]
    summary = summarise(spec, results, EFFECTS)
    assert said(summary, "Other prompts") == "10.0 points on stories (2.5 × noise)."
    assert "72 unrelated prompts" in said(summary, "Side effects")
    assert "not fairness" in CAUTION and summary.lines[-1] == CAUTION
    other = summarise(spec, results, split="stories")
    assert "On stories" in other.headline and "held-out templates" in said(other, "Other prompts")


def test_what_was_asked_is_told_for_every_kind_of_target() -> None:
    even = summarise(parse_spec({"attribute": "gender", "target": "even"}), []).sentences[0].text
    assert "Gender (male and female) over 25 contexts; target: every category equally often" in even
    row = {"attribute": "gender", "target": {"male": 0.3, "female": 0.7}, "method": "zero_shot"}
    assert "male 30.0 % and female 70.0 %; nothing was trained" in summarise(parse_spec(row), []).lines[1]
    stated = {"attribute": "gender", "target": "stated"}
    assert "each prompt states" in summarise(parse_spec(stated), []).lines[1]
    joint = {"attribute": ["gender", "race"], "target": "even"}
    assert "and" in summarise(parse_spec(joint), []).lines[1]


def test_a_run_without_an_answer_that_names_a_category_says_so(spec: RunSpec) -> None:
    nan = Interval(math.nan, math.nan, math.nan)
    lost = replace(
        split("after", 0.1, p=1.0, unclassified=1.0), mae=nan, ratio=nan, noise_floor=math.nan, contexts=()
    )
    summary = summarise(spec, [lost])
    assert "no answer names a category" in summary.headline
    assert "nan" not in " ".join(summary.lines)
    assert "nothing" in summarise(spec, []).headline


def test_a_run_without_an_answer_is_not_said_to_be_as_good_as_chance(spec: RunSpec) -> None:
    nothing = split("after", math.nan, p=math.nan)
    told = summarise(spec, [replace(nothing, unclassified=1.0)])
    assert "sampling noise" not in " ".join(told.lines) and "no answer names a category" in told.headline


def test_a_certain_target_has_no_ratio_to_tell_of(spec: RunSpec) -> None:
    off = split("after", 0.1, p=0.0)
    told = summarise(spec, [replace(off, ratio=Interval(math.nan, math.nan, math.nan))]).lines
    assert any("more than sampling noise" in line and "–" not in line for line in told)


def test_attributes_without_contexts_are_told_by_themselves(spec: RunSpec) -> None:
    part = Marginal(
        "mood", ("x", "y"), (0.5, 0.5), (0.4, 0.6), Interval(0.1, 0, 0.2), 0.04, Interval(2.5, 2, 3)
    )
    unseen = replace(
        split("after", 0.1, p=math.nan, name="unseen_attributes"), contexts=(), marginals=(part,)
    )
    summary = summarise(spec, [unseen])
    assert said(summary, "Each attribute") == "mood 10.0 points."
    assert "2.5 times a perfect sampler’s" in said(summary, "Noise")
    assert said(summary, "Furthest off") == ""
