"""The Gallery tab: finished runs that ship with the app, and are opened at once."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

import gradio as gr

from distalign.errors import DistalignError
from jobs import gallery
from jobs.gallery import Example
from storage import Store, UnknownRun
from storage.packed import is_example
from ui import cards, example_cards
from ui.wiring import CHOOSE_JS

# The tabs that a link of an example may lead to.
OPENED_ON = ("results", "play", "compare")
# An address names no more examples than a comparison shows.
MAX_EXAMPLES = 12


def build(found: Sequence[Example], problem: str = "") -> gr.HTML:
    """The tab; what it gives back tells of a chosen example by its event ``choose``."""
    with gr.Column(elem_classes="da-card"):
        gr.HTML(
            cards.heading(
                "Finished runs",
                "Made with the bundled model, and kept with every sampled answer. "
                "Opening one puts it among your runs, marked as an example.",
            )
        )
        return gr.HTML(
            problem or example_cards.gallery(found),
            js_on_load=CHOOSE_JS, apply_default_css=False, elem_id="gallery",
        )  # fmt: skip


def found_examples(folder: Path = gallery.FOLDER) -> tuple[tuple[Example, ...], str]:
    """The examples, and a note where they cannot be read."""
    try:
        return gallery.examples(folder), ""
    except DistalignError as error:
        return (), cards.error_note(error)


def chooser(store: Store) -> Callable[[gr.EventData], list[Any]]:
    """The handler that opens the example that was clicked: its run, and the tab that shows it."""

    # Gradio finds out from a plain function's annotation that it wants the event; a partial has none.
    def choose(event: gr.EventData) -> list[Any]:
        try:
            ids = [gallery.open_example(store, name) for name in str(event.example).split(",")[:MAX_EXAMPLES]]
            return [ids[0], gr.Tabs(selected=event.tab if event.tab in OPENED_ON else "results")]
        except DistalignError as error:
            raise gr.Error(str(error), print_exception=False) from error

    return choose


def open_named(store: Store, query: Mapping[str, str]) -> None:
    """See to it that the examples that an address names are there; other runs are left as they are.

    One that was just deleted stays so: the page that it was deleted on may be loaded again.
    """
    for run_id in (query.get("run", ""), *query.get("runs", "").split(",")[:MAX_EXAMPLES]):
        # Where there is no such run the page says so.
        with suppress(DistalignError):
            if is_example(run_id) and not _deleted(store, run_id):
                gallery.open_example(store, run_id)


def _deleted(store: Store, run_id: str) -> bool:
    try:
        return store.run(run_id).deleted_at is not None
    except UnknownRun:
        return False
