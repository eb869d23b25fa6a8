"""The Compare tab: the choice and its address, what is sent to a session, its charts and fragments."""

from __future__ import annotations

import json
import math
import time
from dataclasses import replace
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs

import gradio as gr
import pytest
from browser_support import finished_run

from distalign.folders import DataFolder
from distalign.progress import Progress
from distalign.results import Round
from distalign.spec import parse_spec
from jobs.cli import main
from jobs.compare import Comparison, compare, entry_of
from jobs.compare_choice import Choice, of_dataset, of_runs, read_address, resolve, write_address
from jobs.naming import METHODS_SHORT
from storage import Answer, Run, RunState, Store
from tests.test_ui_charts import HOSTILE, drawn_fields
from ui import compare as tab
from ui import compare_cards, compare_charts, compare_downloads
from ui.compare_charts import mark_of, styles_of
from ui.compare_view import Controls, Shown, look, run_label
from ui.downloads import Folder

HELD_OUT = "heldout_templates"
DATASET = "gender-uk-real"


@pytest.fixture
def data(tmp_path: Path) -> DataFolder:
    (tmp_path / "locks").mkdir()
    return DataFolder(tmp_path)


@pytest.fixture
def store(data: DataFolder) -> Store:
    return Store(data.database)


def made(store: Store, error: float = 0.02, splits: tuple[str, ...] = (HELD_OUT,), **fields: Any) -> Run:
    mapping = {"contexts": "uk-occupations", **fields}
    return finished_run(store, store.path.parent, mapping, error=error, steps=1, splits=splits)


# The choice and its address


def test_a_dataset_opens_with_what_it_has_and_what_to_beat(store: Store) -> None:
    made(store, method="sft")
    assert of_dataset(store, DATASET).methods == ("zero_shot", "prompt", "sft", "hybrid")
    resolved = resolve(store, of_dataset(store, DATASET))
    assert [entry.method for entry in resolved.entries] == ["zero_shot", "sft"]
    assert resolved.missing == ("prompt", "hybrid")


def test_an_address_brings_back_what_it_was_written_from(store: Store) -> None:
    older, _, other = made(store), made(store, seed=1), made(store, attribute="race", target="even")
    choice = Choice(DATASET, ("zero_shot", "dpo", "hybrid"), (older.id,), (other.id,), HELD_OUT)
    written = resolve(store, choice)
    address = write_address(written)
    assert f"runs={older.id},{other.id}" in address and "dataset=gender-uk-real" in address
    read = resolve(store, read_address(store, f"?tab=compare&{address}"))
    # The older run was shown, and is shown again.
    assert [e.run.id for e in read.entries] == [e.run.id for e in written.entries]
    assert read.entries[1].run.id == older.id
    assert read.choice == written.choice and write_address(read) == address


def test_runs_alone_are_an_address(store: Store) -> None:
    hybrid, seed, sft = made(store), made(store, seed=1), made(store, method="sft")
    other = made(store, attribute="race", target="even")
    ids = (hybrid.id, seed.id, sft.id, other.id)
    choice = read_address(store, f"tab=compare&runs={','.join(ids)}&split=seen_templates")
    assert (choice.dataset, choice.methods) == (DATASET, ("hybrid", "sft"))
    assert choice.others == (seed.id, other.id) and choice.split == "seen_templates"
    assert {e.run.id for e in resolve(store, choice).entries} == set(ids)


def test_few_shot_prompting_has_its_own_place_in_an_address(store: Store) -> None:
    plain, few = made(store, method="prompt"), made(store, method="prompt", few_shot=8)
    resolved = resolve(store, Choice(DATASET, ("prompt", "prompt_few_shot")))
    address = write_address(resolved)
    assert f"methods=prompt,prompt_few_shot&runs={plain.id},{few.id}" in address
    made(store, method="prompt", few_shot=4)
    # Newer runs do not take the place of those that were shared.
    assert [e.run.id for e in resolve(store, read_address(store, address)).entries] == [plain.id, few.id]
    assert read_address(store, f"runs={few.id}").methods == ("prompt_few_shot",)
    assert of_dataset(store, few.id, ["hybrid"]).methods == ("hybrid", "prompt_few_shot")


@pytest.mark.parametrize("query", ["", "tab=compare", "tab=compare&split=stories", "run=abc"])
def test_an_address_without_a_choice_is_none(store: Store, query: str) -> None:
    assert read_address(store, query) is None


def test_what_an_address_makes_up_falls_away(store: Store) -> None:
    choice = read_address(store, "dataset=<b>&runs=nothing,,x" + "y" * 5000 + "&methods=dance&split=up")
    resolved = resolve(store, choice)
    assert resolved.entries == () and resolved.choice.dataset == "" and choice.split == HELD_OUT
    assert resolve(store, read_address(store, "dataset=nowhere")).entries == ()


def test_no_more_runs_are_compared_than_can_be_told_apart(store: Store) -> None:
    runs = [made(store, seed=seed, rounds=1) for seed in range(10)]
    ids = ",".join(run.id for run in runs)
    assert len(resolve(store, read_address(store, f"runs={ids}")).entries) == 8


def test_a_run_that_is_not_done_stands_for_no_method(store: Store) -> None:
    waiting = store.insert_run(parse_spec({"attribute": "gender", "target": "real"}))
    choice = of_runs(store, [waiting.id, (done := made(store, method="sft")).id])
    assert (choice.pinned, choice.others) == ((done.id,), (waiting.id,))
    assert [entry.run.id for entry in resolve(store, choice).entries] == [done.id, waiting.id]


# What is sent


def show(store: Store, data: DataFolder, query: str = "", selected: str = "", shown: Shown | None = None):
    """What the tab gets when it is opened, by output, and what the browser's controls then hold."""
    sent = tab.show(
        store, data, query, selected, shown or Shown(), *[None] * len(Controls.__dataclass_fields__)
    )
    found = dict(zip(["shown", "note", *tab.OUTPUTS], sent, strict=True))
    held = {name: found[name].get("value") for name in Controls.__dataclass_fields__}
    return found, Controls(**held)


def values(controls: Controls) -> list[Any]:
    return [getattr(controls, name) for name in Controls.__dataclass_fields__]


def change(
    store: Store, data: DataFolder, shown: Shown, controls: Controls, address: str = ""
) -> dict[str, Any]:
    sent = tab.changed(store, data, address, shown, *values(controls))
    return dict(zip(["shown", "note", *tab.OUTPUTS], sent, strict=True))


def skipped(found: dict[str, Any]) -> set[str]:
    return {name for name, value in found.items() if value == gr.skip()}


def test_a_run_under_way_tells_of_this_attempt_and_counts_down(store: Store, data: DataFolder) -> None:
    run = made(store)
    store.requeue(run.id)
    store.claim()
    choice = of_dataset(store, DATASET)
    assert "starting" in drawn(store, data, choice)
    store._clock = lambda: time.time() - 300
    store.add_event(run.id, 2, Progress("step", "hybrid", fraction=0.5, eta=900.0))
    assert "50 %, training, about 10 min left" in drawn(store, data, choice)


def drawn(store: Store, data: DataFolder, choice: Choice) -> str:
    """What the tab says of the methods."""
    return look(store, data, Shown(), choice, Controls())[1]["standings"].make()


def test_what_is_on_the_tab_is_not_sent_again(store: Store, data: DataFolder) -> None:
    run = made(store)
    found, controls = show(store, data, selected=run.id)
    assert controls.dataset == DATASET and controls.preset == "quick"
    assert not skipped(found) - {"timer"}
    again = change(store, data, found["shown"], controls)
    assert skipped(again) == {"note", *tab.OUTPUTS}


def test_another_split_redraws_the_figures_and_leaves_the_controls(store: Store, data: DataFolder) -> None:
    run = made(store, splits=(HELD_OUT, "seen_templates"))
    found, controls = show(store, data, selected=run.id)
    seen = change(store, data, found["shown"], replace(controls, split="seen_templates"))
    assert {"error_chart", "share_chart", "table", "heat", "answers", "address"}.isdisjoint(skipped(seen))
    assert {"dataset", "methods", "others", "standings", "split", "category", "queue"} <= skipped(seen)
    assert "split=seen_templates" in seen["address"]


def test_another_category_redraws_the_shares_alone(store: Store, data: DataFolder) -> None:
    run = made(store)
    found, controls = show(store, data, selected=run.id)
    other = change(store, data, found["shown"], replace(controls, category="female"))
    assert set(tab.OUTPUTS) - skipped(other) == {"share_chart", "share_table", "address"}
    prompt = change(store, data, other["shown"], replace(controls, category="female", prompt=2))
    assert set(tab.OUTPUTS) - skipped(prompt) == {"answers", "address"}


def test_the_details_are_part_of_the_address(store: Store, data: DataFolder) -> None:
    run = made(store)
    found, controls = show(store, data, selected=run.id)
    context = next(name for _, name in found["context"]["choices"][3:])
    looked = replace(controls, category="female", context=context, prompt=2, contexts="every")
    address = change(store, data, found["shown"], looked)["address"]

    again, held = show(store, data, f"?tab=compare&{address}")
    assert (held.category, held.context, held.prompt, held.contexts) == ("female", context, 2, "every")
    assert again["address"] == address
    # The first of a list needs no place in the address.
    first = change(store, data, again["shown"], replace(held, category="male", prompt=0, contexts="few"))
    assert not {"category", "prompt", "contexts"} & parse_qs(first["address"]).keys()
    made_up, held = show(store, data, f"{address}x&category=<b>&context=nowhere&prompt=999")
    assert (held.category, held.prompt) == ("male", 0) and "nowhere" not in made_up["address"]


def turn(
    store: Store, data: DataFolder, pager: str, by: int, shown: Shown, controls: Controls
) -> dict[str, Any]:
    sent = tab.turned(store, data, pager, by, "", shown, *values(controls))
    return dict(zip(["shown", "note", *tab.OUTPUTS], sent, strict=True))


def test_all_contexts_are_reached_page_by_page(store: Store, data: DataFolder, tmp_path: Path) -> None:
    names = [f"place {i:03}" for i in range(130)]
    run = made(store, contexts=names, target="even", rounds=3)
    found, controls = show(store, data, selected=run.id)
    assert "The 10 with the largest errors of 130 contexts." in found["share_position"]
    assert found["share_forward"]["visible"] is False
    every = change(store, data, found["shown"], replace(controls, contexts="every"))
    controls = replace(controls, contexts="every")
    for pager, part, first in (("share", "share_table", every), ("heat", "heat", found)):
        shown, seen = every["shown"], [first[part]]
        assert "1 to 60 of 130 contexts." in first[f"{pager}_position"]
        assert first[f"{pager}_forward"] == gr.update(visible=True, interactive=True)
        for position in ("61 to 120 of 130", "121 to 130 of 130"):
            sent = turn(store, data, pager, 1, shown, controls)
            assert position in sent[f"{pager}_position"]
            # The other one stays where it is, and so does all else.
            assert all(name.startswith(pager) for name in set(tab.OUTPUTS) - skipped(sent))
            shown, seen = sent["shown"], [*seen, sent[part]]
        assert sent[f"{pager}_forward"]["interactive"] is False
        assert [sum(name in html for html in seen) for name in names] == [1] * 130
        # Behind the last page there is none.
        assert set(tab.OUTPUTS) <= skipped(turn(store, data, pager, 1, shown, controls))
        back = turn(store, data, pager, -1, shown, controls)
        assert "61 to 120 of 130" in back[f"{pager}_position"]
    # Other prompts or runs begin at the first page.
    other = made(store, contexts=names, target="even", rounds=3, seed=1)
    joined = change(store, data, shown, replace(controls, others=[other.id]))
    assert "1 to 60 of 130" in joined["heat_position"]
    # The files have all of them.
    written = {
        kind: Path(
            compare_downloads.make_file(store, Folder(tmp_path), kind, "", joined["shown"])[0]
        ).read_text("utf-8")
        for kind in ("csv", "json")
    }
    # What was measured before the training of one of them is the third line.
    assert len(written["csv"].splitlines()) == 1 + 3 * 130 * 2
    assert len(json.loads(written["json"])["contexts"]) == 130


@pytest.mark.usefixtures("commands")
def test_missing_methods_are_queued_shown_and_polled(store: Store, data: DataFolder) -> None:
    run = made(store)
    found, controls = show(store, data, selected=run.id)
    controls = replace(controls, methods=["hybrid", "sft", "dpo", "prompt_few_shot"], preset="quick")
    ticked = change(store, data, found["shown"], controls)
    assert ticked["queue"].startswith("Queue 3 missing runs") and "Missing" in ticked["standings"]
    sent = tab.queue_all(store, data, "", ticked["shown"], *values(controls))
    queued = dict(zip(["shown", "note", *tab.OUTPUTS], sent, strict=True))
    assert "Few-shot prompt, Fine-tuning, DPO" in queued["note"] and "Waiting" in queued["standings"]
    assert queued["timer"]["active"] is True and queued["queue_box"]["visible"] is False
    runs = [run for run in store.runs() if run.state == RunState.QUEUED]
    assert sorted((run.method, run.few_shot) for run in runs) == [("dpo", 0), ("prompt", 8), ("sft", 0)]
    assert {run.spec.preset for run in runs} == {"quick"}
    # A poll that brings nothing new sends nothing.
    polled = tab.polled(store, data, "", queued["shown"], *values(controls))
    assert all(value == gr.skip() for value in polled[1:])
    claimed = store.claim()
    store.finish(claimed.id, RunState.DONE)
    last = dict(
        zip(
            ["shown", "note", *tab.OUTPUTS],
            tab.polled(store, data, "", polled[0], *values(controls)),
            strict=True,
        )
    )
    assert claimed.id in last["address"] and last["table"] != gr.skip()


@pytest.mark.usefixtures("commands")
def test_a_full_zero_shot_run_takes_the_place_of_a_borrowed_one(store: Store, data: DataFolder) -> None:
    run = made(store)
    link = f'<a class="da-inline" href="?tab=runs&amp;run={run.id}" data-run="{run.id}">run {run.id[:6]}</a>'
    found, controls = show(store, data, f"dataset={DATASET}&methods=zero_shot,hybrid")
    assert f"40 of 100 rounds a context, measured before the training of {link}" in found["standings"]
    assert f"40 rounds a context, measured before the training of {link}" in found["table"]
    assert f"<small>100 rounds a context, {link}</small>" in found["table"]
    assert found["queue"].startswith("Queue a full zero-shot run (") and found["queue_box"]["visible"]
    both = change(store, data, found["shown"], replace(controls, methods=["zero_shot", "sft", "hybrid"]))
    assert both["queue"].startswith("Queue 1 missing run and a full zero-shot run (")
    sent = tab.queue_all(store, data, "", found["shown"], *values(controls))
    queued = dict(zip(["shown", "note", *tab.OUTPUTS], sent, strict=True))
    assert "Queued: Zero-shot" in queued["note"] and "Waiting" in queued["standings"]
    assert queued["queue_box"]["visible"] is False and queued["timer"]["active"] is True
    # What is borrowed is shown until then.
    assert queued["table"] == gr.skip()


def test_a_preset_is_asked_for_only_where_something_is_trained(store: Store, data: DataFolder) -> None:
    assert made(store, method="zero_shot").spec.preset == "quick"
    found, controls = show(store, data, f"dataset={DATASET}&methods=zero_shot,prompt")
    assert found["queue"].startswith("Queue 1 missing run") and found["queue_box"]["visible"]
    assert found["preset"]["visible"] is False
    # Nor does that of a run that trained nothing count as the usual one.
    assert controls.preset == "standard"
    trained = change(store, data, found["shown"], replace(controls, methods=["prompt", "sft"]))
    assert trained["preset"]["visible"] is True
    again = change(store, data, trained["shown"], replace(controls, methods=["prompt", "sft"]))
    assert again["preset"] == gr.skip()


def test_a_folder_of_the_server_is_not_queued_from_the_page(store: Store, data: DataFolder) -> None:
    run = store.insert_run(parse_spec({"attribute": "gender", "base_model": "/models/mine"}))
    store.claim()
    store.finish(run.id, RunState.DONE)
    controls = Controls(dataset=run.id, methods=["sft"], others=[], split=HELD_OUT)
    note = tab.queue_all(store, data, "", Shown(), *values(controls))[1]
    assert "is not on the list" in note and store.count_runs() == 1


def test_a_session_that_the_server_forgot_gets_all_of_it(store: Store, data: DataFolder) -> None:
    run, other = made(store), made(store, seed=1)
    first, controls = show(store, data, f"?tab=compare&runs={run.id},{other.id}")
    found = change(store, data, Shown(), controls, first["address"])
    assert not skipped(found) & {"table", "share_chart", "heat", "answers"}
    assert found["address"] == first["address"] and f"{run.id},{other.id}" in found["address"]


def test_another_dataset_keeps_the_ticks_and_drops_the_other_runs(store: Store, data: DataFolder) -> None:
    run, other = made(store), made(store, seed=1)
    found, controls = show(store, data, f"?runs={run.id},{other.id}")
    assert controls.others == [run.id] or controls.others == [other.id]
    moved = change(store, data, found["shown"], replace(controls, dataset="race-even"))
    assert moved["shown"].choice == Choice("race-even", tuple(controls.methods))
    assert moved["lead"].startswith('<div class="da-empty">') and moved["body"]["visible"] is False
    lost = change(store, data, found["shown"], replace(controls, dataset="typed"))
    assert lost["dataset"]["value"] == DATASET and lost["shown"].choice == found["shown"].choice


def test_a_run_that_stands_for_its_method_is_not_added_and_a_note_says_why(
    store: Store, data: DataFolder
) -> None:
    run, seed = made(store), made(store, seed=1)
    found, controls = show(store, data, f"dataset={DATASET}&methods=hybrid")
    twice = change(store, data, found["shown"], replace(controls, others=[seed.id]))
    assert twice["others"]["value"] == [] and f"run {seed.id[:6]} for Hybrid" in twice["note"]
    # The blur behind the choice tells the same once more, and a poll, too: the note stays until there is another choice.
    assert change(store, data, twice["shown"], controls)["note"] == gr.skip()
    added = change(store, data, twice["shown"], replace(controls, others=[run.id]))
    assert added["note"] == "" and run.id in added["address"]
    # Or its method is ticked while it is there.
    found, controls = show(store, data, f"dataset={DATASET}&runs={seed.id}&methods=sft")
    assert controls.others == [seed.id]
    ticked = change(store, data, found["shown"], replace(controls, methods=["sft", "hybrid"]))
    assert ticked["others"]["value"] == [] and f"run {seed.id[:6]} for Hybrid" in ticked["note"]


@pytest.mark.parametrize(
    "arguments",
    [
        ["--dataset", DATASET],
        ["--dataset", "RUN", "--methods", "zero_shot", "hybrid", "--context", "CONTEXT", "--prompt", "3"],
        ["--dataset", "FILE", "--methods", "sft", "hybrid", "--split", "seen_templates"],
        ["SEED", "RUN", "OTHER"],
        ["SEED", "--dataset", DATASET, "--methods", "hybrid", "sft"],
    ],
)
def test_the_command_lines_link_opens_the_same_comparison(
    store: Store, data: DataFolder, capsys: pytest.CaptureFixture, arguments: list[str]
) -> None:
    both = (HELD_OUT, "seen_templates")
    seed, run = made(store, seed=1, splits=both), made(store, splits=both)
    made(store, method="sft", splits=both)
    other = made(store, attribute="race", target="even", splits=both)
    path = store.path.parent / "mine.yaml"
    path.write_text("attribute: gender\ntarget: real\nseed: 7\n")
    words = {"RUN": run.id[:8], "SEED": seed.id, "OTHER": other.id, "FILE": str(path)}
    words["CONTEXT"] = run.spec.contexts.names[4]
    command = ["compare", *(words.get(word, word) for word in arguments), "--db", str(store.path)]
    assert main([*command, "--json"]) == 0
    wanted = json.loads(capsys.readouterr().out)
    assert main([*command, "--link"]) == 0
    link = capsys.readouterr().out.strip()
    assert link.startswith("?tab=compare&")
    found, held = show(store, data, link)
    shown = found["shown"].comparison
    assert shown.split == wanted["split"] == held.split
    assert {(line.entry.run.id, line.entry.phase) for line in shown.lines} == {
        (line["run_id"], line["phase"]) for line in wanted["lines"]
    }
    assert set(held.methods) >= set(wanted["methods"])
    if "CONTEXT" in arguments:
        assert (held.context, held.prompt) == (words["CONTEXT"], 2)
    # The page writes the same address.
    assert parse_qs(found["address"]) == parse_qs(link.removeprefix("?tab=compare&"))


def test_a_dataset_without_a_name_or_a_run_has_no_link(store: Store, capsys: pytest.CaptureFixture) -> None:
    path = store.path.parent / "mine.yaml"
    path.write_text("attribute: gender\ncontexts: [a, b]\n")
    assert main(["compare", "--dataset", str(path), "--link", "--db", str(store.path)]) == 2
    assert "--link: the file is none of specs/ and has no run" in capsys.readouterr().err


def test_an_empty_database_says_what_to_do(store: Store, data: DataFolder) -> None:
    found, controls = show(store, data)
    assert "Nothing to compare yet" in found["lead"] and controls.dataset == DATASET
    assert found["queue"].startswith("Queue 3 missing runs")


def test_what_is_shown_is_written_as_each_file(store: Store, data: DataFolder, tmp_path: Path) -> None:
    run, other = made(store), made(store, method="sft")
    found, _ = show(store, data, f"runs={run.id},{other.id}")
    folder, written = Folder(tmp_path), {}
    for kind in compare_downloads.FILES:
        path, note = compare_downloads.make_file(store, folder, kind, "", found["shown"])
        assert note == ""
        written[Path(path).name] = Path(path).read_text("utf-8")
    assert len(written["distalign-comparison-summary.csv"].splitlines()) == 1 + 2
    assert len(written["distalign-comparison.csv"].splitlines()) == 1 + 2 * 25 * 2
    assert len(json.loads(written["distalign-comparison.json"])["lines"]) == 2


# Charts and fragments


def comparison_of(store: Store, *runs: Run) -> Comparison:
    return compare(store, [entry_of(run) for run in runs], HELD_OUT, METHODS_SHORT)


def test_every_field_that_is_drawn_is_in_every_row(store: Store) -> None:
    comparison = comparison_of(store, made(store), made(store, method="sft"), made(store, method="zero_shot"))
    shown = compare_charts.contexts_with(comparison, "female")
    rows = compare_charts.share_rows(comparison, shown, "female")
    assert len(rows) == 3 * len(shown) == 3 * 25
    charts = [compare_charts.error_chart(comparison), compare_charts.share_chart(rows, (0, 1, 6))]
    for chart in charts:
        spec = chart.to_dict()
        found = spec["data"].get("values") or spec["datasets"][spec["data"]["name"]]
        assert found and all(drawn_fields(spec) <= set(row) for row in found)


def test_the_rows_are_what_the_database_holds(store: Store) -> None:
    run = made(store)
    comparison = comparison_of(store, run)
    shown = compare_charts.contexts_with(comparison, "male")
    stored = {run.spec.contexts.names[c.context]: c for c in store.result(run.id, "after", HELD_OUT).contexts}
    for row in compare_charts.share_rows(comparison, shown, "male"):
        own = stored[row["context"]]
        assert (row["realized"], row["low"], row["target"]) == (own.realized[0], own.low[0], own.target[0])
        assert row["floor_low"] <= row["target"] <= row["floor_high"]
    (error,) = compare_charts.error_rows(comparison)
    assert error["mae"] == comparison.lines[0].result.mae.value and error["published"] == 0.084


def test_runs_of_another_attribute_are_left_out_of_its_shares(store: Store) -> None:
    comparison = comparison_of(store, made(store), made(store, attribute="race", target="even"))
    for place, category in enumerate(("male", "Asian")):
        shown = compare_charts.contexts_with(comparison, category)
        assert {row["series"] for row in compare_charts.share_rows(comparison, shown, category)} == {place}
    assert "not measured on the same" in compare_cards.lead(comparison)
    assert "da-best" not in compare_cards.measures_table(comparison)


def test_the_table_marks_the_best_only_where_no_interval_overlaps(store: Store) -> None:
    clear = comparison_of(store, made(store, error=0.005), made(store, error=0.3, method="sft"))
    assert compare_cards.measures_table(clear).count("da-best") >= 2
    same = comparison_of(store, made(store, seed=1), made(store, seed=2))
    assert compare_cards.measures_table(same).count("da-best") == 0
    assert "seed" in compare_cards.lead(same)


def test_few_shot_prompting_stands_beside_plain_prompting(store: Store) -> None:
    comparison = comparison_of(store, made(store, method="prompt"), made(store, method="prompt", few_shot=8))
    assert [line.name for line in comparison.lines] == ["Prompt", "Few-shot prompt"]
    assert len(set(styles_of(comparison))) == 2
    html = compare_cards.measures_table(comparison)
    assert "Few-shot prompt" in html and "before" not in html
    labels_of = [run_label(run) for run in store.comparable_runs()]
    assert ["Few-shot prompt" in label for label in labels_of] == [True, False]


def test_a_method_keeps_its_colour_and_shape_and_no_two_lines_share_one(store: Store) -> None:
    runs = [made(store, method=method, rounds=1) for method in ("zero_shot", "sft", "hybrid")]
    assert [mark_of(s) for s in styles_of(comparison_of(store, *runs[1:]))] == [
        mark_of(s) for s in styles_of(comparison_of(store, *runs))
    ][1:]
    many = comparison_of(store, *runs, *(made(store, seed=seed, rounds=1) for seed in range(1, 6)))
    marks = [mark_of(style) for style in styles_of(many)]
    assert len({colour for colour, _ in marks}) == len({shape for _, shape in marks}) == 8


def test_heat_grows_with_the_ratio_and_ends(store: Store) -> None:
    comparison = comparison_of(store, made(store))
    (result,) = next(iter(compare_charts.contexts_with(comparison, "male").values()))
    rows = {
        f"{times}": [replace(result, mae=times * result.noise_floor)] for times in (0.5, 1, 3.5, 6, 60)
    } | {"none": [None], "nan": [replace(result, mae=math.nan)]}
    html = compare_cards.heat_map(comparison, rows)
    assert [f"--heat:{h}" in html for h in ("0.00", "0.50", "1.00")] == [True] * 3
    assert "nan" not in html.replace(">nan<", "") and html.count("<tr>") == len(rows) + 1


def test_what_a_model_wrote_and_a_person_named_is_escaped(store: Store) -> None:
    run = made(
        store,
        name=HOSTILE,
        contexts=[HOSTILE.replace("<", "(").replace(">", ")"), "b"],
        target="even",
        rounds=2,
    )
    store.add_rounds(run.id, [Round("after", HELD_OUT, 0, 0, 9, 0, None, HOSTILE)])
    comparison = comparison_of(store, run, made(store, contexts=["b", "c"], target="even", rounds=2))
    shown = compare_charts.contexts_with(comparison, "male")
    html = (
        compare_cards.measures_table(comparison)
        + compare_cards.legend(comparison, shares=True)
        + compare_cards.heat_map(comparison, shown)
        + compare_cards.shares_table(comparison, shown, "male")
        + compare_cards.answers_grid(comparison, HOSTILE, [[Answer(HOSTILE, None, 1, 1)], None])
    )
    assert "<img" not in html and "&lt;img" in html
    assert "unclassified" in html


def test_answers_that_are_not_shown_are_counted(store: Store) -> None:
    comparison = comparison_of(store, made(store))
    shown = [Answer("male", 0, 40, 45)]
    html = compare_cards.answers_grid(comparison, "Who?", [shown])
    assert "45 answers, 5 of them not shown" in html
    assert "not shown" not in compare_cards.answers_grid(comparison, "Who?", [[Answer("male", 0, 45, 45)]])


def test_plots_reach_gradio_as_it_takes_them(store: Store, data: DataFolder) -> None:
    found, _ = show(store, data, selected=made(store).id)
    for name in ("error_chart", "share_chart"):
        spec = json.loads(found[name].plot)
        assert "$schema" not in spec and spec["width"] == "container"
