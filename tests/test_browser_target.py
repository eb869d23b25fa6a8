"""The Train tab's target in a real browser: fitted shares, what is pasted, matrices, and the table row by row."""

from __future__ import annotations

import pytest
from browser_support import (
    cell,
    choose,
    opened,
    paste,
    start_app,
    type_in_cell,
    type_share,
    without_worker,
)
from test_browser_access import SHIFTS
from test_browser_train import ready, requests_while_idle, shares_of, wait_for_spec

pytestmark = pytest.mark.browser

READ = "([text, names, start]) => { const f = window.distalign.pastedShares(text, names, start); return f && [Object.fromEntries(f.shares), f.told] }"
PASTE = """(box, text) => { const data = new DataTransfer(); data.setData("text", text);
  box.dispatchEvent(new ClipboardEvent("paste", {clipboardData: data, bubbles: true, cancelable: true})) }"""
VISITED = "try { localStorage.setItem('distalign.welcomed', '1') } catch { }"


@pytest.fixture(scope="module")
def app(chromium, tmp_path_factory):
    folder = tmp_path_factory.mktemp("data")
    with without_worker(folder), start_app(folder) as started:
        yield started


def cells_of_row(page, row: int, count: int) -> list[str]:
    return [cell(page, "target-table", row, k).inner_text().strip() for k in range(1, count + 1)]


# --- shares follow the categories ----------------------------------------------------------


def test_the_editor_and_the_form_agree_when_categories_go(app, chromium):
    with opened(chromium, app.url) as page:
        ready(page)
        choose(page, "attribute", "Custom")
        page.locator("#custom-categories textarea").fill("low\nmedium\nhigh")
        choose(page, "target", "Your shares")
        for name, share in {"low": 50, "medium": 30, "high": 20}.items():
            type_share(page, name, share)
        page.locator("#custom-categories textarea").fill("low\nmedium")
        page.wait_for_function("document.querySelectorAll('#target-row input[type=range]').length === 2")
        assert shares_of(page) == [62.5, 37.5]
        wait_for_spec(page, lambda spec: spec.target.rows[0] == (0.625, 0.375))
        choose(page, "attribute", "Gender")
        page.get_by_role("slider", name="female", exact=True).wait_for()
        type_share(page, "male", 30)
        choose(page, "attribute", "Race")
        page.wait_for_function("document.querySelectorAll('#target-row input[type=range]').length === 5")
        assert shares_of(page) == [20] * 5
        ready(page)
        wait_for_spec(page, lambda spec: spec.target.rows[0] == pytest.approx((0.2,) * 5))


# --- what a spreadsheet copies ---------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "names", "shares", "told"),
    [
        # Names above their figures, also behind the name of the row.
        ("a\tb\n30\t70", "ab", {0: 3000, 1: 7000}, ""),
        ("b\ta\n30\t70", "ab", {0: 7000, 1: 3000}, ""),
        ("context\ta\tb\nbakers\t30\t70", "ab", {0: 3000, 1: 7000}, ""),
        ("\ta\tb\nshare\t30\t70", "ab", {0: 3000, 1: 7000}, ""),
        ("1\t2\t3\n2\t3\t95", "123", {0: 200, 1: 300, 2: 9500}, ""),
        # Pairs, with a heading and without; figures alone.
        ("category\tshare\na\t30 %\nb\t70 %", "ab", {0: 3000, 1: 7000}, ""),
        ("category\tshare\na\t30", "ab", {0: 3000}, ""),
        ("b\t30", "ab", {1: 3000}, ""),
        ("30\t70", "ab", {0: 3000, 1: 7000}, ""),
        ("share\n30\n70", "ab", {0: 3000, 1: 7000}, ""),
        # Thousands and decimals.
        ("a\t1,200\nb\t800", "ab", {0: 6000, 1: 4000}, ""),
        ("a\t1.200,5\nb\t1,200.5", "ab", {0: 5000, 1: 5000}, ""),
        ("a\t0,5\nb\t0,3", "abc", {0: 5000, 1: 3000}, ""),
        ("a\t0,500\nb\t0.500", "ab", {0: 5000, 1: 5000}, ""),
        ("a\t12,345 %", "ab", {0: 1234.5}, ""),
        # What cannot be used is told.
        ("a\t30\nb\t70\nTotal\t100", "ab", {0: 3000, 1: 7000}, "Not among the categories: Total."),
        ("x\t30\ny\t70", "ab", {}, "Nothing was pasted. Not among the categories: x, y."),
        ("a\t\nb\t7", "ab", {1: 700}, "Without a figure: a."),
        ("1\n2\n3", "ab", {0: 10000 / 3, 1: 20000 / 3}, "Figures beyond the last category: 1."),
        ("a\t300\nb\t200", "abc", {}, "Nothing was pasted. These are more than 100 %; paste a figure for each of the 3 categories."),
    ],
)  # fmt: skip
def test_what_is_pasted_is_read_by_its_names(reader, text, names, shares, told):
    found, said = reader.evaluate(READ, [text, list(names), 0])
    assert {int(k): x for k, x in found.items()} == pytest.approx(shares)
    assert said == told


@pytest.fixture(scope="module")
def reader(app, chromium):
    with opened(chromium, app.url) as page:
        page.wait_for_function("() => Boolean(window.distalign.pastedShares)")
        yield page


def test_what_a_paste_could_not_use_is_told_beside_the_shares(app, chromium):
    with opened(chromium, app.url) as page:
        ready(page)
        choose(page, "target", "Your shares")
        figure = page.get_by_role("spinbutton", name="male, percent", exact=True)
        figure.evaluate(PASTE, "male\tfemale\n20\t80")
        assert shares_of(page) == [20, 80]
        told = page.locator("#target-row .da-share-told")
        assert told.inner_text() == ""
        figure.evaluate(PASTE, "men\t30\nwomen\t70")
        assert told.inner_text() == "Nothing was pasted. Not among the categories: men, women."
        assert shares_of(page) == [20, 80]
        type_share(page, "male", 40)
        assert told.inner_text() == ""


# --- matrices ----------------------------------------------------------------------------------


def test_three_parts_are_a_matrix_for_each_category_of_the_first(app, chromium):
    with opened(chromium, app.url) as page:
        ready(page)
        choose(page, "attribute", "Joint")
        page.locator("#joint").get_by_text("Sentiment", exact=True).click()
        choose(page, "target", "Your shares")
        page.locator("#target-row .da-matrix").nth(1).wait_for()
        assert page.locator("#target-row caption").all_inner_texts() == ["male", "female"]
        figures = page.locator("#target-row input[type=number]")
        first, second = (
            figures.nth(0).get_attribute("aria-label"),
            figures.nth(15).get_attribute("aria-label"),
        )
        assert first.startswith("male, ") and second == first.replace("male", "female")
        type_share(page, first.removesuffix(", percent"), 42)
        sums = [
            float(table.locator("td.sum").last.inner_text().removesuffix("%"))
            for table in page.locator("#target-row .da-matrix").all()
        ]
        assert sum(sums) == pytest.approx(100) and sums[0] > 60 > 40 > sums[1]
        wait_for_spec(page, lambda spec: spec.target.kind == "mapping" and spec.target.rows[0][0] == 0.42)


# --- the table -----------------------------------------------------------------------------------


def test_a_row_of_the_table_is_edited_with_linked_shares(app, chromium):
    with opened(chromium, app.url) as page:
        ready(page)
        choose(page, "attribute", "Sentiment")
        choose(page, "contexts", "Your list")
        page.locator("#pasted textarea").fill("bakers\nnurses\n" + "\n".join(f"place {n}" for n in range(30)))
        choose(page, "target", "Per context")
        chosen = page.locator("#row-context input")
        page.wait_for_function("document.querySelector('#row-context input')?.value === 'bakers'")
        page.get_by_role("slider", name="neutral", exact=True).wait_for()
        page.get_by_role("button", name="Lock neutral").click()
        type_share(page, "positive", 60)
        assert shares_of(page, "target-context")[:2] == [60, pytest.approx(6.67, abs=0.01)]
        cell(page, "target-table", 0, 1).get_by_text("0.6", exact=True).wait_for()
        assert sum(map(float, cells_of_row(page, 0, 3))) == pytest.approx(1)
        # Another context is found by a part of its name, and has its own shares.
        chosen.click()
        page.keyboard.type("urs")
        page.keyboard.press("Enter")
        page.wait_for_function("document.querySelector('#row-context input').value === 'nurses'")
        page.wait_for_function("document.querySelector('#target-context input').value < 40")
        # What is typed in the table is in the editor, and a row that is off stays as it was typed.
        type_in_cell(page, "target-table", 1, 1, "0.5")
        page.locator("#target-context", has_text="Given as 116.66 % in all").wait_for()
        assert shares_of(page, "target-context")[0] == pytest.approx(42.86, abs=0.02)
        assert cells_of_row(page, 1, 1) == ["0.5"]
        page.locator("#normalise-table").click()
        page.locator("#target-context", has_text="Sums to 100 %").wait_for()
        type_share(page, "positive", 10)
        cell(page, "target-table", 1, 1).get_by_text("0.1", exact=True).wait_for()
        assert requests_while_idle(page) == []
        wait_for_spec(page, lambda spec: [row[0] for row in spec.target.rows[:2]] == [0.6, 0.1])
        # One row for all, and back.
        page.locator("#use-for-all").click()
        cell(page, "target-table", 0, 1).get_by_text("0.1", exact=True).wait_for()
        wait_for_spec(page, lambda spec: {row[0] for row in spec.target.rows} == {0.1})
        page.locator("#rows-back").click()
        cell(page, "target-table", 0, 1).get_by_text("0.6", exact=True).wait_for()
        assert not page.locator("#rows-back").is_visible()


def test_dragging_a_share_keeps_the_page_and_the_table_where_they_are(app, chromium):
    with opened(chromium, app.url, height=900, script=VISITED) as page:
        ready(page)
        choose(page, "target", "Per context")
        slider = page.get_by_role("slider", name="male", exact=True)
        slider.wait_for()
        page.locator("#target-table").scroll_into_view_if_needed()
        page.wait_for_timeout(500)
        page.evaluate(SHIFTS)
        table = page.locator("#target-table .virtual-table-viewport")
        table.evaluate("(box) => { box.scrollTop = 120 }")
        before, box = page.evaluate("scrollY"), slider.bounding_box()
        y = box["y"] + box["height"] / 2
        page.mouse.move(box["x"] + 0.9 * box["width"], y)
        page.mouse.down()
        for k in range(20):
            page.mouse.move(box["x"] + (0.9 - 0.03 * k) * box["width"], y)
            page.wait_for_timeout(20)
        page.mouse.up()
        moved = shares_of(page, "target-context")
        wait_for_spec(page, lambda spec: spec.target.rows[0] == pytest.approx([x / 100 for x in moved]))
        assert 20 < moved[0] < 50 and shares_of(page, "target-context") == moved
        assert page.evaluate("scrollY") == before and table.evaluate("(box) => box.scrollTop") == 120
        assert [s for s in page.evaluate("window.shifts") if s[0] > 0.005] == []


def test_a_table_that_is_too_large_to_show_is_the_target(app, chromium):
    rows = "".join(f"place {n}\t40\t10\t10\t10\t10\t10\t10\n" for n in range(1000))
    with opened(chromium, app.url) as page:
        ready(page)
        choose(page, "attribute", "Custom")
        page.locator("#custom-categories textarea").fill("\n".join("abcdefg"))
        choose(page, "contexts", "Your list")
        paste(page, "#pasted textarea", "context\t" + "\t".join("abcdefg") + "\n" + rows)
        page.locator("#table-note", has_text="1,000 contexts × 7 categories").wait_for()
        assert page.locator("#target input:checked").get_attribute("value") == "table"
        assert not page.locator("#row-context").is_visible()
        page.locator("#preview .da-plan", has_text="1,000").wait_for()
        page.locator("#pasted textarea").fill(
            "context\ta\tb\tc\td\te\tf\tg\nhere\t40\t10\t10\t10\t10\t10\t10\n"
        )
        cell(page, "target-table", 0, 1).get_by_text("0.4", exact=True).wait_for()
        assert not page.locator("#table-note").is_visible()


# --- the button, and where the form starts from ------------------------------------------------------


@pytest.mark.parametrize("script", ["", VISITED], ids=["first visit", "later"])
@pytest.mark.parametrize("height", [900, 1000])
def test_the_train_button_is_in_sight(app, chromium, height, script):
    with opened(chromium, app.url, height=height, script=script) as page:
        ready(page)
        page.locator(".da-bars .row").first.wait_for()
        button, bars = page.locator("#train").bounding_box(), page.locator(".da-bars").bounding_box()
        assert button["y"] + button["height"] <= height
        assert bars["height"] >= 180
        if script:
            card = page.locator("#preview").bounding_box()
            assert card["y"] > bars["y"] + bars["height"]
        at = [button["x"] + button["width"] / 2, button["y"] + button["height"] / 2]
        assert page.evaluate("([x, y]) => document.elementFromPoint(x, y).closest('#train') !== null", at)


def test_the_start_that_is_typed_is_chosen_or_put_back(app, chromium):
    with opened(chromium, app.url) as page:
        ready(page)
        start = page.locator("#start-from input")
        start.click()
        page.keyboard.type("nothing like it")
        page.keyboard.press("Enter")
        page.locator("#start-note", has_text="'nothing like it' is not in the list").wait_for()
        assert start.input_value() == "The default settings"
        start.click()
        page.keyboard.type("weekd")
        page.get_by_role("option", name="Example: weekday").wait_for()
        page.keyboard.press("Enter")
        page.locator("#start-note", has_text="Filled in from weekday").wait_for()
        wait_for_spec(page, lambda spec: len(spec.attribute) == 7)
        # Leaving the box again keeps what was typed meanwhile.
        page.locator("#rounds textarea, #rounds input").first.fill("12")
        start.click()
        page.keyboard.press("Tab")
        page.wait_for_timeout(800)
        wait_for_spec(page, lambda spec: spec.rounds == 12)
        # The mouse takes the choice that is there already, too.
        start.click()
        page.get_by_role("option", name="Example: weekday").click()
        wait_for_spec(page, lambda spec: spec.rounds == 100)
