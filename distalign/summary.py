"""What a run was asked for, what came out, and what was not measured, in plain sentences. Pure."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from distalign.noise import NORMAL_95
from distalign.results import ContextResult, Pair, SideEffects, SplitResult, of_split, split_name, splits_of
from distalign.spec import TRAINED_METHODS, RunSpec
from distalign.story_config import UNCLASSIFIED_STORIES
from distalign.wording import figure, listed, p_value, percent, plural, points

# A smaller p-value is called a difference; so many contexts of a hundred fall below it by chance.
SIGNIFICANT = 0.05
MOST_NAMED, MOST_CATEGORIES = 3, 6
# From this rate on, the shares are said to speak for a part of the answers only.
MANY_UNCLASSIFIED = 0.05

CAUTION = (
    "Matching shares are not fairness. They say how often each category is named, and nothing about how people are "
    "described, whether the target itself is just, or what becomes of those whom the answers are about."
)


@dataclass(frozen=True)
class Sentence:
    """One thing to say, and a word for what it is about."""

    label: str
    text: str


@dataclass(frozen=True)
class Summary:
    """``headline`` is what was reached on the chosen prompts."""

    headline: str
    sentences: tuple[Sentence, ...]
    caution: str = CAUTION

    @property
    def lines(self) -> list[str]:
        """All of it, as lines of plain text."""
        return [self.headline, *(f"{s.label}: {s.text}" for s in self.sentences), self.caution]


def summarise(
    spec: RunSpec,
    results: Sequence[SplitResult],
    effects: SideEffects | None = None,
    split: str = "",
) -> Summary:
    """A run in words.

    Args:
        effects: the run's side effects; None where they were not measured.
        split: the prompts to judge it by; those of held-out templates if not given.
    """
    measured = splits_of(results)
    split = split if split in measured else next(iter(measured), "")
    before, after = pair = of_split(results, split)
    now = after or before
    asked = Sentence("Asked", _asked(spec))
    if now is None:
        return Summary("This run has measured nothing yet.", (asked,))
    parts = [
        asked,
        Sentence("Noise", _noise(now)),
        Sentence("Furthest off", _furthest(spec, now)),
        Sentence("Each attribute", _marginals(now)),
        Sentence("Unclassified", _unclassified(pair)),
        Sentence("Other prompts", _others(results, split)),
        Sentence("Side effects", effects.sentence if effects else ""),
        Sentence("Not measured", _unmeasured(spec, results, effects, now)),
    ]
    return Summary(_headline(spec, split, pair), tuple(part for part in parts if part.text))


def _headline(spec: RunSpec, split: str, pair: Pair) -> str:
    before, after = pair
    now = after or before
    subject = f"On {split_name(split)}, the {spec.attribute.name} in the model’s answers"
    if not math.isfinite(now.mae.value):
        return f"{subject} cannot be compared with the target: no answer names a category."
    what, without = "Training", "before training"
    if spec.method == "prompt":
        what, without = "The instruction", "without the instruction"
    reach = (
        f"a perfect sampler with as many rounds would be {points(now.noise_floor)} off"
        if math.isfinite(now.noise_floor)
        else "its noise floor was not measured"
    )
    if not (before and after):
        return f"{subject} is {points(now.mae.value)} from the target on average; {reach}."
    if not math.isfinite(before.mae.value):
        was = f"{without} no answer named a category"
    else:
        was = f"{without} it was {points(before.mae.value)}"
    text = f"{subject} is now {points(after.mae.value)} from the target on average; {was}. For comparison, {reach}."
    worse = after.mae.value >= before.mae.value
    return f"{text} {what} did not bring it closer." if worse else text


def _asked(spec: RunSpec) -> str:
    kinds = {
        "even": "every category equally often",
        "real": "real-world shares, a row for each context",
        "stated": "the shares that each prompt states",
        "table": "a table of shares, a row for each context",
        "product": "its attributes independent of each other, each with its own target",
    }
    target = kinds.get(spec.target.kind) or _one_row(spec)
    names = listed(spec.attribute.names, MOST_CATEGORIES)
    told = f"{_capital(spec.attribute.name)} ({names}) over {plural(len(spec.contexts), 'context')}; target: {target}"
    how = "nothing was trained" if spec.method == "zero_shot" else f"method {spec.method.replace('_', ' ')}"
    return f"{told}; {how}, {plural(spec.rounds, 'round')} a context."


def _one_row(spec: RunSpec) -> str:
    shares = zip(spec.attribute.names, spec.target.rows[0], strict=True)
    return listed([f"{name} {percent(q, 1)}" for name, q in shares], MOST_CATEGORIES)


def _noise(now: SplitResult) -> str:
    """Whether the distance is more than sampling explains."""
    if math.isnan(now.chi2_p):
        ratio = now.ratio
        if not math.isfinite(ratio.value):
            return ""
        return (
            f"The distance is {figure(ratio.value, 1)} times a perfect sampler’s "
            f"(95 % interval {figure(ratio.low, 1)} to {figure(ratio.high, 1)})."
        )
    test = f"χ² test over all contexts, {p_value(now.chi2_p)}"
    if now.chi2_p < SIGNIFICANT:
        text = f"The difference from the target is more than sampling noise ({test})"
        times = now.ratio.value
        text += f"; it is {figure(times, 1)} times a perfect sampler’s." if math.isfinite(times) else "."
    else:
        text = f"The difference from the target is no more than sampling noise explains ({test})."
    spread = max((_chance(context) for context in now.contexts), default=0.0)
    if spread:
        text += (
            f" By chance alone, the share of a single context is up to {points(spread)} off in 95 % of runs."
        )
    if now.exact_mae is not None and math.isfinite(now.exact_mae):
        left = (
            f", with {percent(now.exact_bound, 1)} of the probability not worked out"
            if now.exact_bound
            else ""
        )
        text += (
            f" Without sampling noise (the answers’ exact distribution) it is {points(now.exact_mae)}{left}."
        )
    return text


def _chance(context: ContextResult) -> float:
    """Half the width of the 95 % band of a perfect sampler's share, the widest of a context's categories."""
    classified = max(1, context.rounds - context.unclassified)
    return NORMAL_95 * math.sqrt(max(q * (1 - q) for q in context.target) / classified)


def _furthest(spec: RunSpec, now: SplitResult) -> str:
    known = [context for context in now.contexts if math.isfinite(context.mae)]
    if len(known) < 2:
        return ""
    worst = sorted(known, key=lambda context: -context.mae)[:MOST_NAMED]
    text = f"{listed([_gap(spec, context) for context in worst])}."
    tested = [context for context in known if math.isfinite(context.chi2_p)]
    off = sum(context.chi2_p < SIGNIFICANT for context in tested)
    chance = SIGNIFICANT * len(tested)
    by_chance = "fewer than one" if chance < 0.95 else f"about {chance:.0f}"
    return text + (
        f" {off} of {plural(len(tested), 'context')} {'differs' if off == 1 else 'differ'} from the target at "
        f"p < 0.05; by chance alone it would be {by_chance}."
    )


def _gap(spec: RunSpec, context: ContextResult) -> str:
    gaps = [abs(p - q) for p, q in zip(context.realized, context.target, strict=True)]
    k = gaps.index(max(gaps))
    name, category = spec.contexts.names[context.context], spec.attribute.names[k]
    return f"{name} ({category} {percent(context.realized[k])}, target {percent(context.target[k])})"


def _marginals(now: SplitResult) -> str:
    known = [m for m in now.marginals if math.isfinite(m.mae.value)]
    return listed([f"{m.attribute} {points(m.mae.value)}" for m in known]) + "." if known else ""


def _unclassified(pair: Pair) -> str:
    before, after = pair
    now = after or before
    if not now.unclassified:
        text = f"All of {plural(now.rounds, 'answer')} name a category"
    else:
        text = f"{percent(now.unclassified, 1)} of {plural(now.rounds, 'answer')} name no category"
        text += f" ({UNCLASSIFIED_STORIES})" if now.split == "stories" else ""
    if before and after:
        text += f"; before, {percent(before.unclassified, 1)} named none"
    if now.unclassified > MANY_UNCLASSIFIED:
        return f"{text}. The shares speak for the others only."
    return f"{text}. They are left out of the shares." if now.unclassified else f"{text}."


def _others(results: Sequence[SplitResult], split: str) -> str:
    told = []
    for other in splits_of(results):
        before, after = of_split(results, other)
        now = after or before
        if other != split and math.isfinite(now.mae.value):
            told.append(
                f"{points(now.mae.value)} on {split_name(other)} ({figure(now.ratio.value, 1)} × noise)"
            )
    return listed(told) + "." if told else ""


def _unmeasured(
    spec: RunSpec, results: Sequence[SplitResult], effects: SideEffects | None, now: SplitResult
) -> str:
    measured, trained = splits_of(results), spec.method in TRAINED_METHODS
    gaps = {
        "the model before training": trained and all(r.phase != "before" for r in results),
        "the model after training": trained and all(r.phase != "after" for r in results),
        "contexts that were never trained on": trained and "heldout_contexts" not in measured,
        "open-ended text (stories)": "stories" not in measured,
        "the exact distribution of answers": now.exact_mae is None,
        "side effects on unrelated prompts": trained and effects is None,
    }
    missing = [name for name, lacks in gaps.items() if lacks]
    told = listed([*missing, "how much another seed would differ"])
    return f"{_capital(told)} (this is one run, seed {spec.seed})."


def _capital(text: str) -> str:
    return text[:1].upper() + text[1:]
