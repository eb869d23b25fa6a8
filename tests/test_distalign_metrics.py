"""Every measure against SciPy, and intervals that cover what they promise."""

from __future__ import annotations

import math

import numpy as np
import pytest
from scipy.spatial.distance import jensenshannon
from scipy.stats import binom, chi2, chisquare, entropy

from distalign import metrics
from distalign.attributes import GENDER, SENTIMENT, joint
from distalign.metrics import (
    MEASURES,
    absolute_error,
    chi_square,
    chi_square_p,
    js_distance,
    kl_divergence,
    marginals,
    measure,
    total_variation,
    wilson_interval,
)

TARGET = np.array([[0.2, 0.3, 0.5], [0.1, 0.1, 0.8], [1 / 3, 1 / 3, 1 / 3]])
COUNTS = np.array([[25.0, 25, 50], [5.0, 20, 75], [30.0, 0, 60]])
SHARES = COUNTS / COUNTS.sum(-1, keepdims=True)
ROWS = range(len(TARGET))


def test_mae_worked_by_hand() -> None:
    # |0.2 − 0.25|, |0.3 − 0.25|, 0 → 0.1/3.
    assert absolute_error(TARGET, COUNTS)[0] == pytest.approx(0.1 / 3)


def test_total_variation_is_half_the_sum_of_differences() -> None:
    expected = [0.5 * np.abs(TARGET[c] - SHARES[c]).sum() for c in ROWS]

    assert total_variation(TARGET, COUNTS) == pytest.approx(expected)


def test_kl_equals_scipys_entropy_of_target_against_smoothed_shares() -> None:
    smoothed = COUNTS + 0.5
    expected = [entropy(TARGET[c], smoothed[c]) for c in ROWS]

    assert kl_divergence(TARGET, COUNTS) == pytest.approx(expected)
    assert np.isfinite(kl_divergence(TARGET, COUNTS)).all(), "a zero count stays finite"


def test_js_distance_equals_scipys_in_nats() -> None:
    expected = [jensenshannon(TARGET[c], SHARES[c], base=math.e) for c in ROWS]

    assert js_distance(TARGET, COUNTS) == pytest.approx(expected)


def test_disjoint_distributions_are_at_the_largest_distance() -> None:
    target, counts = np.array([[1.0, 0.0]]), np.array([[0.0, 10.0]])

    assert js_distance(target, counts)[0] == pytest.approx(math.sqrt(math.log(2)))
    assert total_variation(target, counts)[0] == 1
    assert absolute_error(target, counts)[0] == 1


def test_chi_square_equals_scipys() -> None:
    for c in ROWS:
        expected = chisquare(COUNTS[c], TARGET[c] * COUNTS[c].sum())
        statistic, freedom = chi_square(TARGET[c], COUNTS[c])
        assert statistic == pytest.approx(expected.statistic)
        assert chi_square_p(statistic, freedom) == pytest.approx(expected.pvalue, rel=1e-6)


def test_measure_pools_the_contexts_chi_squares() -> None:
    tests = [chi_square(q, n) for q, n in zip(TARGET, COUNTS, strict=True)]
    pooled = chi2.sf(sum(s for s, _ in tests), sum(f for _, f in tests))

    assert measure(TARGET, COUNTS).pooled_chi2_p == pytest.approx(pooled, rel=1e-6)


def test_a_category_that_the_target_rules_out_settles_the_test() -> None:
    target = np.array([0.5, 0.5, 0.0])

    assert chi_square(target, np.array([10.0, 10, 0])) == (0.0, 1)
    assert chi_square_p(*chi_square(target, np.array([10.0, 10, 1]))) == 0
    assert chi_square_p(*chi_square(np.array([1.0, 0]), np.array([9.0, 0]))) == 1


def test_a_run_measures_the_mean_over_its_contexts() -> None:
    measured = measure(TARGET, COUNTS)

    for name, function in MEASURES.items():
        assert measured.intervals[name].value == pytest.approx(function(TARGET, COUNTS).mean())
    ratio = measured.intervals["ratio"].value
    assert ratio == pytest.approx(measured.intervals["mae"].value / measured.noise_floor)


def test_contexts_without_a_classified_round_are_left_out_and_marked() -> None:
    counts = COUNTS.copy()
    counts[1] = 0
    measured = measure(TARGET, counts)
    without = measure(TARGET[[0, 2]], counts[[0, 2]])

    for name in MEASURES:
        assert math.isnan(measured.per_context[name][1])
        assert measured.intervals[name].value == pytest.approx(without.intervals[name].value)
    assert np.isnan(measured.realized[1]).all()
    assert math.isnan(measured.noise_floors[1])
    assert measured.noise_floor == pytest.approx(without.noise_floor)
    assert measured.pooled_chi2_p == pytest.approx(without.pooled_chi2_p)


def test_a_run_with_nothing_classified_has_no_figures_and_no_crash() -> None:
    measured = measure(TARGET, np.zeros_like(COUNTS))

    assert all(math.isnan(i.value) for i in measured.intervals.values())
    assert math.isnan(measured.noise_floor)
    assert math.isnan(measured.pooled_chi2_p) and np.isnan(measured.chi2_p).all()


def test_a_perfect_run_of_a_certain_target_is_at_zero() -> None:
    measured = measure(np.array([[1.0, 0.0]]), np.array([[100.0, 0.0]]))

    # A hundred rounds alike do not show that the next one is, too.
    assert measured.intervals["mae"].value == 0 < measured.intervals["mae"].high < 0.03


def test_intervals_hold_their_figure_and_repeat_from_the_seed() -> None:
    one, two, other = (measure(TARGET, COUNTS, seed) for seed in (1, 1, 2))

    assert one.intervals == two.intervals != other.intervals
    for interval in one.intervals.values():
        assert 0 <= interval.low <= interval.value <= interval.high


def test_the_interval_of_a_perfect_sampler_covers_the_noise_floor() -> None:
    rng = np.random.default_rng(0)
    target = np.stack([np.linspace(0.05, 0.95, 12), 1 - np.linspace(0.05, 0.95, 12)], axis=1)
    covered = 0
    for seed in range(200):
        measured = measure(target, rng.multinomial(100, target).astype(float), seed)
        mae = measured.intervals["mae"]
        covered += mae.low <= measured.noise_floor <= mae.high

    assert 0.90 <= covered / 200 <= 1


def test_the_interval_of_a_biased_sampler_keeps_off_the_noise_floor() -> None:
    target = np.array([[0.5, 0.5]] * 10)
    measured = measure(target, np.array([[90.0, 10.0]] * 10))

    assert measured.intervals["mae"].low > 3 * measured.noise_floor


def test_wilson_intervals_equal_the_textbook_and_stay_within_0_and_1() -> None:
    low, high = wilson_interval(np.array([[0.0, 10.0], [20.0, 80.0]]))

    # Wilson for 0 of 10: 0 to z²/(n + z²) = 0.2775; for 20 of 100: 0.1334 to 0.2888.
    assert (low[0, 0], high[0, 0]) == pytest.approx((0.0, 0.27753), abs=1e-4)
    assert (low[1, 0], high[1, 0]) == pytest.approx((0.13337, 0.28883), abs=1e-4)
    assert ((low >= 0) & (high <= 1)).all()


def test_wilson_intervals_cover_95_percent() -> None:
    n, p = 100, 0.3
    x = np.arange(n + 1)
    low, high = wilson_interval(np.stack([x, n - x], axis=1).astype(float))
    inside = (low[:, 0] <= p) & (p <= high[:, 0])

    assert 0.93 < binom.pmf(x, n, p)[inside].sum() < 0.97


@pytest.mark.parametrize("p", [0.99, 0.9, 0.5])
def test_an_interval_covers_the_mean_of_many_samples_also_where_few_rounds_are_alike(p: float) -> None:
    rng = np.random.default_rng(0)
    target = np.array([[p, 1 - p]])
    mean = np.abs(rng.binomial(40, p, 20_000) / 40 - p).mean()
    found = []
    for seed in range(200):
        (count,) = rng.binomial(40, p, 1)
        mae = measure(target, np.array([[count, 40.0 - count]]), seed).intervals["mae"]
        found.append(mae.low <= mean <= mae.high)
    assert sum(found) / len(found) > 0.9


def test_a_perfect_sampler_is_rarely_called_off_where_little_is_expected() -> None:
    rng = np.random.default_rng(0)
    target = np.tile([0.95, 0.049, 0.001], (8, 1))
    p = [
        measure(target, rng.multinomial(100, target[0], 8).astype(float), s).pooled_chi2_p for s in range(200)
    ]
    # χ² itself says so of 15 % of them.
    assert sum(value < 0.05 for value in p) <= 20
    wrong = measure(target, np.tile([80.0, 10.0, 10.0], (8, 1)))
    assert wrong.pooled_chi2_p < 0.01 and (wrong.chi2_p < 0.01).all()


def test_many_contexts_are_resampled_in_parts(monkeypatch: pytest.MonkeyPatch) -> None:
    whole = measure(TARGET, COUNTS)
    monkeypatch.setattr(metrics, "MOST_RESAMPLED", 1)
    parts = measure(TARGET, COUNTS)
    for name in MEASURES:
        assert parts.intervals[name].value == whole.intervals[name].value
        assert parts.intervals[name].high == pytest.approx(whole.intervals[name].high, rel=0.1)


def test_a_part_is_compared_over_the_contexts_that_were_answered() -> None:
    attribute = joint((GENDER, SENTIMENT))
    row = np.full((2, 6), [[0.3, 0.3, 0.3, 0.1 / 3, 0.1 / 3, 0.1 / 3]])
    target = np.stack([row[0], row[0][::-1]])
    gender, _ = marginals(attribute, target, np.stack([row[0] * 300, np.zeros(6)]))
    assert gender.target == pytest.approx(gender.realized) and gender.target[0] == pytest.approx(0.9)
