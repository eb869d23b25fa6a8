"""One row of the target's table in the editor of shares: the row follows the editor, and the editor the row.

All of it happens in the browser (``table_row.js``), so that a drag waits for no request.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import gradio as gr

from ui import cards, shares
from ui.wiring import EACH, QUIET

if TYPE_CHECKING:
    from ui.train_form import Controls

SCRIPT = Path(__file__).with_name("table_row.js").read_text("utf-8")


def build(c: Controls) -> None:
    c.others["row_context"] = gr.Dropdown(
        [],
        label="Edit context",
        info="The context whose shares follow; type to search",
        elem_id="row-context",
    )
    c.others["row_shares"] = shares.editor(
        shares.value_of([]), "target-context", "Shares of the context that is edited"
    )
    with gr.Row(elem_classes="da-actions"):
        c.others["use_for_all"] = gr.Button(
            "Use these shares for all contexts", size="sm", elem_id="use-for-all"
        )
        c.others["rows_back"] = gr.Button("Undo", size="sm", visible=False, elem_id="rows-back")
        gr.HTML(cards.quiet("They replace every row of the table."), elem_classes="da-hint")


def wire(c: Controls) -> None:
    context, editor, table = c["row_context"], c["row_shares"], c["table"]
    gr.on(
        [context.change, table.change, c["row"].change], None, [context, table, editor, c["row"]],
        [context, editor, c["rows_back"]], js=_calls("load"), **EACH,
    )  # fmt: skip
    editor.change(None, [editor, table], table, js=_calls("write"), **EACH)
    c["use_for_all"].click(None, [editor, table], [table, c["rows_back"]], js=_calls("writeAll"), **QUIET)
    c["rows_back"].click(None, table, [table, c["rows_back"]], js=_calls("bringBack"), **QUIET)


def _calls(function: str) -> str:
    return f"(...given) => {{\n{SCRIPT}\nreturn {function}(...given);\n}}"
