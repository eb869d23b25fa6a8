"""The README's pictures: every tab with the gallery's real runs, in light and dark.

``DISTALIGN_SCREENSHOTS=1 make test PYTEST=tests/test_browser_pictures.py`` writes them to docs/images.
"""

from __future__ import annotations

import os

import pytest
from browser_support import PROJECT, opened, start_app
from test_browser_access import settle

from jobs import gallery
from ui.page import TABS

pytestmark = [
    pytest.mark.browser,
    pytest.mark.skipif(
        not os.environ.get("DISTALIGN_SCREENSHOTS"), reason="DISTALIGN_SCREENSHOTS is not set"
    ),
]

FOLDER = PROJECT / "docs" / "images"
SHOWN = gallery.find("gender-uk-real") or gallery.examples()[0]
# Pictures are for readers who know the page: without the steps of a first visit.
KNOWN = "document.documentElement.classList.add('da-known')"


@pytest.fixture(scope="module")
def app(chromium, tmp_path_factory):
    """The app with all examples opened, the one that is shown the newest."""
    with start_app(tmp_path_factory.mktemp("data")) as started:
        for example in sorted(gallery.examples(), key=lambda e: e == SHOWN):
            gallery.open_example(started.store, example.name)
        yield started


@pytest.mark.parametrize("theme", ["light", "dark"])
@pytest.mark.parametrize("tab", TABS)
def test_a_picture_of_each_tab(app, chromium, tab, theme):
    run = SHOWN.run_id
    with opened(chromium, f"{app.url}?tab={tab}&run={run}&__theme={theme}") as page:
        settle(page, tab)
        page.evaluate(KNOWN)
        if tab == "compare":
            page.wait_for_selector("#compare-errors svg .series0_marks path")
            settle(page, tab)
        if tab == "play":
            page.locator("#play-sample").click()
            # The first time the bundled model is prepared.
            page.locator("#play-status", has_text="Seed 0").wait_for(timeout=300_000)
            settle(page, tab)
        page.evaluate("new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(done)))")
        FOLDER.mkdir(parents=True, exist_ok=True)
        path = FOLDER / f"{tab}{'-dark' if theme == 'dark' else ''}.png"
        page.screenshot(path=path)
        assert path.stat().st_size > 20_000
