"""Running shares and errors end at the run's figures, and a perfect sampler keeps within their bands."""

from __future__ import annotations

import math

import numpy as np
import pytest

from distalign.convergence import MOST_POINTS, checkpoints, running_error, running_shares
from distalign.noise import noise_floor, share_band
from distalign.results import ContextResult


def context(
    counts: list[int], target: list[float], unclassified: int = 0, number: int = 0
) -> ContextResult:  # fmt: skip
    classified = sum(counts)
    realized = tuple(c / classified if classified else math.nan for c in counts)
    mae = sum(abs(p - q) for p, q in zip(realized, target, strict=True)) / len(target)
    return ContextResult(
        number, classified + unclassified, unclassified, tuple(target), realized, realized, realized, realized,
        mae, 0.04, 0.0, 0.0, 0.0, 0.5,
    )  # fmt: skip


def test_the_band_of_a_share_holds_nearly_all_of_the_binomial_and_little_more() -> None:
    for n in (1, 2, 5, 17, 100, 400):
        for p in (0.005, 0.02, 0.1, 0.2, 1 / 3, 0.5, 0.77, 0.9, 0.98):
            low, high = share_band(p, n)
            mass = [math.comb(n, k) * p**k * (1 - p) ** (n - k) for k in range(n + 1)]
            inside = [k for k in range(n + 1) if low - 1e-12 <= k / n <= high + 1e-12]
            held = sum(mass[k] for k in inside)
            assert held >= 0.95 - 1e-12, (p, n)
            # One count less at either end would be too few, or nearly so.
            assert n < 17 or held - max(mass[inside[0]], mass[inside[-1]]) < 0.975, (p, n)


def test_a_share_that_cannot_vary_has_no_band() -> None:
    assert share_band(0, 10) == (0, 0)
    assert share_band(1, 10) == (1, 1)


def test_checkpoints_go_from_one_round_to_all() -> None:
    assert checkpoints(1) == (1,)
    assert checkpoints(5) == (1, 2, 3, 4, 5)
    many = checkpoints(100_000)
    assert (many[0], many[-1]) == (1, 100_000) and len(many) <= MOST_POINTS
    assert len(checkpoints(100_000, most=3)) == 12
    assert list(many) == sorted(set(many))


def test_running_shares_are_of_whole_rounds_and_end_at_the_realized_ones() -> None:
    given = context([31, 49, 10], [0.3, 0.5, 0.2], unclassified=10)
    running = running_shares(given, 0)
    assert running.rounds[-1] == 100
    assert running.realized[-1] == pytest.approx(given.realized)
    assert set(running.realized[0]) <= {0.0, 1.0} or np.isnan(running.realized[0]).all()
    known = running.realized[~np.isnan(running.realized).any(1)]
    assert known.sum(1) == pytest.approx(1)
    # The band narrows, and holds the target.
    assert (running.high - running.low)[-1].max() < (running.high - running.low)[4].min()
    assert (running.low <= running.target).all() and (running.high >= running.target).all()


def test_the_order_of_rounds_follows_the_seed() -> None:
    given = context([50, 50], [0.5, 0.5])
    first, again, other = (running_shares(given, seed).realized for seed in (1, 1, 2))
    assert (first == again).all()
    assert (first != other).any()


def test_a_perfect_sampler_stays_within_the_band_of_a_share() -> None:
    rng = np.random.default_rng(0)
    inside = []
    for seed in range(300):
        drawn = rng.multinomial(200, [0.2, 0.8]).tolist()
        running = running_shares(context(drawn, [0.2, 0.8]), seed)
        inside.append((running.realized >= running.low) & (running.realized <= running.high))
    rate = np.mean(inside, axis=0)
    assert rate.min() > 0.92
    assert rate.mean() > 0.95


def test_the_mean_error_ends_at_the_mae_and_leaves_out_what_was_not_classified() -> None:
    given = [
        context([60, 40], [0.5, 0.5]),
        context([0, 0], [0.5, 0.5], unclassified=100, number=1),
        context([10, 30], [0.5, 0.5], unclassified=60, number=2),
    ]
    running = running_error(given, 7)
    assert running.mae[-1] == pytest.approx((0.1 + 0.25) / 2)
    assert running.floor[-1] == pytest.approx(noise_floor([0.5, 0.5], 100))
    nothing = running_error([given[1]], 7)
    assert np.isnan(nothing.mae).all() and np.isfinite(nothing.floor).all()


@pytest.mark.parametrize("target", [[0.5, 0.5], [0.05, 0.95], [0.2] * 5, [0.6, 0.3, 0.1]])
def test_the_band_of_the_mean_error_is_that_of_a_perfect_sampler(target: list[float]) -> None:
    contexts, rounds, runs = 20, 100, 4000
    drawn = np.random.default_rng(1).multinomial(rounds, target, size=(runs, contexts)) / rounds
    errors = np.abs(drawn - target).mean((1, 2))
    given = [context([round(100 * q) for q in target], target, number=i) for i in range(contexts)]
    running = running_error(given, 0)
    assert running.rounds[-1] == rounds
    assert errors.mean() == pytest.approx(running.floor[-1], rel=0.01)
    assert errors.std() == pytest.approx((running.high[-1] - running.floor[-1]) / 1.96, rel=0.06)
    inside = (errors >= running.low[-1]) & (errors <= running.high[-1])
    assert inside.mean() == pytest.approx(0.95, abs=0.015)


def test_many_contexts_and_categories_are_drawn_with_fewer_points() -> None:
    given = [context([2] * 50, [0.02] * 50, number=i) for i in range(400)]
    running = running_error(given, 0)
    assert 8 <= len(running.rounds) <= 12
    assert running.mae[-1] == pytest.approx(0, abs=1e-12)
