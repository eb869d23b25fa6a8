"""The comparison as a file."""

from __future__ import annotations

from functools import partial
from typing import Any

import gradio as gr

from distalign.errors import DistalignError
from jobs.compare_files import FORMATS, write
from storage import Store
from ui import cards
from ui.compare_view import Shown, before, comparison_of
from ui.downloads import Folder
from ui.wiring import hands_over


def build() -> dict[str, Any]:
    """The card, by what its events need."""
    with gr.Column(elem_classes="da-card"):
        gr.HTML(cards.heading("Downloads", "What is compared above, with every context and category."))
        file = gr.DownloadButton(elem_id="compare-file", elem_classes="da-hidden")
        note = gr.HTML()
        with gr.Row(elem_classes="da-actions"):
            buttons = {
                ending: gr.Button(
                    ending.removeprefix(".").upper(), size="md", elem_id=f"compare-download-{ending[1:]}"
                )
                for ending in FORMATS
            }
    return {"file": file, "note": note, **buttons}


def wire(store: Store, folder: Folder, inputs: list[Any], parts: dict[str, Any]) -> None:
    """Each button makes its file; ``inputs`` are the tab's address and what the session shows."""
    for ending in FORMATS:
        make = partial(_file, store, folder, ending)
        hands_over(parts[ending], make, inputs, parts["file"], parts["note"])


def _file(store: Store, folder: Folder, ending: str, address: str, shown: Shown) -> list[Any]:
    """The comparison that a session shows, as a file, and what went wrong."""
    try:
        path = folder.place(f"distalign-comparison{ending}")
        write(comparison_of(store, before(store, address, shown)), path)
    except DistalignError as error:
        return [None, cards.error_note(error)]
    return [str(path), ""]
