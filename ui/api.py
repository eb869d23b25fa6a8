"""Named endpoints for a Gradio client: submit, status, results, cancel, download_adapter.

Inputs and outputs are plain JSON, but for the adapter, which is a file::

    client = gradio_client.Client("http://127.0.0.1:7860")
    run = client.predict({"attribute": "gender", "preset": "quick"}, api_name="/submit")
    client.predict(run["run_id"], api_name="/status")
"""

from __future__ import annotations

import io
import json
from collections.abc import Callable
from functools import wraps
from typing import Any

import gradio as gr

from distalign.errors import DistalignError
from distalign.folders import DataFolder
from distalign.spec import parse_spec
from jobs import export, queue
from jobs.report import finite, report
from storage import Run, Store
from ui import downloads, forms
from ui.downloads import Folder

LIGHT: dict[str, Any] = {"concurrency_limit": 8}


def add(store: Store, data: DataFolder, folder: Folder) -> None:
    """Add the endpoints to the Blocks that are being built."""

    def submit(spec: dict) -> dict:
        """Queue a run. `spec` holds the fields of a specification; only `attribute` is required."""
        parsed = parse_spec(spec)
        forms.require_listed(parsed.base_model)
        return status_of(store, queue.submit(store, data, parsed))

    def status(run_id: str) -> dict:
        """State, stage, share done, seconds left, and the headline measures once there are any."""
        return status_of(store, store.run(run_id))

    def results(run_id: str) -> dict:
        """The specification, and every measure before and after, per split and per context."""
        text = io.StringIO()
        export.results_json(store, run_id, text)
        return json.loads(text.getvalue())

    def cancel(run_id: str) -> dict:
        """Cancel a queued run at once; ask a running one to stop at its next safe point."""
        return status_of(store, queue.cancel(store, data, run_id))

    def download_adapter(run_id: str) -> str:
        """The adapter of a finished run: a zip that plain PEFT loads."""
        return str(downloads.adapter(store, folder, store.run(run_id)))

    for endpoint in (submit, status, results, cancel):
        gr.api(spoken(endpoint), api_name=endpoint.__name__, **LIGHT)
    run_id, file, trigger = gr.Textbox(visible=False), gr.File(visible=False), gr.Button(visible=False)
    trigger.click(spoken(download_adapter), run_id, file, api_name="download_adapter", **LIGHT)


def spoken(endpoint: Callable[..., Any]) -> Callable[..., Any]:
    """The endpoint with errors that are meant for people passed on to the client."""

    @wraps(endpoint)
    def guarded(*args: Any) -> Any:
        try:
            return endpoint(*args)
        except DistalignError as error:
            raise gr.Error(str(error), print_exception=False) from error

    return guarded


def status_of(store: Store, run: Run) -> dict[str, Any]:
    """A run as the endpoints describe it; no path of the server is in it."""
    last = store.last_event(run.id, run.attempt)
    whole = report(run, store.results(run.id), store.artifacts(run.id), store.side_effects(run.id))
    whole["adapter"] = whole["adapter"] is not None
    progress = {
        "cancel_requested": run.cancel_requested,
        "stage": last.stage if last else None,
        "fraction": last.fraction if last else 0.0,
        "eta": last.eta if last else None,
    }
    return whole | finite(progress)
