"""The colours of categories: strong enough on both pages, and apart for colour-blind readers."""

from __future__ import annotations

import itertools

import numpy as np
import pytest

from jobs.reporting.layers import AFTER, BEFORE, PALETTE

WHITE, DARK = "#ffffff", "#0f172a"
# Machado, Oliveira and Fernandes 2009, full severity: what a colour looks like, in linear RGB.
SEEN_BY = {
    "everybody": np.eye(3),
    "protanopes": [
        [0.152286, 1.052583, -0.204868],
        [0.114503, 0.786281, 0.099216],
        [-0.003882, -0.048116, 1.051998],
    ],
    "deuteranopes": [
        [0.367322, 0.860646, -0.227968],
        [0.280085, 0.672501, 0.047413],
        [-0.011820, 0.042940, 0.968881],
    ],
    "tritanopes": [
        [1.255528, -0.076749, -0.178779],
        [-0.078411, 0.930809, 0.147602],
        [0.004733, 0.691367, 0.303900],
    ],
}
XYZ = np.array([[0.4124, 0.3576, 0.1805], [0.2126, 0.7152, 0.0722], [0.0193, 0.1192, 0.9505]])
JUST_TOLD_APART = 2.3


def linear(colour: str) -> np.ndarray:
    shares = np.array([int(colour[i : i + 2], 16) for i in (1, 3, 5)]) / 255
    return np.where(shares <= 0.04045, shares / 12.92, ((shares + 0.055) / 1.055) ** 2.4)


def lab(light: np.ndarray) -> np.ndarray:
    x, y, z = np.cbrt(XYZ @ light.clip(0.01, 1) / XYZ.sum(1))
    return np.array([116 * y - 16, 500 * (x - y), 200 * (y - z)])


def contrast(one: str, other: str) -> float:
    """WCAG's ratio."""
    high, low = sorted((float(XYZ[1] @ linear(colour)) for colour in (one, other)), reverse=True)
    return (high + 0.05) / (low + 0.05)


@pytest.mark.parametrize("page", [WHITE, DARK])
@pytest.mark.parametrize("colour", [*PALETTE, BEFORE, AFTER])
def test_a_mark_stands_out_from_its_page(colour: str, page: str) -> None:
    assert contrast(colour, page) >= 3


@pytest.mark.parametrize("who", SEEN_BY)
def test_two_categories_never_look_alike(who: str) -> None:
    seen = [lab(np.asarray(SEEN_BY[who]) @ linear(colour)) for colour in PALETTE]
    closest = min(np.linalg.norm(a - b) for a, b in itertools.combinations(seen, 2))
    assert closest > 5 * JUST_TOLD_APART
