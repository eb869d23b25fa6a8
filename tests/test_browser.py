"""The page in a real browser, against ``python app.py`` as a process of its own."""

from __future__ import annotations

import csv
import json
import re

import pytest
from browser_support import (
    add_steps,
    cell,
    choose,
    download,
    download_adapter,
    fill_custom_attribute,
    finished_run,
    go_to,
    opened,
    paste,
    press_train,
    show_results,
    start_app,
    type_in_cell,
    wait_for_state,
    without_worker,
)

from distalign.results import Round
from distalign.spec import parse_spec
from storage import RunState
from ui.page import TABS

pytestmark = pytest.mark.browser

SHARES = {"young": "0.2", "middle-aged": "0.3", "old": "0.5"}
CONTEXTS = ["bakers", "pilots"]
WIDTHS = (1440, 1024, 390)


@pytest.fixture(scope="module")
def app(chromium, tmp_path_factory):
    """The app with two finished runs and a failed one; runs that are queued stay queued."""
    folder = tmp_path_factory.mktemp("data")
    with without_worker(folder), start_app(folder) as started:
        store = started.store
        race = {"attribute": "race", "contexts": "us-occupations", "target": "even", "preset": "standard"}
        finished_run(store, folder, race, seed=3)
        failed = store.insert_run(parse_spec({"attribute": "sentiment"}), state=RunState.RUNNING)
        add_steps(store, failed, 40, 240)
        store.finish(failed.id, RunState.FAILED, "the process ran out of memory")
        finished_run(store, folder)
        yield started


def live_run(app, steps: int = 131):
    mapping = {
        "attribute": {"name": "age group", "categories": list(SHARES), "kind": "person"},
        "target": {name: float(share) for name, share in SHARES.items()},
    }
    run = app.store.insert_run(parse_spec(mapping), state=RunState.RUNNING)
    add_steps(app.store, run, steps, 240)
    return run


def newest(app, state: RunState):
    return next(run for run in app.store.runs() if run.state == state)


# --- Train ---------------------------------------------------------------------


def test_a_custom_attribute_is_submitted_as_it_was_typed(app, chromium):
    with opened(chromium, app.url) as page:
        page.wait_for_selector("#preview .da-plan")
        fill_custom_attribute(page, "age group", SHARES, CONTEXTS)
        page.locator("#rounds textarea, #rounds input").fill("40")
        page.locator("#preview", has_text="320").wait_for()
        run_id = press_train(page)
        wait_for_state(page, "Waiting")
        spec = app.store.run(run_id).spec
        assert spec.attribute.names == tuple(SHARES)
        assert spec.contexts.names == tuple(CONTEXTS)
        assert spec.target.rows == ((0.2, 0.3, 0.5),) * 2
        assert (spec.rounds, spec.preset) == (40, "quick")
        page.locator("#cancel").click()
        wait_for_state(page, "Cancelled")
        page.locator("#resume").click()
        wait_for_state(page, "Waiting")
        assert app.store.run(run_id).attempt == 2
        page.locator("#cancel").click()
        wait_for_state(page, "Cancelled")
        page.locator("#delete").click()
        page.locator(f"a[data-run='{run_id}']").wait_for(state="detached")
        assert run_id not in [run.id for run in app.store.runs()]


def test_bad_input_is_explained_and_loses_nothing(app, chromium):
    runs = app.store.count_runs()
    with opened(chromium, app.url) as page:
        page.wait_for_selector("#preview .da-plan")
        fill_custom_attribute(page, "age group", SHARES, CONTEXTS)
        choose(page, "target", "Per context")
        cell(page, "target-table", 1, 3).get_by_text("0.5").wait_for()
        type_in_cell(page, "target-table", 1, 3, "0.4")
        page.locator("#sum-table", has_text="pilots sums to 0.9").wait_for()
        page.locator("#error-target", has_text="sum to 0.9").wait_for()
        page.locator("#train").click()
        note = page.locator("#preview .da-note.bad", has_text="sum to 0.9").inner_text()
        assert note.startswith("Target of pilots:") and "Normalise" in note
        assert app.store.count_runs() == runs
        assert page.locator("#custom-categories textarea").input_value() == "\n".join(SHARES)
        assert page.locator("#pasted textarea").input_value() == "\n".join(CONTEXTS)
        assert cell(page, "target-table", 1, 3).inner_text().strip() == "0.4"
        page.locator("#normalise-table").click()
        page.locator("#sum-table .ok").wait_for()
        page.wait_for_selector("#preview .da-plan")
        type_in_cell(page, "target-table", 0, 1, "half")
        page.locator("#preview", has_text="'half'").wait_for()
        assert cell(page, "target-table", 0, 1).inner_text().strip() == "half"


def test_too_many_contexts_and_a_word_for_a_number(app, chromium):
    with opened(chromium, app.url) as page:
        page.wait_for_selector("#preview .da-plan")
        choose(page, "contexts", "Your list")
        page.wait_for_selector("#pasted textarea")
        paste(page, "#pasted textarea", "\n".join(f"place {i}" for i in range(10_000)))
        page.locator("#preview", has_text="10000 given").wait_for()
        paste(page, "#pasted textarea", "bakers")
        page.wait_for_selector("#preview .da-plan")
        page.locator("#advanced .label-wrap").click()
        page.locator("#knob-steps textarea, #knob-steps input").fill("abc")
        page.locator("#preview", has_text="'abc' is not a number").wait_for()


def test_a_csv_with_probabilities_fills_the_table(app, chromium, tmp_path):
    good, bad = tmp_path / "good.csv", tmp_path / "bad.csv"
    good.write_text("context,male,female\nbakers,0.3,0.7\npilots,0.8,0.1\n")
    bad.write_text("job,context,context\nbakers,1,1\n")
    with opened(chromium, app.url) as page:
        page.wait_for_selector("#preview .da-plan")
        choose(page, "contexts", "Your list")
        page.locator("#preview", has_text="0 given").wait_for()
        page.locator("input[type=file][accept*=csv]").first.set_input_files(good)
        cell(page, "target-table", 1, 1).get_by_text("0.8").wait_for()
        page.locator("#contexts-preview", has_text="Row 3: pilots: the probabilities sum to 0.9").wait_for()
        page.locator("#sum-table", has_text="pilots sums to 0.9").wait_for()
        page.locator("#normalise-table").click()
        page.locator("#sum-table .ok").wait_for()
        page.wait_for_selector("#preview .da-plan")
        page.locator("input[type=file][accept*=csv]").first.set_input_files(bad)
        page.locator("#contexts-preview", has_text="Name one column 'context'").wait_for()


def test_real_world_is_offered_only_where_there_are_statistics(app, chromium):
    with opened(chromium, app.url) as page:
        page.wait_for_selector("#preview .da-plan")
        real = page.locator("#target").get_by_text("Real-world", exact=True)
        assert real.is_visible()
        choose(page, "attribute", "Race")
        real.wait_for(state="hidden")
        page.wait_for_selector("#preview .da-plan")
        choose(page, "attribute", "Gender")
        real.wait_for()


def test_attributes_are_joined_and_their_cells_get_the_target(app, chromium):
    with opened(chromium, app.url) as page:
        page.wait_for_selector("#preview .da-plan")
        choose(page, "attribute", "Joint")
        page.locator("#joint").wait_for()
        choose(page, "target", "Your shares")
        page.locator("#target-row").get_by_label("female, Asian, percent").wait_for()
        page.locator("#joint").get_by_text("Race", exact=True).click()
        page.locator("#preview", has_text="1 in the list").wait_for()
        page.locator("#joint").get_by_text("Sentiment", exact=True).click()
        page.locator("#target-row").get_by_label("female, neutral, percent").wait_for()
        page.wait_for_selector("#preview .da-plan")


# --- Runs ------------------------------------------------------------------------


def test_a_live_run_grows_without_a_reload_and_survives_one(app, chromium):
    run = live_run(app)
    with opened(chromium, f"{app.url}?run={run.id}") as page:
        wait_for_state(page, "Running")
        page.locator("#run-head", has_text="Training 131 of 240").wait_for()
        curve = page.locator("#curves path[d^='M'][fill=none]").first
        before = curve.get_attribute("d")
        page.evaluate("window.kept = document.querySelector('#curves svg')")
        add_steps(app.store, run, 150, 240)
        page.locator("#run-head", has_text="Training 150 of 240").wait_for()
        assert len(curve.get_attribute("d")) > len(before)
        assert page.evaluate("window.kept === document.querySelector('#curves svg')"), "the chart was rebuilt"
        page.reload()
        wait_for_state(page, "Running")
        assert f"run={run.id}" in page.url
        page.locator("#cancel").click()
        page.locator("#run-head", has_text="Stopping at the next safe point").wait_for()
        app.store.finish(run.id, RunState.CANCELLED)
        wait_for_state(page, "Cancelled")


def test_the_history_selects_and_the_address_follows(app, chromium):
    failed, done = newest(app, RunState.FAILED), newest(app, RunState.DONE)
    with opened(chromium, f"{app.url}?tab=runs&run={failed.id}") as page:
        wait_for_state(page, "Failed")
        assert "ran out of memory" in page.locator("#run-head").inner_text()
        page.locator(f"a[data-run='{done.id}']").click()
        wait_for_state(page, "Done")
        page.wait_for_url(f"**run={done.id}**")
        show_results(page)
        page.wait_for_url("**tab=results**")


def test_an_address_of_an_unknown_run_says_so(app, chromium):
    with opened(chromium, f"{app.url}?run=<b>gone</b>") as page:
        page.locator("#run-head", has_text="No run has the id <b>gone</b>").wait_for()


# --- Results -----------------------------------------------------------------------


def test_results_of_a_run(app, chromium, tmp_path):
    run = newest(app, RunState.DONE)
    after = app.store.summaries([run.id])[run.id]
    with opened(chromium, f"{app.url}?tab=results&run={run.id}") as page:
        page.locator("#tiles", has_text=f"{after.mae.value:.3f}").wait_for()
        assert page.locator("#tiles .da-tile").count() == 4
        page.wait_for_selector("#realized svg .after_marks path")
        assert page.locator("#realized svg .after_marks path").count() == len(run.spec.contexts)
        assert page.locator("#realized svg .target_marks path").count() == len(run.spec.contexts)
        choose(page, "split", "Seen templates")
        page.locator("#lead", has_text="On seen templates").wait_for()
        assert "χ² p-value" in page.locator("#measures").inner_text()
        page.locator("#rounds-next").click()
        page.locator("#rounds-position", has_text="26 to 50 of 2,500").wait_for()
        choose(page, "rounds-phase", "Before")
        page.locator("#rounds-category input").click()
        page.get_by_role("option", name="Unclassified").click()
        lost = app.store.count_rounds(run.id, "before", "heldout_templates", unclassified=True)
        page.locator("#rounds-position", has_text=f"of {lost}").wait_for()
        assert "I cannot say." in page.locator("#rounds-table").inner_text()
        assert download_adapter(page, tmp_path).joinpath("adapter_config.json").is_file()
        rows = list(csv.DictReader(download(page, "rounds-csv", tmp_path).open(encoding="utf-8")))
        assert len(rows) == sum(result.rounds for result in app.store.results(run.id)) == 7000
        assert json.loads(download(page, "results-json", tmp_path).read_text())["run_id"] == run.id
        assert download(page, "chart-png", tmp_path).read_bytes().startswith(b"\x89PNG")
        assert "<svg" in download(page, "chart-svg", tmp_path).read_text()
        assert parse_spec(parse_yaml(download(page, "spec", tmp_path))) == run.spec
        page.reload()
        page.locator("#tiles .da-tile").first.wait_for()
        assert f"run={run.id}" in page.url


def test_rounds_are_searched_by_text_as_it_is_typed_or_removed(app, chromium):
    run = newest(app, RunState.DONE)
    lost = app.store.count_rounds(run.id, "before", "heldout_templates", unclassified=True)
    with opened(chromium, f"{app.url}?tab=results&run={run.id}") as page:
        page.locator("#rounds-position", has_text="of 2,500").wait_for()
        choose(page, "rounds-phase", "Before")
        box = page.locator("#rounds-query input")
        box.fill("CANNOT say")
        page.locator("#rounds-position", has_text=f"of {lost}").wait_for()
        assert "I cannot say." in page.locator("#rounds-table").inner_text()
        box.fill("zebra")
        page.locator("#rounds-table", has_text="No round matches").wait_for()
        box.fill("")
        page.locator("#rounds-position", has_text="of 1,000").wait_for()


def test_a_tab_that_is_left_and_opened_again_keeps_what_was_chosen(app, chromium):
    run = newest(app, RunState.DONE)
    with opened(chromium, f"{app.url}?tab=results&run={run.id}") as page:
        page.wait_for_selector("#realized svg .after_marks path")
        page.locator("#category input").click()
        page.get_by_role("option", name="female", exact=True).click()
        choose(page, "split", "Seen templates")
        page.locator("#lead", has_text="On seen templates").wait_for()
        page.locator("#rounds-next").click()
        page.locator("#rounds-position", has_text="26 to 50").wait_for()
        go_to(page, "Runs")
        page.wait_for_selector("#run-head .da-chip")
        go_to(page, "Results")
        page.wait_for_selector("#realized svg .after_marks path")
        page.wait_for_timeout(1000)
        assert "On seen templates" in page.locator("#lead").inner_text()
        assert page.locator("#category input").input_value() == "female"
        assert "26 to 50" in page.locator("#rounds-position").inner_text()


def parse_yaml(path):
    from distalign.yaml_text import parse_text

    return parse_text(path.read_text("utf-8"))


def test_another_category_and_another_run(app, chromium):
    runs = [run for run in app.store.runs() if run.state == RunState.DONE]
    race = next(run for run in runs if run.spec.attribute.name == "race")
    with opened(chromium, f"{app.url}?tab=results") as page:
        page.locator("#result-run input").click()
        page.get_by_role("option", name=re.compile("^.*Race, US")).click()
        page.wait_for_url(f"**run={race.id}**")
        page.locator("#category input").click()
        page.get_by_role("option", name="Asian", exact=True).click()
        page.wait_for_selector("#realized svg .after_marks path")
        assert page.locator("#realized svg .after_marks path").count() == len(race.spec.contexts)


def test_what_a_model_wrote_is_text_and_never_code(app, chromium):
    hostile = "<img src=x onerror=window.hit=1> ${window.hit=1} {{#each value}}"
    run = finished_run(
        app.store, app.data.root, {"contexts": ["<i>bakers</i>"], "target": "even", "rounds": 10}
    )
    rounds = [Round("after", "seen_templates", 0, 0, 99, 0, None, hostile)]
    app.store.add_rounds(run.id, rounds)
    with opened(chromium, f"{app.url}?tab=results&run={run.id}") as page:
        page.locator("#rounds-category input").click()
        page.get_by_role("option", name="Unclassified").click()
        page.locator("#rounds-split input").click()
        page.get_by_role("option", name="Seen templates").click()
        page.locator("#rounds-table", has_text=hostile).wait_for()
        assert page.evaluate("window.hit") is None
        assert page.locator("#rounds-table i, #rounds-table img").count() == 0


# --- everywhere -----------------------------------------------------------------------


# What shows that a tab is filled; of the others, that nothing moves any more.
FILLED = {
    "train": "#preview .da-plan", "runs": "#run-head .da-chip", "results": "#realized svg.marks",
    "compare": "#compare-errors svg.marks", "play": "#play-sample",
}  # fmt: skip


@pytest.mark.parametrize("width", WIDTHS)
@pytest.mark.parametrize("tab", TABS)
def test_each_tab_fits_its_width(app, chromium, tab, width):
    with opened(chromium, f"{app.url}?tab={tab}", width) as page:
        page.wait_for_selector(FILLED.get(tab, f"#{tab}"))
        assert page.evaluate("document.documentElement.scrollWidth") <= width
        chart = page.locator(".da-chart svg.marks:visible")
        for i in range(chart.count()):
            assert chart.nth(i).bounding_box()["width"] > 0.6 * min(width, 500)


def test_an_empty_database_says_what_to_do(chromium, tmp_path):
    with start_app(tmp_path) as empty, opened(chromium, empty.url) as page:
        page.wait_for_selector("#preview .da-plan")
        go_to(page, "Runs")
        page.locator("#history", has_text="No runs yet").wait_for()
        go_to(page, "Results")
        page.locator("#lead", has_text="No results yet").wait_for()
