"""Fragments of HTML for the examples of the gallery. Pure; every text is escaped."""

from __future__ import annotations

from collections.abc import Sequence

from jobs.gallery import Example, Phase
from ui import cards
from ui.present import duration, esc, figure, percent, points

WIDTH, HEIGHT, AXIS = 320.0, 150.0, 18.0
LEFT, RIGHT = 8.0, 312.0
MAX_LINES = 25

LEGEND = (
    '<p class="da-legend"><span><i class="tick"></i>target</span>'
    '<span><i class="dot hollow"></i>before</span><span><i class="dot after"></i>{after}</span></p>'
)


def gallery(examples: Sequence[Example]) -> str:
    """All examples as a list of cards."""
    if not examples:
        text = "Make one with: python -m jobs gallery build specs/gender-uk-real.yaml --set preset=quick"
        return cards.empty("No examples here", text)
    shown = "".join(_card(example, [e for e in examples if _beside(e, example)]) for example in examples)
    return f'<ul class="da-gallery">{shown}</ul>'


def _beside(other: Example, example: Example) -> bool:
    """Whether two examples went for the same target, by other ways."""
    dataset, same = ((e.categories, e.contexts, e.target) for e in (other, example))
    return other.name != example.name and dataset == same


def link(
    example: Example, text: str, label: str = "", classes: str = "da-inline", tab: str = "results"
) -> str:
    """A link that opens an example in place; it also works where it is copied."""
    named = f' aria-label="{esc(label)}"' if label else ""
    return (
        f'<a class="{classes}" href="?tab={tab}&amp;run={esc(example.run_id)}" '
        f'data-example="{esc(example.name)}" data-tab="{tab}"{named}>{esc(text)}</a>'
    )


def _card(example: Example, beside: Sequence[Example]) -> str:
    opened = link(example, "Open the results", f"Open the results: {example.title}", "da-button")
    play = link(example, "Play with its adapter", tab="play") if example.adapter else ""
    compare = ""
    if beside:
        ids = ",".join(e.run_id for e in (example, *beside))
        what = f"Compare with: {' and '.join(e.title for e in beside)}"
        names = ",".join(e.name for e in (example, *beside))
        compare = (
            f'<a class="da-inline" href="?tab=compare&amp;runs={esc(ids)}" data-example="{esc(names)}" '
            f'data-tab="compare">{esc(what)}</a>'
        )
    return (
        f'<li class="da-example"><h3>{esc(example.title)}</h3><p class="da-sub">{esc(example.about)}</p>'
        f"{picture(example)}{LEGEND.format(after=_after(example))}{_figures(example)}"
        f'<div class="da-example-end"><div class="da-example-links">{opened}{play}{compare}</div>'
        '<p class="da-sub">Made by</p>'
        f"<code>{esc(example.command)}</code></div></li>"
    )


def _after(example: Example) -> str:
    """What was done to the model."""
    return "told the target" if example.train_seconds is None else "after training"


def _figures(example: Example) -> str:
    before, after = example.before, example.after
    rounds = f"{after.rounds:,}" if before.rounds == after.rounds else f"{before.rounds:,} → {after.rounds:,}"
    facts = [
        ("Distance from the target", f"{100 * before.mae:.1f} → {points(after.mae)}"),
        ("A perfect sampler", points(after.noise_floor)),
        ("Ratio of the two", f"{figure(after.ratio, 2)}×"),
        ("Unclassified", f"{percent(before.unclassified)} → {percent(after.unclassified, 1)}"),
        ("Training took", "none" if example.train_seconds is None else duration(example.train_seconds)),
        ("Rounds a context", rounds),
    ]
    return f'<dl class="da-facts">{"".join(f"<div><dt>{k}</dt><dd>{v}</dd></div>" for k, v in facts)}</dl>'


def picture(example: Example) -> str:
    """Target, before and after of the category that moved most, a line a context."""
    k = moved_most(example)
    order = sorted(range(len(example.contexts)), key=lambda i: -example.target[i][k])[:MAX_LINES]
    step = HEIGHT / len(order)
    lines = "".join(_line(example, i, k, (place + 0.5) * step, step) for place, i in enumerate(order))
    axis = "".join(
        f'<path class="grid" d="M{_x(share):.1f},0V{HEIGHT:g}"/>'
        f'<text x="{_x(share):.1f}" y="{HEIGHT + AXIS - 4:g}" text-anchor="{anchor}">{percent(share)}</text>'
        for share, anchor in ((0, "start"), (0.5, "middle"), (1, "end"))
    )
    label = (
        f"Share of {example.categories[k]} in {len(order)} contexts, before and {_after(example)}, beside the "
        f"target. Mean distance from the target over all categories: {points(example.before.mae)} before, "
        f"{points(example.after.mae)} {_after(example)}."
    )
    return (
        f'<p class="da-picture-title">Share of “{esc(example.categories[k])}”, a line a context</p>'
        f'<svg class="da-picture" viewBox="0 0 {WIDTH:g} {HEIGHT + AXIS:g}" role="img" '
        f'aria-label="{esc(label)}">{axis}{lines}</svg>'
    )


def moved_most(example: Example) -> int:
    """The category whose shares lay farthest from their targets before training."""

    def gap(k: int) -> float:
        pairs = zip(example.before.shares, example.target, strict=True)
        return sum(abs((shares[k] or 0.0) - target[k]) for shares, target in pairs)

    return max(range(len(example.categories)), key=gap)


def _line(example: Example, i: int, k: int, y: float, step: float) -> str:
    half, radius = min(7.0, 0.48 * step), min(4.0, 0.45 * step)
    target = _x(example.target[i][k])
    return (
        _spot(example.before, i, k, y, radius, "before")
        + _spot(example.after, i, k, y, radius, "after")
        + f'<path class="target" d="M{target:.1f},{y - half:.1f}v{2 * half:.1f}"/>'
    )


def _spot(phase: Phase, i: int, k: int, y: float, radius: float, name: str) -> str:
    share = phase.shares[i][k]
    if share is None:
        return ""
    return f'<circle class="{name}" cx="{_x(share):.1f}" cy="{y:.1f}" r="{radius:.1f}"/>'


def _x(share: float) -> float:
    return LEFT + (RIGHT - LEFT) * share
