"""The charts of the Results tab: realized against target, and how it settles as rounds accumulate."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import gradio as gr

from distalign.results import SplitResult, of_split, splits_of
from distalign.spec import RunSpec
from distalign.summary import summarise
from jobs.reporting import contexts, views
from jobs.reporting.charts import ORDERS
from jobs.reporting.convergence_charts import error_chart, shares_chart
from jobs.reporting.views import View
from storage import Run, Store
from ui import cards, charts, labels, pager, report, round_filters
from ui.pager import Page
from ui.wiring import CHOOSE_JS, OPEN

# What drawn() fills: lead, tiles, chart, position, back, forward, table, and context, convergence, legend, table.
DRAWN = 11
ALL = round_filters.ALL
HEADING = "One line a context. The diamond is the answers’ exact distribution, free of sampling noise."
CONVERGENCE = (
    "A perfect sampler settles as the band narrows. A curve that stays outside has an error that more "
    "rounds would not remove."
)
AS_TABLE = "The chart as a table"
TO_ROUNDS = "A context’s name leads to its rounds, which its figures are counted from."
NO_CONTEXTS = "These prompts have no contexts of their own: each attribute is measured by itself, below."


def split_choices(results: Sequence[SplitResult]) -> list[tuple[str, str]]:
    """The splits that have contexts to show, as the page names them."""
    shown = {result.split for result in results if result.contexts}
    return [(labels.SPLITS[split], split) for split in splits_of(results) if split in shown]


def build_realized() -> tuple[list[Any], list[Any], tuple[gr.Button, gr.Button]]:
    """The first card: its controls, its outputs, and the buttons that turn its pages."""
    with gr.Column(elem_classes="da-card"):
        gr.HTML(cards.heading("Realized against target", HEADING))
        with gr.Row():
            split = gr.Radio(
                round_filters.SPLIT_CHOICES,
                label="Prompts",
                info="Held-out ones were never trained on",
                elem_id="split",
                interactive=True,
                scale=2,
            )
            category = gr.Dropdown(
                [], label="Share of", info="The category that is drawn", elem_id="category", **OPEN
            )
            order = gr.Dropdown(
                [(label, name) for name, label in ORDERS.items()], value="gap", label="Contexts by", info="The order from top to bottom",
                elem_id="context-order", **OPEN,
            )  # fmt: skip
        gr.HTML(report.LEGEND, apply_default_css=False)
        chart = gr.Plot(show_label=False, container=False, elem_classes="da-chart", elem_id="realized")
        turns = pager.build("contexts")
        with gr.Accordion(AS_TABLE, open=False, elem_id="realized-as-table", elem_classes="da-fold"):
            gr.HTML(cards.quiet(TO_ROUNDS), apply_default_css=False)
            table = gr.HTML(js_on_load=CHOOSE_JS, apply_default_css=False, elem_id="realized-table")
    buttons = turns.back, turns.forward
    return [split, category, order], [chart, turns.position, *buttons, table], buttons


def build_convergence() -> list[Any]:
    """The second card: the choice of a context, and what shows its convergence."""
    with gr.Column(elem_classes="da-card"):
        gr.HTML(cards.heading("As rounds accumulate", CONVERGENCE))
        context = gr.Dropdown(
            [],
            label="Context",
            info="One context, or the mean over all",
            elem_id="convergence-context",
            **OPEN,
        )
        legend = gr.HTML(apply_default_css=False)
        chart = gr.Plot(show_label=False, container=False, elem_classes="da-chart", elem_id="convergence")
        with gr.Accordion(AS_TABLE, open=False, elem_id="convergence-as-table", elem_classes="da-fold"):
            table = gr.HTML(apply_default_css=False, elem_id="convergence-table")
        gr.HTML(cards.quiet(report.CONVERGENCE_NOTE), apply_default_css=False)
    return [context, chart, legend, table]


def view_of(split: object, category: object, order: object, context: object, first: int = 0) -> View:
    """A view from what controls hold, or from whatever else a browser may send."""
    whole = [value if isinstance(value, int) else 0 for value in (category, first)]
    chosen = context if isinstance(context, int) and context >= 0 else None
    return View(str(split), whole[0], str(order), whole[1], chosen)


def turned(view: View, by: int, results: Sequence[SplitResult]) -> View:
    """The view some pages of contexts further on, no further than there are contexts."""
    return replace(view, first=Page(view.first, _count(results, view.split)).turned(by).first)


def drawn(
    store: Store, run: Run, results: Sequence[SplitResult], view: View, old: View | None = None
) -> list[Any]:
    """What shows a view (:data:`DRAWN` values), but for what an old view has shown already."""
    old = old or View(split="\0")
    lead = realized = convergence = None
    if view.split != old.split:
        effects = store.side_effects(run.id)
        summary = summarise(run.spec, results, effects, view.split)
        lead = [report.summary_html(summary), report.tiles(of_split(results, view.split))]
    if replace(view, context=None) != replace(old, context=None):
        realized = _realized(run.spec, results, view)
    if (view.split, view.context) != (old.split, old.context):
        choices = _context_choices(run.spec, results, view) if view.split != old.split else gr.skip()
        convergence = [choices, *_convergence(run.spec, results, view)]
    skipped = [gr.skip()]
    return [*(lead or skipped * 2), *(realized or skipped * 5), *(convergence or skipped * 4)]


def _count(results: Sequence[SplitResult], split: str) -> int:
    return max((len(result.contexts) for result in results if result.split == split), default=0)


def _realized(spec: RunSpec, results: Sequence[SplitResult], view: View) -> list[Any]:
    page = Page(view.first, _count(results, view.split))
    buttons = [gr.update(**button) for button in page.buttons]
    if not page.count:
        return [gr.update(value=None, visible=False), cards.quiet(NO_CONTEXTS), *buttons, ""]
    chart = charts.plot_data(views.realized_chart(spec, results, view))
    table = contexts.contexts_table(
        of_split(results, view.split), spec.contexts.names, view.category, view.order, view.first, linked=True
    )
    return [
        gr.update(value=chart, visible=True),
        cards.quiet(page.told) if page.told else "",
        *buttons,
        table,
    ]


def _context_choices(spec: RunSpec, results: Sequence[SplitResult], view: View) -> Any:
    known = sorted({c.context for r in of_split(results, view.split) if r for c in r.contexts})
    choices = [("All contexts: the mean error", ALL), *((spec.contexts.names[i], i) for i in known)]
    return gr.update(choices=choices, value=ALL if view.context is None else view.context)


def _convergence(spec: RunSpec, results: Sequence[SplitResult], view: View) -> list[Any]:
    pair = of_split(results, view.split)
    if view.context is None:
        before, after = views.errors_of(spec, pair)
        if not (before or after):
            return [gr.update(value=None, visible=False), "", ""]
        chart, legend = error_chart(before, after), report.ERROR_LEGEND
        table = contexts.error_table(before, after)
    else:
        running = views.shares_of(spec, pair, view.context)
        chart, legend = shares_chart(running, spec.attribute.names), report.SHARES_LEGEND
        table = contexts.shares_table(running, spec.attribute.names)
    shown = gr.update(value=charts.plot_data(chart), visible=True)
    return [shown, legend, table]
