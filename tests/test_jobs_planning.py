"""The verbs that look ahead: examples, rounds, links and bundled specifications."""

from __future__ import annotations

import io
import json
from pathlib import Path

import pytest

from distalign.planner import rounds_needed
from distalign.sharing import bundled, link
from distalign.spec import parse_spec
from distalign.yaml_text import parse_text
from jobs.cli import main
from storage import Store
from tests.test_cli import SPEC, data, runner  # noqa: F401  (data is a fixture)

pytestmark = pytest.mark.usefixtures("data")


@pytest.fixture
def spec_file(tmp_path: Path) -> str:
    path = tmp_path / "spec.yaml"
    path.write_text(parse_spec(SPEC).to_yaml())
    return str(path)


def test_the_preview_prints_prompts_with_desirable_and_undesirable_answers(spec_file, capsys) -> None:
    assert main(["preview", spec_file, "--count", "1", "--set", "target=even"]) == 0
    out = capsys.readouterr().out

    assert "example 1" in out and "example 2" not in out
    assert "  desirable    1 " in out and "  undesirable  1 " in out
    assert main(["preview", spec_file, "--json", "--first", "2"]) == 0
    whole = json.loads(capsys.readouterr().out)
    found, plan = whole["examples"], whole["plan"]
    assert plan["steps"] == parse_spec(SPEC).training.steps and plan["seconds"] > 0 and plan["memory_gb"] > 0
    assert len(found) == 3 and {"desirable", "token", "response", "category"} == set(found[0]["answers"][0])


def test_the_preview_writes_templates_out_as_a_part_of_a_specification(spec_file, capsys) -> None:
    assert main(["preview", spec_file, "--templates"]) == 0
    written = parse_text(capsys.readouterr().out)
    assert parse_spec(SPEC | written).templates == parse_spec(SPEC).templates
    assert len(written["templates"]["seen"]) == len(parse_spec(SPEC).templates.seen)


def test_the_rounds_that_show_a_gap(spec_file, capsys) -> None:
    assert main(["rounds-needed", "--categories", "2", "--contexts", "25"]) == 0
    out = capsys.readouterr().out
    assert "785 rounds a context" in out and "32 rounds a context for the mean over 25" in out
    assert main(["rounds-needed", spec_file, "--gap", "10", "--power", "90", "--json"]) == 0
    found, spec = json.loads(capsys.readouterr().out), parse_spec(SPEC)
    assert found["rounds_per_context"] == rounds_needed(spec.target.rows, 0.1, 0.95, 0.9).per_context
    assert found["rounds"] == spec.rounds


@pytest.mark.parametrize(
    "arguments",
    [
        ["--gap", "0"],
        ["--gap", "100"],
        ["--gap", "1e-15"],
        ["--power", "100"],
        ["--categories", "1"],
        ["--contexts", "0"],
        ["no.yaml"],
    ],
)
def test_what_cannot_be_planned_is_one_line_and_2(arguments, capsys) -> None:
    assert main(["rounds-needed", *arguments]) == 2
    assert capsys.readouterr().err.count("\n") == 1


def test_a_link_and_a_command_make_the_same_run(data, spec_file, capsys, monkeypatch) -> None:  # noqa: F811
    spec = parse_spec(SPEC)
    assert main(["link", spec_file, "--page", "https://example.org/"]) == 0
    address = capsys.readouterr().out.strip()
    assert address == link(spec, "https://example.org")
    assert main(["run", address, "--set", "seed=5", "--runner", runner("complete")]) == 0
    assert main(["link", spec_file, "--command"]) == 0
    lines = capsys.readouterr().out.splitlines()
    start = next(i for i, line in enumerate(lines) if "<<'SPEC'" in line)
    monkeypatch.setattr("sys.stdin", io.StringIO("\n".join(lines[start + 1 : -1])))
    assert main(["run", "-", "--runner", runner("complete")]) == 0
    newest, older = Store(data.database).runs()
    assert newest.spec == spec
    assert older.spec == parse_spec(SPEC | {"seed": 5})


def test_a_damaged_link_is_one_line_and_2(capsys) -> None:
    assert main(["run", "https://example.org/?spec=damaged"]) == 2
    assert capsys.readouterr().err.count("\n") == 1


def test_bundled_specifications_are_listed_and_printed(capsys) -> None:
    assert main(["specs"]) == 0
    assert capsys.readouterr().out.splitlines() == list(bundled())
    assert main(["specs", "weekday"]) == 0
    assert parse_spec(parse_text(capsys.readouterr().out)).attribute.name == "weekday"
    assert main(["specs", "nothing"]) == 2
