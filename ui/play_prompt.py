"""What is filled in on the Play tab: runs to choose from, templates, and the prompt."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import gradio as gr

from distalign.errors import DistalignError, SpecError, shown
from distalign.prompts import prompt_text
from distalign.spec import RunSpec
from distalign.wanted import wanted
from jobs.play import TEMPLATES_OF, Aim, longest_answer, templates_of
from storage import Store
from ui import cards, labels, play_view
from ui.results import run_label
from ui.round_filters import index

MAX_LISTED_RUNS = 200
START_PROMPT = "A registered nurse opens the door. Male or female? Answer in one word."
FIRST_TEMPLATE = f"{TEMPLATES_OF[0]}:0"
NO_ADAPTER = (
    "No run has an adapter yet: take that of an example on the Gallery tab, or train one on the Train tab. "
    "The base model can be asked already."
)


@dataclass(frozen=True)
class Place:
    """What a session has on the tab.

    Attributes:
        selected: the run that was selected when the tab was last shown; None before that.
        choices: labels and ids of the runs to choose from.
        lead: the run whose templates are offered, the first that is chosen.
        picked: template and context that the prompt was filled in with.
        filled: the prompt as it was filled in; a person wrote any other.
    """

    selected: str | None = None
    choices: tuple[tuple[str, str], ...] = ()
    lead: str = ""
    picked: tuple[Any, Any] = (None, None)
    filled: str = START_PROMPT


def show(store: Store, selected: str, place: Place, runs: Any, prompt: str) -> list[Any]:
    """The runs to choose from, and what follows from those that are chosen; what is new of it."""
    listed = store.runs_with_adapter(MAX_LISTED_RUNS, also=selected)
    choices = tuple((run_label(run), run.id) for run in listed)
    if (selected, choices) == (place.selected, place.choices):
        return [gr.skip()] * 6
    ids = [run.id for run in listed]
    kept = [run_id for run_id in runs or () if run_id in ids]
    if selected in ids and selected != place.selected and selected not in kept:
        kept = [selected]
    elif place.selected is None and not kept:
        kept = ids[:1]
    update = ({} if choices == place.choices else {"choices": list(choices)}) | (
        {} if kept == list(runs or ()) else {"value": kept}
    )
    place, *filled = _refilled(store, replace(place, selected=selected, choices=choices), kept, prompt)
    if not choices:
        filled[-1] = f'<p class="da-quiet">{cards.linked(NO_ADAPTER)}</p>'
    return [place, gr.update(**update), *filled]


def chosen(store: Store, selected: str, place: Place, runs: Any, prompt: str) -> list[Any]:
    """Other runs are chosen: the first of them is the selected one, and offers its templates."""
    lead = next(iter(runs or ()), "")
    if lead == place.lead:
        return [gr.skip()] * 6
    selected = lead if any(lead == run_id for _, run_id in place.choices) else selected
    return [selected, *_refilled(store, replace(place, selected=selected), runs, prompt)]


def _refilled(store: Store, place: Place, runs: Sequence[str], prompt: str) -> list[Any]:
    """Place, template, context, prompt and note for the first of the runs; a prompt that was typed stays."""
    lead = next(iter(runs or ()), "")
    if lead == place.lead:
        return [place, *[gr.skip()] * 4]
    place = replace(place, lead=lead, picked=(None, None))
    nothing = gr.update(choices=[], value=None)
    if not lead:
        return [place, nothing, nothing, gr.skip(), ""]
    try:
        spec = store.find_run(lead).spec
    except DistalignError as error:
        return [place, nothing, nothing, gr.skip(), cards.error_note(error)]
    typed = prompt.strip() not in ("", place.filled)
    template, context = (None, None) if typed else (FIRST_TEMPLATE, 0)
    text = prompt if typed else _text(spec, template, context)
    return [
        place if typed else replace(place, picked=(template, context), filled=text),
        gr.update(choices=template_choices(spec), value=template),
        gr.update(choices=[(name, i) for i, name in enumerate(spec.contexts.names)], value=context),
        gr.skip() if typed else text,
        target_note(spec, text),
    ]


def template_choices(spec: RunSpec) -> list[tuple[str, str]]:
    """The templates of a run, those that it was not trained on first."""
    return [
        (f"{labels.SPLITS[split].removesuffix(' templates')} {t + 1}: {text}", f"{split}:{t}")
        for split in templates_of(spec)
        for t, text in enumerate(spec.templates.of(split))
    ]


def picked(store: Store, place: Place, runs: Any, template: Any, context: Any) -> list[Any]:
    """The prompt filled in with another template or context, and the length of its answers."""
    lead = next(iter(runs or ()), "")
    if not lead or (template, context) in (place.picked, (None, None)):
        return [gr.skip()] * 6
    try:
        spec = store.find_run(lead).spec
        template, context = template or FIRST_TEMPLATE, context if context is not None else 0
        text = _text(spec, template, context)
    except DistalignError as error:
        return [*[gr.skip()] * 4, cards.error_note(error), gr.skip()]
    note = target_note(spec, text)
    was, now = (longest_answer(spec, str(t).partition(":")[0]) for t in (place.picked[0], template))
    place = replace(place, lead=lead, picked=(template, context), filled=text)
    # A length of one's own stays as long as what is asked for is of the same kind.
    return [place, template, context, text, note, gr.skip() if was == now else str(now)]


def _text(spec: RunSpec, template: Any, context: Any) -> str:
    split, _, number = str(template).partition(":")
    known = split in templates_of(spec) and number.isdecimal() and int(number) < len(spec.templates.of(split))
    if not known or index(context, len(spec.contexts)) is None:
        given = context if known else template
        raise SpecError(
            "prompt", f"{shown(given)} is not in the list", "Choose from the list, or write a prompt"
        )
    return prompt_text(spec, split, int(number), context)


def noted(store: Store, runs: Any, prompt: str) -> str:
    """What a prompt wants of the first of the runs."""
    if not runs:
        return ""
    try:
        return target_note(store.find_run(str(runs[0])).spec, prompt or "")
    except DistalignError as error:
        return cards.error_note(error)


def target_note(spec: RunSpec, prompt: str) -> str:
    """What a prompt wants of a run, beneath it."""
    return play_view.target_note(Aim.of(wanted(spec, prompt)))
