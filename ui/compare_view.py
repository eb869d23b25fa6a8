"""From a choice of runs to what the Compare tab shows, and what of it a session does not have yet."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import gradio as gr

from distalign.folders import DataFolder
from distalign.spec import DEFAULT_MODEL, TRAINED_METHODS
from distalign.training_config import PRESETS, reads
from jobs.compare import Comparison, compare, splits_of
from jobs.compare_choice import Choice, Resolved, read_address, resolve, write_address
from jobs.datasets import compared_as, datasets, seconds_of
from jobs.naming import METHODS_SHORT
from jobs.reporting.layers import MAX_CONTEXTS
from storage import ComparableRun, Store
from ui import cards, charts, compare_cards, compare_charts, labels
from ui.compare_details import contexts_and_answers, looked_at, pages_of, shares
from ui.compare_parts import Control, Part

NOTHING = (
    "Tick methods and queue what is missing, or add finished runs. Each shows here as soon as it is done."
)


@dataclass(frozen=True)
class Controls:
    """What the controls hold in the browser, in the order in which they are handed over; ``prompt`` is a place."""

    dataset: Any = None
    methods: Any = None
    others: Any = None
    preset: Any = None
    split: Any = None
    category: Any = None
    contexts: Any = None
    context: Any = None
    prompt: Any = None


@dataclass(frozen=True)
class Shown:
    """What a session has on the tab, so that only what differs is sent.

    Attributes:
        choice: what is compared.
        sent: by output: a control's choices, or a key of what was drawn.
        key, comparison: what the comparison was read for, and the comparison.
        firsts: how many contexts lie before those that are shown, by pager.
    """

    choice: Choice = field(default_factory=Choice)
    sent: Mapping[str, Any] = field(default_factory=dict)
    key: Any = None
    comparison: Comparison | None = None
    firsts: Mapping[str, int] = field(default_factory=dict)

    def turned(self, pager: str, by: int) -> Shown:
        """The same with a pager ``by`` pages further on, maybe further than there are contexts."""
        first = self.firsts.get(pager, 0) + by * MAX_CONTEXTS
        return replace(self, firsts={**self.firsts, pager: first})


def look(
    store: Store, data: DataFolder, shown: Shown, choice: Choice, controls: Controls
) -> tuple[Shown, dict[str, Part | Control], str]:
    """What the tab shows for a choice, by output, and what is to be noted of the choice itself."""
    resolved = resolve(store, choice)
    splits = splits_of(store, resolved.entries)
    if splits and choice.split not in splits:
        resolved = replace(resolved, choice=replace(resolved.choice, split=splits[0]))
    choice = resolved.choice
    key = (tuple(entry.key for entry in resolved.entries), choice.split)
    same = shown.comparison is not None and shown.key == key
    comparison = shown.comparison if same else compare(store, resolved.entries, choice.split, METHODS_SHORT)
    details = looked_at(comparison, choice)
    resolved = replace(resolved, choice=details.choice)
    pages = pages_of(details, shown.firsts if same else {})
    firsts = {name: page.first for name, page in pages.items()}
    now = replace(shown, choice=details.choice, key=key, comparison=comparison, firsts=firsts)
    parts = _chooser(store, data, resolved, controls, shown)
    parts |= _figures(comparison, key, splits, resolved.left_out)
    parts |= shares(comparison, key, details, pages["share"])
    parts |= contexts_and_answers(store, comparison, key, details, pages["heat"])
    return now, parts, compare_cards.doubled_note(resolved.doubled)


def changes(parts: Mapping[str, Part | Control], shown: Shown, controls: Controls) -> tuple[Shown, list[Any]]:
    """An update for each part that a session does not have, and what it has then."""
    sent, updates = {}, []
    for name, part in parts.items():
        new = name not in shown.sent
        if isinstance(part, Control):
            sent[name] = (part.choices, part.visible)
            choices, visible = shown.sent.get(name, (None, True))
            update: dict[str, Any] = {} if part.visible == visible else {"visible": part.visible}
            if getattr(controls, name) != part.value:
                update["value"] = part.value
            if part.choices is not None and (new or choices != part.choices):
                update |= {"choices": list(part.choices), "value": part.value}
            updates.append(gr.update(**update) if update else gr.skip())
        else:
            sent[name] = part.key
            updates.append(part.make() if new or shown.sent[name] != part.key else gr.skip())
    return replace(shown, sent=sent), updates


def before(store: Store, address: str, shown: Shown) -> Choice:
    """What was compared so far; the browser knows it where the server has forgotten the session."""
    return shown.choice if shown.sent else read_address(store, address or "") or Choice()


def comparison_of(store: Store, choice: Choice) -> Comparison:
    """What is known of the runs of a choice."""
    return compare(store, resolve(store, choice).entries, choice.split, METHODS_SHORT)


def _chooser(
    store: Store, data: DataFolder, resolved: Resolved, controls: Controls, shown: Shown
) -> dict[str, Part | Control]:
    """The upper card: what is compared, how far it is, and what can be queued."""
    choice, queueable = resolved.choice, (resolved.missing, resolved.improvable)
    also = (choice.dataset, *choice.others)
    runs = tuple((run_label(run), run.id) for run in store.comparable_runs(also=also))
    named = tuple((f"{spec.title} · {name}", name) for name, spec in datasets().items())
    preset = controls.preset if shown.choice.dataset == choice.dataset else None
    if preset not in PRESETS:
        preset = _usual_preset(resolved)
    told = {run.id: store.last_event(run.id, run.attempt) for run in resolved.waiting}
    standings = compare_cards.standings_list(resolved.standings, told, time.time())
    address = write_address(resolved)
    return {
        "address": Part(address, lambda: address),
        "dataset": Control(choice.dataset or None, (*named, *((f"Run: {label}", i) for label, i in runs))),
        "methods": Control(_as_ticked(controls.methods, choice.methods)),
        "others": Control(list(choice.others), runs),
        "standings": Part(standings, lambda: standings),
        "preset": Control(
            preset, visible=any(method in TRAINED_METHODS for one in queueable for method in one)
        ),
        "queue_box": Part(any(queueable), lambda: gr.update(visible=any(queueable))),
        "queue": Part((choice.dataset, queueable, preset), lambda: _queue_label(data, resolved, preset)),
        "timer": Part(bool(resolved.waiting), lambda: gr.update(active=bool(resolved.waiting))),
    }


def _as_ticked(received: Any, methods: Sequence[str]) -> list[str]:
    """The methods in the order in which the browser has them, if it has the same."""
    return list(received) if received and set(received) == set(methods) else list(methods)


def run_label(run: ComparableRun) -> str:
    """A finished run in a list: what tells it from the others."""
    model = [run.base_model] if run.base_model != DEFAULT_MODEL else []
    method = METHODS_SHORT.get(compared_as(run), run.method)
    preset = [run.preset] if reads(run.method, "preset") else []
    return " · ".join([run.title, method, *model, *preset, f"seed {run.seed}", run.id[:6]])


def _usual_preset(resolved: Resolved) -> str:
    """The preset of the newest of the dataset's trained runs, so that what is queued can be held against them."""
    measured = [standing.measured for standing in resolved.standings if standing.measured]
    trained = [run for run in measured if run.method in TRAINED_METHODS]
    newest = max(trained, key=lambda run: run.created_at, default=None)
    if newest:
        return newest.spec.preset
    return resolved.spec.preset if resolved.spec else "standard"


def _queue_label(data: DataFolder, resolved: Resolved, preset: str) -> Any:
    methods = (*resolved.missing, *resolved.improvable)
    if not methods or resolved.spec is None:
        return gr.skip()
    seconds = seconds_of(data, resolved.spec, methods, preset)
    return compare_cards.queue_label(resolved.missing, resolved.improvable, seconds)


def _figures(comparison: Comparison, key: Any, splits: list[str], left_out: int) -> dict[str, Part | Control]:
    """What is known of the lines as a whole."""
    there = bool(comparison.lines)
    choices = tuple((labels.SPLITS[split], split) for split in splits)
    return {
        "lead": Part(
            (key, left_out),
            lambda: (
                compare_cards.lead(comparison, left_out)
                if there
                else cards.empty("Nothing to compare yet", NOTHING)
            ),
        ),
        "body": Part(there, lambda: gr.update(visible=there)),
        "split": Control(comparison.split, choices or None),
        "error_legend": Part(key, lambda: compare_cards.legend(comparison, shares=False)),
        "error_chart": Part(
            key, lambda: charts.plot_data(compare_charts.error_chart(comparison)) if there else gr.skip()
        ),
        "table": Part(key, lambda: compare_cards.measures_table(comparison) if there else ""),
    }
