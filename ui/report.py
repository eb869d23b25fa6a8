"""Fragments of HTML for the Results tab: tiles, sentence, measures, rounds. Pure."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from distalign.prompts import prompt_text
from distalign.results import Interval, Marginal, Round, SideEffects, SplitResult
from distalign.spec import RunSpec
from ui import labels
from ui.present import NONE, esc, figure, percent, points

Pair = tuple[SplitResult | None, SplitResult | None]


def of_split(results: Sequence[SplitResult], split: str) -> Pair:
    """The results of a split before and after training."""
    found = {r.phase: r for r in results if r.split == split}
    return found.get("before"), found.get("after")


def splits_of(results: Sequence[SplitResult]) -> list[str]:
    """The measured splits in the order in which the page shows them."""
    measured = {r.split for r in results}
    return [split for split in labels.SPLITS if split in measured]


def tiles(pair: Pair) -> str:
    """The headline in four figures."""
    before, after = pair
    now = after or before
    if now is None:
        return ""
    start = f"<small>{figure(before.mae.value)} →</small> " if before and after else ""
    exact = now.exact_error
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
            "1 is perfect"
            + (f"; it was {figure(before.ratio.value, 1)}× before" if before and after else ""),
        ),
        (
            "Unclassified answers",
            percent(now.unclassified, 1),
            f"of {now.rounds:,} rounds" + (f"; exact error {figure(exact)}" if exact is not None else ""),
        ),
    ]
    body = "".join(
        f'<div class="da-tile"><div class="k">{k}</div><div class="v">{v}</div><div class="h">{h}</div></div>'
        for k, v, h in cells
    )
    return f'<div class="da-tiles">{body}</div>'


def interval(value: Interval, digits: int = 3) -> str:
    return f"{figure(value.low, digits)} to {figure(value.high, digits)}"


def sentence(spec: RunSpec, split: str, pair: Pair) -> str:
    """What was reached, in plain words."""
    before, after = pair
    now = after or before
    if now is None:
        return ""
    where = labels.SPLITS.get(split, split).lower()
    subject = f"the {spec.attribute.name} in the model’s answers"
    reach = f"a perfect sampler with as many rounds would be {points(now.noise_floor)} off"
    what, without = "Training", "before training"
    if spec.method == "prompt":
        what, without = "The instruction", "without the instruction"
    if before and after:
        text = (
            f"On {where}, {subject} is now {points(after.mae.value)} from the target on average; "
            f"{without} it was {points(before.mae.value)}. For comparison, {reach}."
        )
        if after.mae.value >= before.mae.value:
            text += f" {what} did not bring it closer."
    else:
        text = f"On {where}, {subject} is {points(now.mae.value)} from the target on average; {reach}."
    if now.unclassified > 0.01:
        text += (
            f" {percent(now.unclassified, 1)} of the answers name no category and are left out of the shares."
        )
    return f'<p class="da-lead">{esc(text)}</p>'


@dataclass(frozen=True)
class Measure:
    """A line of the table of measures; ``read`` takes an interval, a number or None from a result."""

    label: str
    hint: str
    read: Callable[[SplitResult], Interval | float | None]
    rate: bool = False
    digits: int = 3


MEASURES = (
    Measure("MAE", "mean |target − realized| over categories and contexts", lambda r: r.mae),
    Measure("Noise floor", "expected MAE of a perfect sampler", lambda r: r.noise_floor),
    Measure("Ratio", "MAE ÷ noise floor; 1 is perfect", lambda r: r.ratio, digits=2),
    Measure("KL divergence", "KL(target ‖ realized), nats", lambda r: r.kl),
    Measure("Jensen-Shannon distance", "0 to 1", lambda r: r.js_distance),
    Measure("Total variation", "0 to 1", lambda r: r.total_variation),
    Measure("χ² p-value", "small: the shares differ from the target", lambda r: r.chi2_p),
    Measure("Exact error", "of the steering distribution, free of sampling noise", lambda r: r.exact_error),
    Measure("Restricted error", "the same over the steering tokens only", lambda r: r.restricted_error),
    Measure("Steering mass", "probability on the steering tokens", lambda r: r.steering_mass, rate=True),
    Measure("Agreement", "answers that name what their token stands for", lambda r: r.agreement, rate=True),
    Measure(
        "Exact MAE", "of the answers’ exact distribution: MAE without sampling noise", lambda r: r.exact_mae
    ),
    Measure(
        "Exactly unclassified",
        "probability of answers that name no category",
        lambda r: r.exact_unclassified,
        rate=True,
    ),
    Measure(
        "Bound of the exact figures",
        "probability that was not worked out",
        lambda r: r.exact_bound,
        rate=True,
    ),
    Measure("Unclassified", "answers that name no category", lambda r: r.unclassified, rate=True),
)


def measures_table(results: Sequence[SplitResult]) -> str:
    """Every measure, before and after, for each split."""
    columns = [(s, r) for s in splits_of(results) for r in of_split(results, s) if r is not None]
    head = "".join(
        f'<th class="n" scope="col">{labels.SPLITS[s]}<br>{labels.PHASES[r.phase].lower()}</th>'
        for s, r in columns
    )
    body = "".join(
        f'<tr><th scope="row">{m.label}<small>{m.hint}</small></th>'
        + "".join(f'<td class="n">{_measure_cell(m, r)}</td>' for _, r in columns)
        + "</tr>"
        for m in MEASURES
    )
    return (
        '<div class="da-scroll" tabindex="0"><table class="da-table"><thead><tr><th scope="col">Measure</th>'
        f"{head}</tr></thead><tbody>{body}</tbody></table></div>"
    )


def marginals_table(results: Sequence[SplitResult]) -> str:
    """The parts of a joint attribute, and unseen attributes, by themselves; empty where there are none."""
    lines = [(s, r, m) for s in splits_of(results) for r in of_split(results, s) if r for m in r.marginals]
    if not lines:
        return ""
    body = "".join(
        f'<tr><th scope="row">{esc(m.attribute)}<small>{labels.SPLITS[s]}, {labels.PHASES[r.phase].lower()}'
        f'</small></th><td class="n">{figure(m.mae.value)}<small>{interval(m.mae)}</small></td>'
        f'<td class="n">{figure(m.noise_floor)}</td><td class="n">{figure(m.ratio.value, 2)}</td>'
        f"<td>{_shares(m)}</td></tr>"
        for s, r, m in lines
    )
    return (
        '<div class="da-scroll" tabindex="0"><table class="da-table" id="marginals"><thead><tr>'
        '<th scope="col">By itself</th><th class="n" scope="col">MAE</th>'
        '<th class="n" scope="col">Noise floor</th><th class="n" scope="col">Ratio</th>'
        f'<th scope="col">Realized, target</th></tr></thead><tbody>{body}</tbody></table></div>'
    )


def _shares(marginal: Marginal) -> str:
    """Each category with its realized share and, small, its target; means over the contexts."""
    shares = zip(marginal.categories, marginal.realized, marginal.target, strict=True)
    return " ".join(f"{esc(name)} {percent(p, 1)}<small>{percent(q, 1)}</small>" for name, p, q in shares)


def _measure_cell(measure: Measure, result: SplitResult) -> str:
    value = measure.read(result)
    if value is None:
        return NONE
    if isinstance(value, Interval):
        return f"{figure(value.value, measure.digits)}<small>{interval(value, measure.digits)}</small>"
    return percent(value, 1) if measure.rate else figure(value)


def side_effects(effects: SideEffects | None) -> str:
    """What the adapter cost on unrelated prompts: a sentence and a small table."""
    if effects is None:
        return ""
    kl = f"{figure(effects.kl.value)}<small>{interval(effects.kl)}</small>"
    rows = [
        (
            "Perplexity",
            "of good answers to unrelated prompts",
            f"{effects.perplexity_before:,.1f}",
            f"{effects.perplexity_after:,.1f}",
        ),
        ("KL divergence", "KL(base ‖ tuned), nats a token", NONE, kl),
        (
            "Steering tokens",
            "answers that open with one",
            percent(effects.leak_before, 1),
            percent(effects.leak_after, 1),
        ),
        ("First token changed", "share of prompts", NONE, percent(effects.first_token_changed, 1)),
    ]
    body = "".join(
        f'<tr><th scope="row">{label}<small>{hint}</small></th><td class="n">{before}</td>'
        f'<td class="n">{after}</td></tr>'
        for label, hint, before, after in rows
    )
    return (
        f'<h3 class="da-h2">Side effects</h3><p class="da-sub">{esc(effects.sentence)}</p>'
        '<div class="da-scroll" tabindex="0"><table class="da-table"><thead><tr><th scope="col">Measure</th>'
        f'<th class="n" scope="col">{labels.PHASES["before"]}</th>'
        f'<th class="n" scope="col">{labels.PHASES["after"]}</th></tr></thead><tbody>{body}</tbody></table></div>'
    )


def rounds_table(rounds: Sequence[Round], spec: RunSpec, tokens: Sequence[str]) -> str:
    """A page of rounds, the steering token apart from the text; ``tokens`` are their texts."""
    if not rounds:
        return empty_rounds()
    body = "".join(_round_row(r, spec, tokens) for r in rounds)
    return (
        '<div class="da-scroll" tabindex="0"><table class="da-table"><thead><tr>'
        '<th scope="col">Context and prompt</th><th scope="col">Steering token</th><th scope="col">Answer</th>'
        f'<th scope="col">Read as</th></tr></thead><tbody>{body}</tbody></table></div>'
    )


def empty_rounds() -> str:
    return '<p class="da-quiet">No round matches. Choose another phase, split, context or category.</p>'


def _round_row(r: Round, spec: RunSpec, tokens: Sequence[str]) -> str:
    names, context = spec.attribute.names, spec.contexts.names[r.context]
    prompt = prompt_text(spec, r.split, r.template, r.context)
    token = NONE
    if r.steering is not None:
        text = tokens[r.steering] if r.steering < len(tokens) else ""
        token = f'<span class="da-token">{esc(text)}</span> {esc(names[r.steering])}'
    read = '<span class="da-none">unclassified</span>' if r.category is None else esc(names[r.category])
    return (
        f"<tr><td>{esc(context)}<small>{esc(prompt)}</small></td><td>{token}</td>"
        f'<td class="da-text">{esc(r.text.strip()) or NONE}</td><td>{read}</td></tr>'
    )


LEGEND = (
    '<div class="da-legend"><span><i class="tick"></i>target</span>'
    '<span><i class="band"></i>noise floor around it</span>'
    '<span><i class="dot" style="background:var(--da-before)"></i>before, with 95 % interval</span>'
    '<span><i class="dot" style="background:var(--da-after)"></i>after, with 95 % interval</span></div>'
)
