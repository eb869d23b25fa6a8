"""The Results tab: what is sent to a session, and what it has already."""

from __future__ import annotations

import os
import shutil
from dataclasses import astuple, replace
from pathlib import Path
from typing import Any

import gradio as gr
import pytest
from browser_support import finished_run

from distalign.asked import UNSEEN, names_of
from distalign.errors import DiskError
from distalign.spec import parse_spec
from storage import Run, RunState, Store
from ui import downloads, results, rounds
from ui.results import Shown
from ui.round_filters import ALL, GROUPED, UNCLASSIFIED, Filters
from ui.rounds import PAGE, Place

HELD_OUT = ("after", "heldout_templates")
DRAWN = (
    "shown", "lead", "tiles", "chart", "position", "back", "forward", "table",
    "context", "convergence", "convergence_legend", "convergence_table",
)  # fmt: skip
ROUNDS = [f"rounds {i}" for i in range(rounds.OUTPUTS)]


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return Store(tmp_path / "runs.db")


@pytest.fixture
def run(store: Store, tmp_path: Path) -> Run:
    return finished_run(store, tmp_path, {"rounds": 10}, steps=2)


def is_skipped(value: Any) -> bool:
    return value == gr.skip()


def show(store: Store, selected: str, shown: Shown) -> dict[str, Any]:
    names = ["shown", "choice", "body", "split", "category", "order", *DRAWN[1:], "measures", *ROUNDS]
    sent = results.show(store, selected, shown)
    assert len(sent) == results.OUTPUTS
    return dict(zip(names, sent, strict=True))


def redraw(store: Store, run: Run, shown: Shown, *controls: Any, by: int = 0) -> dict[str, Any]:
    """``controls``: split, category, order and context; the last two as they are at first, if not given."""
    controls = (*controls, *("gap", ALL)[len(controls) - 2 :])
    return dict(zip(DRAWN, results.redraw(store, by, run.id, shown, *controls), strict=True))


def test_what_is_on_the_tab_is_not_sent_again(store: Store, run: Run) -> None:
    first = show(store, run.id, Shown())
    assert not any(is_skipped(value) for value in first.values())
    assert all(is_skipped(value) for value in show(store, run.id, first["shown"]).values())


def test_side_effects_stand_below_the_measures_of_a_trained_run_only(store: Store, run: Run) -> None:
    assert "On 72 unrelated prompts" in show(store, run.id, Shown())["measures"]
    untrained = store.insert_run(parse_spec({"attribute": "gender"}), state=RunState.RUNNING)
    store.put_result(untrained.id, store.results(run.id)[0])
    assert "unrelated" not in show(store, untrained.id, Shown())["measures"]


def test_a_tab_keeps_what_was_chosen_while_the_list_of_runs_grows(
    store: Store, run: Run, tmp_path: Path
) -> None:
    shown = show(store, run.id, Shown())["shown"]
    sent = redraw(store, run, shown, "seen_templates", 1)
    shown = sent["shown"]
    assert not is_skipped(sent["chart"])
    other = finished_run(store, tmp_path, {"rounds": 2}, steps=1)
    sent = show(store, run.id, shown)
    assert [i for _, i in sent["choice"]["choices"]] == [other.id, run.id]
    assert sent["choice"]["value"] == run.id
    assert all(is_skipped(sent[name]) for name in sent if name not in ("shown", "choice"))
    assert (sent["shown"].view.split, sent["shown"].view.category) == ("seen_templates", 1)


def test_another_run_and_new_results_are_sent(store: Store, run: Run, tmp_path: Path) -> None:
    other = finished_run(store, tmp_path, {"attribute": "race", "target": "even", "rounds": 2}, steps=1)
    first = show(store, run.id, Shown())
    second = show(store, other.id, first["shown"])
    assert "race" in second["lead"] and not is_skipped(second["chart"])
    # The choices are those that the page has.
    assert "choices" not in second["choice"] and second["choice"]["value"] == other.id
    store.requeue(other.id)
    store.claim()
    store.put_result(other.id, store.results(run.id)[0])
    third = show(store, other.id, second["shown"])
    assert not is_skipped(third["lead"]) and third["lead"] != second["lead"]


def test_a_run_that_is_working_is_always_read_anew(store: Store) -> None:
    run = store.insert_run(parse_spec({"attribute": "gender"}), state=RunState.RUNNING)
    done = finished_run(store, store.path.parent, {"rounds": 2}, steps=1)
    store.put_result(run.id, store.results(done.id)[0])
    shown = show(store, run.id, Shown())["shown"]
    assert shown.run == run.id
    assert not is_skipped(show(store, run.id, shown)["tiles"])
    # A poll leaves it as it is, until there is more.
    assert all(map(is_skipped, results.show(store, run.id, shown, polled=True)))
    store.put_result(run.id, store.results(done.id)[1])
    chosen = replace(shown, view=replace(shown.view, category=1))
    sent = results.show(store, run.id, chosen, polled=True)
    assert sent[0].view.category == 1, "what was chosen stays"
    told = [is_skipped(value) for value in sent[-rounds.OUTPUTS :]]
    assert told.count(False) == 2, "of the rounds' filters only the choices of phases and splits grow"
    assert sent[-rounds.OUTPUTS]["choices"] == [("Before", "before")]
    # Another run that is selected meanwhile does not take its place.
    other = store.insert_run(parse_spec({"attribute": "gender"}), state=RunState.RUNNING)
    assert all(map(is_skipped, results.show(store, other.id, sent[0], polled=True)))


def test_a_poll_sends_nothing_while_there_are_no_results(store: Store) -> None:
    assert all(map(is_skipped, results.show(store, "", Shown(), polled=True)))


def test_a_joint_run_shows_its_parts_and_only_its_splits(store: Store, run: Run, tmp_path: Path) -> None:
    mapping = {
        "attribute": ["gender", {"name": "mood & tone", "categories": ["x", "y"]}],
        "target": "even",
        "heldout_contexts": 4,
        "rounds": 4,
    }
    joint = finished_run(store, tmp_path, mapping, steps=1)
    sent = show(store, joint.id, Shown())

    assert [value for _, value in sent["split"]["choices"]] == [
        "heldout_templates", "seen_templates", "heldout_contexts",
    ]  # fmt: skip
    assert (
        sent["measures"].count('<th scope="row">mood &amp; tone') == 6
        and 'id="marginals"' in sent["measures"]
    )
    assert "Held-out contexts" in sent["measures"]
    single = show(store, run.id, Shown())
    assert 'id="marginals"' not in single["measures"]
    assert "heldout_contexts" not in [value for _, value in single["split"]["choices"]]
    drawn = redraw(store, joint, sent["shown"], "heldout_contexts", 1)
    assert "On held-out contexts" in drawn["lead"] and not is_skipped(drawn["chart"])
    assert len(drawn["context"]["choices"]) == 1 + 4


def test_a_name_that_is_no_run_gives_way_to_the_run_on_the_tab(store: Store, run: Run) -> None:
    shown = show(store, run.id, Shown())["shown"]
    sent = show(store, "typed into the list", shown)
    assert sent["choice"]["value"] == run.id
    assert is_skipped(sent["lead"])


def test_what_is_drawn_already_is_not_drawn_again(store: Store, run: Run) -> None:
    shown = show(store, run.id, Shown())["shown"]
    view = shown.view
    assert all(is_skipped(v) for v in redraw(store, run, shown, view.split, view.category).values())
    sent = redraw(store, run, shown, "seen_templates", 0)
    assert "On seen templates" in sent["lead"]
    assert not any(is_skipped(value) for value in sent.values())
    assert all(is_skipped(v) for v in redraw(store, run, sent["shown"], "seen_templates", 0).values())


def test_another_category_leaves_the_convergence_and_another_context_leaves_the_chart(
    store: Store, run: Run
) -> None:
    shown = show(store, run.id, Shown())["shown"]
    sent = redraw(store, run, shown, shown.view.split, 1)
    assert {name for name, value in sent.items() if is_skipped(value)} == {
        "lead", "tiles", "context", "convergence", "convergence_legend", "convergence_table",
    }  # fmt: skip
    sent = redraw(store, run, sent["shown"], shown.view.split, 1, "gap", 3)
    drawn = {name for name, value in sent.items() if not is_skipped(value)}
    assert drawn == {"shown", "convergence", "convergence_legend", "convergence_table"}
    assert run.spec.attribute.names[0] in sent["convergence_table"]


def test_all_contexts_are_reached_page_by_page(store: Store, tmp_path: Path) -> None:
    names = [f"place {i:03}" for i in range(130)]
    run = finished_run(store, tmp_path, {"contexts": names, "target": "even", "rounds": 3}, steps=1)
    sent = show(store, run.id, Shown())
    assert sent["back"]["visible"] and not sent["back"]["interactive"]
    shown, split = sent["shown"], sent["shown"].view.split
    sent = redraw(store, run, shown, split, 0, "name")
    seen = [sent["table"]]
    assert "1 to 60 of 130" in sent["position"]
    for position in ("61 to 120 of 130", "121 to 130 of 130"):
        sent = redraw(store, run, sent["shown"], split, 0, "name", ALL, by=1)
        assert position in sent["position"]
        seen.append(sent["table"])
    assert all(any(name in table for table in seen) for name in names)
    assert not sent["forward"]["interactive"]
    # Behind the last page there is none; another context keeps the page, another order begins anew.
    assert all(is_skipped(v) for v in redraw(store, run, sent["shown"], split, 0, "name", ALL, by=1).values())
    kept = redraw(store, run, sent["shown"], split, 0, "name", 5)
    assert kept["shown"].view.first == 120
    assert redraw(store, run, kept["shown"], split, 0, "gap", 5)["shown"].view.first == 0


def test_what_a_browser_may_send_does_no_harm(store: Store, run: Run) -> None:
    shown = show(store, run.id, Shown())["shown"]
    sent = redraw(store, run, shown, "seen_templates", "a word", None, [1])
    assert sent["shown"].view == replace(shown.view, split="seen_templates")
    place = turn(store, run, 0, Place(), category="x", context=10**9, template=None, order=7, show=3)
    assert position(place) == "1 to 25 of 250"


def turn(store: Store, run: Run, by: int, place: Place, **chosen: Any) -> list[Any]:
    filters = replace(Filters(*HELD_OUT), **chosen)
    return rounds.turned(store, lambda *_: run, by, place, run.id, None, *astuple(filters))


def position(sent: list[Any]) -> str:
    return sent[2].removeprefix('<p class="da-quiet">').removesuffix("</p>")


def test_pages_of_rounds_forward_to_the_last_and_back(store: Store, run: Run) -> None:
    place, seen = Place(), []
    for by in (0, 1, 1, *[1] * 20, -1):
        sent = turn(store, run, by, place)
        place = sent[0]
        seen.append(position(sent))
    assert seen[:3] == ["1 to 25 of 250", "26 to 50 of 250", "51 to 75 of 250"]
    # There is nothing behind the last page.
    assert seen[-2:] == ["226 to 250 of 250", "201 to 225 of 250"]


def test_positions_agree_with_the_store_for_every_filter(store: Store, run: Run) -> None:
    for chosen, stored in (
        ({"category": 0}, {"category": 0}),
        ({"context": 3}, {"context": 3}),
        ({"context": 3, "category": 1}, {"context": 3, "category": 1}),
        ({"category": UNCLASSIFIED}, {"unclassified": True}),
        ({"query": "female"}, {"query": "female"}),
        ({"query": "zebra"}, {"query": "zebra"}),
        ({"template": 0}, {"template": 0}),
        ({"order": "answer"}, {}),
    ):
        count = store.count_rounds(run.id, *HELD_OUT, **stored)
        sent = turn(store, run, 0, Place(), **chosen)
        assert position(sent) == (f"1 to {min(PAGE, count)} of {count}" if count else "")
        assert sent[1].count("<tr><td>") == min(PAGE, count)
        assert sent[4]["interactive"] == (count > PAGE)


def test_a_search_that_ends_on_the_page_counts_nothing(
    store: Store, run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(store, "count_rounds", None)
    assert position(turn(store, run, 0, Place(), query="zebra")) == ""
    assert position(turn(store, run, 0, Place(), context=3)) == "1 to 10 of 10"


def test_the_same_filters_told_twice_leave_the_page_where_it_is(store: Store, run: Run) -> None:
    place = turn(store, run, 0, Place(), category=0)[0]
    place = turn(store, run, 1, place, category=0)[0]
    assert all(is_skipped(v) for v in turn(store, run, 0, place, category=0))
    assert turn(store, run, 0, place, category=1)[0].page == 0


def test_unclassified_answers_are_inspected_grouped_and_counted(store: Store, run: Run) -> None:
    count = store.count_rounds(run.id, "before", "seen_templates", unclassified=True)
    given = Filters("before", "seen_templates", 3, 0, "female", 0, "answer")
    sent = rounds._inspect(store, lambda *_: run, Place(), run.id, None, *astuple(given))
    assert Filters(*sent[: rounds.CONTROLS]) == Filters(
        "before", "seen_templates", category=UNCLASSIFIED, show=GROUPED
    )
    assert f"1 different answer in {count} rounds" in sent[rounds.CONTROLS + 1]


def test_a_context_of_the_table_leads_to_its_rounds_and_to_no_others(store: Store, run: Run) -> None:
    first = show(store, run.id, Shown())
    assert first["table"].count("<button") == len(run.spec.contexts)
    assert f'data-context="3" title="Show its rounds">{run.spec.contexts.names[3]}</button>' in first["table"]

    sent = results.rounds_of(store, run, "seen_templates", "3")
    assert len(sent) == rounds.OUTPUTS
    place = sent[rounds.CONTROLS]
    assert place.of == (run.id, Filters("after", "seen_templates", 3)) and sent[2]["value"] == 3
    count = store.count_rounds(run.id, "after", "seen_templates", context=3)
    assert position(sent[rounds.CONTROLS :]) == f"1 to {count} of {count}"
    for given in ("999", "-1", "x", None):
        assert results.rounds_of(store, run, "held?", given)[rounds.CONTROLS].of[1] == Filters(*HELD_OUT)


def test_rounds_of_a_split_without_a_later_phase_are_those_before(store: Store, run: Run) -> None:
    with store._write() as db:
        db.execute("DELETE FROM split_results WHERE phase = 'after' AND split = 'seen_templates'")
    sent = results.rounds_of(store, run, "seen_templates", "3")
    assert sent[0]["value"] == "before" and sent[rounds.CONTROLS].of[1].phase == "before"


def test_another_split_has_its_own_templates(store: Store, run: Run) -> None:
    place = turn(store, run, 0, Place(), template=0)[0]
    filters = Filters("after", "seen_templates", template=5)
    sent = rounds._other_split(store, lambda *_: run, place, run.id, None, *astuple(filters))
    assert sent[2]["value"] == ALL and len(sent[2]["choices"]) > 1
    assert is_skipped(sent[0]) and is_skipped(sent[1])
    assert sent[3].of[1] == Filters("after", "seen_templates")
    again = rounds._other_split(store, lambda *_: run, sent[3], run.id, None, *astuple(filters))
    assert all(is_skipped(v) for v in again)


@pytest.mark.parametrize(("method", "phases"), [("zero_shot", ["before"]), ("prompt", ["before", "after"])])
def test_only_phases_that_a_run_was_measured_in_are_offered(
    store: Store, tmp_path: Path, method: str, phases: list[str]
) -> None:
    run = finished_run(store, tmp_path, {"rounds": 2, "method": method}, steps=1)
    phase, *_ = rounds.fresh(store, run, store.results(run.id), "heldout_templates")
    assert [value for _, value in phase["choices"]] == phases and phase["value"] == phases[-1]


def test_unseen_attributes_have_contexts_and_categories_of_their_own(store: Store, run: Run) -> None:
    place = turn(store, run, 0, Place(), context=1)[0]
    filters = Filters("after", UNSEEN, context=1, category=0)
    sent = rounds._other_split(store, lambda *_: run, place, run.id, None, *astuple(filters))
    contexts, categories = ([label for label, _ in update["choices"]] for update in sent[:2])
    assert contexts == ["All contexts", *names_of(run.spec, UNSEEN).contexts]
    assert "coin side: heads" in categories and run.spec.attribute.names[0] not in categories
    assert sent[0]["value"] == sent[1]["value"] == ALL and sent[3].of[1] == Filters("after", UNSEEN)


class TestDownloads:
    """The folder of files on their way to a browser."""

    @pytest.fixture
    def folder(self, tmp_path: Path) -> downloads.Folder:
        return downloads.Folder(tmp_path / "downloads")

    def test_files_that_are_old_or_gone_are_swept_out(self, folder: downloads.Folder) -> None:
        old, new = (folder.place("a.csv").parent for _ in range(2))
        os.utime(old, (0, 0))
        # Stands for a folder that another sweep has just taken.
        (folder.path / "gone").symlink_to("nowhere")

        assert folder.place("b.csv").parent.is_dir()
        assert new.exists() and not old.exists()

    def test_a_folder_that_the_system_cleared_out_is_made_anew(
        self, folder: downloads.Folder, store: Store, run: Run
    ) -> None:
        shutil.rmtree(downloads.adapter(store, folder, run).parent.parent)

        assert downloads.make(store, folder, "spec", run.id).read_text("utf-8")

    def test_a_disk_that_is_full_is_told_of(
        self, folder: downloads.Folder, store: Store, run: Run, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        def full(*_: object, **__: object) -> None:
            raise OSError(28, "No space left on device")

        monkeypatch.setattr(shutil, "copyfile", full)
        with pytest.raises(DiskError, match="No space left on device"):
            downloads.make(store, folder, "adapter", run.id)

    def test_a_folder_that_cannot_be_written_is_told_of(
        self, folder: downloads.Folder, store: Store, run: Run
    ) -> None:
        folder.path.write_text("no folder")
        with pytest.raises(DiskError, match="a download cannot be written"):
            downloads.make(store, folder, "spec", run.id)


def test_a_text_that_was_typed_to_find_a_run_is_no_run(store: Store, run: Run) -> None:
    shown = results.show(store, run.id, Shown())[0]
    selected, kept, choice, *rest = results._chosen(store, "nurse", shown)
    assert is_skipped(selected) and is_skipped(kept) and choice["value"] == run.id
    assert all(map(is_skipped, rest)) and len(rest) + 2 == results.OUTPUTS
    assert results._chosen(store, run.id, shown)[0] == run.id


def test_a_text_that_was_typed_to_find_a_context_is_no_filter(store: Store, run: Run) -> None:
    place = turn(store, run, 0, Place())[0]
    filters = Filters("after", "heldout_templates", context="nurs", category=UNCLASSIFIED, template=99)
    sent = rounds._chosen(store, lambda *_: run, place, run.id, None, *astuple(filters))
    assert sent[0]["value"] == ALL and is_skipped(sent[1]) and sent[2]["value"] == ALL
    assert sent[3].of[1] == Filters("after", "heldout_templates", category=UNCLASSIFIED)
