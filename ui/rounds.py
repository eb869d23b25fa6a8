"""The rounds of a run on the Results tab: filters, a search for text, and pages."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

import gradio as gr

from distalign.results import SPLITS, SplitResult
from storage import Run, Store
from ui import cards, labels, report
from ui.wiring import LATEST, ONE_BY_ONE, QUIET

PAGE = 25
ALL, UNCLASSIFIED = -1, -2
MAX_QUERY = 200
SPLIT_CHOICES = [(labels.SPLITS[split], split) for split in labels.SPLITS if split in SPLITS]
PHASE_CHOICES = [(label, phase) for phase, label in labels.PHASES.items()]
# Gradio forgets a session's choices when the app restarts, and would refuse what the browser still
# shows; what comes is checked here instead.
OPEN: dict[str, Any] = {"interactive": True, "allow_custom_value": True}


@dataclass(frozen=True)
class Place:
    """Where a session is among the rounds: the page, from 0, and the run and filters it is of."""

    page: int = 0
    of: tuple[Any, ...] = ()


# The run whose results a session has on the tab, from what is selected and what was shown.
RunOnTab = Callable[[str, Any], Run | None]


def build(store: Store, run_on_tab: RunOnTab, selected: gr.Textbox, shown: gr.State) -> list[Any]:
    """The table with its filters and events; what :func:`fresh` fills, in its order."""
    with gr.Column(elem_classes="da-card"):
        gr.HTML(cards.heading("Rounds", "Every sampled answer, its steering token apart from its text."))
        with gr.Row():
            phase = gr.Radio(PHASE_CHOICES, label="Phase", elem_id="rounds-phase", interactive=True)
            split = gr.Dropdown(SPLIT_CHOICES, label="Prompts", elem_id="rounds-split", interactive=True)
            context = gr.Dropdown([], label="Context", elem_id="rounds-context", **OPEN)
            category = gr.Dropdown([], label="Read as", elem_id="rounds-category", **OPEN)
            query = gr.Textbox(
                "", label="Answer contains", elem_id="rounds-query", max_lines=1, max_length=MAX_QUERY
            )
        place = gr.State(Place())
        rows = gr.HTML(apply_default_css=False, elem_id="rounds-table")
        with gr.Row(elem_classes="da-actions da-pager"):
            back = gr.Button("Previous", size="sm", elem_id="rounds-back")
            forward = gr.Button("Next", size="sm", elem_id="rounds-next")
            position = gr.HTML(elem_id="rounds-position")
    controls = [phase, split, context, category, query]
    filters = [selected, shown, *controls]
    outputs = [place, rows, position, back, forward]
    turn = partial(turned, store, run_on_tab)
    gr.on([c.input for c in controls[:-1]], partial(turn, 0), [place, *filters], outputs, **ONE_BY_ONE)
    # Its input event tells of pressed keys only, not of what is pasted or deleted.
    query.change(partial(turn, 0), [place, *filters], outputs, **LATEST)
    back.click(partial(turn, -1), [place, *filters], outputs, **QUIET)
    forward.click(partial(turn, 1), [place, *filters], outputs, **QUIET)
    return [*controls, *outputs]


def fresh(store: Store, run: Run, results: Sequence[SplitResult], split: str) -> list[Any]:
    """The filters for a run, none of them set, and the first page of its last phase."""
    phases = [p for p in labels.PHASES if any(r.phase == p for r in results)]
    contexts = [("All contexts", ALL), *((n, i) for i, n in enumerate(run.spec.contexts.names))]
    read_as = [("Any category", ALL), *((n, k) for k, n in enumerate(run.spec.attribute.names))]
    return [
        phases[-1],
        gr.update(choices=split_choices(results), value=split),
        gr.update(choices=contexts, value=ALL),
        gr.update(choices=[*read_as, ("Unclassified", UNCLASSIFIED)], value=ALL),
        "",
        *page_of(store, run, 0, phases[-1], split, ALL, ALL, ""),
    ]


def split_choices(results: Sequence[SplitResult]) -> list[tuple[str, str]]:
    """The splits that have contexts to show, as the page names them."""
    shown = {result.split for result in results if result.contexts}
    return [(labels.SPLITS[split], split) for split in report.splits_of(results) if split in shown]


def turned(
    store: Store,
    run_on_tab: RunOnTab,
    by: int,
    place: Place,
    selected: str,
    shown: Any,
    phase: str,
    split: str,
    context: object,
    category: object,
    query: str | None = "",
) -> list[Any]:
    """The page that lies ``by`` pages on; the first, where that is 0 and the filters are others now."""
    run = run_on_tab(selected, shown)
    if run is None:
        return [Place(), "", "", gr.skip(), gr.skip()]
    filters = (phase, split, context, category, str(query or "")[:MAX_QUERY])
    if not by and place.of == (run.id, *filters):
        return [gr.skip()] * 5
    return page_of(store, run, place.page + by if by else 0, *filters)


def page_of(
    store: Store,
    run: Run,
    page: int,
    phase: str,
    split: str,
    context: object,
    category: object,
    query: str,
) -> list[Any]:
    """Page ``page`` (from 0, or the last there is) of a run's rounds, as the tab shows it."""
    spec = run.spec
    chosen = {
        "context": index(context, len(spec.contexts)),
        "category": index(category, len(spec.attribute)),
        "unclassified": category == UNCLASSIFIED,
        "query": query,
    }
    read = partial(store.rounds, run.id, phase, split, **chosen)
    page = max(0, page)
    rounds = read(offset=page * PAGE, limit=PAGE + 1)
    if 0 < len(rounds) <= PAGE or (not page and not rounds):
        # The last page, so that none has to be counted: to look for a text means to read every round.
        count = page * PAGE + len(rounds)
    else:
        count = store.count_rounds(run.id, phase, split, **chosen)
    if page * PAGE >= count:
        page = max(0, count - 1) // PAGE
        rounds = read(offset=page * PAGE, limit=PAGE)
    first, rounds = page * PAGE, rounds[:PAGE]
    position = f"{first + 1:,} to {first + len(rounds):,} of {count:,}" if count else ""
    return [
        Place(page, (run.id, phase, split, context, category, query)),
        report.rounds_table(rounds, spec, run.steering_tokens),
        cards.quiet(position),
        gr.update(interactive=page > 0),
        gr.update(interactive=first + PAGE < count),
    ]


def index(value: object, count: int) -> int | None:
    """A choice as an index; None for "all", and for whatever else a browser may send."""
    return value if isinstance(value, int) and 0 <= value < count else None
