"""The Results tab grown up, in a real browser: summary, convergence, sorted pages of contexts, answers, report."""

from __future__ import annotations

import csv
import json
from contextlib import contextmanager

import pytest
from browser_support import choose, download, finished_run, opened, start_app, without_worker
from test_browser_access import SHIFTS

pytestmark = pytest.mark.browser

CONTEXTS = [f"occupation {i:02}" for i in range(70)]
WIDTHS = (1440, 390)


@pytest.fixture(scope="module")
def app(chromium, tmp_path_factory):
    """The app with an ordinary run, and one of many contexts."""
    folder = tmp_path_factory.mktemp("data")
    with without_worker(folder), start_app(folder) as started:
        many = {"name": "Many contexts", "contexts": CONTEXTS, "target": "even", "rounds": 20}
        finished_run(started.store, folder, many, steps=3)
        finished_run(started.store, folder, {"rounds": 60}, steps=3)
        yield started


@contextmanager
def opened_file(chromium, path):
    """A file by itself at a phone's width; on leaving, fails if it showed an error or asked for anything."""
    page = chromium.new_page(viewport={"width": 390, "height": 800})
    problems: list[str] = []
    page.on("console", lambda m: problems.append(m.text) if m.type == "error" else None)
    page.on("request", lambda r: problems.append(r.url) if r.url != path.as_uri() else None)
    try:
        page.goto(path.as_uri())
        yield page
        assert problems == []
    finally:
        page.close()


def run_of(app, title: str):
    return next(run for run in app.store.runs() if title in run.title)


def pick(page, elem_id: str, option: str) -> None:
    """Choose from a list by what it shows."""
    page.locator(f"#{elem_id} input").click()
    page.get_by_role("option", name=option, exact=True).click()


@pytest.mark.parametrize("width", WIDTHS)
def test_results_are_told_drawn_and_tabulated(app, chromium, width):
    run = run_of(app, "Gender")
    with opened(chromium, f"{app.url}?tab=results&run={run.id}", width) as page:
        page.locator("#lead .da-caution", has_text="not fairness").wait_for()
        assert "On held-out templates" in page.locator("#lead").inner_text()
        page.wait_for_selector("#realized svg .exact_marks path")
        assert page.locator("#realized svg .exact_marks path").count() == len(run.spec.contexts)
        page.wait_for_selector("#convergence svg .after_line_marks path")
        assert page.locator("#convergence svg .before_line_marks path").count() == 1
        page.locator("#convergence-as-table .label-wrap").click()
        page.locator("#convergence-table td", has_text="to").first.wait_for()
        pick(page, "convergence-context", run.spec.contexts.names[3])
        page.locator("#convergence-table th", has_text="female").wait_for()
        page.locator("#convergence .role-legend", has_text="male").wait_for()
        page.locator("#realized-as-table .label-wrap").click()
        page.locator("#realized-table tbody tr").first.wait_for()
        assert page.locator("#realized-table tbody tr").count() == len(run.spec.contexts)
        assert page.evaluate("document.documentElement.scrollWidth") <= width


def test_seventy_contexts_are_sorted_and_reached(app, chromium):
    run = run_of(app, "Many")
    with opened(chromium, f"{app.url}?tab=results&run={run.id}") as page:
        page.locator("#contexts-position", has_text="1 to 60 of 70").wait_for()
        page.locator("#realized-as-table .label-wrap").click()
        pick(page, "context-order", "Name, A to Z")
        page.locator("#realized-table tbody tr:first-child", has_text=CONTEXTS[0]).wait_for()
        page.locator("#contexts-next").click()
        page.locator("#contexts-position", has_text="61 to 70 of 70").wait_for()
        page.wait_for_function("document.querySelectorAll('#realized svg .after_marks path').length === 10")
        assert CONTEXTS[69] in page.locator("#realized").inner_text()
        page.locator("#contexts-back").click()
        page.locator("#contexts-position", has_text="1 to 60 of 70").wait_for()


def test_answers_are_sorted_grouped_and_those_without_a_category_inspected(app, chromium):
    run = run_of(app, "Gender")
    lost = app.store.count_rounds(run.id, "before", "heldout_templates", unclassified=True)
    with opened(chromium, f"{app.url}?tab=results&run={run.id}") as page:
        page.locator("#rounds-position", has_text="of 1,500").wait_for()
        pick(page, "rounds-order", "Answer, A to Z")
        texts = {r.text for r in app.store.rounds(run.id, "after", "heldout_templates", limit=2_000)}
        page.locator("#rounds-table tbody tr:first-child", has_text=min(texts)).wait_for()
        choose(page, "rounds-phase", "Before")
        page.locator("#rounds-unclassified").click()
        page.locator("#rounds-table", has_text=f"1 different answer in {lost} rounds").wait_for()
        assert page.locator("#rounds-category input").input_value() == "Unclassified"
        assert "I cannot say." in page.locator("#rounds-table").inner_text()
        choose(page, "rounds-show", "Each round")
        page.locator("#rounds-position", has_text=f"of {lost}").wait_for()


@pytest.mark.parametrize("width", WIDTHS)
def test_a_figure_of_the_table_leads_to_its_rounds_by_the_keyboard(app, chromium, width):
    run = run_of(app, "Gender")
    name = run.spec.contexts.names[3]
    count = app.store.count_rounds(run.id, "after", "heldout_templates", context=3)
    with opened(chromium, f"{app.url}?tab=results&run={run.id}", width) as page:
        page.locator("#realized-as-table .label-wrap").click()
        link = page.locator("#realized-table").get_by_role("button", name=name, exact=True)
        link.wait_for()
        page.locator("#realized svg .after_marks path").first.wait_for()
        page.evaluate(SHIFTS)
        link.press("Enter")
        page.locator("#rounds-position", has_text=f"1 to 25 of {count}").wait_for()
        assert page.locator("#rounds-context input").input_value() == name
        page.wait_for_function("document.activeElement.closest('#rounds-table') !== null")
        page.wait_for_function(
            "Math.abs(document.querySelector('#rounds-heading').getBoundingClientRect().top) < 100"
        )
        shifts = page.evaluate("window.shifts")
        assert sum(value for value, _ in shifts) < 0.02, shifts


def test_the_report_and_convergence_are_handed_out(app, chromium, tmp_path):
    run = run_of(app, "Gender")
    with opened(chromium, f"{app.url}?tab=results&run={run.id}") as page:
        page.wait_for_selector("#convergence svg .after_line_marks path")
        report = download(page, "report-html", tmp_path)
        assert "<script" not in report.read_text("utf-8") and "not fairness" in report.read_text("utf-8")
        rows = list(csv.DictReader(download(page, "convergence-csv", tmp_path).open(encoding="utf-8")))
        assert rows[-1]["round"] == str(run.spec.rounds)
        assert download(page, "convergence-png", tmp_path).read_bytes().startswith(b"\x89PNG")
        assert "<svg" in download(page, "convergence-svg", tmp_path).read_text("utf-8")
        results = json.loads(download(page, "results-json", tmp_path).read_text("utf-8"))
        assert results["summary"][0] in page.locator("#lead").inner_text()
    with opened_file(chromium, report) as page:
        assert page.locator("svg").count() == 2
        assert page.evaluate("document.documentElement.scrollWidth") <= 390
