"""The Play tab in a real browser, with a tiny model that was really trained."""

from __future__ import annotations

import pytest
from browser_support import choose, finished_run, go_to, opened, start_app, without_worker
from test_browser_access import SHIFTS, VISITS, findings, settle

from distalign.folders import DataFolder
from tests.play_support import trained_run

pytestmark = pytest.mark.browser

WIDTHS = (1440, 390)
STATED = "\nFollow this distribution: male 25 %, female 75 %."


@pytest.fixture(scope="module")
def app(chromium, tmp_path_factory):
    """The app with a run whose tiny adapter works, and newer ones whose adapters cannot be read."""
    folder = tmp_path_factory.mktemp("data")
    run = trained_run(DataFolder(folder))
    with without_worker(folder), start_app(folder) as started:
        made_up = {"base_model": run.spec.base_model, "rounds": 4}
        finished_run(started.store, folder, made_up | {"target": "stated", "name": "Stated"}, steps=2)
        finished_run(started.store, folder, made_up | {"name": "Made up"}, steps=2)
        yield started


def run_named(app, title):
    return next(run for run in app.store.runs() if run.title.startswith(title))


def sample(page, rounds):
    page.locator("#play-rounds textarea, #play-rounds input").fill(str(rounds))
    page.locator("#play-sample").click()


@pytest.mark.parametrize("width", WIDTHS)
def test_histograms_of_base_and_adapter_fill_side_by_side(app, chromium, width):
    run = run_named(app, "Gender, 2 contexts")
    with opened(chromium, f"{app.url}?tab=play&run={run.id}", width) as page:
        prompt = page.locator("#play-prompt textarea")
        page.locator("#play-note", has_text="male 20 %, female 80 %").wait_for()
        assert "Nurses" in prompt.input_value()
        # A question of its training: so small a model knows no other.
        page.locator("#play-template input").click()
        page.get_by_role("option", name="Job: {context}").click()
        page.locator("#play-context input").click()
        page.get_by_role("option", name="Pilots").click()
        page.locator("#play-note", has_text="male 70 %, female 30 %").wait_for()
        assert "Pilots" in prompt.input_value()
        page.evaluate(SHIFTS)
        sample(page, 200)
        page.locator("#play-status", has_text="Seed 0").wait_for()
        shifts = page.evaluate("window.shifts")
        assert sum(value for value, _ in shifts) < 0.02, shifts
        panels = page.locator(".da-voices[data-by=category] .da-voice")
        assert panels.count() == 2
        for i, title in enumerate(("Base model", run.title)):
            assert title in panels.nth(i).inner_text() and "200 rounds" in panels.nth(i).inner_text()
            assert panels.nth(i).locator(".t b").count() == 2
            assert panels.nth(i).locator("li").count() == 3
        assert "noise floor" in panels.nth(1).inner_text()
        assert panels.nth(1).locator(".t i").first.bounding_box()["width"] > 40
        choose(page, "play-by", "Answers")
        panels.first.wait_for(state="hidden")
        assert page.locator(".da-voices[data-by=answer] .da-voice").first.is_visible()
        assert page.locator("#play-answers tbody tr").count() > 1
        assert page.evaluate("document.documentElement.scrollWidth") <= width
        assert f"tab=play&run={run.id}" in page.url
        go_to(page, "Runs")
        go_to(page, "Play")
        assert "Pilots" in prompt.input_value() and panels.count() == 2


@pytest.mark.parametrize(("width", "theme"), VISITS)
def test_axe_has_no_serious_finding_in_histograms(app, chromium, width, theme):
    run = run_named(app, "Gender, 2 contexts")
    with opened(chromium, f"{app.url}?tab=play&run={run.id}&__theme={theme}", width) as page:
        page.locator("#play-note", has_text="male 20 %").wait_for()
        sample(page, 20)
        page.locator("#play-status", has_text="Seed 0").wait_for()
        for shown in ("Categories", "Answers"):
            choose(page, "play-by", shown)
            settle(page, "play")
            assert findings(page) == []
        page.locator("#play-history button").click()
        page.locator("#play-earlier a").first.wait_for()
        settle(page, "play")
        assert findings(page) == []


def test_a_question_is_stopped_and_another_is_asked(app, chromium):
    run = run_named(app, "Gender, 2 contexts")
    with opened(chromium, f"{app.url}?tab=play&run={run.id}") as page:
        page.locator("#play-note", has_text="male 20 %").wait_for()
        page.locator("#play-tokens textarea, #play-tokens input").fill("64")
        sample(page, 1000)
        page.locator("#play-status", has_text="of 1,000 rounds each").wait_for()
        assert page.locator("#play-sample").is_disabled()
        page.locator("#play-stop").click()
        page.locator("#play-status", has_text="Stopped at").wait_for()
        sample(page, 10)
        page.locator("#play-status", has_text="Seed 0").wait_for()


def test_a_kept_play_opens_again_from_its_address_and_from_the_list(app, chromium, tmp_path):
    run = run_named(app, "Gender, 2 contexts")
    with opened(chromium, f"{app.url}?tab=play&run={run.id}") as page:
        page.locator("#play-note", has_text="male 20 %").wait_for()
        prompt, rounds = (
            page.locator("#play-prompt textarea"),
            page.locator("#play-rounds input, #play-rounds textarea"),
        )
        prompt.fill("Job: Nurses. gender?")
        sample(page, 15)
        page.locator("#play-status", has_text="Kept as play").wait_for()
        play = app.store.plays(limit=1)[0]
        page.wait_for_url(f"**tab=play**play={play.id}")
        first = page.locator("#play-voices").inner_html()
        prompt.fill("Job: Pilots, again. gender?")
        page.locator("#play-tokens textarea, #play-tokens input").fill("256")
        sample(page, 1000)
        page.wait_for_function(
            "old => ![null, old].includes(new URL(location).searchParams.get('play'))", arg=play.id
        )
        page.locator("#play-history button").click()
        page.locator("#play-earlier a", has_text="Pilots, again").wait_for()
        # The answers that still come make way for the play that is opened.
        page.locator(f"#play-earlier a[data-play='{play.id}']").press("Enter")
        page.locator("#play-status", has_text=f"Kept as play {play.id[:6]}").wait_for()
        page.wait_for_url(f"**play={play.id}")
        page.locator(f"#play-earlier a[aria-current=true][data-play='{play.id}']").wait_for()
        assert (prompt.input_value(), rounds.input_value()) == ("Job: Nurses. gender?", "15")
        page.wait_for_timeout(1000)
        assert page.locator("#play-voices").inner_html() == first
        for kind in ("json", "csv"):
            with page.expect_download() as caught:
                page.locator(f"#play-download-{kind}").click()
            assert caught.value.suggested_filename == f"distalign-play-{play.id}.{kind}"
        go_to(page, "Runs")
        page.wait_for_url("**tab=runs**")
        assert "play=" not in page.url.partition("?")[2].replace("tab=play", "")
        go_to(page, "Play")
        page.wait_for_url(f"**play={play.id}")
        # Another can be asked, and what was stopped for the play is kept.
        sample(page, 10)
        page.locator("#play-status").get_by_text("10 rounds each", exact=True).wait_for()
    last, other, opened_again = app.store.plays(limit=3)
    assert (last.rounds, last.complete) == (10, True)
    assert (other.prompt, other.complete) == ("Job: Pilots, again. gender?", False)
    assert opened_again.id == play.id
    with opened(chromium, f"{app.url}?tab=play&play={play.id}", 390) as page:
        page.locator("#play-status", has_text=f"Kept as play {play.id[:6]}").wait_for()
        assert page.locator("#play-prompt textarea").input_value() == "Job: Nurses. gender?"
        assert run.title in page.locator("#play-runs").inner_text()
        assert page.locator("#play-voices .da-voice").count() == 4
        assert f"play={play.id}" in page.url
        assert page.evaluate("document.documentElement.scrollWidth") <= 390
        page.locator("#play-delete").click()
        page.locator("#play-status", has_text="Press Sample to ask it again").wait_for()
        page.wait_for_url(lambda url: "play=" not in url.partition("?")[2].replace("tab=play", ""))
        assert page.locator("#play-prompt textarea").input_value() == "Job: Nurses. gender?"
        assert not page.locator("#play-delete").is_visible()
    assert [play.id for play in app.store.plays(limit=2)] == [last.id, other.id]


def test_mistakes_are_explained_and_what_was_typed_stays(app, chromium):
    made_up = run_named(app, "Made up")
    with opened(chromium, f"{app.url}?tab=play&run={made_up.id}") as page:
        prompt = page.locator("#play-prompt textarea")
        page.locator("#play-note", has_text="The run’s target").wait_for()
        prompt.fill("<i>Who</i> is it?")
        page.locator("#play-note", has_text="names none of the run’s contexts").wait_for()
        sample(page, "many")
        page.locator("#play-status", has_text="'many' is not a whole number").wait_for()
        sample(page, 10)
        page.locator("#play-status", has_text="cannot be read").wait_for()
        assert prompt.input_value() == "<i>Who</i> is it?"
        assert page.locator("#play-sample").is_enabled()


def test_the_target_follows_the_words_of_the_prompt(app, chromium):
    stated = run_named(app, "Stated")
    with opened(chromium, f"{app.url}?tab=play&run={stated.id}") as page:
        prompt = page.locator("#play-prompt textarea")
        page.locator("#play-note", has_text="The target in the prompt: male").wait_for()
        question = prompt.input_value().splitlines()[0]
        prompt.fill(question + STATED)
        page.locator("#play-note", has_text="male 25 %, female 75 %").wait_for()
        prompt.fill(question + STATED.replace("75", "65"))
        page.locator("#play-note", has_text="sum to 90, not to 100").wait_for()
