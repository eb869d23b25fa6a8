"""Putting a run in order on the Runs tab: its name, tags and note, the archive, deleting and undoing it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import gradio as gr

from distalign.errors import DistalignError
from jobs.removal import RESTORE_SECONDS
from storage import Run, Store
from storage.shelves import MAX_NAME, MAX_NOTE
from ui import cards
from ui.history import tags_html
from ui.present import duration, esc, stamp


@dataclass(frozen=True)
class Panel:
    """The controls that edit a run. ``of`` holds its id while they are open, else nothing."""

    box: gr.Column
    of: gr.Textbox
    title: gr.HTML
    name: gr.Textbox
    tags: gr.Textbox
    note: gr.Textbox
    save: gr.Button
    discard: gr.Button
    problem: gr.HTML

    @property
    def fields(self) -> list[Any]:
        return [self.of, self.name, self.tags, self.note]

    @property
    def outputs(self) -> list[Any]:
        return [self.box, self.of, self.title, self.name, self.tags, self.note, self.problem]


def panel() -> Panel:
    """The closed panel. What is typed in it stays when another run is chosen meanwhile."""
    # Kept by the browser, so that a restart of the app does not forget which run is edited.
    of = gr.Textbox(visible="hidden", elem_id="edited-run")
    with gr.Column(visible=False, elem_classes="da-plain da-edit") as box:
        title = gr.HTML(apply_default_css=False)
        name = gr.Textbox(
            label="Name", max_lines=1, interactive=True, max_length=MAX_NAME, elem_id="edit-name",
            info="Leave it empty to get back the one that the run was made with.",
        )  # fmt: skip
        tags = gr.Textbox(
            label="Tags", max_lines=1, interactive=True, elem_id="run-tags", placeholder="baseline, for the report",
            info="With commas between them.",
        )  # fmt: skip
        note = gr.Textbox(
            label="Note",
            info="Whatever is worth remembering of this run",
            lines=3,
            max_lines=12,
            interactive=True,
            max_length=MAX_NOTE,
            elem_id="run-note-text",
        )
        problem = gr.HTML(elem_id="edit-problem")
        with gr.Row(elem_classes="da-actions"):
            save = gr.Button("Save", variant="primary", size="sm", elem_id="edit-save")
            discard = gr.Button("Discard", size="sm", elem_id="edit-discard")
    return Panel(box, of, title, name, tags, note, save, discard, problem)


def opened(store: Store, selected: str, of: str, name: str, tags: str, note: str) -> list[Any]:
    """The panel for the selected run, unless it holds unsaved changes to another one."""
    try:
        if of and of != selected and _changed(store, of, name, tags, note):
            problem = f"Save or discard the changes to “{store.run(of).title}” first."
            return [*[gr.skip()] * 6, cards.error_note(DistalignError(problem), "todo")]
        run = store.run(selected)
    except DistalignError as error:
        return [*[gr.skip()] * 6, cards.error_note(error)]
    if of == selected:
        return [gr.skip()] * 7
    title = cards.heading(f"Name, tags and note of “{run.title}”")
    return [gr.update(visible=True), run.id, title, run.title, ", ".join(run.tags), run.note, ""]


def closed() -> list[Any]:
    return [gr.update(visible=False), "", "", "", "", "", ""]


def saved(store: Store, of: str, name: str, tags: str, note: str) -> list[Any]:
    """What is typed goes to the run, and the panel closes; or it says what is wrong, and stays."""
    try:
        store.describe(of, name or "", (tags or "").split(","), note or "")
    except DistalignError as error:
        return [*[gr.skip()] * 6, cards.error_note(error)]
    return closed()


def _changed(store: Store, of: str, name: str, tags: str, note: str) -> bool:
    try:
        run = store.run(of)
    except DistalignError:
        # It is gone, and nothing can be saved to it.
        return False
    return (name, tags, note) != (run.title, ", ".join(run.tags), run.note)


def about_html(run: Run, now: float) -> str:
    """Tags and note of a run, and where it went if it is not in the list."""
    tags = f'<p class="da-tags">{tags_html(run.tags)}</p>' if run.tags else ""
    note = f'<p class="da-run-note">{esc(run.note)}</p>' if run.note else ""
    return f"{_put_away(run, now)}{tags}{note}"


def _put_away(run: Run, now: float) -> str:
    if run.deleted_at is not None:
        left = RESTORE_SECONDS - (now - run.deleted_at)
        how_long = (
            f"for another {duration(left)}" if left >= 1 else "until its files are removed, any moment now"
        )
        text = f"<strong>Deleted.</strong> It can be brought back {how_long}; then its rounds, results and adapter are gone."
    elif run.archived_at is not None:
        text = f"<strong>Archived</strong> {stamp(run.archived_at)}. Nothing of it is lost; it is only out of the list."
    else:
        return ""
    return f'<div class="da-note warn da-away" role="status">{text}</div>'
