"""The Runs tab without a browser: the list's view, fragments of HTML, and the panel that edits a run."""

from __future__ import annotations

from html import unescape
from pathlib import Path

import pytest

from bench.made_up import add_steps, finished_run
from distalign.spec import parse_spec
from distalign.yaml_text import parse_text
from storage import ListedRun, RunState, Store, Usage
from storage.records import Line
from ui import cards, downloads, history, organise, overlay, runs, usage
from ui.curves import Axis, log_axis
from ui.history import View, toggled, view_of
from ui.runs_shown import refresh

HOSTILE = '<img src=x onerror="hit()">'
SMALL = {"contexts": ["bakers", "pilots"], "target": "even", "rounds": 4}


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return Store(tmp_path / "runs.db")


def html_of(sent: list) -> str:
    return " ".join(part for part in sent if isinstance(part, str))


# --- the list -----------------------------------------------------------------------


def test_another_search_begins_at_its_top_and_the_same_keeps_its_place() -> None:
    view = View(limit=150)
    assert view_of(view, " ", "current", "", False, overlay.BOTH) == view
    assert view_of(view, "kl  only ", "current", "", False, None) == View(search="kl only")
    assert view_of(view, None, "archived", "", False, None).limit == history.PAGE_OF_RUNS


@pytest.mark.parametrize(
    "sent", [("x" * 999, ["deleted"], "a," * 99, None, "<b>"), (7, "<b>", None, "yes", ["kl"])]
)
def test_whatever_a_browser_sends_is_a_view(sent: tuple) -> None:
    view = view_of(View(), *sent)
    assert len(view.search) <= history.MAX_SEARCH and view.shelf == "current"
    assert len(view.picked) <= overlay.MOST and view.value == overlay.BOTH


def test_runs_are_ticked_and_unticked_and_the_first_gives_way() -> None:
    ids = tuple(f"run{n}" for n in range(overlay.MOST))
    assert toggled((), "a") == ("a",)
    assert toggled(("a", "b"), "a") == ("b",)
    assert toggled(ids, "new") == (*ids[1:], "new")


def test_texts_of_people_are_escaped_in_the_list_and_beside_the_run(store: Store) -> None:
    run = finished_run(store, store.path.parent, SMALL, steps=4)
    store.describe(run.id, HOSTILE, [HOSTILE], HOSTILE)
    html = html_of(refresh(store, run.id, View(picked=(run.id,), table=True), runs.Seen()))
    assert "<img" not in html and "&lt;img" in html


def test_a_list_without_runs_says_why(store: Store) -> None:
    def told(view: View) -> str:
        return history.list_html([], {}, None, view, 0.0)

    assert "No runs yet" in told(View())
    assert "No run is like that" in told(View(search="x"))
    assert "Nothing is archived" in told(View(shelf="archived"))
    assert "ten minutes" in told(View(shelf="deleted"))


def test_a_ticked_run_shows_the_colour_of_its_curve() -> None:
    listed = [ListedRun(i, RunState.DONE, i, "hybrid", 0.0) for i in ("a", "b")]
    html = history.list_html(listed, {}, "a", View(picked=("b",)), 0.0)
    assert html.count('aria-pressed="true"') == 1
    assert f"--da-tick:{overlay.COLOURS[0]}" in html


# --- what is redrawn -------------------------------------------------------------------


def test_a_poll_sends_as_many_fragments_as_there_are_outputs_and_only_what_is_new(store: Store) -> None:
    run = finished_run(store, store.path.parent, SMALL, steps=4)
    view = View(picked=(run.id,))
    first = refresh(store, run.id, view, runs.Seen())
    assert len(first) == runs.OUTPUTS
    again = refresh(store, run.id, view, first[0])
    assert all(isinstance(part, dict) and part.get("__type__") == "update" for part in again)
    store.set_tags(run.id, ["new tag"])
    changed = html_of(refresh(store, run.id, view, first[0]))
    assert changed.count("new tag") == 2, "in the list and beside the run"


@pytest.mark.parametrize("selected", ["", "gone"])
def test_no_run_fills_every_output(store: Store, selected: str) -> None:
    assert len(refresh(store, selected, View(), runs.Seen())) == runs.OUTPUTS


def test_a_deleted_run_offers_nothing_but_to_undo_it(store: Store) -> None:
    run = finished_run(store, store.path.parent, SMALL, steps=4)
    store.mark_deleted(run.id)
    sent = refresh(store, run.id, View(picked=(run.id,)), runs.Seen())
    assert "can be brought back for another 10 min" in html_of(sent)
    buttons = sent[-8:]
    assert [b.get("value") for b in buttons if b["visible"]] == ["Undo delete", None]
    assert sent[3]["visible"] is False, "its curves are taken out of the chart"


def test_all_settings_of_a_run_are_told_as_its_file_has_them(store: Store, tmp_path: Path) -> None:
    fields = SMALL | {"steps": 33, "learning_rate": 0.002, "temperature": 0.7, "name": HOSTILE}
    run = finished_run(store, store.path.parent, fields, steps=4)
    sent = refresh(store, run.id, View(), runs.Seen())
    (yaml,) = [part for part in sent if isinstance(part, str) and "da-yaml" in part]
    text = unescape(yaml.partition(">")[2].partition("</pre>")[0])
    assert text == downloads.make(store, downloads.Folder(tmp_path / "files"), "spec", run.id).read_text(
        "utf-8"
    )
    assert parse_spec(parse_text(text)) == run.spec and "<img" not in yaml
    facts = html_of(sent)
    assert "<dt>Steps</dt><dd>33</dd>" in facts and "<dt>Learning rate</dt><dd>0.002</dd>" in facts
    # A redraw of the facts leaves an opened fold as it is.
    store.set_timing(run.id, "train_seconds", 99.0)
    again = refresh(store, run.id, View(), sent[0])
    assert "da-yaml" not in html_of(again) and "Training took" in html_of(again)
    base = finished_run(store, store.path.parent, SMALL | {"method": "zero_shot"}, steps=0)
    assert "<dt>Steps</dt>" not in html_of(refresh(store, base.id, View(), runs.Seen()))


# --- the chart of several runs -----------------------------------------------------------


def test_curves_of_runs_of_unlike_length_share_their_axes(store: Store) -> None:
    long = finished_run(store, store.path.parent, SMALL, steps=40)
    short = store.insert_run(parse_spec({"attribute": "gender"}), state=RunState.RUNNING)
    add_steps(store, short, 10)
    view = View(picked=(long.id, short.id), table=True)
    html = html_of(refresh(store, long.id, view, runs.Seen()))
    part = html[html.index("da-legend-runs") :]
    assert "Curves of 2 runs" in html
    assert part.count('stroke="none"') == 0 and part.count(f"stroke:{overlay.COLOURS[1]}") >= 3
    assert "40 steps" in part and "10 steps" in part
    assert "by step, of 2 runs" in part
    assert '<th scope="row">40</th>' in part and "–" in part


@pytest.mark.parametrize("method", ["zero_shot", "prompt"])
def test_a_run_of_a_method_without_training_says_so_and_draws_no_axes(store: Store, method: str) -> None:
    run = finished_run(store, store.path.parent, SMALL | {"method": method}, steps=0)

    def shown(*others: str) -> str:
        html = html_of(refresh(store, "", View(picked=(run.id, *others), table=True), runs.Seen()))
        return html[html.index("da-legend-runs") :]

    alone = shown()
    assert "this method does not train" in alone and "yet" not in alone
    assert "none of these runs trained" in alone and "da-plot" not in alone
    trained = finished_run(store, store.path.parent, SMALL, steps=4)
    both = shown(trained.id)
    assert "this method does not train" in both and "4 steps" in both and "da-plot" in both


def test_a_run_that_still_trains_has_axes_before_its_first_step(store: Store) -> None:
    run = store.insert_run(parse_spec({"attribute": "gender"}))

    def shown() -> str:
        return html_of(refresh(store, "", View(picked=(run.id,)), runs.Seen()))

    assert "no training steps yet" in shown() and "da-plot" in shown()
    store.request_cancel(run.id)
    assert "no training steps ·" in shown() and "da-plot" not in shown()


def test_a_logarithmic_axis_covers_its_values_in_whole_decades() -> None:
    axis = log_axis([0.02, 3.0])
    assert (axis.low, axis.high, axis.log) == (0.01, 10.0, True)
    assert axis.ticks == pytest.approx([10, 1, 0.1, 0.01])
    assert axis.place(10) == 0 and axis.place(0.01) == pytest.approx(150)
    assert axis.place(0.1) == pytest.approx(100)
    assert not log_axis([0.0, 1.0]).log and not log_axis([]).log
    assert len(log_axis([1e-9, 1e3]).ticks) <= 5
    assert Axis(0, 2).ticks == [2, 1, 0]


# --- usage ---------------------------------------------------------------------------------


def test_usage_tells_peaks_and_means_and_what_is_used_now_of_a_live_run(store: Store) -> None:
    run = store.insert_run(parse_spec({"attribute": "gender"}), state=RunState.RUNNING)
    for second in range(1, 5):
        store.add_usage(run.id, 1, Usage(100.0 + second, second * 2**29, second * 2**29, 1.0, 1.5, 2))
    html = html_of(refresh(store, run.id, View(), runs.Seen()))
    for fact in ("Peak memory", "2.00 GB", "75 % of 2 cores", "Memory now", "Cores busy over time"):
        assert fact in html
    assert "Memory and processor over time" in html and '<td class="n">2.000</td>' in html
    assert "GPU" not in html
    store.finish(run.id, RunState.DONE)
    assert "Memory now" not in html_of(refresh(store, run.id, View(), runs.Seen()))


def test_a_gpu_is_told_of_where_there_is_one(store: Store) -> None:
    run = store.insert_run(parse_spec({"attribute": "gender"}), state=RunState.RUNNING)
    store.add_usage(run.id, 1, Usage(101.0, 2**30, 2**30, 1.0, 1.5, 2, 3 * 2**30, 0.5))
    summary = store.usage_summary(run.id, 1)
    html = usage.usage_html(summary, store.usage(run.id, 1), live=False)
    assert "Peak GPU memory" in html and "3.00 GB" in html and "50 %" in html


# --- the panel -------------------------------------------------------------------------------


def test_the_panel_saves_what_was_typed_and_says_what_is_wrong(store: Store) -> None:
    run = finished_run(store, store.path.parent, SMALL, steps=4)
    opened = organise.opened(store, run.id, "", "", "", "")
    assert opened[1] == run.id and opened[3:6] == [run.title, "", ""]
    wrong = organise.saved(store, run.id, "x" * 101, "a, b", "kept")
    assert "short text" in wrong[-1] and all(part.get("__type__") == "update" for part in wrong[:6])
    saved = organise.saved(store, run.id, "Name", "b, a,", "A note")
    assert saved[0]["visible"] is False
    new = store.run(run.id)
    assert (new.title, new.tags, new.note) == ("Name", ("a", "b"), "A note")


def test_unsaved_changes_to_one_run_are_not_lost_to_another(store: Store) -> None:
    one, other = (finished_run(store, store.path.parent, SMALL, steps=4) for _ in range(2))
    kept = organise.opened(store, other.id, one.id, one.title, "", "half a thought")
    assert "Save or discard the changes" in kept[-1] and len([p for p in kept if isinstance(p, str)]) == 1
    moved = organise.opened(store, other.id, one.id, one.title, "", "")
    assert moved[1] == other.id


@pytest.mark.parametrize(
    ("line", "said"),
    [
        (None, "Waiting for the worker"),
        (Line(), "Waiting for the worker"),
        (Line(("A <run>",)), "Waiting for “A &lt;run&gt;”"),
        (Line(("One",), 2), "Waiting for “One” and 2 runs before it in the queue"),
        (Line((), 1), "Waiting for 1 run before it in the queue"),
    ],
)
def test_a_waiting_run_says_what_for(line: Line | None, said: str) -> None:
    assert cards.waiting(line)[0] == said
