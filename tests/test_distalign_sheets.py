"""Tables from spreadsheets and files: what is read, and what is wrong with which row."""

from __future__ import annotations

import pytest

from distalign.attributes import GENDER
from distalign.errors import SpecError
from distalign.sheets import is_sheet, probabilities, read_csv, read_sheet, target_rows


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("context\tmale\tfemale\nbakers\t0.3\t0.7", {"male": "0.3", "female": "0.7"}),
        ("Job\tmale\tfemale\r\nbakers\t30 %\t70%\r\n", {"male": "0.3", "female": "0.7"}),
        ("job\tshare, male\nbakers\t0,5", {"share, male": "0.5"}),
        ("Context;male;female\nbakers;0,3;0,7", {"male": "0.3", "female": "0.7"}),
        ("male,context,female\n30,bakers,70", {"male": "0.3", "female": "0.7"}),
        ("context,male,female\nbakers,3,7", {"male": "3", "female": "7"}),
        ("context\tmale\tfemale\nbakers\t1,200\t1,002,300.5", {"male": "1200", "female": "1002300.5"}),
        ("context\nbakers", {}),
        ("occupation,male,female\nbakers,0.3,0.7", {"male": "0.3", "female": "0.7"}),
        ("Beruf;male;female\nbakers;0,3;0,7\n", {"male": "0.3", "female": "0.7"}),
        ('"job, title",male,female\nbakers,30 %,70 %', {"male": "0.3", "female": "0.7"}),
        ("context,the\u0301,rich  tea\nbakers,3,7", {"thé": "3", "rich tea": "7"}),
    ],
)
def test_tabs_commas_semicolons_and_percentages_are_read(text: str, expected: dict[str, str]) -> None:
    (row,) = read_sheet(text).rows

    assert (row.number, row.context, row.cells) == (2, "bakers", expected)


@pytest.mark.parametrize(
    ("text", "table"),
    [
        ("bakers\npilots", False),
        ("nurses, registered\npilots", False),
        ("  bakers\t", False),
        ("", False),
        ("context\nbakers", True),
        ("job\tmale", True),
        ("male,context", True),
        ("occupation,male,female\nbakers,0.3,0.7", True),
        ("nurses, registered\npilots, retired", False),
        ("room, 4\nroom, 5", False),
        ('an "open quote, 5', False),
        pytest.param("x" * 131_073, False, id="a line of more letters than a cell may have"),
    ],
)
def test_a_list_of_lines_is_no_table(text: str, table: bool) -> None:
    assert is_sheet(text) is table


def test_every_wrong_row_is_named_by_its_number_and_the_others_are_read() -> None:
    sheet = read_sheet(
        "context,male,female\na,0.5,0.5\n\nb,0.5\na,0.1,0.9\nc,0.6,0.6\nd,half,0.5\ne,0.2,0.8\n"
    )
    rows, problems = target_rows(sheet, GENDER)

    assert rows == {"a": (0.5, 0.5), "e": (0.2, 0.8)}
    assert [problem.row for problem in problems] == [4, 5, 6, 7]
    assert "2 cells" in problems[0].problem and "twice" in problems[1].problem
    assert "c: the probabilities sum to 1.2" in str(problems[2])
    assert "'half'" in problems[3].problem
    assert all(problem.remedy for problem in problems)


def test_a_context_in_two_of_unicodes_forms_is_given_twice() -> None:
    sheet = read_sheet("context,male,female\ncafe\u0301,0.5,0.5\ncafé,0.5,0.5\n")

    assert [row.context for row in sheet.rows] == ["café"]
    assert [(p.row, p.problem) for p in sheet.problems] == [(3, "'café' is given twice")]


def test_a_row_without_a_context_is_named() -> None:
    sheet = read_sheet("context,male,female\n,0.5,0.5\nb,0.5,0.5\n")

    assert [row.context for row in sheet.rows] == ["b"]
    assert [(p.row, p.problem) for p in sheet.problems] == [(2, "it has no context")]


def test_a_column_that_is_no_category_is_told_of_for_every_row() -> None:
    _, problems = target_rows(read_sheet("context,man,female\na,0.5,0.5\nb,1,0"), GENDER)

    assert [p.row for p in problems] == [2, 3] and "'man'" in problems[0].problem


def test_counts_are_rescaled_where_that_is_asked_for() -> None:
    sheet = read_sheet("context,male,female\na,30,90\nb,-1,2\nc,x,2\nd,,4")
    rows, problems = target_rows(sheet, GENDER, rescale=True)

    assert rows == {"a": (0.25, 0.75), "d": (0.0, 1.0)}
    assert [problem.row for problem in problems] == [3, 4]


def test_figures_without_a_header_are_no_table() -> None:
    with pytest.raises(SpecError) as caught:
        read_sheet("bakers\t0.3\t0.7")

    assert "columns" in caught.value.problem and "'context'" in caught.value.remedy


@pytest.mark.parametrize("line", ["LONG", "context,LONG", "context;LONG", "context\tLONG", "context\nLONG"])
def test_a_cell_of_more_letters_than_can_be_read_is_an_error_of_the_table(line: str) -> None:
    with pytest.raises(SpecError, match="field larger than field limit"):
        read_sheet(line.replace("LONG", "x" * 131_073))


def test_a_file_names_its_first_wrong_row_and_how_many_there_are() -> None:
    with pytest.raises(SpecError, match=r"row 2: 1 cells.*\(and 1 more\)"):
        read_csv(b"context,male\na\nb\n")


def test_percentages_are_told_by_their_sign_or_their_sum() -> None:
    assert probabilities(["33.3", "66.7"]) == ["0.333", "0.667"]
    assert probabilities(["12%", "0.88"]) == ["0.12", "0.88"]
    assert probabilities(["1", "0"]) == ["1", "0"]
    assert probabilities(["x", "100"]) == ["x", "100"]
