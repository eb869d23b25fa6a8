"""Gallery, first visit, How it works and tables of charts: what they say, and that texts stay texts."""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path

import pytest

from distalign.noise import mean_absolute_deviation
from distalign.spec import parse_spec
from jobs import gallery
from jobs.gallery import Example, Phase
from storage import RunState, Store
from ui import cards, chart_tables, diagrams, example_cards, how, page, welcome
from ui.gallery import found_examples, open_named

HOSTILE = "<img src=x onerror=alert(1)>\"'&"
BEFORE = Phase(40, 0.3, 0.04, 7.5, 0.5, ((0.9, 0.1), (None, None)), (20, 40))
AFTER = Phase(100, 0.05, 0.04, 1.25, 0.01, ((0.35, 0.65), (0.5, 0.5)), (0, 2))
EXAMPLE = Example(
    "gender", "Gender, 2 contexts", "What it is.", "python -m jobs gallery build x", ("male", "female"),
    ("bakers", "pilots"), ((0.3, 0.7), (0.5, 0.5)), 100, 31.0, BEFORE, AFTER,
)  # fmt: skip


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return Store(tmp_path / "runs.db")


def is_wanted(store: Store) -> bool:
    return 'class="da-welcome wanted"' in welcome.now(store, [EXAMPLE])


# --- gallery -------------------------------------------------------------------


def test_a_card_has_the_runs_figures_its_command_and_a_way_in() -> None:
    html = example_cards.gallery([EXAMPLE])
    for text in ("30.0 → 5.0 points", "4.0 points", "1.25×", "50 % → 1.0 %", "31 s", EXAMPLE.command):
        assert text in html
    assert f'href="?tab=results&amp;run={EXAMPLE.run_id}" data-example="gender"' in html


def test_the_picture_draws_every_measured_share_and_says_what_it_shows() -> None:
    svg = example_cards.picture(EXAMPLE)
    # Of the second context nothing was classified before training.
    assert [svg.count(f'class="{name}"') for name in ("target", "before", "after")] == [2, 1, 2]
    assert 'role="img"' in svg and "30.0 points before, 5.0 points after" in svg


def test_what_an_example_holds_is_text_and_never_code() -> None:
    hostile = replace(
        EXAMPLE, name=HOSTILE, title=HOSTILE, about=HOSTILE, command=HOSTILE,
        categories=(HOSTILE, "b"), contexts=(HOSTILE, "c"),
    )  # fmt: skip
    for html in (
        example_cards.gallery([hostile]),
        welcome.steps([hostile], False),
        how.page([hostile]),
    ):
        assert "<img" not in html and "&lt;img" in html


def test_an_empty_gallery_says_how_to_fill_it() -> None:
    assert "python -m jobs gallery build specs/" in example_cards.gallery([])


def test_a_gallery_that_cannot_be_read_says_so_and_stops_nothing(tmp_path: Path) -> None:
    (tmp_path / "x.json.gz").write_bytes(b"nonsense")
    examples, problem = found_examples(tmp_path)
    assert examples == () and "x.json.gz cannot be read" in problem
    assert "how it works" in welcome.steps(examples, False)
    assert how.page(examples)


# --- first visit -----------------------------------------------------------------


def test_the_first_steps_are_offered_until_a_run_is_done(store: Store, tmp_path: Path) -> None:
    assert is_wanted(store)
    run = store.insert_run(parse_spec({"attribute": "gender"}), state=RunState.RUNNING)
    assert is_wanted(store)
    store.finish(run.id, RunState.DONE)
    assert not is_wanted(store)


def test_an_example_is_no_run_of_ones_own(store: Store) -> None:
    gallery.open_example(store, gallery.examples()[0].name)
    assert store.count_runs(RunState.DONE) == 1
    assert is_wanted(store)


def test_an_address_puts_an_example_back_unless_it_was_just_deleted(store: Store) -> None:
    run_id = gallery.examples()[0].run_id
    open_named(store, {"run": run_id})
    assert store.run(run_id).deleted_at is None
    store.mark_deleted(run_id)
    open_named(store, {"run": run_id})
    assert store.run(run_id).deleted_at is not None


def test_an_address_puts_all_examples_of_a_comparison_back(store: Store) -> None:
    ids = [example.run_id for example in gallery.examples()[:2]]
    open_named(store, {"runs": ",".join([ids[0], "unknown", "exunknown", ids[1]])})
    assert {run.id for run in store.runs()} == set(ids)


def test_examples_with_one_target_are_compared_with_each_other() -> None:
    other = replace(EXAMPLE, name="told", title="A baseline", train_seconds=None)
    html = example_cards.gallery(
        [EXAMPLE, other, replace(other, name="else", rounds=3, target=((0.1, 0.9),) * 2)]
    )
    assert html.count("Compare with: A baseline") == 1 and html.count(f"Compare with: {EXAMPLE.title}") == 1
    assert f"runs={EXAMPLE.run_id},{other.run_id}" in html
    assert html.count("told the target</span>") == 2 and html.count("after training</span>") == 1


def test_the_first_steps_tell_of_a_run_that_is_at_work() -> None:
    assert "watch it" in welcome.steps([EXAMPLE], working=True)
    assert "watch it" not in welcome.steps([EXAMPLE], working=False)


# --- How it works ------------------------------------------------------------------


def test_the_squares_are_the_answers_of_the_run() -> None:
    assert how.counts_of(BEFORE, 0) == [18, 2, 20]
    assert how.counts_of(BEFORE, 1) == [0, 0, 40]
    assert how.counts_of(AFTER, 1) == [49, 49, 2]
    assert how.counts_of(replace(AFTER, rounds=400, lost=(0, 40)), 1) == [45, 45, 10]


def test_every_picture_has_words_for_it() -> None:
    html = how.page([EXAMPLE])
    drawn = re.findall(r"<svg[^>]*>", html)
    assert len(drawn) >= 7
    assert all('role="img"' in svg and re.search(r'aria-label="[^"]{30,}"', svg) for svg in drawn)


def test_the_noise_floor_on_the_page_is_the_one_that_is_measured_with() -> None:
    floor = f"{100 * mean_absolute_deviation(0.5, 100):.1f}"
    assert floor == "4.0" and f"{floor} away" in how.page([])
    assert f"{floor} away from 50" in diagrams.coin()


def test_formulas_come_last_and_parity_is_not_called_fairness() -> None:
    titles = re.findall(r'<h2 class="da-h2">([^<]*)', how.page([EXAMPLE]))
    assert titles[-1] == "The same in formulas"
    assert "Parity of shares is not fairness" in how.page([])


# --- empty states and tables of charts ------------------------------------------------


def test_an_empty_state_leads_to_the_tab_that_it_names() -> None:
    html = cards.empty("No runs yet", "Start one on the Train tab, or open one on the Gallery tab. <b>")
    assert 'href="?tab=train" data-go="train">Train tab</a>' in html
    assert 'data-go="gallery"' in html and "&lt;b&gt;" in html
    named = {name.lower() for name in re.findall(r"\((.*)\)", cards.TAB_NAMES.pattern)[0].split("|")}
    assert named >= set(page.TABS) - {"how"}


def test_the_table_of_a_target_has_one_column_where_contexts_do_not_differ() -> None:
    spec = parse_spec({"attribute": "race", "target": "even", "contexts": ["bakers", HOSTILE]})
    html = chart_tables.target_table(spec.attribute, spec.contexts, spec.target)
    assert "Every context" in html and html.count("20.0 %") == 5
    spec = parse_spec({"attribute": "gender", "target": "real"})
    html = chart_tables.target_table(spec.attribute, spec.contexts, spec.target)
    assert html.count("<tr>") == 1 + len(spec.contexts)


def test_the_table_of_curves_has_few_steps_and_the_last_one() -> None:
    points = [(step, {"loss": 1 / step, "mass": 0.5}) for step in range(1, 301)]
    html = chart_tables.curves_table(points)
    assert html.count("<tr>") <= chart_tables.MAX_STEPS + 2
    assert '<th scope="row">300</th>' in html and "Total" in html and "KTO" not in html
    assert chart_tables.curves_table([]) == ""
