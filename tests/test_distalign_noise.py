"""The noise floor against the values that the design names, and against simulation."""

from __future__ import annotations

import numpy as np
import pytest

from distalign.contexts import occupation_table
from distalign.noise import mean_absolute_deviation, noise_floor, wilson


@pytest.mark.parametrize(
    ("p", "n", "expected"), [(0.5, 100, 0.03979), (0.2, 100, 0.03178), (1 / 3, 90, 0.03952)]
)
def test_known_deviations(p: float, n: int, expected: float) -> None:
    assert round(mean_absolute_deviation(p, n), 5) == expected


@pytest.mark.parametrize(("source", "expected"), [("uk-occupations", 0.03116), ("us-occupations", 0.03236)])
def test_known_floors_of_the_occupation_tables(source: str, expected: float) -> None:
    table = occupation_table(source)
    floors = [noise_floor(table.share(name), 100) for name in table.names]

    assert round(float(np.mean(floors)), 5) == expected


@pytest.mark.parametrize(("p", "n"), [(0.5, 1), (0.3, 7), (0.97, 30), (0.1, 10), (0.01, 20)])
def test_the_closed_form_equals_the_sum_over_all_counts(p: float, n: int) -> None:
    from scipy.stats import binom

    x = np.arange(n + 1)
    summed = (binom.pmf(x, n, p) * np.abs(x / n - p)).sum()

    assert mean_absolute_deviation(p, n) == pytest.approx(summed, rel=1e-9)


def test_certain_categories_have_no_noise() -> None:
    assert mean_absolute_deviation(0.0, 10) == mean_absolute_deviation(1.0, 10) == 0
    assert noise_floor([1.0, 0.0], 100) == 0


def test_many_rounds_do_not_overflow() -> None:
    # √(2p(1−p)/πn) for large n.
    assert mean_absolute_deviation(0.5, 100_000) == pytest.approx(0.00126157, rel=1e-4)


def test_no_rounds_have_no_floor() -> None:
    with pytest.raises(ValueError, match="at least 1"):
        mean_absolute_deviation(0.5, 0)


@pytest.mark.parametrize(("share", "n"), [(0.0, 50), (0.1, 100), (0.5, 7), (1.0, 3)])
def test_wilsons_interval_is_that_of_the_textbook_for_numbers_and_arrays(share: float, n: int) -> None:
    from scipy.stats import binomtest

    expected = binomtest(round(share * n), n).proportion_ci(method="wilson")
    exact = round(share * n) / n

    assert wilson(exact, n) == pytest.approx((expected.low, expected.high), abs=1e-7)
    low, high = wilson(np.array([exact]), np.array([n]))
    assert (low[0], high[0]) == pytest.approx(wilson(exact, n), abs=1e-12)
