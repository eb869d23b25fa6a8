"""Whether people who see, hear or move otherwise can use the page: axe-core, the keyboard, and calm."""

from __future__ import annotations

import itertools

import pytest
from browser_support import add_steps, finished_run, go_to, opened, start_app, without_worker

from distalign.spec import parse_spec
from storage import RunState
from ui.page import TABS

pytestmark = pytest.mark.browser

# Contrast differs by theme, and what is laid out where by width.
VISITS = tuple(itertools.product((1440, 390), ("light", "dark")))
SERIOUS = ("serious", "critical")
# Findings in Gradio's own elements that cannot be repaired from outside, by rule, with the reason.
GRADIOS: dict[str, str] = {}
# Nothing has changed for this long, or that long has passed: a live run never comes to rest.
SETTLED = """() => new Promise((done) => {
  let timer = setTimeout(done, 500);
  const watch = new MutationObserver(() => { clearTimeout(timer); timer = setTimeout(done, 500); });
  watch.observe(document.body, {childList: true, subtree: true});
  setTimeout(done, 5000);
})"""
# Shifts that a person has caused, or that come while the page is built, are not counted.
SHIFTS = """() => {
  window.shifts = [];
  new PerformanceObserver((list) => list.getEntries().forEach((entry) => {
    if (!entry.hadRecentInput) window.shifts.push(
      [entry.value, entry.sources.map((s) => s.node?.id || s.node?.className || s.node?.nodeName)]);
  })).observe({type: "layout-shift", buffered: false});
}"""


@pytest.fixture(scope="module")
def app(chromium, tmp_path_factory):
    """The app with a finished run, a failed one, and one at work, which is the one that is shown."""
    folder = tmp_path_factory.mktemp("data")
    with without_worker(folder), start_app(folder) as started:
        store = started.store
        finished_run(store, folder)
        failed = store.insert_run(parse_spec({"attribute": "sentiment"}), state=RunState.RUNNING)
        store.finish(failed.id, RunState.FAILED, "the process ran out of memory")
        live = store.insert_run(parse_spec({"attribute": "gender"}), state=RunState.RUNNING)
        add_steps(store, live, 60, 240)
        yield started


def settle(page, tab: str) -> None:
    page.wait_for_function("() => window.distalign.ready")
    page.wait_for_selector(f"#tabs [data-tab-id='{tab}'][aria-selected='true']")
    # On a busy machine the place of a chart, and then the chart, may come after the page has rested for a while.
    for _ in range(2):
        page.wait_for_function("() => ![...document.querySelectorAll('.empty')].some((e) => e.offsetParent)")
        page.evaluate(SETTLED)


def findings(page) -> list[str]:
    """Serious findings of axe-core, but for those that are known to be Gradio's."""
    from axe_playwright_python.sync_playwright import Axe

    found = Axe().run(page).response["violations"]
    return [
        f"{rule['id']} ({rule['impact']}): {node['target']} {node['html'][:200]}"
        for rule in found
        if rule["impact"] in SERIOUS and rule["id"] not in GRADIOS
        for node in rule["nodes"]
    ]


@pytest.mark.parametrize(("width", "theme"), VISITS)
@pytest.mark.parametrize("tab", TABS)
def test_axe_has_no_serious_finding(app, chromium, tab, width, theme):
    with opened(chromium, f"{app.url}?tab={tab}&__theme={theme}", width) as page:
        settle(page, tab)
        assert findings(page) == []


@pytest.mark.parametrize(("width", "theme"), VISITS)
def test_axe_has_no_serious_finding_in_a_comparison(app, chromium, width, theme):
    done = next(run for run in app.store.runs() if run.state == RunState.DONE)
    with opened(chromium, f"{app.url}?tab=compare&runs={done.id}&__theme={theme}", width) as page:
        page.wait_for_selector("#compare-errors svg .series0_marks path")
        settle(page, "compare")
        assert findings(page) == []


@pytest.mark.parametrize(("width", "theme"), VISITS)
@pytest.mark.parametrize("tab", ["train", "results"])
def test_axe_has_no_serious_finding_in_what_opens(app, chromium, tab, width, theme):
    done = next(run for run in app.store.runs() if run.state == RunState.DONE)
    with opened(chromium, f"{app.url}?tab={tab}&run={done.id}&__theme={theme}", width) as page:
        settle(page, tab)
        folds = page.locator("button.label-wrap:visible:not(.open)")
        assert folds.count() >= 2
        while folds.count():
            folds.first.click()
        settle(page, tab)
        assert findings(page) == []


@pytest.mark.parametrize(("width", "theme"), VISITS)
def test_axe_has_no_serious_finding_where_a_run_is_edited_beside_an_overlay(app, chromium, width, theme):
    done = next(run for run in app.store.runs() if run.state == RunState.DONE)
    with opened(chromium, f"{app.url}?tab=runs&run={done.id}&__theme={theme}", width) as page:
        settle(page, "runs")
        for run in (done, next(run for run in app.store.runs() if run.state == RunState.RUNNING)):
            page.locator(f"#history button[data-pick='{run.id}']").click()
        page.locator("#overlay-card", has_text="Curves of 2 runs").wait_for()
        page.locator("#edit").click()
        page.locator("#run-tags input, #run-tags textarea").fill("x" * 50)
        page.locator("#edit-save").click()
        page.locator("#edit-problem", has_text="is no tag").wait_for()
        settle(page, "runs")
        assert findings(page) == []


def test_the_look_for_findings_sees_what_is_wrong(app, chromium):
    with opened(chromium, f"{app.url}?tab=how") as page:
        settle(page, "how")
        page.evaluate("document.querySelector('#how').insertAdjacentHTML('beforeend', '<input type=text>')")
        (found,) = findings(page)
        assert found.startswith("label (critical)")


def test_the_keyboard_reaches_every_tab_in_its_order(app, chromium):
    with opened(chromium, app.url) as page:
        settle(page, "train")
        reached = []
        for _ in range(30):
            page.keyboard.press("Tab")
            name = page.evaluate("document.activeElement.dataset.tabId")
            reached += [name] if name else []
        assert reached[: len(TABS)] == list(TABS)
        page.locator("[data-tab-id='how']").press("Enter")
        page.wait_for_url("**tab=how**")


# What a person meets on a tab, from its top to its bottom; between them stand the parts of each.
ORDER = {
    "train": ("attribute", "contexts", "target", "preset", "train"),
    "runs": ("search-runs", "shelf", "history", "edit", "archive", "delete"),
    "results": ("result-run", "rounds-show", "rounds-phase", "rounds-query"),
}


@pytest.mark.parametrize("tab", list(ORDER))
def test_the_keyboard_goes_through_a_tab_from_its_top_to_its_bottom(app, chromium, tab):
    done = next(run for run in app.store.runs() if run.state == RunState.DONE)
    with opened(chromium, f"{app.url}?tab={tab}&run={done.id}") as page:
        settle(page, tab)
        heights = []
        for _ in range(150):
            page.keyboard.press("Tab")
            place = page.evaluate(
                """(ids) => {
                  const e = document.activeElement;
                  const id = ids.find((i) => e.closest(`#${i}`));
                  return id ? [id, e.getBoundingClientRect().top + window.scrollY] : null;
                }""",
                list(ORDER[tab]),
            )
            if place and place[0] not in [name for name, _ in heights]:
                heights.append(place)
        assert [name for name, _ in heights] == list(ORDER[tab])


@pytest.mark.parametrize("width", (1440, 390))
def test_nothing_moves_or_covers_the_page_while_a_run_is_polled(app, chromium, width):
    live = next(run for run in app.store.runs() if run.state == RunState.RUNNING)
    with opened(chromium, f"{app.url}?tab=runs&run={live.id}", width) as page:
        settle(page, "runs")
        page.evaluate(SHIFTS)
        for step in (100, 150):
            add_steps(app.store, live, step, 240)
            page.locator("#run-head", has_text=f"Training {step} of 240").wait_for()
            covers = ".wrap.full, .wrap.generating, .eta-bar, .progress-text"
            assert page.locator(f":is({covers}):not(.hide):visible").count() == 0
        shifts = page.evaluate("window.shifts")
        assert sum(value for value, _ in shifts) < 0.01, shifts


@pytest.mark.parametrize(("width", "step"), [(1440, 180), (390, 190)])
def test_nothing_moves_on_a_comparison_that_waits_for_a_run(app, chromium, width, step):
    live = next(run for run in app.store.runs() if run.state == RunState.RUNNING)
    done = next(run for run in app.store.runs() if run.state == RunState.DONE)
    address = f"{app.url}?tab=compare&dataset={live.id}&methods=hybrid&runs={done.id}"
    with opened(chromium, address, width) as page:
        page.wait_for_selector("#compare-errors svg .series0_marks path")
        settle(page, "compare")
        page.evaluate(SHIFTS)
        standing = page.locator("#compare-standings li", has_text="Running").inner_text()
        add_steps(app.store, live, step, 240)
        page.wait_for_function(
            "(before) => document.querySelector('#compare-standings li').innerText !== before", arg=standing
        )
        page.wait_for_timeout(2500)
        shifts = page.evaluate("window.shifts")
        assert sum(value for value, _ in shifts) < 0.01, shifts


def test_nothing_moves_on_a_tab_that_is_opened_again(app, chromium):
    with opened(chromium, app.url) as page:
        for tab in ("Gallery", "How it works", "Train"):
            go_to(page, tab)
            page.evaluate(SETTLED)
        page.evaluate(SHIFTS)
        page.wait_for_timeout(2500)
        assert page.evaluate("window.shifts") == []


def test_a_chart_opens_as_a_table_that_stays_open_while_it_grows(app, chromium):
    live = next(run for run in app.store.runs() if run.state == RunState.RUNNING)
    with opened(chromium, f"{app.url}?tab=runs&run={live.id}") as page:
        settle(page, "runs")
        box = page.locator("#curves .da-astable input")
        box.focus()
        page.keyboard.press("Space")
        table = page.locator("#curves .da-astable table")
        table.wait_for()
        add_steps(app.store, live, 200, 240)
        table.locator("th", has_text="200").wait_for()
        assert box.is_checked() and table.is_visible()
