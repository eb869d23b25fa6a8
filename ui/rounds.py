"""The rounds of a run on the Results tab: filters, a search for text, sorting, grouping, and pages."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import astuple, dataclass, fields, replace
from functools import partial
from typing import Any

import gradio as gr

from distalign.asked import UNSEEN, names_of
from distalign.results import SplitResult
from storage import Run, Store
from ui import cards, report, round_filters
from ui.round_filters import ALL, CONTROLS, GROUPED, NARROWED, UNCLASSIFIED, Filters
from ui.wiring import LATEST, ONE_BY_ONE, QUIET

PAGE = 25

# What build() gives back: the controls, then the place, the table, the position and two buttons.
OUTPUTS = CONTROLS + 5


@dataclass(frozen=True)
class Place:
    """Where a session is among the rounds: the page, from 0, and the run and filters it is of."""

    page: int = 0
    of: tuple[str, Filters] | None = None


# The run whose results a session has on the tab, from what is selected and what was shown.
RunOnTab = Callable[[str, Any], Run | None]


def build(store: Store, run_on_tab: RunOnTab, selected: gr.Textbox, shown: gr.State) -> list[Any]:
    """The table with its filters and events; what :func:`fresh` fills, in its order."""
    with gr.Column(elem_classes="da-card"):
        gr.HTML(
            cards.heading("Rounds", "Every sampled answer, its steering token apart from its text."),
            elem_id="rounds-heading",
        )
        controls = round_filters.build()
        place = gr.State(Place())
        rows = gr.HTML(apply_default_css=False, elem_id="rounds-table")
        with gr.Row(elem_classes="da-actions da-pager"):
            back = gr.Button("Previous", size="sm", elem_id="rounds-back")
            forward = gr.Button("Next", size="sm", elem_id="rounds-next")
            lost = gr.Button("Inspect unclassified answers", size="sm", elem_id="rounds-unclassified")
            position = gr.HTML(elem_id="rounds-position")
    inputs = [place, selected, shown, *controls.values()]
    outputs = [place, rows, position, back, forward]
    turn = partial(turned, store, run_on_tab)
    chosen = [c.input for name, c in controls.items() if name not in ("query", "split")]
    narrowed = [controls[name] for name in NARROWED]
    gr.on(chosen, partial(_chosen, store, run_on_tab), inputs, [*narrowed, *outputs], **ONE_BY_ONE)
    # Its input event tells of pressed keys only, not of what is pasted or deleted.
    controls["query"].change(partial(turn, 0), inputs, outputs, **LATEST)
    controls["split"].input(
        partial(_other_split, store, run_on_tab),
        inputs,
        [*narrowed, *outputs],
        **ONE_BY_ONE,
    )
    back.click(partial(turn, -1), inputs, outputs, **QUIET)
    forward.click(partial(turn, 1), inputs, outputs, **QUIET)
    lost.click(
        partial(_inspect, store, run_on_tab), inputs, [*controls.values(), *outputs], **QUIET
    )  # fmt: skip
    return [*controls.values(), *outputs]


def fresh(
    store: Store, run: Run, results: Sequence[SplitResult], split: str, context: int | None = None
) -> list[Any]:
    """The filters for a run, none of them set but perhaps a context, and the first page of its last phase."""
    phases = round_filters.phase_choices(results)
    measured = [phase for _, phase in phases if any((r.phase, r.split) == (phase, split) for r in results)]
    filters = Filters((measured or [phases[-1][1]])[-1], split, ALL if context is None else context)
    contexts, categories, templates = round_filters.choices(store, run, filters)
    contexts["value"] = filters.context
    return [
        gr.update(choices=phases, value=filters.phase),
        gr.update(choices=round_filters.split_choices(store, run, results), value=split),
        contexts,
        categories,
        filters.query,
        templates,
        filters.order,
        filters.show,
        *page_of(store, run, 0, filters),
    ]


def more(store: Store, run: Run, results: Sequence[SplitResult]) -> list[Any]:
    """The same where another split or phase was measured meanwhile: it can be chosen, and all else stays."""
    grown = {
        "phase": round_filters.phase_choices(results),
        "split": round_filters.split_choices(store, run, results),
    }
    controls = [
        gr.update(choices=grown[field.name]) if field.name in grown else gr.skip()
        for field in fields(Filters)
    ]
    return [*controls, *[gr.skip()] * (OUTPUTS - CONTROLS)]


def turned(
    store: Store, run_on_tab: RunOnTab, by: int, place: Place, selected: str, shown: Any, *controls: Any
) -> list[Any]:
    """The page that lies ``by`` pages on; the first, where that is 0 and the filters are others now."""
    run = run_on_tab(selected, shown)
    if run is None:
        return [Place(), "", "", gr.skip(), gr.skip()]
    filters = Filters(*controls)
    if not by and place.of == (run.id, filters):
        return [gr.skip()] * 5
    return page_of(store, run, place.page + by if by else 0, filters)


def _chosen(
    store: Store, run_on_tab: RunOnTab, place: Place, selected: str, shown: Any, *controls: Any
) -> list[Any]:
    """The first page with other filters; a text that was typed to find a choice is none, and all are shown again."""
    given = Filters(*controls)
    run = run_on_tab(selected, shown)
    known = given.known(run) if run else given
    again = [
        gr.skip() if getattr(known, name) == getattr(given, name) else gr.update(value=ALL)
        for name in NARROWED
    ]
    return [*again, *turned(store, run_on_tab, 0, place, selected, shown, *astuple(known))]


def _other_split(
    store: Store, run_on_tab: RunOnTab, place: Place, selected: str, shown: Any, *controls: Any
) -> list[Any]:
    """The first page of another split, whose templates are others; on unseen attributes contexts and categories, too."""
    run, filters = run_on_tab(selected, shown), Filters(*controls)
    if run is None or (place.of and place.of[1].split == filters.split):
        return [gr.skip()] * 8
    filters = replace(filters, template=ALL)
    choices = round_filters.choices(store, run, filters)
    if UNSEEN in (filters.split, place.of[1].split if place.of else ""):
        filters = replace(filters, context=ALL, category=ALL)
    else:
        choices[:2] = [gr.skip()] * 2
    return [*choices, *page_of(store, run, 0, filters)]


def _inspect(
    store: Store, run_on_tab: RunOnTab, place: Place, selected: str, shown: Any, *controls: Any
) -> list[Any]:
    """The answers that name no category, grouped and counted, of the phase and split that are chosen."""
    run = run_on_tab(selected, shown)
    if run is None:
        return [gr.skip()] * OUTPUTS
    given = Filters(*controls)
    filters = Filters(given.phase, given.split, category=UNCLASSIFIED, show=GROUPED)
    return [*(getattr(filters, field.name) for field in fields(filters)), *page_of(store, run, 0, filters)]


def page_of(store: Store, run: Run, page: int, filters: Filters) -> list[Any]:
    """Page ``page`` (from 0, or the last there is) of a run's rounds, as the tab shows it."""
    page = max(0, page)
    look = _groups if filters.show == GROUPED else _rounds
    page, count, rows, table = look(store, run, page, filters)
    first = page * PAGE
    position = f"{first + 1:,} to {first + rows:,} of {count:,}" if count else ""
    return [
        Place(page, (run.id, filters)),
        table,
        cards.quiet(position),
        gr.update(interactive=page > 0),
        gr.update(interactive=first + PAGE < count),
    ]


def _rounds(store: Store, run: Run, page: int, filters: Filters) -> tuple[int, int, int, str]:
    """The page that there is, how many rounds match, how many are on the page, and its table."""
    chosen = filters.chosen(run)
    read = partial(store.rounds, run.id, filters.phase, filters.split, order=filters.sorted_by, **chosen)
    rounds = read(offset=page * PAGE, limit=PAGE + 1)
    if 0 < len(rounds) <= PAGE or (not page and not rounds):
        # The last page, so that none has to be counted: to look for a text means to read every round.
        count = page * PAGE + len(rounds)
    else:
        count = store.count_rounds(run.id, filters.phase, filters.split, **chosen)
    if page * PAGE >= count:
        page = max(0, count - 1) // PAGE
        rounds = read(offset=page * PAGE, limit=PAGE)
    rounds = rounds[:PAGE]
    return page, count, len(rounds), report.rounds_table(rounds, run.spec, run.steering_tokens)


def _groups(store: Store, run: Run, page: int, filters: Filters) -> tuple[int, int, int, str]:
    """The same of different answers."""
    chosen = filters.chosen(run) | {"order": filters.sorted_by}
    read = partial(store.grouped_answers, run.id, filters.phase, filters.split, **chosen)
    found = read(offset=page * PAGE, limit=PAGE)
    if page and not found.groups:
        page, found = 0, read(limit=PAGE)
    return (
        page,
        found.total,
        len(found.groups),
        report.answers_table(found, names_of(run.spec, filters.split).categories),
    )
