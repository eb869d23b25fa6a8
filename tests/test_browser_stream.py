"""The page's stream of answers in a real browser: no answer is lost when the stream is closed on it."""

from __future__ import annotations

import pytest
from browser_support import opened, start_app, without_worker

pytestmark = pytest.mark.browser

# The word that the stream is closed takes its time, as it does where the browser is busy. Until it arrives, the
# server has closed the stream already, and Gradio's client takes it for open.
LATE_MS = 600
LATE_JS = """
(() => {
  const real = window.fetch;
  window.fetch = async (...request) => {
    const response = await real(...request);
    if (!String(request[0]?.url ?? request[0]).includes("/queue/data")) return response;
    const decoder = new TextDecoder();
    const late = new TransformStream({
      async transform(chunk, out) {
        if (decoder.decode(chunk).includes("close_stream")) {
          const meanwhile = window.meanwhile;
          window.meanwhile = null;
          meanwhile?.();
          await new Promise((done) => setTimeout(done, {LATE_MS}));
        }
        out.enqueue(chunk);
      },
    });
    return new Response(response.body.pipeThrough(late), response);
  };
})();
""".replace("{LATE_MS}", str(LATE_MS))
WOKEN_JS = """
document.addEventListener("click", (event) => {
  if (event.target.closest?.("#da-wake")) window.woken = (window.woken ?? 0) + 1;
}, true);
"""
CHOOSE_MEANWHILE_JS = """(preset) => {
  const choice = [...document.querySelectorAll("#preset label")].find((label) => label.innerText.trim() === preset);
  window.meanwhile = () => choice.click();
}"""
STEPS = {"Quick": "120", "Standard": "260"}


@pytest.fixture(scope="module")
def app(chromium, tmp_path_factory):
    folder = tmp_path_factory.mktemp("data")
    with without_worker(folder), start_app(folder) as started:
        yield started


def plan_shows(page, steps: str) -> None:
    page.wait_for_function(
        "(steps) => document.querySelector('#preview')?.innerText.includes(`Training steps\\n${steps}\\n`)",
        arg=steps,
    )


def test_a_change_made_while_the_stream_is_being_closed_is_answered(chromium, app):
    with opened(chromium, f"{app.url}?tab=train", script=LATE_JS + WOKEN_JS) as page:
        plan_shows(page, STEPS["Quick"])
        for i, preset in enumerate(["Standard", "Quick"] * 3):
            page.evaluate(CHOOSE_MEANWHILE_JS, preset)
            page.locator("#rounds input, #rounds textarea").first.fill(str(100 + i))
            plan_shows(page, STEPS[preset])
        assert page.evaluate("window.woken") > 0, "the stream was never closed on an answer"
