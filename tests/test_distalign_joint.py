"""Joint attributes: their cells, how a text names one, joint targets, and the parts' own measures."""

from __future__ import annotations

import numpy as np
import pytest

from distalign.attributes import GENDER, RACE, SENTIMENT, joint, parse_attribute
from distalign.contexts import parse_contexts
from distalign.measuring import Subject, _Tally
from distalign.metrics import marginals, measure
from distalign.noise import noise_floor
from distalign.prompts import Prompt
from distalign.sampling import Answer
from distalign.spec import parse_spec
from distalign.steering import SteeringTokens, choose_steering_tokens
from distalign.targets import parse_target
from distalign.templates import PERSON_SEEN, built_in_templates, fill, responses
from tests.tiny import tiny_model, tiny_spec, tiny_tokenizer

BOTH = joint([GENDER, SENTIMENT])
WITH_RACE = joint([GENDER, RACE])
NUMBERED = joint([SENTIMENT, parse_attribute({"name": "number", "categories": list(range(1, 11))})])
US = parse_contexts("us-occupations")


def test_the_categories_are_the_cells_the_last_part_varying_fastest() -> None:
    assert BOTH.name == "gender and sentiment"
    assert BOTH.names[:4] == ("male, positive", "male, negative", "male, neutral", "female, positive")
    assert len(WITH_RACE) == 10
    three = joint([GENDER, SENTIMENT, parse_attribute({"name": "size", "categories": ["big", "small"]})])
    assert three.name == "gender, sentiment and size"
    assert three.names[7] == "female, positive, small"
    assert [three.cell(three.of_part(k)) for k in range(len(three))] == list(range(12))
    assert ", ".join(p.names[k] for p, k in zip(three.parts, three.of_part(7), strict=True)) == three.names[7]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("male, positive", "male, positive"),
        ("Positive. A woman.", "female, positive"),
        ("Gender: female, sentiment: neutral", "female, neutral"),
        ("male? no, a lady, and negative", "female, negative"),
        ("female", None),
        ("neutral", None),
        ("", None),
    ],
)
def test_a_text_belongs_to_a_cell_only_if_it_names_all_parts(text: str, expected: str | None) -> None:
    k = BOTH.classify(text)
    assert (None if k is None else BOTH.names[k]) == expected


def test_a_longer_word_of_one_part_hides_a_shorter_word_of_another() -> None:
    nation = parse_attribute({"name": "nation", "categories": ["American", "Canadian"]})
    both = joint([RACE, nation])

    assert both.classify("Native American") is None
    assert both.names[both.classify("Native American, Canadian")].endswith("Alaska Native, Canadian")


def test_numbers_are_whole_words_and_no_decimals() -> None:
    for text, expected in {"10": "10", "1": "1", "7.": "7", "7.5": None, "3.10": None, "110": None}.items():
        k = NUMBERED.classify(f"positive, {text}")
        assert (None if k is None else NUMBERED.names[k]) == (expected and f"positive, {expected}"), text


def test_an_answer_is_read_without_its_steering_token_even_if_both_are_digits() -> None:
    tokenizer, number = tiny_tokenizer(), NUMBERED.parts[1].to_mapping()
    spec = tiny_spec({"attribute": number, "target": "even"})
    digits = tuple(tokenizer.convert_tokens_to_ids(d) for d in "1234567890")
    subject = Subject(tiny_model(), tokenizer, SteeringTokens(tuple("1234567890"), digits), "after")
    ids = (digits[2], *tokenizer.encode(" 7", add_special_tokens=False), tokenizer.eos_token_id)
    tally = _Tally(subject, spec, "seen_templates", [Prompt(0, 0, (1,))])

    (read,) = tally.rounds([Answer(0, ids, 1, 0.5)])
    assert (read.steering, read.category, read.text) == (2, 6, "7")
    assert tally.agreeing == 0 and tally.led == 1


@pytest.mark.parametrize("attribute", [BOTH, WITH_RACE, NUMBERED], ids=lambda a: a.name)
def test_every_response_names_its_cell(attribute) -> None:
    for k in range(len(attribute)):
        texts = responses(attribute, k)
        assert len(texts) >= 3
        assert {attribute.classify(text) for text in texts} == {k}


def test_a_person_is_asked_about_if_one_part_is_about_a_person() -> None:
    assert built_in_templates(BOTH).seen == PERSON_SEEN
    assert NUMBERED.kind == "general"
    assert fill("The {attribute}: {options}?", BOTH) == (
        "The gender and sentiment: male or female, and positive, negative or neutral?"
    )


def test_steering_tokens_are_no_words_of_the_parts() -> None:
    tokenizer, rows = tiny_tokenizer(), tiny_model().get_output_embeddings().weight
    digits = choose_steering_tokens(tokenizer, rows, BOTH)
    letters = choose_steering_tokens(tokenizer, rows, NUMBERED)

    assert len(set(digits.ids)) == 6 and set(digits.texts) <= set("1234567890")
    assert len(set(letters.ids)) == 30 and not any(text.isdigit() for text in letters.texts)


def test_a_product_multiplies_the_parts_targets() -> None:
    target = parse_target({"gender": "real", "race": "even"}, WITH_RACE, US)
    real = parse_target("real", GENDER, US)

    assert target.kind == "product"
    for row, (male, female) in zip(target.rows, real.rows, strict=True):
        assert row == pytest.approx([male / 5] * 5 + [female / 5] * 5)
        assert sum(row) == pytest.approx(1)


def test_which_targets_are_rules() -> None:
    table = {name: {"male": 0.5, "female": 0.5} for name in US.names}
    rules = {
        "even": parse_target("even", BOTH, US),
        "mapping": parse_target({"male": 0.2, "female": 0.8}, GENDER, US),
        "product": parse_target(
            {"gender": "even", "sentiment": dict.fromkeys(SENTIMENT.names, 1 / 3)}, BOTH, US
        ),
        "real": parse_target("real", GENDER, US),
        "table": parse_target(table, GENDER, US),
        "product with a table": parse_target({"gender": table, "sentiment": "even"}, BOTH, US),
    }
    assert [name for name, target in rules.items() if target.is_rule] == ["even", "mapping", "product"]


def test_marginals_are_measured_on_summed_counts() -> None:
    target = np.array([[0.1, 0.2, 0.3, 0.1, 0.1, 0.2], [1 / 6] * 6])
    counts = np.array([[10.0, 20, 30, 10, 10, 20], [30.0, 0, 0, 0, 0, 30]])
    gender, sentiment = marginals(BOTH, target, counts)

    # Context by context: male 60 of 100 where 0.6 is due, and 30 of 60 where 0.5 is due.
    assert gender.mae.value == pytest.approx(0)
    assert gender.realized == pytest.approx([0.55, 0.45])
    assert gender.noise_floor == pytest.approx(
        (noise_floor([0.6, 0.4], 100) + noise_floor([0.5, 0.5], 60)) / 2
    )
    # Sentiment is on target in the first; in the second it is ½, 0, ½ where ⅓ each is due.
    assert sentiment.mae.value == pytest.approx((1 / 6 + 1 / 3 + 1 / 6) / 3 / 2)
    assert sentiment.target == pytest.approx([(0.2 + 1 / 3) / 2, (0.3 + 1 / 3) / 2, (0.5 + 1 / 3) / 2])
    assert sentiment.ratio.low < sentiment.ratio.value < sentiment.ratio.high
    assert (gender.attribute, sentiment.categories) == ("gender", SENTIMENT.names)
    assert measure(target, counts).intervals["mae"].value > 0


def test_an_attribute_without_parts_has_no_marginals_and_no_rounds_no_shares() -> None:
    assert marginals(GENDER, np.array([[0.5, 0.5]]), np.array([[1.0, 2.0]])) == ()
    empty = marginals(BOTH, np.full((1, 6), 1 / 6), np.zeros((1, 6)))
    assert np.isnan(empty[0].realized).all() and np.isnan(empty[0].mae.value)


def test_the_title_names_all_parts() -> None:
    spec = parse_spec({"attribute": ["gender", "race"], "target": {"gender": "real", "race": "even"}})
    assert spec.title == "Gender and race, UK occupations, product target"
