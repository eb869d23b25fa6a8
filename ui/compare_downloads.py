"""The comparison as a file."""

from __future__ import annotations

from functools import partial
from typing import Any

import gradio as gr

from distalign.errors import DistalignError
from jobs.compare_files import write
from storage import Store
from ui import cards
from ui.compare_view import Shown, before, comparison_of
from ui.downloads import Folder
from ui.wiring import hands_over

# What is offered: its label, the end of its name, and whether it is a summary.
FILES = {
    "json": ("Everything (JSON)", ".json", False),
    "csv": ("Contexts (CSV)", ".csv", False),
    "summary": ("Summary (CSV)", "-summary.csv", True),
}


def build() -> dict[str, Any]:
    """The card, by what its events need."""
    with gr.Column(elem_classes="da-card"):
        gr.HTML(
            cards.heading(
                "Downloads",
                "The figures above: everything, a row for each context and category, or a row for each method.",
            )
        )
        file = gr.DownloadButton(elem_id="compare-file", elem_classes="da-hidden")
        note = gr.HTML()
        with gr.Row(elem_classes="da-actions"):
            buttons = {
                kind: gr.Button(label, size="md", elem_id=f"compare-download-{kind}")
                for kind, (label, *_) in FILES.items()
            }
    return {"file": file, "note": note, **buttons}


def wire(store: Store, folder: Folder, inputs: list[Any], parts: dict[str, Any]) -> None:
    """Each button makes its file; ``inputs`` are the tab's address and what the session shows."""
    for kind in FILES:
        make = partial(make_file, store, folder, kind)
        hands_over(parts[kind], make, inputs, parts["file"], parts["note"])


def make_file(store: Store, folder: Folder, kind: str, address: str, shown: Shown) -> list[Any]:
    """The comparison that a session shows, as one of :data:`FILES`, and what went wrong."""
    _, ending, summary = FILES[kind]
    try:
        path = folder.place(f"distalign-comparison{ending}")
        write(comparison_of(store, before(store, address, shown)), path, summary)
    except DistalignError as error:
        return [None, cards.error_note(error)]
    return [str(path), ""]
