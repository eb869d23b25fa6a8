"""Numbers and moments as a person reads them. Pure; every text is escaped by the caller."""

from __future__ import annotations

import math
from datetime import UTC, datetime
from html import escape

from distalign.wording import NONE as NONE
from distalign.wording import figure as figure
from distalign.wording import percent as percent
from distalign.wording import plural as plural
from distalign.wording import points as points


def esc(value: object) -> str:
    """Text safe in HTML, in attributes too."""
    return escape(str(value), quote=True)


def duration(seconds: float | None) -> str:
    """ "45 s", "6 min", "1 h 20 min"."""
    if seconds is None or not math.isfinite(seconds) or seconds < 0:
        return NONE
    if seconds < 59.5:
        return f"{max(1, round(seconds))} s"
    minutes = round(seconds / 60)
    if minutes < 60:
        return f"{minutes} min"
    return f"{minutes // 60} h {minutes % 60} min" if minutes % 60 else f"{minutes // 60} h"


def rough_duration(seconds: float | None) -> str:
    """A duration that claims no more than it knows: "under a minute", "about 6 min"."""
    if seconds is None or not math.isfinite(seconds):
        return "unknown"
    return "under a minute" if seconds < 50 else f"about {duration(seconds)}"


def moment(seconds: float) -> datetime:
    """A time from the store (seconds since 1970) as UTC."""
    return datetime.fromtimestamp(seconds, UTC)


def ago(then: float | None, now: float) -> str:
    """ "just now", "5 min ago", "3 h ago", else the date (UTC)."""
    if then is None:
        return NONE
    seconds = now - then
    if seconds < 60:
        return "just now"
    if seconds < 3600:
        return f"{int(seconds // 60)} min ago"
    if seconds < 86400:
        return f"{int(seconds // 3600)} h ago"
    return moment(then).strftime("%-d %b %Y")


def stamp(then: float | None) -> str:
    """The full date and time, UTC."""
    return NONE if then is None else moment(then).strftime("%-d %b %Y, %H:%M UTC")


def clock(then: float) -> str:
    """The time of day of a log line, UTC."""
    return moment(then).strftime("%H:%M:%S")
