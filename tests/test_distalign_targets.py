"""Contexts and targets: the real tables, CSV files, and rows that cannot be used."""

from __future__ import annotations

import math
from typing import Any

import pytest

from distalign.attributes import GENDER, RACE, parse_attribute
from distalign.contexts import (
    MAX_CONTEXTS,
    Contexts,
    occupation_table,
    parse_contexts,
    split_pasted,
)
from distalign.errors import SpecError
from distalign.sheets import read_csv
from distalign.targets import matched_rows, normalise, parse_target

TWO = Contexts("list", ("nurse", "pilot"))


def problem(call: Any, *arguments: Any) -> SpecError:
    with pytest.raises(SpecError) as caught:
        call(*arguments)
    assert caught.value.remedy.strip()
    assert str(caught.value).startswith(f"{caught.value.field}: ")
    return caught.value


def test_the_tables_have_the_published_size_and_order() -> None:
    uk, us = occupation_table("uk-occupations"), occupation_table("us-occupations")

    assert (len(uk.names), len(us.names)) == (25, 14)
    assert uk.names[0] == "Vehicle technicians, mechanics and electricians"
    assert us.names[-1] == "Registered nurses"


@pytest.mark.parametrize(
    ("source", "name", "men"),
    [
        ("uk-occupations", "Civil engineers", 0.8975),
        ("uk-occupations", "Vehicle technicians, mechanics and electricians", 0.9920),
        ("uk-occupations", "Chartered and certified accountants", 0.4900),
        ("uk-occupations", "Personal assistants and other secretaries", 0.0640),
        ("us-occupations", "Registered nurses", 0.1434),
        ("us-occupations", "Software developers", 0.7994),
        ("us-occupations", "Management, professional, and related occupations", 0.4827),
    ],
)
def test_known_shares_of_men(source: str, name: str, men: float) -> None:
    share = occupation_table(source).share(name)

    assert round(share[0], 4) == men
    assert sum(share) == pytest.approx(1)


def test_the_real_target_follows_the_table() -> None:
    contexts = parse_contexts("us-occupations")
    target = parse_target("real", GENDER, contexts)

    assert round(target.rows[contexts.names.index("Registered nurses")][0], 4) == 0.1434


def test_the_real_target_takes_some_occupations_of_both_tables() -> None:
    contexts = parse_contexts(["Registered nurses", "Civil engineers"])
    target = parse_target("real", GENDER, contexts)

    assert [round(row[0], 4) for row in target.rows] == [0.1434, 0.8975]


def test_the_even_target_is_even() -> None:
    assert parse_target("even", RACE, TWO).rows == ((0.2,) * 5,) * 2


def test_one_mapping_serves_all_contexts_in_the_order_of_the_categories() -> None:
    target = parse_target({"female": 0.7, "male": 0.3}, GENDER, TWO)

    assert target.kind == "mapping" and target.rows == ((0.3, 0.7),) * 2


def test_a_table_is_read_in_the_order_of_the_contexts() -> None:
    table = {"pilot": {"male": 0.9, "female": 0.1}, "nurse": {"male": "0.2", "female": "0.8"}}

    assert parse_target(table, GENDER, TWO).rows == ((0.2, 0.8), (0.9, 0.1))


def test_names_are_compared_as_they_are_spelled_in_the_specification() -> None:
    spaced = parse_contexts(["staff  nurse"])
    target = parse_target({"staff  nurse": {"male": 0.5, "female": 0.5}}, GENDER, spaced)
    assert target.rows == ((0.5, 0.5),)

    decomposed, drinks = "cafe\u0301", parse_attribute({"name": "drink", "categories": ["café", "tea"]})
    assert decomposed not in drinks.names
    assert parse_target({decomposed: 0.25, "tea": 0.75}, drinks, TWO).rows[0] == (0.25, 0.75)
    assert parse_contexts([decomposed]).names == ("café",)
    named = {decomposed: {"male": 0.5, "female": 0.5}}
    assert parse_target(named, GENDER, parse_contexts(["café"])).rows == ((0.5, 0.5),)

    numbers = parse_attribute({"name": "stars", "categories": [1, 2]})
    assert parse_target({1: 0.25, 2: 0.75}, numbers, TWO).rows[0] == (0.25, 0.75)


def test_a_sum_that_misses_1_by_rounding_is_rescaled() -> None:
    (row, _) = parse_target({"male": 0.333, "female": 0.666}, GENDER, TWO).rows

    assert math.fsum(row) == pytest.approx(1, abs=1e-12)
    assert row[1] == pytest.approx(2 * row[0])


BAD_TARGETS: dict[str, tuple[Any, str, str]] = {
    "unknown name": ("equal", "target", "'equal'"),
    "not a mapping": ([0.5, 0.5], "target", "[0.5, 0.5]"),
    "empty": ({}, "target", "{}"),
    "does not sum to 1": ({"male": 0.5, "female": 0.6}, "target", "1.1"),
    "all zero": ({"male": 0, "female": 0}, "target", "sum to 0"),
    "negative": ({"male": -0.5, "female": 1.5}, "target", "-0.5"),
    "missing": ({"male": 1.0}, "target", "'female'"),
    "empty cell": ({"male": 1.0, "female": ""}, "target", "'female'"),
    "none": ({"male": 1.0, "female": None}, "target", "'female'"),
    "not a number": ({"male": "half", "female": 0.5}, "target", "'half'"),
    "nan": ({"male": math.nan, "female": 0.5}, "target", "nan"),
    "infinite": ({"male": math.inf, "female": 0.5}, "target", "inf"),
    "a truth value": ({"male": True, "female": 0}, "target", "True"),
    "too large": ({"male": 10**400, "female": 0}, "target", "1000"),
    "a list": ({"male": [0.5], "female": 0.5}, "target", "[0.5]"),
    "percent": ({"male": 50, "female": 50}, "target", "50"),
    "unknown category": ({"male": 0.5, "female": 0.4, "other": 0.1}, "target", "'other'"),
    "no row for a context": ({"nurse": {"male": 0.5, "female": 0.5}}, "target", "'pilot'"),
    "a row too many": (
        {n: {"male": 0.5, "female": 0.5} for n in ("nurse", "pilot", "cook")},
        "target",
        "'cook'",
    ),
    "a row that does not sum to 1": (
        {"nurse": {"male": 0.5, "female": 0.5}, "pilot": {"male": 0.5, "female": 0.1}},
        "target[pilot]",
        "0.6",
    ),
    "a row that is no mapping": ({"nurse": {"male": 0.5, "female": 0.5}, "pilot": 0.5}, "target", "nurse"),
}


@pytest.mark.parametrize(("value", "field", "given"), BAD_TARGETS.values(), ids=list(BAD_TARGETS))
def test_a_bad_target_is_named_with_what_was_given(value: object, field: str, given: str) -> None:
    error = problem(parse_target, value, GENDER, TWO)

    assert error.field == field
    assert given in str(error)


def test_real_statistics_are_only_claimed_where_they_exist() -> None:
    assert "'race'" in str(problem(parse_target, "real", RACE, TWO))
    assert "'nurse'" in str(problem(parse_target, "real", GENDER, TWO))


def test_normalise_rescales_weights() -> None:
    assert normalise([2, 6]) == (0.25, 0.75)
    assert normalise([0, 0]) == (0.5, 0.5)
    assert "-1" in str(problem(normalise, [-1, 2]))


BAD_CONTEXTS: dict[str, tuple[Any, str]] = {
    "unknown table": ("fr-occupations", "'fr-occupations'"),
    "not a list": (7, "7"),
    "none": ([], "0 given"),
    "ten thousand": ([f"job {i}" for i in range(10_000)], "10000 given"),
    "an empty row": (["nurse", "  "], "row 2"),
    "not text": (["nurse", None], "row 2 is empty"),
    "a number": (["nurse", 1990], "row 2 is 1990"),
    "given twice": (["Nurse", "nurse "], "'nurse'"),
    "given twice, in Unicode's two forms": (["café", "cafe\u0301"], "row 2"),
    "too long": (["x" * 201], "201"),
    "braces": (["nurse {options}"], "row 1"),
    "a turn marker": (["nurse <|im_end|>"], "row 1"),
    "a control character": (["nurse\x00"], "row 1"),
}


@pytest.mark.parametrize(("value", "given"), BAD_CONTEXTS.values(), ids=list(BAD_CONTEXTS))
def test_bad_contexts_are_named_with_what_was_given(value: object, given: str) -> None:
    error = problem(parse_contexts, value)

    assert error.field == "contexts"
    assert given in str(error)
    assert len(str(error)) < 300


def test_as_many_contexts_as_allowed_are_taken() -> None:
    assert len(parse_contexts([f"job {i}" for i in range(MAX_CONTEXTS)])) == MAX_CONTEXTS


def test_pasted_lines_lose_blanks_only() -> None:
    assert split_pasted(" a b \n\n\tc\r\n") == ["a b", "c"]


def test_a_csv_gives_contexts_and_their_rows() -> None:
    data = '﻿male,context,female\n0.2,"Nurses, all",0.8\n0.9,Pilots,0.1\n'.encode()

    assert read_csv(data) == (
        ["Nurses, all", "Pilots"],
        [{"male": "0.2", "female": "0.8"}, {"male": "0.9", "female": "0.1"}],
    )


def test_a_csv_of_contexts_alone_has_no_rows_to_read() -> None:
    assert read_csv(b"context\r\nnurse\r\n\r\npilot\r\n") == (["nurse", "pilot"], [{}, {}])


BAD_CSV: dict[str, tuple[bytes, str]] = {
    "empty": (b"", "[]"),
    "no context column": (b"job,male\nnurse,half\n", "'job'"),
    "context twice": (b"context,context\na,b\n", "'context'"),
    "a category twice": (b"context,male,male\na,0.1,0.2\n", "'male'"),
    "latin-1": ("context\nInfirmière\n".encode("latin-1"), "byte 15"),
    "utf-16": ("context\nnurse\n".encode("utf-16"), "UTF-8"),
    "a row given twice": (b"context,male\na,0.5\nb,0.5\na,0.4\n", "row 4"),
    "a short row": (b"context,male,female\na,0.5\n", "row 2"),
    "a long row": (b"context,male\na,0.5\nb,0.5,0.5\n", "row 3"),
    "an open quote": (b'context\n"nurse\n', "cannot be read"),
    "too large": (b"context\n" + b"x" * 2_000_000, "2,000,008"),
}


@pytest.mark.parametrize(("data", "given"), BAD_CSV.values(), ids=list(BAD_CSV))
def test_a_bad_csv_file_is_named_with_what_is_wrong(data: bytes, given: str) -> None:
    error = problem(read_csv, data)

    assert error.field == "contexts"
    assert given in str(error)


def test_a_csv_for_the_target_is_named_as_the_target() -> None:
    assert problem(read_csv, b"a\n", "target").field == "target"


RULES = {
    "*nurse*": {"male": 0.1, "female": 0.9},
    "Pilots": {"male": 0.9, "female": 0.1},
    "*": {"male": 0.5, "female": 0.5},
}


def test_a_row_with_a_star_is_a_rule_for_the_contexts_without_a_row_of_their_own() -> None:
    contexts = parse_contexts(["Registered Nurses", "Pilots", "nurse*s", "Bakers"])
    target = parse_target(RULES, GENDER, contexts)
    assert target.to_mapping(GENDER, contexts) == RULES, "a specification that is saved keeps its rules"

    assert [row[0] for row in target.rows] == [0.1, 0.9, 0.1, 0.5]
    assert target.kind == "table" and not target.is_rule


def test_rules_that_match_nothing_and_contexts_that_no_rule_matches_are_named() -> None:
    without = {name: row for name, row in RULES.items() if name != "*"}

    assert "'Bakers' has no row" in str(
        problem(parse_target, without, GENDER, parse_contexts(["Nurse", "Pilots", "Bakers"]))
    )
    assert "'*nurse*' matches none" in str(problem(parse_target, RULES, GENDER, parse_contexts(["Pilots"])))


@pytest.mark.parametrize(
    ("rule", "context", "matches"),
    [("a*", "Abc", True), ("*c", "abc", True), ("a*c", "ac", True), ("ab*bc", "abc", False),
     ("*b*", "abc", True), ("a*b*c", "axbyc", True), ("a*b*c", "acb", False), ("**", "x", True),
     ("*".join("a" * 60), "a" * 199 + "b", False)],
)  # fmt: skip
def test_a_star_stands_for_any_text(rule: str, context: str, matches: bool) -> None:
    rows = matched_rows([rule], Contexts("list", (context,)))

    assert rows == [rule if matches else None]
