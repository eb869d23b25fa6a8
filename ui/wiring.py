"""How the page's handlers are attached: without a progress overlay, and hidden from API clients.

Gradio tells each output (and, for a hidden overlay too) how far its handler is, and for that copies all
that the output holds, several times an event. No output shows it here, so none is told.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import gradio as gr

# Gradio forgets a session's choices when the app restarts, and would refuse what the browser still
# shows; what comes is checked here instead.
OPEN: dict[str, Any] = {"interactive": True, "allow_custom_value": True}
QUIET: dict[str, Any] = {"show_progress": "hidden", "show_progress_on": [], "api_visibility": "private"}
# A plain click on a link to something of the app says so by the event ``choose``, which has the link's data, and
# leaves the page, and what was typed on it, as it is; with a modifier the link opens as a link does.
CHOOSE_JS = """
element.addEventListener('click', (event) => {
  const link = event.target.closest('a[data-run], a[data-start], a[data-example], a[data-play], [data-context]');
  if (!link || event.metaKey || event.ctrlKey || event.shiftKey || event.button) return;
  event.preventDefault();
  if (link.dataset.tab === 'compare') window.history.replaceState(null, '', link.href);
  trigger('choose', {...link.dataset});
});
"""
# Polls of many open pages must not wait for one another, and of what
# comes while a handler works only the last is handled: earlier answers would not be seen.
LATEST: dict[str, Any] = QUIET | {"concurrency_limit": 8, "trigger_mode": "always_last"}
# A Dropdown tells each choice twice, with the blur that follows it, and a blur without a choice too.
# Handled one by one, the second finds in the session's state that there is nothing new.
ONE_BY_ONE: dict[str, Any] = LATEST | {"concurrency_limit": 1}
# Where several handlers follow the same event, at most one may be "always_last", which changes have by
# default: Gradio repeats the whole event for each handler that had to wait, and two of them, each repeating the
# other, never come to an end. Those that are handled each time are handled in their order.
EACH: dict[str, Any] = QUIET | {"trigger_mode": "multiple"}


def hands_over(
    button: gr.Button,
    make: Callable[..., list[Any]],
    inputs: list[Any],
    file: gr.DownloadButton,
    note: gr.HTML,
) -> None:
    """A click makes a file, which the browser then fetches by the hidden ``file``, or says what is wrong.

    ``make`` gives the file's path, or None, and the note.
    """
    fetch = f"(f) => {{ if (f) window.distalign.download('{file.elem_id}') }}"
    button.click(make, inputs, [file, note], **QUIET).success(None, file, None, js=fetch, **QUIET)
