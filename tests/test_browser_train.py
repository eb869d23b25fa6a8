"""The Train tab in a real browser: linked shares, tables, planner, examples, starts and sharing."""

from __future__ import annotations

import json
import random

import pytest
from browser_support import (
    cell,
    choose,
    fill_custom_attribute,
    fill_in_five_clicks,
    opened,
    press_train,
    start_app,
    type_share,
    wait_for_state,
    without_worker,
)

from distalign.sharing import bundled, link, packed_in, unpack
from distalign.spec import load_spec, parse_spec
from distalign.yaml_text import parse_text

pytestmark = pytest.mark.browser

WIDTHS = (1440, 390)
TOTAL = 10_000


@pytest.fixture(scope="module")
def app(chromium, tmp_path_factory):
    """The app with a run to start from; runs that are queued stay queued."""
    folder = tmp_path_factory.mktemp("data")
    with without_worker(folder), start_app(folder) as started:
        started.store.insert_run(
            parse_spec({"attribute": "race", "target": "even", "rounds": 77, "name": "Mine"})
        )
        yield started


def shares_of(page, editor: str = "target-row") -> list[float]:
    figures = page.locator(f"#{editor} input[type=number]")
    return [float(figures.nth(i).input_value()) for i in range(figures.count())]


def ready(page) -> None:
    page.wait_for_selector("#preview .da-plan")


def wait_for_spec(page, holds):
    """The specification of the form, as its link has it, once ``holds`` is true of it."""
    for _ in range(30):
        spec = spec_of_page(page)
        if spec is not None and holds(spec):
            return spec
        page.wait_for_timeout(300)
    raise AssertionError(f"the form still says {spec}")


def spec_of_page(page):
    if not page.locator("#copy-link").is_visible():
        page.locator("#share-box .label-wrap").click()
    page.locator("#copy-link").click()
    page.wait_for_timeout(150)
    box = page.locator("#shared textarea, #shared input").first
    address = box.input_value() if box.is_visible() else ""
    return parse_spec(unpack(packed_in(address))) if address.startswith("http") else None


def requests_while_idle(page) -> list[str]:
    """What an open page asks for while nobody touches it; it must not answer its own answers."""
    page.wait_for_timeout(1200)
    asked: list[str] = []
    page.on(
        "request", lambda request: asked.append(request.post_data) if "queue/join" in request.url else None
    )
    page.wait_for_timeout(1000)
    return [found[-120:] for found in asked]


# --- the shortest way -----------------------------------------------------------------


@pytest.mark.parametrize("width", WIDTHS)
def test_a_custom_run_takes_six_clicks_and_one_line_beyond_the_categories(app, chromium, width):
    with opened(chromium, app.url, width) as page:
        ready(page)
        fill_in_five_clicks(page)
        assert requests_while_idle(page) == []
        notes = page.locator("#preview .da-note").all_inner_texts()
        assert notes == [], f"{notes} {page.locator('#target-row').inner_text()}"
        run_id = press_train(page)  # 6
        wait_for_state(page, "Waiting")
        spec = app.store.run(run_id).spec
        assert spec.attribute.names == ("low", "medium", "high")
        assert spec.contexts.names == ("a support ticket",)
        assert 0.1 < spec.target.rows[0][2] < 0.3
        assert spec.target.rows[0][0] == pytest.approx(spec.target.rows[0][1], abs=5e-4)
        app.store.request_cancel(run_id)


# --- linked shares ----------------------------------------------------------------------


def test_the_rule_of_giving_way_holds_for_any_shares(app, chromium):
    rng = random.Random(0)
    cases = []
    for _ in range(300):
        count = rng.randint(2, 12)
        weights = [rng.choice((0, rng.random())) for _ in range(count)]
        weights[rng.randrange(count)] += 0.1
        cuts = [int(TOTAL * w / sum(weights)) for w in weights]
        cuts[0] += TOTAL - sum(cuts)
        locked = [rng.random() < 0.3 for _ in range(count)]
        cases.append(
            [cuts, rng.randrange(count), rng.choice((-5, 0, rng.randint(0, TOTAL), TOTAL + 9)), locked]
        )
    with opened(chromium, app.url) as page:
        ready(page)
        choose(page, "target", "Your shares")
        page.wait_for_function("() => Boolean(window.distalign.giveWay)")
        found = page.evaluate("cases => cases.map(c => window.distalign.giveWay(...c))", cases)
        typed = page.evaluate(
            "[[2000, 0], [3000, 1], [5000, 2], [4000, 0]].reduce(([s, t], [v, k]) => "
            "[window.distalign.giveWayTyped(s, k, v, [false, false, false], t), [...t.filter(i => i !== k), k]], "
            "[[3334, 3333, 3333], []])"
        )
    for (shares, index, value, locked), after in zip(cases, found, strict=True):
        free = [k for k in range(len(shares)) if k != index and not locked[k]]
        assert sum(after) == TOTAL and min(after) >= 0
        assert all(after[k] == shares[k] for k in range(len(shares)) if locked[k])
        if not free or locked[index]:
            assert after == shares
            continue
        most = TOTAL - sum(shares[k] for k in range(len(shares)) if k != index and locked[k])
        assert after[index] == min(most, max(0, value))
        before, rest = sum(shares[k] for k in free), most - after[index]
        for k in free:
            expected = shares[k] * rest / before if before else rest / len(free)
            assert abs(after[k] - expected) <= 1
    # Figures typed one after the other stay, until they must give way, the oldest first.
    assert typed[0][0] == 4000 and sum(typed[0]) == TOTAL and typed[0][2] == 5000


def test_moving_a_slider_moves_the_others_and_a_lock_holds_one(app, chromium):
    with opened(chromium, f"{app.url}?tab=train") as page:
        ready(page)
        choose(page, "attribute", "Sentiment")
        choose(page, "target", "Your shares")
        slider = page.get_by_role("slider", name="positive", exact=True)
        slider.wait_for()
        type_share(page, "positive", 60)
        type_share(page, "negative", 30)
        assert shares_of(page) == [60, 30, 10]
        page.get_by_role("button", name="Lock neutral").click()
        slider.focus()
        for _ in range(10):
            page.keyboard.press("ArrowLeft")
        assert shares_of(page) == [50, 40, 10]
        page.keyboard.press("End")
        assert shares_of(page) == [90, 0, 10]
        page.keyboard.press("Home")
        assert shares_of(page) == [0, 90, 10]
        page.locator("#target-row .da-even").click()
        assert shares_of(page) == [45, 45, 10]
        wait_for_spec(page, lambda spec: spec.target.rows[0] == (0.45, 0.45, 0.1))


def test_shares_are_pasted_from_a_spreadsheet(app, chromium):
    with opened(chromium, app.url) as page:
        ready(page)
        choose(page, "attribute", "Sentiment")
        choose(page, "target", "Your shares")
        figure = page.get_by_label("positive, percent", exact=True)
        figure.focus()
        figure.evaluate(
            "(box, text) => { const data = new DataTransfer(); data.setData('text', text);"
            "box.dispatchEvent(new ClipboardEvent('paste', {clipboardData: data, bubbles: true, cancelable: true})) }",
            "neutral\t30 %\npositive\t50 %\nnegative\t20 %",
        )
        assert shares_of(page) == [50, 20, 30]


def test_a_joint_target_is_a_matrix_or_one_for_each_part(app, chromium):
    with opened(chromium, app.url) as page:
        ready(page)
        choose(page, "attribute", "Joint")
        page.locator("#joint").get_by_text("Race", exact=True).click()
        page.locator("#joint").get_by_text("Sentiment", exact=True).click()
        choose(page, "target", "Your shares")
        page.locator("#target-row .da-matrix").wait_for()
        type_share(page, "male, positive", 50)
        assert sum(shares_of(page)) == pytest.approx(100)
        choose(page, "target", "Each part by itself")
        page.get_by_label("Target of sentiment").wait_for()
        assert requests_while_idle(page) == []
        page.get_by_label("Target of gender").select_option("real")
        page.get_by_label("Target of sentiment").select_option("shares")
        type_share(page, "neutral", 70)
        expected = {"gender": "real", "sentiment": {"positive": 0.15, "negative": 0.15, "neutral": 0.7}}
        wait_for_spec(page, lambda spec: spec.target.to_mapping(spec.attribute, spec.contexts) == expected)


def test_fifty_categories_are_a_list_of_figures(app, chromium):
    with opened(chromium, app.url) as page:
        ready(page)
        choose(page, "attribute", "Custom")
        page.locator("#custom-categories textarea").fill(
            "\n".join(f"kind {chr(65 + i // 26)}{chr(65 + i % 26)}" for i in range(50))
        )
        choose(page, "target", "Your shares")
        page.get_by_label("kind BX, percent").wait_for()
        assert page.locator("#target-row input[type=range]").count() == 0
        type_share(page, "kind AA", 51)
        assert shares_of(page)[:2] == [51, 1]


# --- tables -------------------------------------------------------------------------------


def test_rules_are_pasted_previewed_and_fill_the_table(app, chromium):
    with opened(chromium, app.url) as page:
        ready(page)
        choose(page, "target", "Per context")
        cell(page, "target-table", 0, 1).wait_for()
        page.locator("#paste-box .label-wrap").click()
        page.locator("#paste-target textarea").fill("context\tmale\tfemale\n*nurse*\t10\t95\n*\t50 %\t50 %")
        page.locator("#paste-preview", has_text="Row 2: *nurse*: '10' ").or_(
            page.locator("#paste-preview", has_text="Row 2:")
        ).first.wait_for()
        page.locator("#paste-target textarea").fill("context\tmale\tfemale\n*nurs*\t10\t90\n*\t50 %\t50 %")
        page.locator(
            "#paste-preview", has_text="25 of 25 contexts get a row, 25 of them by a rule"
        ).wait_for()
        page.locator("#fill-table").click()
        page.locator("#target-table").get_by_text("0.1", exact=True).first.wait_for()
        spec = wait_for_spec(page, lambda spec: spec.target.kind == "table")
        nurses = [
            row[0]
            for name, row in zip(spec.contexts.names, spec.target.rows, strict=True)
            if "nurs" in name.casefold()
        ]
        assert nurses and set(nurses) == {0.1}


# --- planner, examples, templates ------------------------------------------------------------


def test_the_planner_answers_and_sets_the_rounds(app, chromium):
    with opened(chromium, app.url) as page:
        ready(page)
        choose(page, "target", "Even")
        page.locator("#planner .label-wrap").click()
        page.locator("#planned", has_text="785 rounds").wait_for()
        page.locator("#gap textarea, #gap input").fill("10")
        page.locator("#planned", has_text="197 rounds").wait_for()
        page.locator("#use-alone").click()
        page.locator("#planned", has_text="The 197 rounds that are set").wait_for()
        assert page.locator("#rounds textarea, #rounds input").first.input_value() == "197"
        page.locator("#power textarea, #power input").fill("90")
        page.locator("#planned", has_text="263 rounds").wait_for()


def test_examples_follow_what_is_typed(app, chromium):
    with opened(chromium, app.url) as page:
        ready(page)
        page.locator("#examples-box .label-wrap").click()
        page.locator("#examples", has_text="Undesirable").wait_for()
        page.locator("#templates .label-wrap").click()
        page.locator("#templates-seen textarea").fill("Tell me of {context}: {attribute}?")
        page.locator("#examples", has_text="Tell me of").wait_for()
        page.locator("#phrasings textarea").fill("surely {category}")
        page.locator("#examples", has_text="Surely").wait_for()
        page.locator("#more-examples").click()
        page.locator("#examples", has_text="Example 3").wait_for()
        page.locator("#phrasings textarea").fill("surely")
        page.locator("#error-templates", has_text="has no {category}").wait_for()
        page.locator("#phrasings textarea").fill("")
        page.locator("#write-out").click()
        page.wait_for_function("document.querySelector('#phrasings textarea').value.includes('{category}')")
        assert page.locator("#templates-seen textarea").input_value() == "Tell me of {context}: {attribute}?"


def choose_method(page, name: str) -> None:
    page.locator("#method input").click()
    page.get_by_role("option", name=name).click()


def test_controls_that_do_nothing_for_a_method_are_hidden_and_come_back_as_they_were(app, chromium):
    with opened(chromium, app.url) as page:
        ready(page)
        choose(page, "preset", "Standard")
        page.locator("#advanced .label-wrap").first.click()
        page.locator("#knob-steps").locator("textarea, input").fill("20")
        wait_for_spec(page, lambda spec: spec.training.warmup_steps == 2)
        choose_method(page, "Supervised fine-tuning")
        page.locator("#knob-warmup_steps").wait_for(state="hidden")
        page.locator("#knob-steps").wait_for()
        choose_method(page, "Zero-shot")
        page.locator("#stories", has_text="not trained on any").wait_for()
        page.locator("#preset").wait_for(state="hidden")
        page.locator("#knob-steps").wait_for(state="hidden")
        page.locator("#knob-precision").wait_for()
        wait_for_spec(
            page,
            lambda spec: spec == parse_spec({"attribute": "gender", "target": "real", "method": "zero_shot"}),
        )
        choose_method(page, "Hybrid")
        page.locator("#preset").wait_for()
        page.locator("#knob-warmup_steps").wait_for()
        spec = wait_for_spec(page, lambda spec: spec.method == "hybrid")
        assert (spec.preset, spec.training.steps) == ("standard", 20)
        assert requests_while_idle(page) == []


# --- starts and sharing ------------------------------------------------------------------------


@pytest.mark.parametrize("width", WIDTHS)
def test_a_form_starts_from_an_example_and_undo_brings_back_what_was_typed(app, chromium, width):
    with opened(chromium, app.url, width) as page:
        ready(page)
        fill_custom_attribute(page, "age group", {"young": "0.25", "old": "0.75"}, ["bakers"])
        page.wait_for_timeout(500)
        page.locator("#start-from input").click()
        page.get_by_role("option", name="Example: weekday").click()
        page.locator("#start-note", has_text="weekday").wait_for()
        page.locator("#preview", has_text="12, 3 held out").wait_for()
        wait_for_spec(page, lambda spec: spec == load_spec(bundled()["weekday"]))
        page.locator("#undo-start").click()
        page.wait_for_function(
            "document.querySelector('#custom-categories textarea')?.value === 'young\\nold'"
        )
        wait_for_spec(page, lambda spec: spec.target.rows == ((0.25, 0.75),))
        page.locator("#start-from input").click()
        page.get_by_role("option", name="Run: Mine").click()
        page.locator("#start-note", has_text="Mine").wait_for()
        wait_for_spec(page, lambda spec: spec.rounds == 77)


def test_a_link_opens_the_form_filled_in_and_a_damaged_one_says_so(app, chromium):
    spec = load_spec(bundled()["city-seasons"])
    with opened(chromium, link(spec, app.url)) as page:
        page.locator("#start-note", has_text="Filled in from the link").wait_for()
        cell(page, "target-table", 0, 1).get_by_text("0.45").wait_for()
        page.locator("#preview", has_text="8").wait_for()
        wait_for_spec(page, lambda found: found == spec)
        run_id = press_train(page)
        assert app.store.run(run_id).spec == spec
        app.store.request_cancel(run_id)
    with opened(chromium, f"{app.url}?tab=train&spec=damaged") as page:
        page.locator("#start-note", has_text="Copy the link again").wait_for()
        ready(page)


def test_a_specification_is_saved_opened_and_copied_as_a_command(app, chromium, tmp_path):
    with opened(chromium, app.url) as page:
        ready(page)
        given = tmp_path / "given.json"
        given.write_text(
            json.dumps({"attribute": "gender", "target": {"male": 0.3, "female": 0.7}, "rounds": 12})
        )
        page.locator("input[type=file][accept*=yaml]").set_input_files(given)
        page.locator("#start-note", has_text="the file").wait_for()
        page.locator("#target-row").get_by_label("male, percent", exact=True).wait_for()
        assert shares_of(page) == [30, 70]
        page.wait_for_timeout(500)
        page.locator("#share-box .label-wrap").click()
        with page.expect_download() as caught:
            page.locator("#save-spec").click()
        caught.value.save_as(tmp_path / "saved.yaml")
        assert load_spec(tmp_path / "saved.yaml") == load_spec(given)
        page.locator("#copy-command").click()
        text = page.locator("#shared textarea")
        page.wait_for_function("e => e.value.includes('jobs run')", arg=text.element_handle())
        _, *lines, _ = text.input_value().strip().splitlines()
        assert parse_spec(parse_text("\n".join(lines))) == load_spec(given)
        bad = tmp_path / "bad.yaml"
        bad.write_text("attribute: gender\nrounds: many\n")
        page.locator("input[type=file][accept*=yaml]").set_input_files(bad)
        page.locator("#start-note", has_text="'many'").wait_for()
        assert shares_of(page) == [30, 70]
