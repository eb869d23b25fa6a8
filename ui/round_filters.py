"""What of a run's rounds is looked at: the filters, their controls, and the choices that a run gives them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, fields, replace
from typing import Any

import gradio as gr

from distalign.asked import names_of
from distalign.results import SPLITS, SplitResult, splits_of
from distalign.wording import shortened
from storage import Run, Store
from storage.rounds import ORDERS
from ui import labels
from ui.wiring import OPEN

ALL, UNCLASSIFIED = -1, -2
MAX_QUERY, MAX_LABEL = 200, 70
SPLIT_CHOICES = [(labels.SPLITS[split], split) for split in labels.SPLITS if split in SPLITS]
PHASE_CHOICES = [(label, phase) for phase, label in labels.PHASES.items()]
ORDER_CHOICES = [
    ("Context, or the commonest first", "context"),
    ("Read as, unclassified first", "category"),
    ("Answer, A to Z", "answer"),
    ("Longest answer first", "longest"),
]
EACH, GROUPED = "each", "grouped"
SHOW_CHOICES = [("Each round", EACH), ("Different answers, counted", GROUPED)]
# Filters whose choices are the run's own; each is of one choice, or of all.
NARROWED = ("context", "category", "template")


@dataclass(frozen=True)
class Filters:
    """What of the rounds is looked at, as the controls hold it; the order of the fields is theirs."""

    phase: str = "after"
    split: str = "heldout_templates"
    context: object = ALL
    category: object = ALL
    query: str | None = ""
    template: object = ALL
    order: object = "context"
    show: object = EACH

    @property
    def sorted_by(self) -> str:
        """The order as the store takes it, whatever a browser sends."""
        return str(self.order) if self.order in ORDERS else "context"

    def known(self, run: Run) -> Filters:
        """The filters without what is in none of the lists."""
        chosen = self.chosen(run)
        unknown = [name for name in NARROWED if chosen[name] is None]
        if chosen["unclassified"]:
            unknown.remove("category")
        return replace(self, **dict.fromkeys(unknown, ALL))

    def chosen(self, run: Run) -> dict[str, Any]:
        """The filters as the store takes them."""
        names = names_of(run.spec, self.split)
        return {
            "context": index(self.context, len(names.contexts)),
            "category": index(self.category, len(names.categories)),
            "template": index(self.template, len(names.templates)),
            "unclassified": self.category == UNCLASSIFIED,
            "query": str(self.query or "")[:MAX_QUERY],
        }


CONTROLS = len(fields(Filters))


def build() -> dict[str, Any]:
    """A control for each field of :class:`Filters`, laid out as a person reads them."""
    with gr.Row():
        show = gr.Radio(
            SHOW_CHOICES,
            value=EACH,
            label="Show",
            info="One row a round, or one a different answer",
            elem_id="rounds-show",
            interactive=True,
        )
        phase = gr.Radio(
            PHASE_CHOICES,
            label="Phase",
            info="The base model, or what the method made of it",
            elem_id="rounds-phase",
            interactive=True,
        )
        order = gr.Dropdown(
            ORDER_CHOICES, value="context", label="Sort by", info="The order of the rows", elem_id="rounds-order", **OPEN
        )  # fmt: skip
    with gr.Row():
        split = gr.Dropdown(
            SPLIT_CHOICES,
            label="Prompts",
            info="Seen or never trained on",
            elem_id="rounds-split",
            interactive=True,
        )
        template = gr.Dropdown(
            [], label="Template", info="How it was asked", elem_id="rounds-template", **OPEN
        )
        context = gr.Dropdown(
            [], label="Context", info="What was asked about", elem_id="rounds-context", **OPEN
        )
        category = gr.Dropdown(
            [], label="Read as", info="What the answer names", elem_id="rounds-category", **OPEN
        )
        query = gr.Textbox(
            "",
            label="Answer contains",
            info="Part of its text",
            elem_id="rounds-query",
            max_lines=1,
            max_length=MAX_QUERY,
        )
    found = {
        "phase": phase, "split": split, "context": context, "category": category, "query": query,
        "template": template, "order": order, "show": show,
    }  # fmt: skip
    return {field.name: found[field.name] for field in fields(Filters)}


def phase_choices(results: Sequence[SplitResult]) -> list[tuple[str, str]]:
    """The phases that a run was measured in: what trains nothing has no "after"."""
    measured = {result.phase for result in results}
    return [(label, phase) for label, phase in PHASE_CHOICES if phase in measured]


def split_choices(store: Store, run: Run, results: Sequence[SplitResult]) -> list[tuple[str, str]]:
    """The splits that have rounds; those on unseen attributes were not kept once."""
    kept = {r.split for r in results if r.contexts or store.measured_templates(run.id, r.phase, r.split)}
    return [(labels.SPLITS[split], split) for split in splits_of(results) if split in kept]


def choices(store: Store, run: Run, filters: Filters) -> list[dict[str, Any]]:
    """The choices of a context, a category, and a template that the split was asked with; none chosen."""
    names = names_of(run.spec, filters.split)
    contexts = [("All contexts", ALL), *((name, i) for i, name in enumerate(names.contexts))]
    read_as = [("Any category", ALL), *((name, k) for k, name in enumerate(names.categories))]
    texts, measured = names.templates, store.measured_templates(run.id, filters.phase, filters.split)
    templates = [(shortened(f"{t + 1}: {texts[t]}", MAX_LABEL), t) for t in measured if t < len(texts)]
    return [
        gr.update(choices=contexts, value=ALL),
        gr.update(choices=[*read_as, ("Unclassified", UNCLASSIFIED)], value=ALL),
        gr.update(choices=[("All templates", ALL), *templates], value=ALL),
    ]


def index(value: object, count: int) -> int | None:
    """A choice as an index; None for "all", and for whatever else a browser may send."""
    return value if isinstance(value, int) and 0 <= value < count else None
