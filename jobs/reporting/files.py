"""What is drawn or told of a run as files: charts, convergence, the report, the specification."""

from __future__ import annotations

import io
import json
from collections.abc import Sequence

from distalign.errors import shown
from distalign.results import SplitResult, of_split
from jobs.display import moment
from jobs.export import spec_file, write_csv
from jobs.report import finite
from jobs.reporting import pictures, views
from jobs.reporting.page import report_page
from jobs.reporting.views import View
from storage import Run, Store, StoreError

LOGGED = ("stage", "log")


def content(store: Store, run: Run, view: View, what: str, ending: str) -> bytes:
    """The file of ``what`` ("spec", "log", "report", "convergence" or "chart"), in the format of the ending.

    Raises:
        StoreError: when the run has not been measured so far that there is something to tell.
    """
    if what == "spec":
        return spec_file(run.spec, ending)
    if what == "log":
        return log_file(store, run, ending)
    if what == "report":
        return report_html(store, run, view)
    if ending in ("png", "svg"):
        return chart_file(store, run, view, what, ending)
    return convergence_file(store, run, view, ending)


def log_file(store: Store, run: Run, ending: str) -> bytes:
    """All that a run told in words, of all its attempts: "txt" or "json"."""
    found = store.all_events(run.id, LOGGED)
    if ending == "json":
        rows = [
            {"at": moment(e.at), "attempt": e.attempt, "stage": e.stage, "message": e.message} for e in found
        ]
        return (json.dumps(rows, ensure_ascii=False, indent=1) + "\n").encode()
    lines = [f"{moment(e.at)} attempt {e.attempt} {e.stage}: {e.message}" for e in found]
    return ("\n".join(lines) + "\n").encode()


def report_html(store: Store, run: Run, view: View) -> bytes:
    """The whole report as one HTML file."""
    results, view = _measured(store, run, view)
    phase = "after" if of_split(results, view.split)[1] else "before"
    lost = store.grouped_answers(run.id, phase, view.split, unclassified=True)
    return report_page(run, results, store.side_effects(run.id), lost, view).encode()


def chart_file(store: Store, run: Run, view: View, kind: str, ending: str) -> bytes:
    """The chart of shares ("chart") or of how they settled ("convergence") as "png" or "svg"."""
    results, view = _measured(store, run, view)
    draw = views.realized_chart if kind == "chart" else views.convergence_chart
    if not any(result.contexts for result in results if result.split == view.split):
        raise StoreError(
            f"run: {shown(run.title)} has no contexts to draw on {view.split}. Take other prompts"
        )
    chart, told = draw(run.spec, results, view), views.subtitle(run.spec, view, kind)
    if ending == "png":
        return pictures.png(chart, run.title, told)
    return pictures.svg(chart, run.title, told).encode()


def convergence_file(store: Store, run: Run, view: View, ending: str) -> bytes:
    """How the mean error, or the shares of the view's context, settled: "csv" or "json"."""
    results, view = _measured(store, run, view)
    rows = [finite(row) for row in views.convergence_rows(run.spec, results, view)]
    if ending == "json":
        return (json.dumps(rows, ensure_ascii=False, indent=1) + "\n").encode()
    text = io.StringIO(newline="")
    write_csv(text, list(rows[0]) if rows else [], iter(rows))
    return text.getvalue().encode()


def _measured(store: Store, run: Run, view: View) -> tuple[Sequence[SplitResult], View]:
    results = store.results(run.id)
    if not results:
        raise StoreError(f"run: {shown(run.title)} has no results yet. Wait for its end")
    return results, views.settled(view, run.spec, results)
