"""The rounds of a run on the Results tab: filters, a search for text, sorting, grouping, and pages."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, fields, replace
from functools import partial
from typing import Any

import gradio as gr

from distalign.asked import UNSEEN, names_of
from distalign.results import SPLITS, SplitResult, splits_of
from storage import Run, Store
from storage.rounds import ORDERS
from ui import cards, labels, report
from ui.wiring import LATEST, ONE_BY_ONE, QUIET

PAGE = 25
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
# Gradio forgets a session's choices when the app restarts, and would refuse what the browser still
# shows; what comes is checked here instead.
OPEN: dict[str, Any] = {"interactive": True, "allow_custom_value": True}


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
        gr.HTML(cards.heading("Rounds", "Every sampled answer, its steering token apart from its text."))
        controls = _controls()
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
    gr.on(chosen, partial(turn, 0), inputs, outputs, **ONE_BY_ONE)
    # Its input event tells of pressed keys only, not of what is pasted or deleted.
    controls["query"].change(partial(turn, 0), inputs, outputs, **LATEST)
    controls["split"].input(
        partial(_other_split, store, run_on_tab),
        inputs,
        [*(controls[n] for n in ("context", "category", "template")), *outputs],
        **ONE_BY_ONE,
    )
    back.click(partial(turn, -1), inputs, outputs, **QUIET)
    forward.click(partial(turn, 1), inputs, outputs, **QUIET)
    lost.click(
        partial(_inspect, store, run_on_tab), inputs, [*controls.values(), *outputs], **QUIET
    )  # fmt: skip
    return [*controls.values(), *outputs]


def _controls() -> dict[str, Any]:
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


def fresh(store: Store, run: Run, results: Sequence[SplitResult], split: str) -> list[Any]:
    """The filters for a run, none of them set, and the first page of its last phase."""
    phases = [p for p in labels.PHASES if any(r.phase == p for r in results)]
    filters = Filters(phases[-1], split)
    contexts, categories, templates = _choices(store, run, filters)
    return [
        filters.phase,
        gr.update(choices=_split_choices(store, run, results), value=split),
        contexts,
        categories,
        filters.query,
        templates,
        filters.order,
        filters.show,
        *page_of(store, run, 0, filters),
    ]


def more(store: Store, run: Run, results: Sequence[SplitResult]) -> list[Any]:
    """The same where another split was measured meanwhile: it can be chosen, and all else stays."""
    sent = [gr.skip()] * OUTPUTS
    sent[[field.name for field in fields(Filters)].index("split")] = gr.update(
        choices=_split_choices(store, run, results)
    )
    return sent


def _split_choices(store: Store, run: Run, results: Sequence[SplitResult]) -> list[tuple[str, str]]:
    """The splits that have rounds; those on unseen attributes were not kept once."""
    kept = {r.split for r in results if r.contexts or store.measured_templates(run.id, r.phase, r.split)}
    return [(labels.SPLITS[split], split) for split in splits_of(results) if split in kept]


def _choices(store: Store, run: Run, filters: Filters) -> list[dict[str, Any]]:
    """The choices of a context, a category, and a template that the split was asked with; none chosen."""
    names = names_of(run.spec, filters.split)
    contexts = [("All contexts", ALL), *((name, i) for i, name in enumerate(names.contexts))]
    read_as = [("Any category", ALL), *((name, k) for k, name in enumerate(names.categories))]
    texts, measured = names.templates, store.measured_templates(run.id, filters.phase, filters.split)
    templates = [(_short(f"{t + 1}: {texts[t]}"), t) for t in measured if t < len(texts)]
    return [
        gr.update(choices=contexts, value=ALL),
        gr.update(choices=[*read_as, ("Unclassified", UNCLASSIFIED)], value=ALL),
        gr.update(choices=[("All templates", ALL), *templates], value=ALL),
    ]


def _short(text: str) -> str:
    text = " ".join(text.split())
    return text if len(text) <= MAX_LABEL else text[: MAX_LABEL - 1] + "…"


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


def _other_split(
    store: Store, run_on_tab: RunOnTab, place: Place, selected: str, shown: Any, *controls: Any
) -> list[Any]:
    """The first page of another split, whose templates are others; on unseen attributes contexts and categories, too."""
    run, filters = run_on_tab(selected, shown), Filters(*controls)
    if run is None or (place.of and place.of[1].split == filters.split):
        return [gr.skip()] * 8
    filters = replace(filters, template=ALL)
    choices = _choices(store, run, filters)
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


def index(value: object, count: int) -> int | None:
    """A choice as an index; None for "all", and for whatever else a browser may send."""
    return value if isinstance(value, int) and 0 <= value < count else None
