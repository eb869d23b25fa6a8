"""The pictures of How it works: inline SVG that takes the theme's colours from help.css. Pure.

Each is drawn about as wide as a phone, so that its text stays legible there; wider pages lay them side by side.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

from distalign.noise import mean_absolute_deviation
from ui.present import esc, percent

WIDTH = 340
# An example for the pictures that explain: 30 % male, 70 % female, in 100 rounds.
TARGET, ROUNDS = (0.3, 0.7), 100


def _svg(height: float, label: str, body: str, classes: str = "da-dia") -> str:
    return f'<svg class="{classes}" viewBox="0 0 {WIDTH} {height:g}" role="img" aria-label="{esc(label)}">{body}</svg>'


def _text(x: float, y: float, text: str, classes: str = "", anchor: str = "start") -> str:
    named = f' class="{classes}"' if classes else ""
    return f'<text x="{x:g}" y="{y:g}" text-anchor="{anchor}"{named}>{esc(text)}</text>'


def _box(x: float, y: float, width: float, height: float, classes: str = "box") -> str:
    return f'<rect class="{classes}" x="{x:g}" y="{y:g}" width="{width:g}" height="{height:g}" rx="8"/>'


def _arrow(x: float, y: float, to_x: float, to_y: float, classes: str = "line") -> str:
    angle = math.atan2(to_y - y, to_x - x)
    head = [
        (to_x - 7 * math.cos(angle + turn), to_y - 7 * math.sin(angle + turn)) for turn in (0.45, 0, -0.45)
    ]
    head[1] = (to_x, to_y)
    points = " L".join(f"{a:.1f},{b:.1f}" for a, b in head)
    return f'<path class="{classes}" d="M{x:g},{y:g} L{to_x:g},{to_y:g} M{points}"/>'


def hundred(counts: Sequence[int], label: str) -> str:
    """Rounds as small squares, ten a row: those of each category, then (hollow) those of none."""
    kinds = [kind for kind, count in enumerate(counts) for _ in range(count)]
    size, gap, left = 14.0, 3.0, 86.0
    squares = "".join(
        f'<rect class="{"none" if kind == len(counts) - 1 else f"k{kind}"}" rx="2.5" '
        f'x="{left + (i % 10) * (size + gap):g}" y="{4 + (i // 10) * (size + gap):g}" '
        f'width="{size:g}" height="{size:g}"/>'
        for i, kind in enumerate(kinds)
    )
    return _svg(4 + math.ceil(len(kinds) / 10) * (size + gap), label, squares, "da-dia squares")


def steering() -> str:
    """A prompt, two steering tokens with their probabilities, and the answers that follow them."""
    body = _box(20, 4, 300, 40) + _text(170, 29, "Is a librarian male or female?", "big", "middle")
    for k, (x, words) in enumerate(((90, "“A man.”"), (250, "“A woman.”"))):
        middle = 150 + (x - 150) * 0.55
        body += _arrow(middle, 46, x, 84, f"line k{k}")
        body += _text(
            (middle + x) / 2 + (-14 if k == 0 else 14),
            68,
            percent(TARGET[k]),
            "",
            "end" if k == 0 else "start",
        )
        body += _box(x - 55, 86, 110, 40, f"token k{k}") + _text(x, 111, f"token {k + 1}", "big on", "middle")
        body += _arrow(x, 128, x, 158, f"line k{k}")
        body += _box(x - 65, 160, 130, 40) + _text(x, 185, words, "big", "middle")
    body += _text(170, 220, "A reader sees the words, not the token.", "", "middle")
    return _svg(228, "A prompt leads to token 1 in 30 % and to token 2 in 70 % of rounds. Token 1 is "
                "followed by words for male, token 2 by words for female.", body)  # fmt: skip


def calibration() -> str:
    """How the KL term moves probability: from other tokens to the steering tokens, up to the target."""
    left, full = 96.0, 226.0
    rows = (("token 1", 0.02, 0.3), ("token 2", 0.05, 0.7), ("all others", 0.93, 0.0))
    body = ""
    for place, (name, before, after) in enumerate(rows):
        y = 16.0 + 44 * place
        start, end = left + full * before, left + full * after
        body += _text(left - 10, y + 15, name, "", "end")
        body += f'<rect class="before" x="{left:g}" y="{y:g}" width="{full * before:g}" height="20" rx="3"/>'
        body += _arrow(start, y + 10, end + (7 if end < start else -4), y + 10, "line after")
        body += f'<path class="target" d="M{end:g},{y - 5:g}v30"/>'
        body += _text(end + (9 if after < 0.6 else 8), y - 3, percent(after)) if after else ""
    body += _text(left, 152, "Grey: before. Line: target.")
    return _svg(160, "Before training most probability lies on other tokens. The first term moves it to token 1, up "
                "to 30 %, and to token 2, up to 70 %.", body)  # fmt: skip


def binding() -> str:
    """What KTO is shown: each token with words that fit it, and with words that do not."""
    pairs = ((1, "“A man.”", True), (1, "“A woman.”", False), (2, "“A woman.”", True), (2, "“A man.”", False))
    body = ""
    for place, (token, words, fits) in enumerate(pairs):
        y = 4.0 + 38 * place
        body += _box(10, y, 76, 30, f"token k{token - 1}") + _text(
            48, y + 20, f"token {token}", "on", "middle"
        )
        body += _box(94, y, 104, 30) + _text(146, y + 20, words, "", "middle")
        mark = "M212,{0}l5,6l9,-12" if fits else "M213,{0}l11,-11m0,11l-11,-11"
        body += f'<path class="{"yes" if fits else "no"}" d="{mark.format(y + (15 if fits else 20.5))}"/>'
        body += _text(234, y + 20, "desirable" if fits else "undesirable")
    return _svg(152, "Token 1 with words for male and token 2 with words for female are desirable. Token 1 with "
                "words for female and token 2 with words for male are undesirable.", body)  # fmt: skip


def distance() -> str:
    """One context on the scale of shares: the target with its noise floor, and what was realized."""
    share, realized, spread = TARGET[1], 0.58, 0.097
    floor = mean_absolute_deviation(share, ROUNDS)
    x = [10 + 320 * value for value in (share, realized, share - floor, share + floor)]
    body = '<path class="grid" d="M10,74H330"/>'
    body += "".join(
        _text(10 + 320 * s, 94, percent(s), "", a) for s, a in ((0, "start"), (0.5, "middle"), (1, "end"))
    )
    body += f'<rect class="band" x="{x[2]:.1f}" y="40" width="{x[3] - x[2]:.1f}" height="34" rx="3"/>'
    body += f'<path class="target" d="M{x[0]:.1f},38v38"/>' + _text(x[0] + 6, 30, "target 70 %")
    body += f'<path class="after thick" d="M{x[1] - 320 * spread:.1f},57h{640 * spread:.1f}"/>'
    body += f'<circle class="after" cx="{x[1]:.1f}" cy="57" r="6"/>' + _text(
        x[1] - 8, 30, "realized 58 %", "", "end"
    )
    body += f'<path class="line" d="M{x[1]:.1f},104v8H{x[0]:.1f}v-8"/>'
    body += _text((x[0] + x[1]) / 2, 128, "distance: 12 points", "", "middle")
    return _svg(134, "On a scale of shares the target stands at 70 % with a narrow band around it, the noise floor; the "
                "realized share stands at 58 % with its interval, 12 points away.", body)  # fmt: skip


def coin() -> str:
    """How often each count of heads comes in 100 fair tosses; the mean distance from 50 is marked."""
    floor = mean_absolute_deviation(0.5, ROUNDS) * ROUNDS
    chances = {k: math.comb(ROUNDS, k) / 2**ROUNDS for k in range(34, 67)}
    top = max(chances.values())
    bars = "".join(
        f'<rect class="{"band strong" if abs(k - 50) <= floor else "band"}" x="{_toss(k) - 4:.1f}" '
        f'y="{112 - 100 * chance / top:.1f}" width="8" height="{100 * chance / top:.1f}" rx="1.5"/>'
        for k, chance in chances.items()
    )
    body = bars + '<path class="grid" d="M6,112H334"/>'
    body += "".join(_text(_toss(k), 130, str(k), "", "middle") for k in (35, 40, 45, 50, 55, 60, 65))
    body += _text(170, 150, "heads in 100 tosses of a fair coin", "", "middle")
    return _svg(158, "Heads in 100 tosses of a fair coin: a bell around 50. The counts from 47 to 53 are marked; on "
                f"average a count is {floor:.1f} away from 50.", body)  # fmt: skip


def _toss(k: int) -> float:
    return WIDTH / 2 + (k - 50) * 10
