"""The target as bars of HTML, which follow each move of a slider without a blink. Pure; every text is escaped."""

from __future__ import annotations

from collections.abc import Sequence

from distalign.attributes import Attribute
from distalign.contexts import Contexts
from distalign.targets import Target
from jobs.reporting.layers import MAX_CONTEXTS, PALETTE, largest
from ui.present import esc, percent, plural

MARKS = range(0, 101, 20)
# So many shares are sent within a moment, and a browser scrolls them smoothly.
MOST_PARTS = 2_000


def drawn_contexts(attribute: Attribute) -> int:
    """How many contexts are drawn at most: the fewer, the more categories there are."""
    return max(MAX_CONTEXTS, MOST_PARTS // len(attribute))


def target_bars(attribute: Attribute, contexts: Contexts, target: Target) -> str:
    """A bar of q for each of the first contexts, and how many these are; one in all where the rows are the same.

    Categories without a colour of their own are summed.
    """
    most = drawn_contexts(attribute)
    names, rows = list(contexts.names), list(target.rows)
    if len(set(rows)) == 1 and len(rows) > 1:
        names, rows = [f"All {len(names)} contexts"], rows[:1]
    categories, rows = largest(attribute.names, rows[:most])
    cut = f"The first {most:,} of {len(names):,} contexts." if len(names) > most else ""
    said = (
        f"Target shares of {plural(len(attribute), 'category', 'categories')}, a bar a context. {cut}".strip()
    )
    legend = "".join(f"<span>{_swatch(k)}{esc(name)}</span>" for k, name in enumerate(categories))
    axis = "".join(f"<span>{mark}%</span>" for mark in MARKS)
    bars = "".join(_bar(name, categories, row) for name, row in zip(names, rows, strict=False))
    told = f'<p class="da-quiet">{cut}</p>' if cut else ""
    return (
        f'<div class="da-bars" role="img" aria-label="{esc(said)}" tabindex="0"><div class="da-legend">{legend}</div>'
        f'{told}<div class="axis">{axis}</div>{bars}</div>'
    )


def _bar(name: str, categories: Sequence[str], row: Sequence[float]) -> str:
    parts = "".join(
        f'<i style="width:{100 * share:.4g}%;background:{PALETTE[k]}" title="{esc(category)}: {percent(share, 1)}"></i>'
        for k, (category, share) in enumerate(zip(categories, row, strict=True))
        if share > 0
    )
    return f'<div class="row"><span>{esc(name)}</span><div class="bar">{parts}</div></div>'


def _swatch(k: int) -> str:
    return f'<i style="background:{PALETTE[k]}"></i>'
