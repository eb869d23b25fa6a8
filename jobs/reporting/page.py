"""A run's results as one HTML file to send to someone: no script, nothing that is loaded, light, dark and on paper."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime
from html import escape
from pathlib import Path

import distalign
from distalign.results import SideEffects, SplitResult, of_split
from distalign.story_config import UNCLASSIFIED_STORIES
from distalign.summary import Summary, summarise
from distalign.training_config import reads
from distalign.wording import figure, listed, percent, plural
from jobs.reporting import contexts, measures, pictures, views
from jobs.reporting.tables import Cell, html_table
from jobs.reporting.views import View
from storage import Run
from storage.records import GroupedAnswers

STYLE = Path(__file__).with_name("report.css")
# The chart shows those that are furthest off; the table has more, the file of results all.
MOST_DRAWN, MOST_LISTED = 25, 200
MOST_ANSWERS = 12


def report_page(
    run: Run,
    results: Sequence[SplitResult],
    effects: SideEffects | None,
    unclassified: GroupedAnswers,
    view: View,
) -> str:
    """The report.

    Args:
        unclassified: the answers of the view's split, in its last phase, that name no category.
        view: the split that the report is about, and the category whose shares are drawn; must be settled.
    """
    spec, view = run.spec, replace(view, first=0)
    summary = summarise(spec, results, effects, view.split)
    before, after = of_split(results, view.split)
    now = after or before
    body = [
        f"<h1>{escape(run.title)}</h1>",
        f'<p class="soft">{_byline(run)}</p>',
        f'<p class="lead">{escape(summary.headline)}</p>',
        _tiles(now) if now else "",
        _sentences(summary),
        _charts(run, results, view),
        _section("Splits", "", measures.splits_table(results)) if results else "",
        _contexts(run, results, view),
        _unclassified(unclassified),
        _section("Every measure", "Small print: 95 % bootstrap intervals.", measures.measures_table(results)),
        measures.marginals_table(results),
        _section("Side effects", effects.sentence, measures.effects_table(effects)) if effects else "",
        _reproduction(run),
    ]
    return (
        '<!doctype html>\n<html lang="en"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width, initial-scale=1"><meta name="color-scheme" content="light dark">'
        f"<title>{escape(run.title)}, Distalign</title><style>\n{STYLE.read_text('utf-8')}</style></head>"
        f"<body><main>{''.join(body)}</main></body></html>\n"
    )


def _byline(run: Run) -> str:
    spec = run.spec
    ended = "finished" if run.finished_at else "made"
    day = datetime.fromtimestamp(run.finished_at or run.created_at, UTC).strftime("%-d %B %Y, %H:%M UTC")
    facts = [
        f"method {spec.method.replace('_', ' ')}",
        f"base model {spec.base_model}",
        *([f"preset {spec.preset}"] if reads(spec.method, "preset") else []),
    ]
    return escape(f"Run {run.id} · {ended} {day} · {' · '.join(facts)} · Distalign {distalign.__version__}")


def _tiles(now: SplitResult) -> str:
    stories = f": {UNCLASSIFIED_STORIES}" if now.split == "stories" else ""
    cells = [
        (
            figure(now.mae.value),
            f"mean distance from the target (MAE), 95 % interval {measures.interval(now.mae)}",
        ),
        (figure(now.noise_floor), "noise floor: the MAE of a perfect sampler with as many rounds"),
        (f"{figure(now.ratio.value, 2)}×", "ratio of the two; about 1 is perfect, less is luck"),
        (percent(now.unclassified, 1), f"unclassified, of {now.rounds:,} rounds{stories}"),
    ]
    body = "".join(f"<div><b>{escape(value)}</b><span>{escape(text)}</span></div>" for value, text in cells)
    return f'<div class="tiles">{body}</div>'


def _sentences(summary: Summary) -> str:
    body = "".join(f"<dt>{escape(s.label)}</dt><dd>{escape(s.text)}</dd>" for s in summary.sentences)
    return f'<h2>In words</h2><dl>{body}</dl><p class="caution">{escape(summary.caution)}</p>'


def _charts(run: Run, results: Sequence[SplitResult], view: View) -> str:
    spec = run.spec
    if not any(result.contexts for result in results if result.split == view.split):
        return ""
    drawn = [
        ("chart", "Realized against target", views.realized_chart(spec, results, view, MOST_DRAWN)),
        ("convergence", "As rounds accumulate", views.convergence_chart(spec, results, view)),
    ]
    parts = []
    for kind, title, chart in drawn:
        told = escape(" ".join(views.subtitle(spec, view, kind)) + ".")
        parts.append(
            f'<h2>{title}</h2><p class="soft">{told}</p><div class="chart">'
            f"{pictures.inline_svg(chart, kind, f'{title}: {told} The figures are in the tables below.')}</div>"
        )
    return "".join(parts)


def _contexts(run: Run, results: Sequence[SplitResult], view: View) -> str:
    pair, names = of_split(results, view.split), run.spec.contexts.names
    table = contexts.contexts_table(pair, names, view.category, view.order, most=MOST_LISTED)
    count = max((len(result.contexts) for result in pair if result), default=0)
    if not count:
        return ""
    told = f"Share of “{run.spec.attribute.names[view.category]}” on {measures.titled(view.split).lower()}."
    if count > MOST_DRAWN:
        told += f" The chart draws the first {MOST_DRAWN} of {plural(count, 'context')}."
    if count > MOST_LISTED:
        told += f" The table has the first {MOST_LISTED}; all are in the exported results."
    return _section("Contexts", told, table)


def _unclassified(found: GroupedAnswers) -> str:
    if not found.groups:
        return ""
    rows = [
        [Cell(group.text or "(an empty answer)"), f"{group.rounds:,}", f"{group.contexts:,}"]
        for group in found.groups[:MOST_ANSWERS]
    ]
    of = plural(found.total, "different answer")
    told = f"{of} among {plural(found.looked_at, 'round')} without a category; the most frequent"
    table = html_table("Unclassified answers", ["Answer", "Rounds", "Contexts"], rows)
    return _section("Unclassified answers", f"{told}:", table)


def _reproduction(run: Run) -> str:
    categories = listed(run.spec.attribute.names, 6)
    return (
        '<h2>How to reproduce it</h2><p class="soft">Save the specification as spec.yaml in a checkout of Distalign '
        f"{escape(distalign.__version__)}. The seed decides everything that is drawn; another processor may round "
        f"differently.</p><pre>python -m jobs run spec.yaml --json</pre><pre>{escape(run.spec.to_yaml())}</pre>"
        f'<p class="soft">Categories: {escape(categories)}. Noise floor: the expected MAE of binomial counts (De Moivre). '
        "Bands: the normal approximation of binomial counts (de Moivre, Laplace). The rounds of a context are "
        "drawn together and have no order of their own; they are dealt in an order drawn from the seed.</p>"
    )


def _section(title: str, told: str, table: str) -> str:
    told = f'<p class="soft">{escape(told)}</p>' if told else ""
    return f"<h2>{escape(title)}</h2>{told}{table}"
