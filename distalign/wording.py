"""Numbers and lists as a person reads them."""

from __future__ import annotations

import math
from collections.abc import Sequence

NONE = "–"


def figure(value: float | None, digits: int = 3) -> str:
    """A figure with fixed decimals; small p-values keep their size."""
    if value is None or not math.isfinite(value):
        return NONE
    if 0 < abs(value) < 10**-digits:
        return f"{value:.0e}"
    return f"{value:.{digits}f}"


def percent(value: float | None, digits: int = 0) -> str:
    if value is None or not math.isfinite(value):
        return NONE
    return f"{100 * value:.{digits}f} %"


def points(value: float) -> str:
    """A difference of shares in percentage points, such as "3.4 points"."""
    return f"{100 * value:.1f} points"


def plural(count: int, one: str, many: str = "") -> str:
    return f"{count:,} {one if count == 1 else many or one + 's'}"


def shortened(text: str, most: int) -> str:
    """A text on one line, cut to so many characters."""
    text = " ".join(text.split())
    return text if len(text) <= most else text[: most - 1] + "…"


def p_value(value: float) -> str:
    """ "p = 0.42", or "p < 0.001"."""
    return "p < 0.001" if value < 0.001 else f"p = {value:.2g}"


def listed(items: Sequence[str], most: int = 0) -> str:
    """ "a, b and c"; with ``most`` the first so many, and how many more there are."""
    if most and len(items) > most:
        items = [*items[:most], f"{len(items) - most} more"]
    return items[0] if len(items) == 1 else f"{', '.join(items[:-1])} and {items[-1]}" if items else ""
