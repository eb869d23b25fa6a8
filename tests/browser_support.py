"""What tests that drive the real page share: the app as a process, a browser, and data to look at."""

from __future__ import annotations

import os
import zipfile
from collections.abc import Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import NoReturn

import pytest

from bench.made_up import add_steps, finished_run
from bench.page_app import PROJECT, App, NoBrowser, chromium, start_app, without_worker

__all__ = ["PROJECT", "App", "add_steps", "finished_run", "start_app", "without_worker"]

# Gradio's client ends its event stream so when its page is left or reloaded.
LEAVING = "AbortError: signal is aborted without reason"
# It says the same of requests that had no answer yet when their page was left, and of a server
# that is gone. Only what comes before the next page counts as leaving.
LOST = "Connection errored out"
PAGE_MS = 30_000


@contextmanager
def browser():
    """A headless Chromium; skips the test where there is none, except in CI."""
    try:
        with chromium() as found:
            yield found
    except NoBrowser as error:
        _no_browser(str(error))


def _no_browser(problem: str) -> NoReturn:
    if os.environ.get("CI"):
        pytest.fail(f"browser tests cannot run: {problem}")
    pytest.skip(f"browser tests cannot run: {problem} (make test installs it where it may)")


@contextmanager
def opened(chromium, url: str, width: int = 1440, height: int = 1000, script: str = ""):
    """A page at an address, ``script`` run before its own; on leaving, fails if the console showed an error."""
    context = chromium.new_context(viewport={"width": width, "height": height}, accept_downloads=True)
    page = context.new_page()
    page.set_default_timeout(PAGE_MS)
    page.add_init_script(script)
    problems: list[str] = []
    page.on("console", lambda m: problems.append(m.text) if m.type == "error" else None)
    page.on("pageerror", lambda e: problems.append(str(e)))

    def left(frame) -> None:
        if frame == page.main_frame:
            problems[:] = [problem for problem in problems if LOST not in problem]

    page.on("framenavigated", left)
    try:
        page.goto(url)
        page.wait_for_selector("#tabs button[role=tab]")
        yield page
        told = [problem for problem in problems if LEAVING not in problem]
        assert told == [], f"the console shows errors: {told}"
    finally:
        context.close()


# --- driving the page ----------------------------------------------------------


def go_to(page, tab: str) -> None:
    page.get_by_role("tab", name=tab, exact=True).click()


def choose(page, elem_id: str, label: str) -> None:
    """Tick a radio button."""
    page.locator(f"#{elem_id}").get_by_text(label, exact=True).click()


def fill_custom_attribute(page, name: str, shares: Mapping[str, str], contexts: list[str]) -> None:
    """A custom attribute on pasted contexts, with one target for all of them."""
    choose(page, "attribute", "Custom")
    page.locator("#custom-name textarea, #custom-name input").first.fill(name)
    page.locator("#custom-categories textarea").fill("\n".join(shares))
    choose(page, "custom-kind", "Anything")
    choose(page, "contexts", "Your list")
    page.locator("#pasted textarea").fill("\n".join(contexts))
    choose(page, "target", "Your shares")
    for category, share in shares.items():
        type_share(page, category, 100 * float(share))


def fill_in_five_clicks(page) -> None:
    """What a newcomer does before the sixth click, on Train: categories, one more line, and a share of about 20 %."""
    choose(page, "attribute", "Custom")  # 1
    page.locator("#custom-categories textarea:focus").wait_for()
    page.keyboard.type("low\nmedium\nhigh")
    choose(page, "custom-kind", "Anything")  # 2
    choose(page, "contexts", "Your list")  # 3
    page.locator("#pasted textarea:focus").wait_for()
    page.keyboard.type("a support ticket")
    choose(page, "target", "Your shares")  # 4
    slider = page.get_by_role("slider", name="high", exact=True)
    slider.wait_for()
    slider.scroll_into_view_if_needed()
    box = slider.bounding_box()
    slider.click(position={"x": 0.2 * box["width"], "y": box["height"] / 2})  # 5


def type_share(page, category: str, percent: float) -> None:
    """Type a category's share; those that were not typed give way."""
    figure = page.get_by_role("spinbutton", name=f"{category}, percent", exact=True)
    figure.fill(f"{percent:g}")
    figure.press("Enter")


def paste(page, selector: str, text: str) -> None:
    """Put a long text into a box at once; Playwright's fill types it, line by line."""
    page.locator(selector).evaluate(
        "(box, text) => { box.value = text; box.dispatchEvent(new Event('input', {bubbles: true})) }", text
    )


def cell(page, elem_id: str, row: int, column: int):
    return page.locator(f"#{elem_id} [data-row='{row}'][data-col='{column}']").last


def type_in_cell(page, elem_id: str, row: int, column: int, text: str) -> None:
    """Replace what a cell of an editable table holds, as a person does."""
    cell(page, elem_id, row, column).dblclick()
    editor = cell(page, elem_id, row, column).locator("input, textarea").first
    editor.fill(text)
    editor.press("Enter")


def press_train(page) -> str:
    """Press Train and follow the page to the run; returns the run's id from the address."""
    page.wait_for_selector("#preview .da-plan")
    page.locator("#train").click()
    page.wait_for_url("**tab=runs**")
    page.wait_for_selector("#run-head .da-chip")
    return page.evaluate("new URLSearchParams(window.location.search).get('run')")


def wait_for_state(page, state: str, seconds: float = 60) -> None:
    """Until the chosen run shows a state, by its label ("Done")."""
    page.locator("#run-head .da-chip", has_text=state).wait_for(timeout=seconds * 1000)


def show_results(page) -> None:
    """From a run that is done to its results."""
    page.locator("#show-results").click()
    page.locator("#tiles .da-tile").first.wait_for()


def download(page, kind: str, folder: Path) -> Path:
    """Press a download button of the Results tab; returns the file."""
    with page.expect_download() as caught:
        page.locator(f"#download-{kind}").click()
    path = folder / caught.value.suggested_filename
    caught.value.save_as(path)
    return path


def download_adapter(page, folder: Path) -> Path:
    """The adapter of the run on the Results tab, unpacked into a folder."""
    archive = download(page, "adapter", folder)
    unpacked = folder / "adapter"
    with zipfile.ZipFile(archive) as file:
        file.extractall(unpacked)
    return unpacked
