"""The first visit: three steps above the form, until a person hides them or has trained something."""

from __future__ import annotations

from collections.abc import Sequence

import gradio as gr

from jobs.gallery import Example
from storage import RunState, Store
from storage.packed import is_example
from ui import example_cards
from ui.wiring import CHOOSE_JS, QUIET

# Whether a browser has had its first visit is known before the page is drawn, so that nothing moves later.
# Links with data-go lead to a tab without a reload.
SCRIPT = """
<script>
(() => {
  const KEY = "distalign.welcomed", root = document.documentElement.classList;
  const remember = () => { try { localStorage.setItem(KEY, "1"); } catch { /* a private window */ } };
  try { if (localStorage.getItem(KEY)) root.add("da-known"); } catch { /* the same */ }
  const open = (name) => document.querySelector(`#tabs [data-tab-id="${CSS.escape(name)}"]`)?.click();
  const focus = (selector, tries) => {
    const found = document.querySelector(selector);
    found?.focus({preventScroll: true});
    if (tries && document.activeElement !== found) setTimeout(() => focus(selector, tries - 1), 50);
  };
  const show = (wanted) => {
    root.toggle("da-steps", wanted);
    root.toggle("da-known", !wanted);
    if (wanted) open("train"); else remember();
    focus(wanted ? "#welcome [data-welcome]" : "header [data-welcome]", 20);
    if (wanted) window.scrollTo({top: 0});
  };
  document.addEventListener("click", (event) => {
    const near = (selector) => event.target.closest?.(selector);
    if (near("#train")) remember();
    if (near("[data-welcome]")) show(near("[data-welcome]").dataset.welcome === "show");
    const link = near("a[data-go]");
    if (!link || event.metaKey || event.ctrlKey || event.shiftKey || event.button) return;
    event.preventDefault();
    open(link.dataset.go);
    window.scrollTo({top: 0});
  });
})();
</script>
"""


def build(store: Store, examples: Sequence[Example]) -> gr.HTML:
    """The steps, shown where no run is done yet, or on request; its event ``choose`` tells of an example."""
    return gr.HTML(now(store, examples), js_on_load=CHOOSE_JS, apply_default_css=False, elem_id="welcome")


def on_load(page: gr.Blocks, html: gr.HTML, store: Store, examples: Sequence[Example]) -> None:
    """A page that is loaded later has the steps as they are then."""
    built = html.value
    page.load(lambda: gr.skip() if (text := now(store, examples)) == built else text, None, html, **QUIET)


def now(store: Store, examples: Sequence[Example]) -> str:
    """The steps as they are at this moment."""
    recent = [run for run in store.listed_runs(limit=50) if not is_example(run.id)]
    wanted = not any(run.state == RunState.DONE for run in recent)
    return steps(examples, any(not run.state.ended for run in recent), wanted)


def steps(examples: Sequence[Example], working: bool, wanted: bool = True) -> str:
    """The three steps, and where to look meanwhile.

    Args:
        working: whether a run is at work.
        wanted: whether they are shown to who has not hidden them, and not on request alone.
    """
    first = f"A run is at work: {go('runs', 'watch it')}. " if working else ""
    parts = [
        (
            "Choose",
            "An attribute, what the model is asked about, and the share that each category should get. The form "
            "begins with gender in 25 occupations, and real statistics as the target.",
        ),
        (
            "Train",
            f"{first}Press Train for one of your own. It works on this machine, needs no GPU, and goes on when "
            "you close the page.",
        ),
        (
            "Look",
            "Results sets every share beside its target, and beside what a perfect sampler would reach with as many "
            "answers.",
        ),
    ]
    items = "".join(
        f'<li><b aria-hidden="true">{n}</b><div><h3>{title}</h3><p>{text}</p></div></li>'
        for n, (title, text) in enumerate(parts, 1)
    )
    return (
        f'<section class="da-welcome{" wanted" if wanted else ""}" aria-labelledby="welcome-title"><div class="da-welcome-top">'
        '<h2 class="da-h2" id="welcome-title">New here? Three steps</h2>'
        '<button type="button" class="da-plainlink" data-welcome="hide">Hide these steps</button></div>'
        f"<ol>{items}</ol>{_meanwhile(examples)}</section>"
    )


def _meanwhile(examples: Sequence[Example]) -> str:
    how = f"or read {go('how', 'how it works')}"
    if not examples:
        return f"<p>To know more, {how.removeprefix('or ')}.</p>"
    links = ", ".join(example_cards.link(example, example.title) for example in examples)
    return f"<p>No time to train? Look at a finished run ({links}), {how}.</p>"


def go(tab: str, text: str) -> str:
    """A link to another tab; both are plain words."""
    return f'<a class="da-inline" href="?tab={tab}" data-go="{tab}">{text}</a>'
