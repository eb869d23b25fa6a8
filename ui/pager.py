"""Pages of what is too long to be drawn at once: where one is, and the buttons that turn them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import gradio as gr

from jobs.reporting.layers import MAX_CONTEXTS


@dataclass(frozen=True)
class Pager:
    """Two buttons, and where among the contexts one is."""

    back: gr.Button
    forward: gr.Button
    position: gr.HTML


def build(elem_id: str) -> Pager:
    """The row beneath a chart of contexts; its parts are hidden until there is more than one page."""
    with gr.Row(elem_classes="da-actions da-pager"):
        back = gr.Button("Previous contexts", size="sm", elem_id=f"{elem_id}-back", visible=False)
        forward = gr.Button("Next contexts", size="sm", elem_id=f"{elem_id}-next", visible=False)
        return Pager(back, forward, gr.HTML(elem_id=f"{elem_id}-position"))


@dataclass(frozen=True)
class Page:
    """So many of ``count`` contexts lie before those that are shown, at most :data:`MAX_CONTEXTS`."""

    first: int
    count: int

    @property
    def last(self) -> int:
        return min(self.first + MAX_CONTEXTS, self.count)

    @property
    def several(self) -> bool:
        return self.count > MAX_CONTEXTS

    def turned(self, by: int = 0) -> Page:
        """The page that lies ``by`` pages on, no further than there are contexts."""
        end = max(0, self.count - 1) // MAX_CONTEXTS * MAX_CONTEXTS
        return Page(min(max(0, self.first + by * MAX_CONTEXTS), end), self.count)

    @property
    def told(self) -> str:
        """Which contexts are shown, of how many; empty where it is all of them."""
        return f"{self.first + 1:,} to {self.last:,} of {self.count:,} contexts." if self.several else ""

    @property
    def buttons(self) -> tuple[dict[str, Any], dict[str, Any]]:
        """The properties of the two buttons."""
        back, forward = self.first > 0, self.last < self.count
        return {"visible": self.several, "interactive": back}, {
            "visible": self.several,
            "interactive": forward,
        }
