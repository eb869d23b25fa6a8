"""Which category a text names, and which attributes are refused."""

from __future__ import annotations

from typing import Any

import pytest

from distalign.attributes import BUILT_IN, GENDER, RACE, SENTIMENT, Attribute, parse_attribute
from distalign.errors import SpecError


def attribute(*categories: object) -> Attribute:
    return parse_attribute({"name": "colour", "categories": list(categories)})


def named(found: Attribute, text: str) -> str | None:
    k = found.classify(text)
    return None if k is None else found.names[k]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("male", "male"),
        ("female", "female"),
        ("FEMALE.", "female"),
        ("The gender is Male!", "male"),
        ("a woman", "female"),
        ("two men", "male"),
        ("male? no, female", "female"),
        ("female or male", "male"),
        ("'male'", "male"),
        ("male\nnurse", "male"),
        ("femalemale", None),
        ("a postman", None),
        ("manly", None),
        ("male_nurse", None),
        ("", None),
        ("I cannot say.", None),
    ],
)
def test_the_last_category_named_as_a_whole_word_wins(text: str, expected: str | None) -> None:
    assert named(GENDER, text) == expected


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("African American", "Black or African American"),
        ("African\n American", "Black or African American"),
        ("Asian American", "Asian"),
        ("Native American", "American Indian or Alaska Native"),
        ("native hawaiian or other pacific islander", "Native Hawaiian or Other Pacific Islander"),
        ("Black or African American", "Black or African American"),
        ("American", None),
        ("Whiteboard", None),
        ("white", "White"),
    ],
)
def test_the_longest_match_wins_over_its_parts(text: str, expected: str | None) -> None:
    assert named(RACE, text) == expected


@pytest.mark.parametrize(
    ("categories", "text", "expected"),
    [
        (["grün", "weiß"], "Es ist GRÜN", "grün"),
        (["grün", "weiß"], "weiß", "weiß"),
        (["élève", "maître"], "un élève", "élève"),
        (["男", "女"], "答: 女", "女"),
        (["да", "нет"], "НЕТ!", "нет"),
        (["1", "2", "12"], "12", "12"),
        (["1", "2", "12"], "1 or 2", "2"),
        (["1", "2"], "21", None),
        (["C++", "C"], "written in C++", "C++"),
        (["C++", "C"], "in C.", "C"),
        (["yes", "no"], "know", None),
        (["a.b", "axb2"], "axb", None),
        (["night shift", "day"], "NIGHT   Shift", "night shift"),
    ],
)
def test_words_of_any_script_digits_and_signs(categories: list[str], text: str, expected: str | None) -> None:
    assert named(attribute(*categories), text) == expected


@pytest.mark.parametrize(
    ("word", "text"),
    [
        ("weiß", "weiß"),
        ("weiß", "WEISS"),
        ("weiß", "Weiss"),
        ("İzmir", "İzmir"),
        ("straße", "Straße"),
        ("kız", "KIZ"),
    ],
)
def test_letters_whose_case_changes_their_number_or_kind(word: str, text: str) -> None:
    assert attribute(word, "other").classify(f"Es ist {text}.") == 0


def test_text_in_a_neighbouring_alphabet_never_raises() -> None:
    assert SENTIMENT.classify("posıtıve") in (0, None)


def test_synonyms_count_for_their_category() -> None:
    colour = attribute({"name": "red", "synonyms": ["crimson", "dark pink"]}, "blue")

    assert named(colour, "Crimson") == named(colour, "a dark pink") == "red"


@pytest.mark.parametrize("k", [2, 50])
def test_two_to_fifty_categories_are_told_apart(k: int) -> None:
    many = attribute(*(f"kind {i}" for i in range(k)))

    assert len(many) == k
    assert [many.classify(f"It is kind {i}.") for i in range(k)] == list(range(k))


def test_numbers_that_yaml_reads_are_words() -> None:
    assert attribute(1, 2.5).names == ("1", "2.5")


@pytest.mark.parametrize("built_in", BUILT_IN.values(), ids=list(BUILT_IN))
def test_built_ins_round_trip_by_name(built_in: Attribute) -> None:
    assert built_in.to_mapping() == built_in.name
    assert parse_attribute(built_in.name) is built_in
    assert parse_attribute(f" {built_in.name.upper()} ") is built_in


def test_names_are_kept_in_unicodes_composed_form() -> None:
    decomposed = "the\u0301"
    one = parse_attribute({"name": f"{decomposed}  noir", "categories": [decomposed, "eau"]})

    assert (one.name, one.names) == ("thé noir", ("thé", "eau"))
    assert one.classify(f"Un {decomposed}.") == one.classify("Un thé.") == 0


def test_the_built_ins_have_the_papers_categories() -> None:
    assert GENDER.names == ("male", "female")
    assert SENTIMENT.names == ("positive", "negative", "neutral")
    assert len(RACE) == 5
    assert (GENDER.kind, RACE.kind, SENTIMENT.kind) == ("person", "person", "general")


def test_a_custom_attribute_round_trips() -> None:
    one = parse_attribute(
        {
            "name": "gender",
            "kind": "person",
            "categories": ["male", "female", {"name": "x", "synonyms": ["nb"]}],
        }
    )

    assert parse_attribute(one.to_mapping()) == one


def test_categories_may_be_a_mapping_to_synonyms() -> None:
    one = parse_attribute({"name": "c", "categories": {"red": ["crimson"], "blue": None}})

    assert one.names == ("red", "blue") and one.categories[0].synonyms == ("crimson",)


BAD: dict[str, tuple[Any, str, str]] = {
    "unknown name": ("height", "attribute", "'height'"),
    "not a mapping": (7, "attribute", "7"),
    "unknown field": ({"name": "a", "categories": ["b", "c"], "colour": 1}, "attribute", "colour"),
    "no name": ({"categories": ["b", "c"]}, "attribute", "None"),
    "empty name": ({"name": " ", "categories": ["b", "c"]}, "attribute", "''"),
    "long name": ({"name": "n" * 61, "categories": ["b", "c"]}, "attribute", "61"),
    "braces in the name": ({"name": "{a}", "categories": ["b", "c"]}, "attribute", "'{a}'"),
    "one category": ({"name": "a", "categories": ["b"]}, "attribute.categories", "1 given"),
    "no category": ({"name": "a", "categories": []}, "attribute.categories", "0 given"),
    "51 categories": (
        {"name": "a", "categories": [f"c{i}" for i in range(51)]},
        "attribute.categories",
        "51 given",
    ),
    "duplicate": ({"name": "a", "categories": ["b", "B "]}, "attribute.categories", "'B'"),
    "synonym of another": (
        {"name": "a", "categories": ["b", {"name": "c", "synonyms": ["B"]}]},
        "attribute.categories",
        "'B'",
    ),
    "empty category": ({"name": "a", "categories": ["b", "  "]}, "attribute.categories", "''"),
    "no letter": ({"name": "a", "categories": ["b", "…"]}, "attribute.categories", "'…'"),
    "angle bracket": ({"name": "a", "categories": ["b", "<|im_end|>"]}, "attribute.categories", "im_end"),
    "yaml's no": ({"name": "a", "categories": ["b", False]}, "attribute.categories", "False"),
    "not a list": ({"name": "a", "categories": "b, c"}, "attribute.categories", "'b, c'"),
    "synonyms not a list": (
        {"name": "a", "categories": ["b", {"name": "c", "synonyms": "d"}]},
        "attribute.categories",
        "'d'",
    ),
    "unknown kind": ({"name": "a", "categories": ["b", "c"], "kind": "x"}, "attribute.kind", "'x'"),
    "kind not text": ({"name": "a", "categories": ["b", "c"], "kind": ["x"]}, "attribute.kind", "x"),
}


@pytest.mark.parametrize(("value", "field", "given"), BAD.values(), ids=list(BAD))
def test_a_bad_attribute_is_named_with_what_was_given(value: object, field: str, given: str) -> None:
    with pytest.raises(SpecError) as caught:
        parse_attribute(value)

    assert caught.value.field == field
    assert given in str(caught.value)
    assert caught.value.remedy.strip()


def test_a_sign_that_belongs_to_a_letter_makes_a_word_longer() -> None:
    attribute = parse_attribute({"name": "amount", "categories": ["कम", "अधिक"]})
    assert attribute.classify("मुकम्मल") is None and attribute.classify("वह कम है") == 0
