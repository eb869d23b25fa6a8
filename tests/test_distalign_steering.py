"""Steering tokens: single, distinct, shown by the decoder as they are, and told apart by the head."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

from distalign.attributes import GENDER, Attribute, parse_attribute
from distalign.errors import ModelError, SpecError
from distalign.steering import SteeringTokens, choose_steering_tokens
from tests.tiny import SPARE, tiny_tokenizer

TOKENIZER = tiny_tokenizer()


@pytest.fixture
def rows() -> Tensor:
    return torch.randn(len(TOKENIZER), 32, generator=torch.Generator().manual_seed(0))


def with_categories(*names: str) -> Attribute:
    return parse_attribute({"name": "sort", "categories": list(names)})


def many(count: int) -> Attribute:
    return with_categories(*(f"kind {chr(97 + i // 26)}{chr(97 + i % 26)}" for i in range(count)))


@pytest.mark.parametrize("count", [2, 10, 11, 50])
def test_tokens_are_single_distinct_and_decode_to_themselves(rows: Tensor, count: int) -> None:
    chosen = choose_steering_tokens(TOKENIZER, rows, many(count))

    assert len(set(chosen.ids)) == len(set(chosen.texts)) == count
    for text, token in zip(chosen.texts, chosen.ids, strict=True):
        assert TOKENIZER.encode(text, add_special_tokens=False) == [token]
        assert TOKENIZER.decode([token]) == text
    assert [chosen.index(i) for i in chosen.ids] == list(range(count))


def test_digits_come_first(rows: Tensor) -> None:
    assert choose_steering_tokens(TOKENIZER, rows, GENDER).texts == ("1", "2")


@pytest.mark.parametrize("names", [("1", "2", "3"), ("grade 1", "none"), ("4-6 years", "older")])
def test_digits_are_avoided_where_a_category_holds_one(rows: Tensor, names: tuple[str, ...]) -> None:
    chosen = choose_steering_tokens(TOKENIZER, rows, with_categories(*names))

    assert not any(c.isdigit() for text in chosen.texts for c in text)


def test_a_digit_in_a_synonym_counts(rows: Tensor) -> None:
    one = parse_attribute(
        {"name": "n", "categories": [{"name": "one", "synonyms": ["1"]}, {"name": "two", "synonyms": ["2"]}]}
    )

    assert choose_steering_tokens(TOKENIZER, rows, one).texts == ("A", "B")


def test_no_token_is_the_name_of_a_category(rows: Tensor) -> None:
    chosen = choose_steering_tokens(TOKENIZER, rows, with_categories("a", "B", "3"))

    assert not {text.casefold() for text in chosen.texts} & {"a", "b", "3"}


def test_tokens_that_share_an_output_row_are_passed_over(rows: Tensor) -> None:
    one, two = (TOKENIZER.convert_tokens_to_ids(d) for d in "12")
    rows[two] = 3 * rows[one]

    assert choose_steering_tokens(TOKENIZER, rows, GENDER).texts == ("1", "3")


def test_spare_special_tokens_are_taken_and_those_of_the_chat_format_never(rows: Tensor) -> None:
    chosen = choose_steering_tokens(TOKENIZER, rows, GENDER, "special")

    assert chosen.texts == SPARE[:2]
    assert TOKENIZER.decode(list(chosen.ids), skip_special_tokens=True) == ""


def test_a_special_pool_whose_rows_are_all_the_same_is_refused(rows: Tensor) -> None:
    for text in SPARE:
        rows[TOKENIZER.convert_tokens_to_ids(text)] = 0.01
    with pytest.raises(SpecError) as caught:
        choose_steering_tokens(TOKENIZER, rows, GENDER, "special")

    assert caught.value.field == "steering"
    assert "has 1 tokens" in str(caught.value) and "visible" in caught.value.remedy


def test_more_categories_than_spare_tokens_are_refused(rows: Tensor) -> None:
    with pytest.raises(SpecError, match="6 tokens"):
        choose_steering_tokens(TOKENIZER, rows, many(7), "special")


def test_a_tokenizer_without_a_chat_template_is_refused(rows: Tensor) -> None:
    bare = tiny_tokenizer()
    bare.chat_template = None
    with pytest.raises(ModelError, match="chat template"):
        choose_steering_tokens(bare, rows, GENDER, "special")


def test_other_tokens_stand_for_no_category() -> None:
    assert SteeringTokens(("1", "2"), (7, 8)).index(9) is None


def test_letters_that_are_categories_say_which_pool_has_others(rows: Tensor) -> None:
    letters = parse_attribute({"name": "letter", "categories": list("ABCDEFGHIJKLMNOPQRSTUVWXYZ")})
    with pytest.raises(SpecError, match="longer names than a letter or a digit, or the pool 'special'"):
        choose_steering_tokens(tiny_tokenizer(), rows, letters, "visible")
