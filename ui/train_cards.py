"""Fragments of HTML for the Train tab: examples, the planner's answer, errors by section. Pure."""

from __future__ import annotations

from distalign.errors import DistalignError, SpecError
from distalign.examples import Answer, Example, examples
from distalign.planner import LEAST_GAP, rounds_needed, visible_gaps
from distalign.spec import TRAINED_METHODS, RunSpec
from distalign.spelling import Spelling
from ui import cards
from ui.form_text import number
from ui.present import esc, plural

SHOWN_EXAMPLES = 2
SHOWN_ANSWERS = 4
SECTIONS = ("attribute", "contexts", "target", "training", "templates", "advanced")
TRAINING_FIELDS = {"rounds", "preset", "method", "base_model", "stories", "judge"}


def section_of(field: str) -> str:
    """Where on the form a field of the specification is set."""
    start = field.split("[")[0].split(".")[0]
    if start in ("attribute", "contexts", "target", "templates"):
        return start
    if start == "any_attribute":
        return "target"
    return "training" if start in TRAINING_FIELDS else "advanced"


def section_errors(error: DistalignError | None) -> list[str]:
    """The error beside the section that it belongs to; nothing beside the others."""
    where = section_of(error.field) if isinstance(error, SpecError) else ""
    return [cards.error_note(error, "todo") if error and name == where else "" for name in SECTIONS]


def examples_html(spec: RunSpec, spelling: Spelling, first: int = 0) -> str:
    """Some examples that the run trains on; the prompts that it is measured on where it trains nothing."""
    found = examples(spec, spelling, first, SHOWN_EXAMPLES)
    if not found:
        return cards.quiet("There are no further examples.")
    body = "".join(_example(example, number) for number, example in enumerate(found, first + 1))
    return f'<div class="da-examples">{cards.quiet(_lead(spec))}{body}</div>'


def _lead(spec: RunSpec) -> str:
    if spec.method not in TRAINED_METHODS:
        return "This method trains nothing; these are prompts that it is measured on."
    if spec.method == "sft":
        return "Answers are drawn from the target."
    if spec.method == "dpo":
        return "An answer drawn from the target is preferred to one of another category."
    text = "The steering token opens each answer. Desirable: what follows says what the token stands for."
    if spec.steering == "special":
        text += " Special tokens that the model cannot tell apart are passed over when the run starts."
    if spec.story.stories:
        text += " Stories are written by the base model when the run starts."
    return text


def _example(example: Example, number: int) -> str:
    target = " · ".join(f"{name} {100 * q:.3g} %" for name, q in example.target[:6])
    more = len(example.target) - 6
    target += f" · {more} more" if more > 0 else ""
    good = [a for a in example.answers if a.desirable][: SHOWN_ANSWERS // 2]
    bad = [a for a in example.answers if not a.desirable][: SHOWN_ANSWERS // 2]
    answers = "".join(map(_answer, [*good, *bad]))
    table = f'<table class="da-answers">{answers}</table>' if answers else ""
    return (
        f"<section><h3>Example {number} <span>{esc(target)}</span></h3>"
        f'<pre tabindex="0">{esc(example.prompt)}</pre>{table}</section>'
    )


def _answer(answer: Answer) -> str:
    mark, word = ("good", "Desirable") if answer.desirable else ("off", "Undesirable")
    token = f'<span class="da-token" title="Stands for {esc(answer.category)}">{esc(answer.token)}</span>'
    return (
        f'<tr class="{mark}"><th scope="row">{word}</th>'
        f"<td>{token if answer.token else ''}<code>{esc(answer.response)}</code></td></tr>"
    )


def planner_html(spec: RunSpec, points: object, confidence: object, power: object) -> tuple[str, int, int]:
    """The planner's answer, and the rounds it names: for each context, and for the mean over all.

    Raises:
        SpecError: for a gap in points, or a confidence or power in per cent, that is out of range.
    """
    gap = number(points, "gap")
    if not LEAST_GAP <= gap / 100 < 1:
        least = f"{100 * LEAST_GAP:.4f}"
        raise SpecError("gap", f"{gap:g} points are out of range", f"Give a number from {least} to below 100")
    sure, able = _percentage(confidence, "confidence"), _percentage(power, "power")
    rows, rounds = spec.target.rows, spec.rounds
    needed, seen = rounds_needed(rows, gap / 100, sure, able), visible_gaps(rows, rounds, sure, able)
    over = f"the mean over all {len(rows):,} contexts" if len(rows) > 1 else "the one context"
    answer = (
        f"<p><b>{plural(needed.per_context, 'round')}</b> a context show a gap of {gap:g} points in any one "
        f"context by itself; <b>{plural(needed.overall, 'round')}</b> a context show it in {over}.</p>"
    )
    now = (
        f"The {plural(rounds, 'round')} that are set show {_points(seen.per_context)} in one context and "
        f"{_points(seen.overall)} over all. {100 * sure:g} % confidence, {100 * able:g} % power, by the χ² test that results report."
    )
    return f'<div class="da-planner">{answer}{cards.quiet(now)}</div>', needed.per_context, needed.overall


def _percentage(given: object, field: str) -> float:
    percent = number(given, field)
    if not 0 < percent < 100:
        raise SpecError(field, f"{percent:g} % is out of range", "Give a number between 0 and 100")
    return percent / 100


def _points(gap: float) -> str:
    return f"{100 * gap:.2g} points"
