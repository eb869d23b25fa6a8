"""The colours of categories and curves: strong enough on both pages, and categories apart for colour-blind readers."""

from __future__ import annotations

import itertools
import re

import numpy as np
import pytest

from jobs.reporting.layers import AFTER, BEFORE, PALETTE
from ui.curves import PANELS
from ui.overlay import COLOURS
from ui.theme import STYLE

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


def set_by_style(selector: str) -> dict[str, str]:
    """The colours that the page's style gives to names, in the light (":root") or in the dark (".dark")."""
    css = "".join(path.read_text("utf-8") for path in STYLE)
    blocks = re.findall(rf"(?:^|\n){re.escape(selector)} {{(.*?)}}", css, re.DOTALL)
    return dict(re.findall(r"(--da-[a-z0-9-]+): *(#[0-9a-f]{6})\b", "".join(blocks)))


# What is drawn with a name of the page itself (its text) is strong by the theme.
CURVES = {
    name.removeprefix("var(").removesuffix(")")
    for name in (*COLOURS, "var(--da-after)", *(line.colour for panel in PANELS for line in panel.lines))
    if name.startswith("var(--da-")
}


@pytest.mark.parametrize(("selector", "pages"), [(":root", (WHITE, "#f8fafc")), (".dark", (DARK, "#020617"))])
def test_a_curve_stands_out_from_its_card_and_page(selector: str, pages: tuple[str, str]) -> None:
    colours = set_by_style(selector)
    assert len(CURVES) == 8 + 5 and set(colours) >= CURVES
    weak = {name: colours[name] for name in CURVES for page in pages if contrast(colours[name], page) < 3}
    assert not weak


@pytest.mark.parametrize("who", SEEN_BY)
def test_two_categories_never_look_alike(who: str) -> None:
    seen = [lab(np.asarray(SEEN_BY[who]) @ linear(colour)) for colour in PALETTE]
    closest = min(np.linalg.norm(a - b) for a, b in itertools.combinations(seen, 2))
    assert closest > 5 * JUST_TOLD_APART
