"""The details of a comparison: shares and errors by context, page by page, and the answers to one prompt."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from itertools import islice
from typing import Any

import gradio as gr

from jobs.compare import Comparison, answers_of, by_context, prompts_of
from jobs.compare_choice import Choice
from storage import Store
from ui import cards, charts, compare_cards, compare_charts
from ui.compare_parts import Control, Part
from ui.pager import Page

FEW, EVERY = "few", "every"
FEW_CONTEXTS = 10
# What has pages of contexts: the chart of shares, and the heat map.
PAGERS = ("share", "heat")


@dataclass(frozen=True)
class Details:
    """What there is to choose from in the details, and a choice that names none but these.

    Attributes:
        choice: with empty details where the first of a list is shown, so that the address stays short.
        contexts, shared: by context the results of each line: all, and those that know the category.
        category, context, prompt: those that are shown; None where there is none.
    """

    choice: Choice
    categories: tuple[str, ...]
    contexts: Mapping[str, Any]
    shared: Mapping[str, Any]
    prompts: list[str]
    category: str | None
    context: str | None
    prompt: int | None


def looked_at(comparison: Comparison, choice: Choice) -> Details:
    """What the details show of a comparison for a choice."""
    names = dict.fromkeys(name for line in comparison.lines for name in line.entry.run.spec.attribute.names)
    contexts = by_context(comparison)
    first_name, first_context = next(iter(names), None), next(iter(contexts), None)
    category = choice.category if choice.category in names else first_name
    context = choice.context if choice.context in contexts else first_context
    prompts = _prompts(comparison, context)
    prompt = choice.prompt if 0 <= choice.prompt < len(prompts) else 0
    if comparison.lines:
        # Before anything is measured, what an address asks for waits.
        choice = replace(
            choice,
            category="" if category == first_name else category,
            context="" if context == first_context else context,
            prompt=prompt,
        )
    shared = compare_charts.contexts_with(comparison, category or "")
    prompt = prompt if prompts else None
    return Details(choice, tuple(names), contexts, shared, prompts, category, context, prompt)


def pages_of(details: Details, firsts: Mapping[str, int]) -> dict[str, Page]:
    """Where each of :data:`PAGERS` is."""
    counts = {"share": len(details.shared), "heat": len(details.contexts)}
    return {name: Page(firsts.get(name, 0), counts[name]).turned() for name in PAGERS}


def _turns(pager: str, page: Page, told: str) -> dict[str, Part | Control]:
    """The position and the buttons of a pager."""
    state = back, forward = page.buttons
    return {
        f"{pager}_position": Part(told, lambda: cards.quiet(told) if told else ""),
        f"{pager}_back": Part(state, lambda: gr.update(**back)),
        f"{pager}_forward": Part(state, lambda: gr.update(**forward)),
    }


def shares(comparison: Comparison, key: Any, details: Details, page: Page) -> dict[str, Part | Control]:
    """The realized shares of a category in some of the contexts."""
    category, every, count = details.category or "", details.choice.every, page.count
    if not every:
        page = Page(0, min(count, FEW_CONTEXTS))
    shown = dict(islice(details.shared.items(), page.first, page.last))
    few = f"The {FEW_CONTEXTS} with the largest errors of {count:,} contexts." if count > page.count else ""
    drawn = (key, category, every, page.first)

    def chart() -> Any:
        rows = compare_charts.share_rows(comparison, shown, category)
        styles = compare_charts.styles_of(comparison)
        return charts.plot_data(compare_charts.share_chart(rows, styles)) if rows else None

    many = len(details.contexts) > FEW_CONTEXTS
    return {
        "category": Control(details.category, tuple((name, name) for name in details.categories)),
        "contexts": Control(EVERY if every else FEW),
        "contexts_box": Part(many, lambda: gr.update(visible=many)),
        "share_legend": Part(key, lambda: compare_cards.legend(comparison, shares=True)),
        "share_chart": Part(drawn, chart),
        "share_table": Part(drawn, lambda: compare_cards.shares_table(comparison, shown, category)),
    } | _turns("share", page, few or page.told)


def contexts_and_answers(
    store: Store, comparison: Comparison, key: Any, details: Details, page: Page
) -> dict[str, Part | Control]:
    """The error of each context, and the answers to one prompt."""
    contexts, prompts = details.contexts, details.prompts
    context, prompt = details.context, details.prompt
    rows = dict(islice(contexts.items(), page.first, page.last))

    def answers() -> str:
        if prompt is None or context is None:
            return ""
        found = [
            answers_of(store, line, comparison.split, context, prompts[prompt]) for line in comparison.lines
        ]
        return compare_cards.answers_grid(comparison, prompts[prompt], found)

    return {
        "details": Part(bool(contexts), lambda: gr.update(visible=bool(contexts))),
        "heat": Part((key, page.first), lambda: compare_cards.heat_map(comparison, rows)),
        "context": Control(context, tuple((name, name) for name in contexts)),
        "prompt": Control(prompt, tuple((text, i) for i, text in enumerate(prompts))),
        "answers": Part((key, context, prompt), answers),
    } | _turns("heat", page, page.told)


def _prompts(comparison: Comparison, context: str | None) -> list[str]:
    """What the first run that knows a context asked about it."""
    for line in comparison.lines:
        spec = line.entry.run.spec
        if context in spec.contexts.names:
            return prompts_of(spec, comparison.split, spec.contexts.names.index(context))
    return []
