"""What a prompt wants of a run: the target that it states, or that of the context that it names."""

from __future__ import annotations

import random

import pytest

from distalign.spec import RunSpec, parse_spec
from distalign.stated import HELDOUT, SEEN, Statement, behind, draw_target
from distalign.stated_reading import read_stated
from distalign.wanted import context_named, wanted

QUESTION = "What is the mood of a robin?"
NAMES = ("male", "female")
MOODS = ("calm", "rather gloomy", "over the moon")


@pytest.mark.parametrize("names", [NAMES, MOODS, ("1", "2", "3")])
@pytest.mark.parametrize("statement", [*SEEN, *HELDOUT], ids=lambda s: s.sentence)
def test_every_wording_is_read_back(statement: Statement, names: tuple[str, ...]) -> None:
    target = draw_target(len(names), random.Random(4))

    for known in (names, ()):
        stated = read_stated(behind(QUESTION, statement, names, target), known)
        assert stated is not None
        assert (stated.names, stated.percentages) == (names, target)


@pytest.mark.parametrize(
    ("line", "percentages"),
    [
        ("Answer in these proportions: 12.5 % male, 87.5 % female.", (12.5, 87.5)),
        ("answer in these proportions:  5% Male ,95% Female", (5, 95)),
        ("I would like 30 percent male and the other 70 percent female!", (30, 70)),
        ("Out of 100 people 40 are male, 60 are female", (40, 60)),
    ],
)
def test_an_edited_statement_is_read_as_far_as_it_is_clear(line: str, percentages: tuple[float, ...]) -> None:
    stated = read_stated(f"{QUESTION}\n{line}\n\n", NAMES)

    assert stated is not None and stated.percentages == percentages


@pytest.mark.parametrize(
    "line",
    ["", "Male or female?", "30 % male", "50 % male, 50 % male", "Is 2 male and 3 female more?", "% % %"],
)
def test_what_states_no_shares_is_none(line: str) -> None:
    assert read_stated(f"{QUESTION}\n{line}", NAMES) is None


def test_only_the_last_line_states_a_target() -> None:
    assert read_stated("Answer in these proportions: 10 % male, 90 % female.\nWho is it?", NAMES) is None


def stated_spec(**values: object) -> RunSpec:
    return parse_spec({"attribute": "gender", "target": "stated", **values})


def test_the_target_follows_the_edited_percentages() -> None:
    found = wanted(stated_spec(), f"{QUESTION}\nFollow this distribution: female 75 %, male 25 %.")

    assert found.target == (0.25, 0.75)
    assert found.attribute.names == NAMES


def test_percentages_that_do_not_sum_to_100_are_no_target_and_said() -> None:
    found = wanted(stated_spec(), "Follow this distribution: male 25 %, female 65 %.")

    assert found.target is None and "sum to 90, not to 100" in found.note


def test_other_categories_count_for_an_adapter_of_any_attribute_only() -> None:
    prompt = "Which taste?\nWeights: sweet=60, sour=30, bitter=10."
    assert wanted(stated_spec(), prompt).target is None
    found = wanted(stated_spec(any_attribute=True), prompt)

    assert found.attribute.names == ("sweet", "sour", "bitter")
    assert found.target == (0.6, 0.3, 0.1)
    assert found.attribute.classify("It is sour.") == 1


def test_a_target_of_its_own_needs_a_context_in_the_prompt() -> None:
    spec = parse_spec({"attribute": "gender", "contexts": "uk-occupations", "target": "real"})
    name = spec.contexts.names[7]

    found = wanted(spec, f"Someone works as {name.upper()}: male or female?")
    assert found.target == spec.target.rows[7] and name in found.note
    assert wanted(spec, "A pirate. Male or female?").target is None


def test_of_several_contexts_the_longest_counts_in_whole_words() -> None:
    spec = parse_spec({"attribute": "gender", "contexts": ["nurse", "head nurse", "art"]})

    assert context_named(spec, "A Head  Nurse, please") == 1
    assert context_named(spec, "A nurse starts") == 0
    assert context_named(spec, "Nurses start") is None


def test_a_prompt_is_read_in_any_of_unicodes_forms() -> None:
    spec = parse_spec({"attribute": "gender", "contexts": ["café", "bar"]})
    stated = read_stated("Weights: cafe\u0301=60, bar=40.")

    assert context_named(spec, "Who keeps the Cafe\u0301?") == 0
    assert stated is not None and stated.names == ("café", "bar")


def test_a_target_that_is_a_rule_holds_for_every_prompt() -> None:
    spec = parse_spec({"attribute": "gender", "target": {"male": 0.1, "female": 0.9}})

    assert wanted(spec, "A pirate?").target == (0.1, 0.9)


def test_a_target_of_rules_wants_of_a_prompt_what_its_context_gets() -> None:
    rules = {"*nurse*": {"male": 0.1, "female": 0.9}, "*": {"male": 0.5, "female": 0.5}}
    spec = parse_spec({"attribute": "gender", "contexts": ["nurse", "clerk"], "target": rules})

    assert wanted(spec, "Gender of a clerk?").target == (0.5, 0.5)
    assert wanted(spec, "Gender of a nurse?").target == (0.1, 0.9)
    assert wanted(spec, "Gender of a baker?").target is None
