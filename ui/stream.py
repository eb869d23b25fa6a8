"""The page's stream of answers, which must not be closed on an answer that is still to come (stream.js)."""

from __future__ import annotations

from pathlib import Path

import gradio as gr

from ui.wiring import EACH

SCRIPT = f"<script>{Path(__file__).with_name('stream.js').read_text('utf-8')}</script>"


def build() -> None:
    """The button that the script presses; a click does nothing but open the stream."""
    wake = gr.Button(visible="hidden", elem_id="da-wake")
    wake.click(lambda: None, None, None, **EACH)
