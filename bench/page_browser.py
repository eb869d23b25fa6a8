"""What a person sees: from a click to the frame that shows what was asked for, in a real Chromium."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from bench.page_app import App
from bench.page_data import Made

WAIT_MS = 30_000
# The timer of the Runs tab and redraws of what was just shown should not fall into the next figure.
SETTLE_MS = 400
VIEWPORT = {"width": 1440, "height": 1000}

# Milliseconds from an action until a condition holds in a frame, and that frame is painted.
TIMED = """([act, done, limit]) => new Promise((resolve, reject) => {
  const finished = new Function('return ' + done);
  const began = performance.now();
  new Function(act)();
  const look = () => {
    if (finished()) requestAnimationFrame(() => resolve(performance.now() - began));
    else if (performance.now() - began > limit) reject(new Error('never: ' + done));
    else requestAnimationFrame(look);
  };
  requestAnimationFrame(look);
})"""
HELPERS = """
window.one = (selector) => document.querySelector(selector);
window.seen = (selector) => one(selector) !== null && one(selector).getClientRects().length > 0;
window.told = (selector) => (one(selector) || {innerText: ''}).innerText;
window.mark = () => document.querySelectorAll('#realized svg.marks').forEach((svg) => svg.dataset.old = 1);
window.drawn = () => seen('#realized svg.marks:not([data-old])');
window.tab = (name) => [...document.querySelectorAll('#tabs button[role=tab]')]
  .find((button) => button.innerText.trim() === name).click();
window.pick = (text) => [...document.querySelectorAll('ul[role=listbox] li')]
  .find((item) => item.innerText.includes(text)).dispatchEvent(new MouseEvent('mousedown', {bubbles: true}));
window.type = (selector, text) => {
  one(selector).value = text;
  one(selector).dispatchEvent(new Event('input', {bubbles: true}));
};
"""
READY = "() => window.distalign?.ready && document.querySelector('#preview .da-plan')"
POSITION = "told('#rounds-position .da-quiet')"


@dataclass(frozen=True)
class Step:
    """One thing to do and what shows that it is done, both JavaScript; ``before`` leads there."""

    name: str
    act: str
    done: str
    before: Callable[[Any], None] = lambda page: None


@contextmanager
def opened(chromium: Any, url: str) -> Iterator[Any]:
    """A page that has been drawn and answers."""
    context = chromium.new_context(viewport=VIEWPORT)
    try:
        context.add_init_script(HELPERS)
        page = context.new_page()
        page.set_default_timeout(WAIT_MS)
        page.goto(url)
        page.wait_for_function(READY)
        yield page
    finally:
        context.close()


def usable_seconds(chromium: Any, app: App) -> float:
    """From the start of ``python app.py`` to a page on which Train can be pressed."""
    with opened(chromium, app.url):
        return time.monotonic() - app.started


def timed(page: Any, step: Step) -> float:
    """Milliseconds of one step."""
    step.before(page)
    page.wait_for_timeout(SETTLE_MS)
    return page.evaluate(TIMED, [step.act, step.done, WAIT_MS])


def train(chromium: Any, app: App, repeats: int) -> dict[str, float]:
    """Milliseconds from a click on Train until the new run is shown as waiting or starting."""
    shown = [train_once(chromium, app) for _ in range(repeats)]
    return {"median_ms": statistics.median(shown), "slowest_ms": max(shown)}


def train_once(chromium: Any, app: App) -> float:
    told = "/Waiting for|Starting|Preparing/.test(told('#run-head'))"
    step = Step("train", "one('#train').click()", f"seen('#run-head') && {told}")
    with opened(chromium, f"{app.url}?tab=train") as page:
        shown = timed(page, step)
        app.store.request_cancel(page.evaluate("new URLSearchParams(location.search).get('run')"))
    return shown


def results(chromium: Any, app: App, made: Made, repeats: int) -> dict[str, dict[str, float]]:
    """Milliseconds of each thing that a person does with runs and their results."""
    found: dict[str, list[float]] = {}
    for _ in range(repeats):
        with opened(chromium, f"{app.url}?tab=runs&run={made.ordinary}") as page:
            for step in _steps(made):
                found.setdefault(step.name, []).append(timed(page, step))
    return {
        name: {"median_ms": statistics.median(values), "slowest_ms": max(values)}
        for name, values in found.items()
    }


def _steps(made: Made) -> list[Step]:
    turned = f"{POSITION} !== window.was"
    return [
        _shown("results of an ordinary run", "one('#show-results').click()", made.ordinary),
        Step("back to the list of runs", "tab('Runs')", "seen('#history .da-run')"),
        Step(
            "older runs", "one('#older-runs').click()",
            "document.querySelectorAll('#history .da-run').length > 50",
        ),
        Step(
            "another run", "one('#history a[aria-current=false]').click()",
            f"!told('#run-head').includes('{made.ordinary}') && told('#run-head').includes('run ')",
        ),
        _shown("results of the long run", "tab('Results')", made.long, _choose(made.long)),
        _redrawn("another category", "pick('female')", "#category input"),
        _redrawn("another run's results", f"pick('{made.ordinary[:6]}')", "#result-run input"),
        _shown("results of the long run again", "tab('Results')", made.long, _choose(made.long)),
        Step("rounds: next page", "was = told('#rounds-position .da-quiet'); one('#rounds-next').click()", turned),
        Step(
            "rounds: before training", "was = told('#rounds-position .da-quiet'); one('#rounds-phase input').click()",
            turned,
        ),
        Step(
            "rounds: one category", "was = told('#rounds-position .da-quiet'); pick('female')", turned,
            _open_list("#rounds-category input"),
        ),
        Step(
            "rounds: a word that is nowhere",
            "was = told('#rounds-position .da-quiet'); type('#rounds-query input', 'zebra')",
            turned,
        ),
    ]  # fmt: skip


def _shown(name: str, act: str, run_id: str, before: Callable[[Any], None] = lambda page: None) -> Step:
    """Results of a run: its name in the choice, its chart drawn anew."""
    named = f"(one('#result-run input') || {{value: ''}}).value.includes('{run_id[:6]}')"
    return Step(name, f"mark(); {act}", f"drawn() && seen('#tiles .da-tile') && {named}", before)


def _redrawn(name: str, act: str, choice: str) -> Step:
    return Step(name, f"mark(); {act}", "drawn()", _open_list(choice))


def _open_list(selector: str) -> Callable[[Any], None]:
    def open_it(page: Any) -> None:
        page.locator(selector).click()
        page.locator("ul[role=listbox] li").first.wait_for()

    return open_it


def _choose(run_id: str) -> Callable[[Any], None]:
    """Select a run by its address, on the Runs tab."""

    def go(page: Any) -> None:
        page.goto(page.url.split("?")[0] + f"?tab=runs&run={run_id}")
        page.wait_for_function(READY)

    return go
