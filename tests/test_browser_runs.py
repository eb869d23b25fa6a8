"""The Runs tab in a real browser: finding runs, putting them in order, and laying their curves together."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from browser_support import (
    add_steps,
    choose,
    finished_run,
    go_to,
    opened,
    start_app,
    wait_for_state,
    without_worker,
)

from bench.made_up import add_usage
from distalign.spec import parse_spec
from storage import RunState

pytestmark = pytest.mark.browser

WIDTHS = (1440, 390)
SMALL = {"contexts": ["bakers", "pilots"], "target": "even", "rounds": 8}


@pytest.fixture(scope="module")
def app(chromium, tmp_path_factory):
    folder = tmp_path_factory.mktemp("runs")
    with without_worker(folder), start_app(folder) as started:
        yield started


@pytest.fixture
def made(app):
    """Three runs, two of them to be told apart by their names; they leave with the test."""
    store = app.store
    runs = [
        finished_run(
            store,
            app.data.root,
            SMALL | {"name": f"{name} run", "seed": n, "method": method},
            seed=n,
            steps=30,
        )
        for n, (name, method) in enumerate([("First", "hybrid"), ("Second", "sft"), ("Third", "kl_only")])
    ]
    yield runs
    for run in runs:
        store.delete_run(run.id)


def listed(page) -> list[str]:
    return page.locator("#history .da-run .t").all_inner_texts()


def looked_at(page, name: str) -> None:
    """A picture of the page, where a folder for them is named."""
    if folder := os.environ.get("DISTALIGN_PICTURES"):
        Path(folder).mkdir(parents=True, exist_ok=True)
        page.wait_for_timeout(400)
        page.screenshot(path=Path(folder) / f"{name}.png", full_page=True)


@pytest.mark.parametrize("width", WIDTHS)
def test_a_run_is_found_tagged_noted_and_renamed(app, chromium, made, width):
    first, second, _ = made
    with opened(chromium, f"{app.url}?tab=runs&run={first.id}", width) as page:
        wait_for_state(page, "Done")
        box = page.locator("#search-runs input, #search-runs textarea")
        box.fill("fine-tuning done")
        page.locator("#history .da-run").nth(1).wait_for(state="detached")
        assert listed(page) == ["Second run"]
        # The list is reached and used without a mouse.
        page.locator(f"a[data-run='{second.id}']").focus()
        page.keyboard.press("Enter")
        page.wait_for_url(f"**run={second.id}**")
        page.locator("#edit").click()
        page.locator("#edit-name input, #edit-name textarea").fill("Baseline")
        page.locator("#run-tags input, #run-tags textarea").fill("paper, a,b" + "x" * 50)
        page.locator("#run-note-text textarea").fill("Compare <b>with</b> seed 1.")
        page.locator("#edit-save").click()
        page.locator("#edit-problem", has_text="is no tag").wait_for()
        assert page.locator("#edit-name input, #edit-name textarea").input_value() == "Baseline"
        page.locator("#run-tags input, #run-tags textarea").fill("paper, draft")
        page.locator("#edit-save").click()
        page.locator("#run-head h2", has_text="Baseline").wait_for()
        page.locator("#edit-save").wait_for(state="hidden")
        assert page.locator("#run-head .da-tag").all_inner_texts() == ["draft", "paper"]
        assert "Compare <b>with</b> seed 1." in page.locator("#run-head").inner_text()
        run = app.store.run(second.id)
        assert (run.title, run.tags) == ("Baseline", ("draft", "paper"))
        looked_at(page, f"edited-{width}")
        box.fill("draft")
        page.wait_for_timeout(300)
        assert listed(page) == ["Baseline"]
        box.fill("zebra")
        page.locator("#history", has_text="No run is like that").wait_for()
        box.fill("")
        page.locator("#history", has_text="Third run").wait_for()
        assert page.evaluate("document.documentElement.scrollWidth") <= width


@pytest.mark.parametrize(("width", "theme"), [(1440, "light"), (390, "dark")])
def test_all_settings_open_beneath_the_facts(app, chromium, made, width, theme):
    with opened(chromium, f"{app.url}?tab=runs&run={made[0].id}&__theme={theme}", width) as page:
        wait_for_state(page, "Done")
        page.locator("#run-settings .label-wrap").click()
        text = page.locator("#run-yaml pre")
        text.wait_for()
        assert "target: even" in text.inner_text() and "rounds: 8" in text.inner_text()
        # Another run's are shown without opening it again.
        page.locator(f"a[data-run='{made[1].id}']").click()
        page.locator("#run-yaml pre", has_text="method: sft").wait_for()
        assert text.is_visible()
        assert page.evaluate("document.documentElement.scrollWidth") <= width


def test_a_deleted_run_is_brought_back_with_one_click_or_from_its_own_list(app, chromium, made):
    run = made[2]
    with opened(chromium, f"{app.url}?tab=runs&run={run.id}") as page:
        wait_for_state(page, "Done")
        page.locator("#delete").click()
        page.locator("#run-head", has_text="can be brought back for another 10 min").wait_for()
        assert "Third run" not in listed(page)
        looked_at(page, "deleted")
        page.locator("#restore", has_text="Undo delete").click()
        page.locator(f"a[data-run='{run.id}']").wait_for()
        page.locator("#delete").click()
        page.locator(f"a[data-run='{run.id}']").wait_for(state="detached")
        page.reload()
        page.locator("#shelf").get_by_text("Deleted", exact=True).click()
        page.locator(f"a[data-run='{run.id}']").click()
        page.locator("#restore").click()
        page.locator("#history", has_text="Nothing was deleted lately").wait_for()
        assert app.store.run(run.id).deleted_at is None


def test_an_archived_run_leaves_the_list_and_comes_back(app, chromium, made):
    run = made[1]
    with opened(chromium, f"{app.url}?tab=runs&run={run.id}") as page:
        wait_for_state(page, "Done")
        page.locator("#archive").click()
        page.locator("#run-head", has_text="Nothing of it is lost").wait_for()
        assert "Second run" not in listed(page)
        page.locator("#shelf").get_by_text("Archived", exact=True).click()
        page.locator(f"a[data-run='{run.id}']").wait_for()
        page.locator("#restore", has_text="Bring back").click()
        page.locator("#history", has_text="Nothing is archived").wait_for()


@pytest.mark.parametrize("width", WIDTHS)
def test_curves_of_ticked_runs_share_a_chart(app, chromium, made, width):
    first, second, _ = made
    live = app.store.insert_run(
        parse_spec(SMALL | {"attribute": "gender", "name": "Live run"}), state=RunState.RUNNING
    )
    add_steps(app.store, live, 10, 30)
    add_usage(app.store, live)
    with opened(chromium, f"{app.url}?tab=runs&run={live.id}", width) as page:
        wait_for_state(page, "Running")
        page.locator("#usage", has_text="Memory now").wait_for()
        for run in (first, second, live):
            page.locator(f"#history button[data-pick='{run.id}']").focus()
            page.keyboard.press("Space")
        page.locator("#overlay-card", has_text="Curves of 3 runs").wait_for()
        assert page.locator("#history [aria-pressed=true]").count() == 3
        curves = page.locator("#overlay section").first.locator("path[fill=none][d^='M']")
        # Three lines over the lines of the grid, which have no fill of their own.
        assert curves.count() == 3
        before = curves.nth(2).get_attribute("d")
        add_steps(app.store, live, 20, 30)
        page.wait_for_function(
            "(old) => document.querySelectorAll('#overlay section path[fill=none]')[2].getAttribute('d') !== old",
            arg=before,
        )
        assert page.locator("#overlay tbody th", has_text="First run").count() == 1
        page.locator("#overlay-table").get_by_text("Numbers as tables").click()
        page.locator("#overlay h3.da-h3").first.wait_for()
        looked_at(page, f"overlay-{width}")
        page.locator(f"#overlay button[data-pick='{second.id}']").click()
        page.locator("#overlay-card", has_text="Curves of 2 runs").wait_for()
        page.locator("#overlay-clear").click()
        page.locator("#overlay-card").wait_for(state="hidden")
        assert page.locator("#history [aria-pressed=true]").count() == 0
        assert page.evaluate("document.documentElement.scrollWidth") <= width
    app.store.finish(live.id, RunState.DONE)
    app.store.delete_run(live.id)


def test_a_new_run_is_set_up_from_an_earlier_one_without_losing_what_was_typed(app, chromium, made):
    run = made[1]
    typed = "#custom-name input, #custom-name textarea"
    with opened(chromium, f"{app.url}?tab=train&run={run.id}") as page:
        choose(page, "attribute", "Custom")
        page.locator(typed).fill("half typed")
        go_to(page, "Runs")
        wait_for_state(page, "Done")
        page.get_by_role("link", name="Set up a new run from these settings").click()
        page.locator("#start-note", has_text="Filled in from Second run").wait_for()
        page.wait_for_url("**tab=train**")
        assert page.locator("#contexts label.selected, #contexts input:checked").count() >= 1
        assert page.locator("#pasted textarea").input_value().splitlines() == ["bakers", "pilots"]
        page.locator("#undo-start").click()
        page.locator(typed).wait_for()
        assert page.locator(typed).input_value() == "half typed"
