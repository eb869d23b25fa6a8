"""Fragments of HTML for the Compare tab. Pure; every text is escaped."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

from distalign import published
from distalign.results import ContextResult, Interval
from distalign.training_config import reads
from jobs.compare import MAX_ENTRIES, Comparison, Line, times_floor
from jobs.datasets import Standing, compared_as, in_passing
from jobs.naming import METHODS_SHORT, STATES
from storage import Answer, Event, Run
from ui import cards, labels
from ui.compare_charts import category_of, glyph, styles_of
from ui.present import NONE, esc, figure, percent, plural, rough_duration
from ui.report import interval

# A context whose error is this many times its noise floor gets the full colour.
HOT = 6.0


def standings_list(found: Sequence[Standing], told: Mapping[str, Event | None], now: float) -> str:
    """What there is of each ticked method; ``told`` has the last event of runs that are under way."""
    if not found:
        return cards.quiet("Tick the methods to compare, or add runs.")
    items = "".join(
        f'<li><span class="t">{esc(METHODS_SHORT[s.method])}</span>{_state(s, told, now)}</li>' for s in found
    )
    return f'<ul class="da-standings" aria-label="Methods">{items}</ul>'


def _state(standing: Standing, told: Mapping[str, Event | None], now: float) -> str:
    if run := standing.done:
        preset = f"{esc(run.spec.preset)}, " if reads(run.method, "preset") else ""
        return f"{cards.chip('done')}<small>{_link(run)} · {preset}seed {run.spec.seed}</small>"
    if run := standing.waiting:
        progress = _progress(run, told.get(run.id), now)
        return f"{cards.chip(run.state)}<small>{_link(run)} · {progress}</small>"
    if run := standing.base:
        rounds = standing.borrowed_rounds
        few = "{} of {} rounds a context, ".format(*rounds) if rounds else ""
        return f"{cards.chip('done')}<small>{few}measured {in_passing(run)} {_link(run)}</small>"
    if standing.problem:
        return f'<span class="da-chip">Not possible</span><small>{esc(standing.problem)}</small>'
    chip, run = '<span class="da-chip">Missing</span>', standing.latest
    return f"{chip}<small>last {STATES[run.state].lower()}: {_link(run)}</small>" if run else chip


def _progress(run: Run, last: Event | None, now: float) -> str:
    if run.state == "queued":
        return "starts by itself"
    if last is None:
        return "starting"
    stage = labels.STAGES.get(last.stage, last.stage).lower()
    seconds = last.left(now)
    left = "" if seconds is None else f", {rough_duration(seconds)} left"
    return esc(f"{percent(last.fraction)}, {stage}{left}")


def _link(run: Run) -> str:
    address = f"?tab=runs&amp;run={esc(run.id)}"
    return f'<a class="da-inline" href="{address}" data-run="{esc(run.id)}">run {esc(run.id[:6])}</a>'


def queue_label(missing: Sequence[str], improvable: Sequence[str], seconds: float) -> str:
    """What a click queues: what is missing, and runs of their own in place of what is borrowed."""
    whole = [f"a full {METHODS_SHORT[method].lower()} run" for method in improvable]
    what = [plural(len(missing), "missing run"), *whole] if missing else whole
    return f"Queue {' and '.join(what)} ({rough_duration(seconds)})"


def queued_note(runs: Sequence[Run]) -> str:
    if not runs:
        return ""
    names = ", ".join(METHODS_SHORT[compared_as(run)] for run in runs)
    return cards.quiet(
        f"Queued: {names}. Each joins the comparison when it is done; you may close this page."
    )


def doubled_note(runs: Sequence[Run]) -> str:
    """Why runs that were chosen are not among the other runs."""
    told = [f"run {run.id[:6]} for {METHODS_SHORT[compared_as(run)]}" for run in runs]
    return cards.quiet(f"Compared already, as it stands for its method: {', '.join(told)}.") if told else ""


def lead(comparison: Comparison, left_out: int = 0) -> str:
    """In what the runs differ, whether their figures can be held against each other, and how many are left out."""
    return _left_out(left_out) + _differing(comparison)


def _left_out(count: int) -> str:
    if not count:
        return ""
    runs = "1 more run is" if count == 1 else f"{count:,} more runs are"
    return cards.quiet(f"{runs} chosen than can be compared at once: these are the first {MAX_ENTRIES}.")


def _differing(comparison: Comparison) -> str:
    if not comparison.differ:
        return ""
    fields = ", ".join(cards.field_label(name).lower() for name in comparison.differ)
    if comparison.same_data:
        return cards.quiet(f"Beside their method, the runs differ in: {fields}.")
    return (
        '<div class="da-note warn"><strong>These runs are not measured on the same.</strong>'
        f"<p>They differ in: {esc(fields)}. Their figures stand side by side, and none is marked as best.</p></div>"
    )


def legend(comparison: Comparison, shares: bool) -> str:
    """The key of a chart; of the errors' chart without the names, which stand in it."""
    items = ['<span><i class="band"></i>noise floor</span>']
    if shares:
        items = [f"<span>{name}</span>" for name in _names(comparison)]
        items += ['<span><i class="tick"></i>target</span>']
        items += ['<span><i class="band"></i>noise floor around it</span>']
    elif comparison.published is not None:
        items.append(
            f'<span><i class="dash"></i>best published: {figure(comparison.published)} '
            f"({esc(published.SOURCE)}, on models about 9 to 70 times larger than the bundled one)</span>"
        )
    items.append(f"<span>lines: 95 % intervals{'' if shares else '; square-root scale'}</span>")
    return f'<div class="da-legend">{"".join(items)}</div>'


def _names(comparison: Comparison) -> list[str]:
    """The lines' names, each behind its mark."""
    pairs = zip(styles_of(comparison), comparison.lines, strict=True)
    return [f"{glyph(style)}{esc(line.name)}" for style, line in pairs]


HEADERS = (
    ("Method", ""),
    ("MAE", "mean distance"),
    ("Noise floor", "of a perfect sampler"),
    ("Ratio", "MAE ÷ floor"),
    ("KL", "target ‖ realized, nats"),
    ("Unclassified", "of the answers"),
    ("Side effects", "KL(base ‖ tuned), nats a token"),
    ("Training", "once"),
    ("Sampling", "once"),
)


def measures_table(comparison: Comparison) -> str:
    """The figures of each line; the best is marked where its interval lies below all others."""
    head = "".join(
        f'<th scope="col"{" class=n" if hint else ""}>{name}<br><small>{hint}</small></th>'
        for name, hint in HEADERS
    )
    best = comparison.best
    named = zip(_names(comparison), comparison.lines, strict=True)
    body = "".join(_row(place, name, line, best) for place, (name, line) in enumerate(named))
    return (
        '<div class="da-scroll" tabindex="0" role="region" aria-label="Figures of each method">'
        f'<table class="da-table da-compared"><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table></div>'
        + cards.quiet(
            "Small print: 95 % intervals. “Best” stands only where an interval lies below all others; side effects "
            "are compared among trained models. Seconds were taken once, so none is marked."
        )
    )


def _row(place: int, name: str, line: Line, best: Mapping[str, int | None]) -> str:
    result, effects = line.result, line.effects

    def cell(measure: str, value: Interval | None, digits: int = 3) -> str:
        return _figure_cell(value, digits, best[measure] == place)

    if effects:
        side = f"perplexity {effects.perplexity_before:,.1f} → {effects.perplexity_after:,.1f}"
        effects_cell = _figure_cell(effects.kl, 3, best["side_effects"] == place, side)
    else:
        effects_cell = (
            f'<td class="n">{NONE}<small>{"" if line.entry.trained else "not trained"}</small></td>'
        )
    train, sample = line.seconds
    return (
        f'<tr><th scope="row">{name}<small>{_source(line)}</small></th>'
        + cell("mae", result and result.mae)
        + f'<td class="n">{figure(result.noise_floor) if result else NONE}</td>'
        + cell("ratio", result and result.ratio, 2)
        + cell("kl", result and result.kl)
        + _rate_cell(line.unclassified, best["unclassified"] == place)
        + effects_cell
        + f'<td class="n">{_seconds(train)}</td><td class="n">{_seconds(sample)}</td></tr>'
    )


def _seconds(value: float | None) -> str:
    return NONE if value is None else f"{value:,.0f} s"


def _source(line: Line) -> str:
    """The rounds a context, and whose they are."""
    run = line.entry.run
    rounds = f"{plural(line.rounds_per_context, 'round')} a context, " if line.rounds_per_context else ""
    return f"{rounds}measured {in_passing(run)} {_link(run)}" if line.entry.borrowed else rounds + _link(run)


def _figure_cell(value: Interval | None, digits: int, best: bool, more: str = "") -> str:
    if value is None or not math.isfinite(value.value):
        return f'<td class="n">{NONE}</td>'
    more = f"<small>{esc(more)}</small>" if more else ""
    return f'<td class="n">{_best(best)}{figure(value.value, digits)}<small>{interval(value, digits)}</small>{more}</td>'


def _rate_cell(rate: Interval | None, best: bool) -> str:
    if rate is None:
        return f'<td class="n">{NONE}</td>'
    ends = f"{percent(rate.low, 1)} to {percent(rate.high, 1)}"
    return f'<td class="n">{_best(best)}{percent(rate.value, 1)}<small>{ends}</small></td>'


def _best(best: bool) -> str:
    return '<span class="da-best">best</span>' if best else ""


def heat_map(comparison: Comparison, contexts: Mapping[str, Sequence[ContextResult | None]]) -> str:
    """MAE by context and line; the colour says how many times its noise floor it is."""
    if not contexts:
        return ""
    head = "".join(f'<th scope="col" class="n">{name}</th>' for name in _names(comparison))
    body = "".join(
        f'<tr><th scope="row">{esc(name)}</th>{"".join(map(_heat_cell, results))}</tr>'
        for name, results in contexts.items()
    )
    return (
        '<div class="da-scroll" tabindex="0" role="region" aria-label="Error of each context by method">'
        f'<table class="da-table da-heat"><thead><tr><th scope="col">Context</th>{head}</tr></thead>'
        f"<tbody>{body}</tbody></table></div>"
        + cards.quiet(
            f"Small print: MAE by noise floor. Plain at 1 or below, full colour at {HOT:g} and above."
        )
    )


def _heat_cell(result: ContextResult | None) -> str:
    if result is None or not math.isfinite(result.mae):
        return f'<td class="n">{NONE}</td>'
    ratio = times_floor(result)
    heat = min(1.0, max(0.0, (ratio - 1) / (HOT - 1)))
    many = f"<small>{ratio:.1f}×</small>" if math.isfinite(ratio) else ""
    return f'<td class="n" style="--heat:{heat:.2f}">{result.mae:.3f}{many}</td>'


def shares_table(
    comparison: Comparison, contexts: Mapping[str, Sequence[ContextResult | None]], category: str
) -> str:
    """The chart of shares as a table, closed at first."""
    head = "".join(f'<th scope="col" class="n">{esc(line.name)}</th>' for line in comparison.lines)
    body = ""
    for name, results in contexts.items():
        pairs = [
            (result, category_of(line, category))
            for line, result in zip(comparison.lines, results, strict=True)
        ]
        targets = {result.target[k] for result, k in pairs if result and k is not None}
        target = " or ".join(percent(t, 1) for t in sorted(targets)) or NONE
        cells = "".join(f'<td class="n">{_share(result, k)}</td>' for result, k in pairs)
        body += f'<tr><th scope="row">{esc(name)}</th><td class="n">{target}</td>{cells}</tr>'
    return (
        '<details class="da-details"><summary>Show as a table</summary><div class="da-scroll" tabindex="0">'
        '<table class="da-table"><thead><tr><th scope="col">Context</th><th scope="col" class="n">Target</th>'
        f"{head}</tr></thead><tbody>{body}</tbody></table></div></details>"
    )


def _share(result: ContextResult | None, k: int | None) -> str:
    if result is None or k is None or not result.realized or not math.isfinite(result.realized[k]):
        return NONE
    ends = f"{percent(result.low[k], 1)} to {percent(result.high[k], 1)}"
    return f"{percent(result.realized[k], 1)}<small>{ends}</small>"


def answers_grid(comparison: Comparison, prompt: str, found: Sequence[Sequence[Answer] | None]) -> str:
    """The answers of each line to one prompt, the commonest first."""
    columns = "".join(
        f'<section class="da-answers"><h3>{name}</h3>{_answers(line, answers)}</section>'
        for name, line, answers in zip(_names(comparison), comparison.lines, found, strict=True)
    )
    return f'<blockquote class="da-prompt">{esc(prompt)}</blockquote><div class="da-columns">{columns}</div>'


def _answers(line: Line, answers: Sequence[Answer] | None) -> str:
    if not answers:
        return cards.quiet("Was not asked this.")
    names = line.entry.run.spec.attribute.names
    items = "".join(
        f'<li style="--share:{answer.times / answer.of:.3f}"><span class="da-text">{esc(answer.text) or NONE}</span>'
        f'<span class="c">{answer.times}×</span><small>{_read_as(answer, names)}</small></li>'
        for answer in answers
    )
    total, told = answers[0].of, sum(answer.times for answer in answers)
    rest = f", {total - told:,} of them not shown" if told < total else ""
    return f"<ol>{items}</ol>{cards.quiet(plural(total, 'answer') + rest)}"


def _read_as(answer: Answer, names: Sequence[str]) -> str:
    if answer.category is None:
        return '<span class="da-none">unclassified</span>'
    return f"read as {esc(names[answer.category])}"
