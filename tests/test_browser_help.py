"""Gallery, first visit and How it works in a real browser."""

from __future__ import annotations

import pytest
from browser_support import go_to, opened, start_app

from jobs import gallery

pytestmark = pytest.mark.browser

WIDTHS = (1440, 390)
# One without its adapter, and the one that has it.
EXAMPLE = next(e for e in gallery.examples() if not e.adapter)


@pytest.fixture(scope="module")
def app(chromium, tmp_path_factory):
    """The app of somebody who has just installed it."""
    with start_app(tmp_path_factory.mktemp("data")) as started:
        yield started


@pytest.fixture
def empty(app):
    yield app
    for run in app.store.runs():
        app.store.delete_run(run.id)


def ready(page) -> None:
    """Until the page has read its address, and may write to it."""
    page.wait_for_function("() => window.distalign.ready")


@pytest.mark.parametrize("width", WIDTHS)
def test_an_example_opens_at_once_with_its_results(empty, chromium, width):
    with opened(chromium, f"{empty.url}?tab=gallery", width) as page:
        ready(page)
        page.locator("#gallery .da-example").first.wait_for()
        assert page.locator("#gallery .da-example").count() == len(gallery.examples())
        assert page.evaluate("document.documentElement.scrollWidth") <= width
        page.locator(f"#gallery a[data-example='{EXAMPLE.name}']").click()
        page.wait_for_url(f"**run={EXAMPLE.run_id}**")
        page.locator("#tiles", has_text=f"{EXAMPLE.after.mae:.3f}").wait_for()
        page.wait_for_selector("#realized svg .after_marks path")
        page.locator("#rounds-position", has_text="1 to 25 of").wait_for()
        page.locator("#download-adapter").click()
        page.locator("#download-note", has_text="comes without its adapter").wait_for()
        go_to(page, "Runs")
        page.locator(f"a[data-run='{EXAMPLE.run_id}']", has_text="Example: ").wait_for()
        page.wait_for_selector("#curves svg")


def test_an_example_that_has_its_adapter_can_be_played_with(empty, chromium):
    example = gallery.find(gallery.PLAINEST)
    with opened(chromium, f"{empty.url}?tab=gallery") as page:
        ready(page)
        page.locator("#gallery .da-example", has_text=example.title).get_by_text("Play with its").click()
        page.wait_for_url(f"**run={example.run_id}**")
        page.locator("#play-note", has_text="The run’s target").wait_for()


def test_an_example_is_compared_with_its_baseline(empty, chromium):
    example, baseline = map(gallery.find, (gallery.PLAINEST, "gender-uk-real-prompt"))
    with opened(chromium, f"{empty.url}?tab=gallery") as page:
        ready(page)
        card = page.locator("#gallery .da-example", has=page.locator(f"a[data-example='{example.name}']"))
        card.get_by_text(f"Compare with: {baseline.title}").click()
        page.wait_for_selector("#compare-errors svg .series0_marks path")
        table = page.locator("#compare-table")
        for shown in (example, baseline):
            table.get_by_text(f"{shown.after.mae:.3f}").first.wait_for()


def test_the_address_of_an_example_works_before_it_was_opened(empty, chromium):
    with opened(chromium, f"{empty.url}?tab=results&run={EXAMPLE.run_id}") as page:
        page.locator("#tiles", has_text=f"{EXAMPLE.after.mae:.3f}").wait_for()


@pytest.mark.parametrize("width", WIDTHS)
def test_the_first_visit_has_three_steps_that_stay_hidden_once_hidden(empty, chromium, width):
    with opened(chromium, empty.url, width) as page:
        ready(page)
        steps = page.locator("#welcome li:visible")
        steps.first.wait_for()
        assert steps.count() == 3
        assert page.evaluate("document.documentElement.scrollWidth") <= width
        page.get_by_role("button", name="Hide these steps").click()
        page.locator("#welcome").wait_for(state="hidden")
        page.reload()
        page.wait_for_selector("#preview .da-plan")
        assert steps.count() == 0
        go_to(page, "Runs")
        page.get_by_role("button", name="First steps").click()
        steps.first.wait_for()
        page.wait_for_function("() => document.activeElement.dataset.welcome === 'hide'")


def test_links_of_the_first_visit_lead_to_a_finished_run_and_to_how_it_works(empty, chromium):
    with opened(chromium, empty.url) as page:
        ready(page)
        page.locator("#welcome a", has_text="how it works").click()
        page.wait_for_url("**tab=how**")
        page.locator("#how h2", has_text="The noise floor").wait_for()
        go_to(page, "Train")
        page.locator(f"#welcome a[data-example='{EXAMPLE.name}']").click()
        page.wait_for_url(f"**run={EXAMPLE.run_id}**")
        page.locator("#tiles .da-tile").first.wait_for()


def test_empty_tabs_lead_to_where_a_run_is_made(empty, chromium):
    with opened(chromium, f"{empty.url}?tab=runs") as page:
        ready(page)
        page.evaluate("window.kept = true")
        page.locator("#history a", has_text="Train tab").click()
        page.wait_for_selector("#train:visible")
        go_to(page, "Results")
        page.locator("#lead a", has_text="Train tab").click()
        page.wait_for_selector("#train:visible")
        assert page.evaluate("window.kept"), "the page was loaded anew"


@pytest.mark.parametrize("theme", ["light", "dark"])
@pytest.mark.parametrize("width", WIDTHS)
def test_how_it_works_fits_its_width_and_its_pictures_are_legible(empty, chromium, width, theme):
    with opened(chromium, f"{empty.url}?tab=how&__theme={theme}", width) as page:
        page.wait_for_selector("#how svg:visible")
        assert page.evaluate("document.documentElement.scrollWidth") <= width
        sizes = page.evaluate(
            "[...document.querySelectorAll('#how svg text')].map((t) => t.getBoundingClientRect().height)"
        )
        assert min(sizes) >= 10
