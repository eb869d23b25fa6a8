"""The order in which prompts are asked: runs of one template, all contexts in turn."""

from __future__ import annotations

import itertools
import random
from collections import Counter

import pytest

from distalign.dealing import answer_groups, in_runs
from distalign.prompts import Prompt

STEP = 24


def pool(contexts: int, templates: int) -> list[Prompt]:
    return [Prompt(c, t, ()) for t in range(templates) for c in range(contexts)]


@pytest.mark.parametrize(("contexts", "templates"), [(25, 40), (14, 9), (1, 5), (3, 2), (200, 3)])
def test_each_prompt_comes_once(contexts: int, templates: int) -> None:
    prompts = pool(contexts, templates)

    assert sorted(in_runs(prompts, random.Random(0))) == list(range(len(prompts)))


def test_a_step_asks_about_nearly_all_contexts() -> None:
    prompts = pool(25, 96)
    order = in_runs(prompts, random.Random(1))

    asked = [{prompts[i].context for i in order[n : n + STEP]} for n in range(0, len(order) - STEP, STEP)]

    assert min(map(len, asked)) >= STEP - 4


def test_any_beginning_asks_about_all_contexts_about_equally_often() -> None:
    prompts = pool(25, 96)
    order = in_runs(prompts, random.Random(2))

    for count in (50, 400, 1_500):
        often = Counter(prompts[i].context for i in order[:count])
        assert len(often) == 25
        assert max(often.values()) - min(often.values()) <= 1


def test_neighbours_share_a_template_and_neighbouring_runs_do_not() -> None:
    prompts = pool(25, 96)
    order = in_runs(prompts, random.Random(3))
    templates = [prompts[i].template for i in order]

    changes = sum(a != b for a, b in itertools.pairwise(templates))

    # Four runs of six or seven a template, hardly any two of them side by side.
    assert 0.95 * 4 * 96 <= changes < 4 * 96


def test_a_choice_of_whole_runs_keeps_them_when_it_is_ordered_anew() -> None:
    prompts = pool(25, 96)
    chosen = [prompts[i] for i in in_runs(prompts, random.Random(4))[:400]]

    again = [chosen[i] for i in in_runs(chosen, random.Random(5))]

    changes = sum(a.template != b.template for a, b in itertools.pairwise(again))
    assert changes < 400 / 6 + 1


@pytest.mark.parametrize("size", [4, 5, 19, 95])
def test_groups_of_answers_are_all_whole(size: int) -> None:
    prompts = [Prompt(c, t, (1, c, t)) for c in range(20) for t in range(10)]
    groups = answer_groups(prompts, size, 96, random.Random(0))
    dealt = list(itertools.chain(*groups))
    assert {len(group) for group in groups} == {size} and len(set(dealt)) == len(dealt) <= 96
