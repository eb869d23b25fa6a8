"""The Compare tab in a real browser: ticking, queueing, watching, sharing by address."""

from __future__ import annotations

import random
from pathlib import Path

import pytest
from browser_support import choose, finished_run, go_to, opened, start_app, without_worker

from bench.made_up import add_split
from storage import RunState

pytestmark = pytest.mark.browser

HELD_OUT = "heldout_templates"
ERRORS = {"prompt": 0.22, "sft": 0.08, "hybrid": 0.02}


@pytest.fixture(scope="module")
def app(chromium, tmp_path_factory):
    """The app with four methods of one dataset, a second seed, and a run of another; nothing leaves the queue."""
    folder = tmp_path_factory.mktemp("compare")
    with without_worker(folder), start_app(folder) as started:
        store = started.store
        finished_run(
            store, folder, {"attribute": "race", "contexts": "us-occupations", "target": "even"}, steps=1
        )
        finished_run(store, folder, {"seed": 1}, steps=1, splits=[HELD_OUT])
        for method, error in ERRORS.items():
            finished_run(store, folder, {"method": method}, error=error, steps=1)
        yield started


def runs_of(app, method: str):
    return [run for run in app.store.runs() if run.method == method and run.state == RunState.DONE]


def tick(page, method: str) -> None:
    page.locator("#compare-methods label", has_text=method).locator("input").click()


@pytest.mark.parametrize("width", [1440, 390])
def test_methods_are_ticked_queued_watched_and_compared(app, chromium, width):
    with opened(chromium, f"{app.url}?tab=compare", width) as page:
        page.wait_for_selector("#compare-errors svg .series0_marks path")
        # Zero-shot comes from what a run measured before it trained.
        assert page.locator("#compare-table tbody tr").count() == 4
        assert page.locator("#compare-table .da-best").count() >= 1
        assert page.locator("#compare-shares svg .series3_marks path").count() == 10
        choose(page, "compare-contexts", "All")
        page.wait_for_function(
            "document.querySelectorAll('#compare-shares svg .series3_marks path').length === 25"
        )
        assert page.locator("#compare-heat tbody tr").count() == 25
        assert page.locator("#compare-answers .da-answers").count() == 4
        tick(page, "KL only")
        page.locator("#compare-standings li", has_text="KL only").get_by_text("Missing").wait_for()
        page.evaluate("window.kept = document.querySelector('#compare-errors svg')")
        page.locator("#compare-queue", has_text="Queue 1 missing run").click()
        page.locator("#compare-standings li", has_text="KL only").get_by_text("Waiting").wait_for()
        page.locator("#compare-queue").wait_for(state="hidden")
        run = app.store.claim()
        assert (run.method, run.spec.preset) == ("kl_only", "quick")
        page.locator("#compare-standings li", has_text="KL only").get_by_text("Running").wait_for()
        assert page.evaluate("window.kept === document.querySelector('#compare-errors svg')"), (
            "a chart was redrawn"
        )
        add_split(app.store, run, "after", HELD_OUT, 0.05, random.Random(1))
        app.store.finish(run.id, RunState.DONE)
        page.wait_for_function("document.querySelectorAll('#compare-table tbody tr').length === 5")
        page.wait_for_url(f"**{run.id}**")
        assert page.evaluate("document.documentElement.scrollWidth") <= width
    app.store.delete_run(run.id)


def test_an_address_is_shared_and_any_runs_stand_side_by_side(app, chromium):
    seeds = [run.id for run in runs_of(app, "hybrid") if run.spec.attribute.name == "gender"]
    race = next(run.id for run in runs_of(app, "hybrid") if run.spec.attribute.name == "race")
    with opened(chromium, f"{app.url}?tab=compare&runs={','.join(seeds)}&split={HELD_OUT}") as page:
        page.locator("#compare-lead", has_text="the runs differ in: seed").wait_for()
        rows = page.locator("#compare-table tbody tr")
        assert rows.count() == 2 and "seed 1" in rows.first.inner_text() + rows.last.inner_text()
        assert page.locator("#compare-methods input:checked").count() == 1
        tick(page, "Fine-tuning")
        page.wait_for_url("**methods=sft,hybrid**")
        shared = page.url
    with opened(chromium, shared) as page:
        page.wait_for_function("document.querySelectorAll('#compare-table tbody tr').length === 3")
        go_to(page, "Runs")
        page.wait_for_url("**tab=runs**")
        assert "runs=" not in page.url and "methods=" not in page.url
        go_to(page, "Compare")
        page.wait_for_url("**methods=sft,hybrid**")
        page.locator("#compare-others input").click()
        page.get_by_role("option", name="Race, US occupations").click()
        page.locator("#compare-lead", has_text="not measured on the same").wait_for()
        page.wait_for_url(f"**{race}**")
        page.keyboard.press("Escape")
        page.locator("#compare-category input").click()
        page.get_by_role("option", name="Asian", exact=True).click()
        page.wait_for_function(
            "document.querySelectorAll('#compare-shares svg .series3_marks path').length === 10"
        )


def test_a_run_of_the_table_opens_in_place(app, chromium):
    with opened(chromium, f"{app.url}?tab=compare") as page:
        link = page.locator("#compare-table a[data-run]").last
        run_id = link.get_attribute("data-run")
        page.evaluate("window.loaded = 'once'")
        link.click()
        page.locator("#run-head", has_text=run_id).wait_for()
        page.wait_for_url(f"**tab=runs**run={run_id}**")
        assert page.evaluate("window.loaded") == "once"
        # With a modifier it opens as links do, which keeps this page.
        go_to(page, "Compare")
        with page.context.expect_page() as other:
            page.locator("#compare-table a[data-run]").first.click(modifiers=["Control"])
        other.value.close()


def test_the_same_prompt_is_answered_by_each(app, chromium):
    with opened(chromium, f"{app.url}?tab=compare") as page:
        page.wait_for_selector("#compare-answers .da-answers li")
        before = page.locator("#compare-answers .da-prompt").inner_text()
        page.locator("#compare-prompt input").click()
        page.get_by_role("option").nth(3).click()
        page.wait_for_function(
            "before => document.querySelector('#compare-answers .da-prompt').innerText !== before", arg=before
        )
        assert page.locator("#compare-answers .da-answers").count() == 4
        counts = page.locator("#compare-answers .da-answers").first.locator("li .c").all_inner_texts()
        # Beside a prompt the base model was asked 100 rounds, over 8 templates.
        assert sum(int(text.rstrip("×")) for text in counts) == 13


def test_what_is_compared_is_downloaded(app, chromium):
    with opened(chromium, f"{app.url}?tab=compare") as page:
        page.wait_for_selector("#compare-heat tbody tr")
        with page.expect_download() as caught:
            page.locator("#compare-download-csv").click()
        assert caught.value.suggested_filename == "distalign-comparison.csv"
        lines = Path(caught.value.path()).read_text("utf-8").splitlines()
        assert lines[0].startswith("name,run_id,method") and len(lines) == 1 + 4 * 25 * 2
        with page.expect_download() as caught:
            page.get_by_role("button", name="Summary (CSV)").click()
        assert caught.value.suggested_filename == "distalign-comparison-summary.csv"
        assert len(Path(caught.value.path()).read_text("utf-8").splitlines()) == 1 + 4


def test_a_run_that_is_compared_already_is_not_added_and_a_note_says_why(app, chromium):
    seed = next(run.id for run in runs_of(app, "hybrid") if run.spec.seed == 1)
    with opened(chromium, f"{app.url}?tab=compare&dataset=gender-uk-real&runs={seed}") as page:
        page.locator(f"#compare-table a[data-run='{seed}']").wait_for()
        page.locator("#compare-others input").click()
        page.get_by_role("option", name=seed[:6]).click()
        note = page.locator(
            "#compare-note", has_text=f"Compared already, as it stands for its method: run {seed[:6]}"
        )
        note.wait_for()
        page.locator("#compare-errors").click()
        page.wait_for_timeout(700)
        assert note.is_visible() and page.locator("#compare-others .token").count() == 0


@pytest.mark.parametrize("width", [1440, 390])
def test_seventy_contexts_are_reached(app, chromium, width):
    names = [f"occupation {i:02}" for i in range(70)]
    fields = {"contexts": names, "target": "even", "rounds": 4}
    run = finished_run(app.store, app.data.root, fields, steps=1, splits=[HELD_OUT])
    with opened(chromium, f"{app.url}?tab=compare&runs={run.id}", width) as page:
        page.locator("#compare-shares-position", has_text="The 10 with the largest errors of 70").wait_for()
        assert page.locator("#compare-shares-next").count() == 0
        choose(page, "compare-contexts", "All")
        page.locator("#compare-shares-position", has_text="1 to 60 of 70 contexts").wait_for()
        page.locator("#compare-shares-next").click()
        page.locator("#compare-shares-position", has_text="61 to 70 of 70").wait_for()
        page.wait_for_function(
            "document.querySelectorAll('#compare-shares svg .series0_marks path').length === 10"
        )
        assert page.locator("#compare-shares-next").is_disabled()
        rows = page.locator("#compare-heat tbody th")
        shown = rows.all_inner_texts()
        page.locator("#compare-heat-next").click()
        page.locator("#compare-heat-position", has_text="61 to 70 of 70").wait_for()
        assert sorted([*shown, *rows.all_inner_texts()]) == names
        page.locator("#compare-heat-back").click()
        page.locator("#compare-heat-position", has_text="1 to 60 of 70").wait_for()
        assert page.evaluate("document.documentElement.scrollWidth") <= width
    app.store.delete_run(run.id)


@pytest.mark.parametrize(("width", "theme"), [(1440, "light"), (390, "dark")])
def test_the_tab_fits_its_width(app, chromium, width, theme):
    with opened(chromium, f"{app.url}?tab=compare&__theme={theme}", width) as page:
        page.wait_for_selector("#compare-shares svg.marks")
        assert page.evaluate("document.documentElement.scrollWidth") <= width
        for name in ("errors", "shares"):
            box = page.locator(f"#compare-{name} svg.marks").bounding_box()
            assert box["width"] > 0.6 * min(width, 500)
        # What a trained run measured before may be measured in full: the longest that the button says.
        race = next(run for run in runs_of(app, "hybrid") if run.spec.attribute.name == "race")
        methods = "zero_shot,prompt_few_shot,hybrid"
        page.goto(f"{app.url}?tab=compare&dataset={race.id}&methods={methods}&__theme={theme}")
        button = page.locator("#compare-queue", has_text="Queue 1 missing run and a full zero-shot run")
        button.wait_for()
        box = button.bounding_box()
        assert box["x"] >= 0 and box["x"] + box["width"] <= width
