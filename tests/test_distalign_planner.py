"""The planner against scipy, against published values, and against simulated rounds."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.stats import chi2, ncx2

from distalign.errors import SpecError
from distalign.planner import LEAST_GAP, chi_square_cdf, non_centrality, rounds_needed, visible_gaps
from distalign.spec import parse_spec

HALF, TICKETS = (0.5, 0.5), (0.7, 0.2, 0.1)
FIVE = (0.2,) * 5


@pytest.mark.parametrize("freedom", [1, 2, 4, 9, 49])
@pytest.mark.parametrize("shift", [0.0, 0.5, 7.85, 40.0])
def test_the_distribution_is_scipys(freedom: int, shift: float) -> None:
    for x in (0.1, 3.84, 20.0, 80.0):
        expected = ncx2.cdf(x, freedom, shift) if shift else chi2.cdf(x, freedom)
        assert chi_square_cdf(x, freedom, shift) == pytest.approx(expected, abs=1e-9)


@pytest.mark.parametrize(("freedom", "expected"), [(1, 7.849), (2, 9.635), (3, 10.903), (4, 11.935)])
def test_the_non_centrality_is_the_published_one(freedom: int, expected: float) -> None:
    assert non_centrality(freedom, 0.95, 0.8) == pytest.approx(expected, abs=2e-3)


def test_five_points_of_a_half_take_785_rounds() -> None:
    assert rounds_needed([HALF], 0.05).per_context == 785
    assert rounds_needed([HALF] * 25, 0.05).overall == 32


def shifted(q: tuple[float, ...], k: int, gap: float) -> np.ndarray:
    """The shares with category k off by a gap, the others giving way in proportion."""
    p = np.array(q) * (1 - q[k] - gap) / (1 - q[k])
    p[k] = q[k] + gap
    return p


def rejections(rows: list[tuple[float, ...]], p: list[np.ndarray], rounds: int, pooled: bool) -> float:
    """How often 4,000 simulated experiments tell their shares from the target at 95 %."""
    rng = np.random.default_rng(0)
    drawn = np.stack([rng.multinomial(rounds, row, size=4000) for row in p])  # [C, runs, K]
    if pooled and len(rows[0]) == 2:
        expected = rounds * sum(row[0] for row in rows)
        variance = rounds * sum(row[0] * row[1] for row in rows)
        statistic = (drawn[:, :, 0].sum(0) - expected) ** 2 / variance
    else:
        expected = rounds * len(rows) * np.array(rows[0])
        statistic = ((drawn.sum(0) - expected) ** 2 / expected).sum(1)
    return float(np.mean(statistic > chi2.ppf(0.95, len(rows[0]) - 1)))


@pytest.mark.parametrize("q", [HALF, TICKETS, FIVE], ids=["half", "tickets", "five"])
@pytest.mark.parametrize("gap", [0.05, -0.05])
def test_so_many_rounds_show_the_gap_four_times_in_five_and_rarely_without_one(
    q: tuple[float, ...], gap: float
) -> None:
    rounds = rounds_needed([q], 0.05).per_context
    k = max(range(len(q)), key=lambda k: q[k] * (1 - q[k]))

    assert rejections([q], [shifted(q, k, gap)], rounds, False) == pytest.approx(0.8, abs=0.05)
    assert rejections([q], [np.array(q)], rounds, False) == pytest.approx(0.05, abs=0.012)


def test_the_mean_gap_over_contexts_of_different_targets_is_seen_as_often() -> None:
    rows = list(parse_spec({"attribute": "gender", "target": "real"}).target.rows)
    rows = [row for row in rows if 0.03 < row[0] < 0.97]
    rounds = rounds_needed(rows, 0.03).overall
    off = [np.array([row[0] + 0.03, row[1] - 0.03]) for row in rows]

    assert rejections(rows, off, rounds, True) == pytest.approx(0.8, abs=0.05)
    assert rejections(rows, [np.array(row) for row in rows], rounds, True) == pytest.approx(0.05, abs=0.015)


@pytest.mark.parametrize("rows", [[HALF], [TICKETS] * 4, [FIVE, (0.6, 0.1, 0.1, 0.1, 0.1)], [(1.0, 0.0)]])
def test_what_is_needed_and_what_is_visible_are_each_others_way_back(rows: list) -> None:
    needed = rounds_needed(rows, 0.05)

    assert visible_gaps(rows, needed.per_context).per_context <= 0.05 + 1e-9
    assert visible_gaps(rows, max(1, needed.per_context - 1)).per_context > 0.05
    assert visible_gaps(rows, needed.overall).overall <= 0.05 + 1e-9


def test_the_smallest_gap_takes_as_many_rounds_as_theory_says() -> None:
    assert rounds_needed([HALF], LEAST_GAP).per_context == pytest.approx(7.849 / 4e-12, rel=1e-3)
    assert rounds_needed([(1.0, 0.0)], LEAST_GAP).per_context == pytest.approx(1.6094e6, rel=1e-3)


def test_a_target_without_variance_still_takes_enough_rounds_to_meet_the_gap_once() -> None:
    assert rounds_needed([(1.0, 0.0)], 0.05).per_context == 32  # 0.95^32 < 0.2


@pytest.mark.parametrize(
    ("values", "field"),
    [({"gap": 0}, "gap"), ({"gap": 5}, "gap"), ({"gap": "x"}, "gap"), ({"gap": 1e-17}, "gap"),
     ({"gap": 5e-324}, "gap"),
     ({"gap": 0.1, "power": 1}, "power"), ({"gap": 0.1, "confidence": 95}, "confidence")],
)  # fmt: skip
def test_what_is_no_probability_is_named(values: dict, field: str) -> None:
    with pytest.raises(SpecError) as caught:
        rounds_needed([HALF], **values)

    assert caught.value.field == field
