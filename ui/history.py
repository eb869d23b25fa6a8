"""The list of runs: which ones it shows, and its lines. The lines are pure; every text is escaped."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from distalign.results import SplitResult
from jobs.curves import VALUES
from storage import ListedRun, RunFilter
from ui import cards
from ui.overlay import BOTH, COLOURS, MOST
from ui.present import ago, esc, figure

PAGE_OF_RUNS = 50
MAX_SEARCH = 200
SHELVES = {"Current": "current", "Archived": "archived", "Deleted": "deleted"}

PICK_JS = """
element.addEventListener('click', (event) => {
  const pick = event.target.closest('button[data-pick]');
  if (pick) trigger('pick', {run: pick.dataset.pick});
});
"""


@dataclass(frozen=True)
class View:
    """What a session's list shows: how many runs, of which kind, and which are ticked for one chart."""

    limit: int = PAGE_OF_RUNS
    search: str = ""
    shelf: str = "current"
    picked: tuple[str, ...] = ()
    table: bool = False
    value: str = BOTH

    @property
    def which(self) -> RunFilter:
        return RunFilter(self.search, shelf=self.shelf)


def view_of(view: View, search: object, shelf: object, picked: object, table: object, value: object) -> View:
    """The view that the controls say, whatever a browser sends; another search begins at its top."""
    search = " ".join(str(search or "")[:MAX_SEARCH].split())
    shelf = shelf if shelf in SHELVES.values() else "current"
    ids = dict.fromkeys(part[:20] for part in str(picked or "").split(",") if part)
    same = (search, shelf) == (view.search, view.shelf)
    value = str(value) if str(value) in VALUES else BOTH
    limit = view.limit if same else PAGE_OF_RUNS
    return View(limit, search, str(shelf), tuple(ids)[:MOST], bool(table), value)


def toggled(picked: Sequence[str], run_id: str) -> tuple[str, ...]:
    """The ticked runs after a click on one; where no more can be ticked, the first gives way."""
    if run_id in picked:
        return tuple(i for i in picked if i != run_id)
    return (*picked, run_id[:20])[-MOST:]


def list_html(
    runs: Sequence[ListedRun],
    summaries: Mapping[str, SplitResult],
    selected: str | None,
    view: View,
    now: float,
) -> str:
    """The history; each line is a link to its run, behind a button that lays its curves over others'."""
    if not runs:
        return _empty(view)
    lines = [_line(run, summaries.get(run.id), run.id == selected, view.picked, now) for run in runs]
    return f'<nav class="da-runs" aria-label="Runs">{"".join(lines)}</nav>'


def _empty(view: View) -> str:
    if view.search:
        return cards.empty("No run is like that", "Search for another word, or look among the archived ones.")
    if view.shelf == "archived":
        return cards.empty(
            "Nothing is archived", "A run that has ended can be archived, to shorten the list."
        )
    if view.shelf == "deleted":
        return cards.empty("Nothing was deleted lately", "Deleted runs stay here for ten minutes.")
    return cards.empty("No runs yet", "Choose an attribute and a target on the Train tab, then press Train.")


def _line(
    run: ListedRun, summary: SplitResult | None, selected: bool, picked: Sequence[str], now: float
) -> str:
    score = ""
    if summary is not None:
        score = f"MAE <b>{figure(summary.mae.value)}</b> · {figure(summary.ratio.value, 1)}× floor"
    return (
        f'<div class="da-row">{_tick(run, picked)}'
        f'<a class="da-run" href="?tab=runs&amp;run={esc(run.id)}" data-run="{esc(run.id)}" '
        f'aria-current="{"true" if selected else "false"}"><span class="t">{esc(run.title)}</span>'
        f'<span class="r">{cards.chip(run.state)}</span>'
        f'<span class="m"><span>{esc(cards.method_of(run))} · {ago(run.created_at, now)}</span>'
        f'<span>{score}</span></span><span class="g">{tags_html(run.tags)}</span></a></div>'
    )


def _tick(run: ListedRun, picked: Sequence[str]) -> str:
    on = run.id in picked
    colour = f' style="--da-tick:{COLOURS[picked.index(run.id)]}"' if on else ' style=""'
    return (
        f'<button type="button" class="da-tick" data-pick="{esc(run.id)}" aria-pressed="{"true" if on else "false"}" '
        f'aria-label="Curves of {esc(run.title)} in the chart of several runs" '
        f'title="Lay its curves over those of other runs"{colour}></button>'
    )


def tags_html(tags: Sequence[str]) -> str:
    return "".join(f'<span class="da-tag">{esc(tag)}</span>' for tag in tags)
