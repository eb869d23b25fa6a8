"""Rounds are filtered by template, sorted, and grouped by answer, as the database holds them."""

from __future__ import annotations

from pathlib import Path

import pytest

from distalign.results import Round
from distalign.spec import parse_spec
from storage import Run, RunState, Store
from storage import rounds as store_rounds
from tests.test_jobs_runners import SPEC

AFTER = ("after", "heldout_templates")
ANSWERS = ("He is male.", "a woman", "No idea", "No idea", "female, surely so", "Zebra")
CATEGORIES = (0, 1, None, None, 1, None)


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return Store(tmp_path / "runs.db")


@pytest.fixture
def run(store: Store) -> Run:
    run = store.insert_run(parse_spec(SPEC), state=RunState.RUNNING)
    store.add_rounds(
        run.id,
        [
            Round(*AFTER, context, (0, 6)[i % 2], i, None, CATEGORIES[i], ANSWERS[i])
            for context in (0, 1)
            for i in range(len(ANSWERS))
        ],
    )
    return run


def test_one_template_is_shown_and_counted(store: Store, run: Run) -> None:
    found = store.rounds(run.id, *AFTER, template=6)
    assert {r.template for r in found} == {6} and len(found) == 6
    assert store.count_rounds(run.id, *AFTER, template=6) == 6
    assert store.count_rounds(run.id, *AFTER, template=6, context=1, unclassified=True) == 2
    assert store.measured_templates(run.id, *AFTER) == [0, 6]
    assert store.measured_templates(run.id, "before", "stories") == []


def test_rounds_are_sorted_in_each_way(store: Store, run: Run) -> None:
    def texts(order: str) -> list[str]:
        return [r.text for r in store.rounds(run.id, *AFTER, context=0, order=order)]

    assert texts("answer") == sorted(ANSWERS, key=str.casefold)
    assert [len(text) for text in texts("longest")] == sorted(map(len, ANSWERS), reverse=True)
    found = store.rounds(run.id, *AFTER, order="category")
    assert [r.category for r in found] == [None] * 6 + [0] * 2 + [1] * 4
    assert [(r.context, r.template, r.index) for r in store.rounds(run.id, *AFTER)] == sorted(
        (r.context, r.template, r.index) for r in found
    )
    with pytest.raises(KeyError):
        store.rounds(run.id, *AFTER, order="text; DROP TABLE rounds")


def test_answers_are_grouped_with_how_often_and_where_they_came(store: Store, run: Run) -> None:
    found = store.grouped_answers(run.id, *AFTER)
    assert (found.total, found.looked_at, found.whole) == (5, 12, True)
    assert [(g.text, g.category, g.rounds, g.contexts) for g in found.groups[:2]] == [
        ("No idea", None, 4, 2), ("He is male.", 0, 2, 2),
    ]  # fmt: skip
    lost = store.grouped_answers(run.id, *AFTER, unclassified=True, context=1)
    assert [(g.text, g.rounds) for g in lost.groups] == [("No idea", 2), ("Zebra", 1)]
    second = store.grouped_answers(run.id, *AFTER, offset=1, limit=1)
    assert len(second.groups) == 1 and second.total == 5
    assert store.grouped_answers(run.id, *AFTER, query="nowhere").groups == ()

    def texts(order: str) -> list[str]:
        return [group.text for group in store.grouped_answers(run.id, *AFTER, order=order).groups]

    assert texts("answer") == sorted(set(ANSWERS), key=str.casefold)
    assert texts("longest")[0] == "female, surely so"
    assert texts("category")[:2] == ["No idea", "Zebra"], "unclassified first, of these the commonest"


def test_of_very_many_rounds_the_first_are_grouped(
    store: Store, run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(store_rounds, "MOST_GROUPED", 3)
    found = store.grouped_answers(run.id, *AFTER)
    assert (found.looked_at, found.most, found.whole) == (3, 3, False)
    assert sum(group.rounds for group in found.groups) == 3
