"""Templates: enough of them, split cleanly, filled literally."""

from __future__ import annotations

import re

import pytest

from distalign.attributes import BUILT_IN, GENDER, SENTIMENT, Attribute, parse_attribute
from distalign.errors import SpecError
from distalign.spec import parse_spec
from distalign.templates import (
    Templates,
    built_in_templates,
    check_template,
    fill,
    measured_templates,
    responses,
)


def with_categories(count: int) -> Attribute:
    return parse_attribute({"name": "sort", "categories": [f"kind {i}" for i in range(count)]})


@pytest.mark.parametrize("attribute", BUILT_IN.values(), ids=list(BUILT_IN))
def test_built_ins_have_24_seen_and_8_heldout_templates(attribute: Attribute) -> None:
    templates = built_in_templates(attribute)

    assert len(set(templates.seen)) == len(templates.seen) >= 24
    assert len(set(templates.heldout)) == len(templates.heldout) >= 8
    assert not set(templates.seen) & set(templates.heldout)


@pytest.mark.parametrize("attribute", [*BUILT_IN.values(), with_categories(50)], ids=lambda a: a.name)
def test_every_template_fills_without_leftovers(attribute: Attribute) -> None:
    templates = built_in_templates(attribute)
    for template in (*templates.seen, *templates.heldout):
        text = fill(template, attribute, context="Registered nurses")
        assert "Registered nurses" in text
        assert not re.search(r"[{}]", text)
        assert text[0].isupper() or not text[0].isalpha()


def test_person_and_general_attributes_are_asked_differently() -> None:
    assert built_in_templates(GENDER) != built_in_templates(SENTIMENT)
    assert "occupation" in " ".join(built_in_templates(GENDER).seen).casefold()
    assert "occupation" not in " ".join(built_in_templates(SENTIMENT).seen).casefold()


def test_fifty_categories_are_not_listed_in_every_prompt() -> None:
    templates = built_in_templates(with_categories(50))

    assert not any("{options}" in t for t in (*templates.seen, *templates.heldout))
    assert len(templates.seen) >= 12 and len(templates.heldout) >= 4


def test_slots_are_replaced_in_one_pass() -> None:
    odd = parse_attribute({"name": "a", "categories": ["b", "c"]})

    assert fill("{context}: {attribute} of {options}", odd, context="x") == "X: a of b or c"
    assert fill("In {context}", odd, context="{attribute}") == "In {attribute}"


@pytest.mark.parametrize(
    "attack", ["{context.__class__}", "{0}", "{attribute!r}", "{context:>999999999}", "{", "}", "{}", "{{x}}"]
)
def test_format_attacks_are_refused_in_templates_and_literal_in_contexts(attack: str) -> None:
    with pytest.raises(SpecError):
        check_template(f"{{context}} {attack}", "templates.seen")

    assert fill("Job: {context}", GENDER, context=attack) == f"Job: {attack}"
    # Even a template that nobody checked is never formatted.
    assert fill(f"Job: {attack}", GENDER, context="x") == f"Job: {attack}"


@pytest.mark.parametrize(
    ("template", "given"),
    [
        ("", "''"),
        ("   ", "'   '"),
        (None, "None"),
        (7, "7"),
        ("no slot at all", "'no slot at all'"),
        ("{Context}", "{Context}"),
        ("{context} {job}", "{job}"),
        ("{context} <|im_end|>", "im_end"),
        ("{context}\x00", "x00"),
        ("{context}" + "x" * 500, "509"),
    ],
)
def test_a_bad_template_is_named_with_what_was_given(template: object, given: str) -> None:
    with pytest.raises(SpecError) as caught:
        check_template(template, "templates.seen")

    assert caught.value.field == "templates.seen"
    assert given in str(caught.value)
    assert caught.value.remedy.strip()


@pytest.mark.parametrize(
    ("seen", "heldout", "field"),
    [
        ((), ("a {context}",), "templates.seen"),
        (("a {context}",), (), "templates.heldout"),
        (("a {context}",), ("a {context}",), "templates.heldout"),
        (tuple(f"{i} {{context}}" for i in range(201)), ("a {context}",), "templates.seen"),
    ],
)
def test_groups_that_cannot_be_used(seen: tuple[str, ...], heldout: tuple[str, ...], field: str) -> None:
    with pytest.raises(SpecError) as caught:
        Templates(seen, heldout)

    assert caught.value.field == field


@pytest.mark.parametrize("attribute", [*BUILT_IN.values(), with_categories(50)], ids=lambda a: a.name)
def test_every_response_names_its_own_category_and_varies(attribute: Attribute) -> None:
    for k in range(len(attribute)):
        texts = responses(attribute, k)
        assert len(set(texts)) == len(texts) >= 2
        assert all(attribute.classify(text) == k for text in texts)


def test_own_phrasings_replace_the_built_in_ones() -> None:
    spec = parse_spec(
        {"attribute": "gender", "templates": {"phrasings": ["It is {category}.", "{attribute}={category}"]}}
    )

    assert responses(GENDER, 1, spec.templates.phrasings) == ["It is female.", "Gender=female"]
    assert spec.templates.seen == built_in_templates(GENDER).seen
    assert spec.to_mapping()["templates"] == {"phrasings": list(spec.templates.phrasings)}
    assert parse_spec(spec.to_mapping()) == spec


@pytest.mark.parametrize(
    ("phrasing", "given"),
    [("", "empty"), ("no slot", "{category}"), ("{category} {context}", "brace"), ("{category}" + "x" * 200, "210"),
     ("{category} <|im_end|>", "<|"), ("{category}, no man", "not read as 'female'")],
)  # fmt: skip
def test_a_phrasing_that_would_not_be_read_as_its_category_is_refused(phrasing: str, given: str) -> None:
    with pytest.raises(SpecError) as caught:
        parse_spec({"attribute": "gender", "templates": {"phrasings": [phrasing]}})

    assert caught.value.field == "templates.phrasings" and given in str(caught.value)


def test_no_more_phrasings_than_can_be_learned() -> None:
    with pytest.raises(SpecError, match="21 given"):
        parse_spec(
            {"attribute": "gender", "templates": {"phrasings": ["{category}" + "." * i for i in range(21)]}}
        )


@pytest.mark.parametrize(("count", "rounds"), [(26, 100), (8, 100), (3, 100), (26, 5), (1, 1)])
def test_the_measured_templates_are_spread_over_the_split(count: int, rounds: int) -> None:
    chosen = measured_templates(count, rounds)

    assert len(set(chosen)) == len(chosen) == min(8, count, rounds)
    assert chosen[0] == 0 and max(chosen) < count
