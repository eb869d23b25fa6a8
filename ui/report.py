"""Fragments of HTML for the Results tab: summary, tiles, rounds, legends. Pure; every text is escaped."""

from __future__ import annotations

from collections.abc import Sequence

from distalign.asked import Names, asked_text, names_of
from distalign.results import Pair, Round
from distalign.spec import RunSpec
from distalign.story_config import UNCLASSIFIED_STORIES
from distalign.summary import Summary
from jobs.reporting.measures import interval
from jobs.reporting.tables import Cell, html_table
from storage.records import GroupedAnswers
from ui.present import NONE, esc, figure, percent, plural


def summary_html(summary: Summary) -> str:
    """What was reached, then the other sentences with their labels, and the caution."""
    body = "".join(f"<div><dt>{esc(s.label)}</dt><dd>{esc(s.text)}</dd></div>" for s in summary.sentences)
    return (
        f'<p class="da-lead">{esc(summary.headline)}</p><dl class="da-words">{body}</dl>'
        f'<p class="da-caution">{esc(summary.caution)}</p>'
    )


def tiles(pair: Pair) -> str:
    """The headline in four figures."""
    before, after = pair
    now = after or before
    if now is None:
        return ""
    start = f"<small>{figure(before.mae.value)} →</small> " if before and after else ""
    cells = [
        (
            "Mean distance from the target (MAE)",
            f"{start}{figure(now.mae.value)}",
            f"95 % interval {interval(now.mae)}",
        ),
        (
            "Noise floor",
            figure(now.noise_floor),
            "The MAE of a perfect sampler with as many rounds",
        ),
        (
            "Ratio to the noise floor",
            f"{figure(now.ratio.value, 2)}×",
            "About 1 is perfect, less is luck"
            + (f"; it was {figure(before.ratio.value, 1)}× before" if before and after else ""),
        ),
        (
            "Unclassified answers",
            percent(now.unclassified, 1),
            f"of {now.rounds:,} rounds" + (f": {UNCLASSIFIED_STORIES}" if now.split == "stories" else ""),
        ),
    ]
    body = "".join(
        f'<div class="da-tile"><div class="k">{k}</div><div class="v">{v}</div><div class="h">{h}</div></div>'
        for k, v, h in cells
    )
    return f'<div class="da-tiles">{body}</div>'


def rounds_table(rounds: Sequence[Round], spec: RunSpec, tokens: Sequence[str]) -> str:
    """A page of rounds of one split, the steering token apart from the text; ``tokens`` are their texts."""
    if not rounds:
        return empty_rounds()
    names = names_of(spec, rounds[0].split)
    body = "".join(_round_row(r, spec, names, tokens) for r in rounds)
    return (
        '<div class="da-scroll" tabindex="0"><table class="da-table da-rounds"><thead><tr>'
        '<th scope="col">Context and prompt</th><th scope="col">Steering token</th><th scope="col">Answer</th>'
        f'<th scope="col">Read as</th></tr></thead><tbody>{body}</tbody></table></div>'
    )


def answers_table(found: GroupedAnswers, names: Sequence[str]) -> str:
    """A page of different answers with how often each came."""
    if not found.groups:
        return empty_rounds()
    rows = [
        [
            Cell(group.text or "(an empty answer)"),
            "unclassified" if group.category is None else names[group.category],
            f"{group.rounds:,}",
            percent(group.rounds / found.looked_at, 1),
            f"{group.contexts:,}",
        ]
        for group in found.groups
    ]
    headers = ["Answer", "Read as", "Rounds", "Of these", "Contexts"]
    told = "" if found.whole else f" Only the first {plural(found.most, 'matching round')} were looked at."
    note = f'<p class="da-quiet">{plural(found.total, "different answer")} in {plural(found.looked_at, "round")}.{told}</p>'
    return note + html_table("Different answers", headers, rows, words=2)


def empty_rounds() -> str:
    return '<p class="da-quiet">No round matches. Choose another phase, split, context, template or category.</p>'


def _round_row(r: Round, spec: RunSpec, names: Names, tokens: Sequence[str]) -> str:
    prompt = asked_text(spec, r.split, r.template, r.context)
    token = NONE
    if r.steering is not None:
        text = tokens[r.steering] if r.steering < len(tokens) else ""
        token = f'<span class="da-token">{esc(text)}</span> {esc(names.steered(r.context, r.steering))}'
    read = (
        '<span class="da-none">unclassified</span>'
        if r.category is None
        else esc(names.categories[r.category])
    )
    return (
        f"<tr><td>{esc(names.contexts[r.context])}<small>{esc(prompt)}</small></td><td>{token}</td>"
        f'<td class="da-text">{esc(r.text.strip()) or NONE}</td><td>{read}</td></tr>'
    )


def _legend(*entries: str) -> str:
    return f'<div class="da-legend">{"".join(f"<span>{entry}</span>" for entry in entries)}</div>'


_BEFORE = '<i class="dot" style="background:var(--da-before)"></i>before'
_AFTER = '<i class="dot" style="background:var(--da-after)"></i>after'
LEGEND = _legend(
    '<i class="tick"></i>target',
    '<i class="band"></i>noise floor around it',
    f"{_BEFORE}, with 95 % interval",
    f"{_AFTER}, with 95 % interval",
    '<i class="diamond"></i>after, exact: without sampling noise',
)
ERROR_LEGEND = _legend(
    _BEFORE,
    _AFTER,
    '<i class="dashes"></i>a perfect sampler, on average',
    '<i class="band"></i>where it lies in 95 of 100 runs',
)
SHARES_LEGEND = _legend(
    '<i class="dashes"></i>target',
    '<i class="band"></i>where a perfect sampler’s share lies in 95 of 100 runs',
)
# How the bands of convergence are worked out, and what its order of rounds is.
CONVERGENCE_NOTE = (
    "The rounds of a context are drawn together and have no order of their own: here they are dealt in an order drawn "
    "from the run’s seed. Bands, of a sampler that leaves nothing unclassified: the normal approximation of binomial "
    "counts (de Moivre, Laplace); the dashed mean error is exact."
)
