"""The command line reaches what the Results tab shows: report, charts, convergence, rounds, summary."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from bench.made_up import finished_run
from distalign.folders import DataFolder
from distalign.results import split_name
from distalign.spec import parse_spec
from jobs.cli import main
from jobs.exporting import context_of
from storage import Run, Store


@pytest.fixture
def run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Run:
    monkeypatch.setenv("DISTALIGN_DATA", str(tmp_path / "data"))
    data = DataFolder.from_environment()
    data.root.mkdir(parents=True, exist_ok=True)
    return finished_run(
        Store(data.database), data.root, {"contexts": ["bakers", "pilots"], "target": "even"}, steps=2
    )


@pytest.mark.parametrize(
    ("arguments", "begins", "holds"),
    [
        (["--what", "report"], b"<!doctype html>", b"not fairness"),
        (["--what", "report", "--split", "seen_templates"], b"<!doctype html>", b"On seen templates"),
        (["--what", "chart"], b"<svg", b"bakers"),
        (["--what", "chart", "--skip", "1", "--sort", "name"], b"<svg", b"pilots"),
        (["--what", "chart", "--format", "png"], b"\x89PNG", b"IDAT"),
        (["--what", "chart", "--category", "female"], b"<svg", "“female”".encode()),
        (["--what", "convergence"], b"split,context,round", b"mae"),
        (["--what", "convergence", "--format", "svg", "--context", "pilots"], b"<svg", b"pilots"),
        (["--what", "convergence", "--format", "json", "--context", "pilots"], b"[", b"share"),
        (["--what", "results", "--format", "json"], b"{", b"summary"),
    ],
)  # fmt: skip
def test_everything_that_is_shown_can_be_exported(
    run: Run, tmp_path: Path, capfdbinary, arguments: list[str], begins: bytes, holds: bytes
) -> None:
    assert main(["export", run.id, *arguments]) == 0
    out = capfdbinary.readouterr().out
    assert out.startswith(begins) and holds in out
    assert main(["export", run.id[:5], *arguments, "--out", str(tmp_path / "file")]) == 0
    assert capfdbinary.readouterr().out == b""
    assert (tmp_path / "file").read_bytes() == out


def test_a_context_is_found_in_any_of_unicodes_forms() -> None:
    spec = parse_spec({"attribute": "gender", "contexts": ["bar", "café"]})

    assert context_of(spec, "cafe\u0301") == context_of(spec, "café") == 1


def test_one_chart_leaves_out_the_contexts_that_are_skipped(run: Run, capfdbinary) -> None:
    assert main(["export", run.id, "--what", "chart", "--sort", "name", "--skip", "1"]) == 0
    assert b"bakers" not in capfdbinary.readouterr().out


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (["export", "RUN", "--what", "chart", "--format", "csv"], "chart cannot be written as csv"),
        (["export", "RUN", "--what", "report", "--category", "other"], "--category: 'other' is none of"),
        (["export", "RUN", "--what", "convergence", "--context", "kings"], "Name one of bakers, pilots"),
        (["export", "RUN", "--what", "rounds", "--context", "bakers"], "--context: rounds does not read it"),
        (
            ["export", "RUN", "--what", "convergence", "--category", "male"],
            "--category: convergence does not",
        ),
        (["export", "RUN", "--what", "chart", "--skip", "-1"], "--skip: -1 is below 0"),
        (["export", "RUN", "--what", "chart", "--split", "stories"], "--split: stories was not measured"),
        (["export", "RUN", "--what", "report", "--out", "missing/folder/x"], "cannot be written"),
        (["rounds", "RUN", "--split", "stories"], "--split: stories was not measured"),
        (["show", "RUN", "--split", "stories"], "Use heldout_templates or seen_templates"),
        (["rounds", "RUN", "--template", "0"], "--template: 0"),
        (["rounds", "RUN", "--limit", "-1"], "--limit: -1 is below 0"),
        (["rounds", "RUN", "--sort", "colour"], "invalid choice"),
        (["rounds", "nope"], "is not known"),
    ],
)
def test_a_mistake_is_one_line_and_exit_code_2(
    run: Run, capsys: pytest.CaptureFixture, arguments: list[str], told: str
) -> None:
    try:
        code = main([run.id if argument == "RUN" else argument for argument in arguments])
    except SystemExit as stopped:
        code = stopped.code
    out, err = capsys.readouterr()
    assert (code, out) == (2, "")
    assert err.count("\n") == 1 and told in err


def rounds_of(run: Run, capsys: pytest.CaptureFixture, *arguments: str) -> list[dict]:
    assert main(["rounds", run.id, *arguments, "--json"]) == 0
    return json.loads(capsys.readouterr().out)


def test_rounds_are_filtered_sorted_and_grouped(run: Run, capsys: pytest.CaptureFixture) -> None:
    found = rounds_of(run, capsys)
    assert len(found) == 25 and {(r["phase"], r["split"]) for r in found} == {("after", "heldout_templates")}
    found = rounds_of(run, capsys, "--context", "pilots", "--category", "female", "--limit", "500")
    assert {(r["context"], r["category"]) for r in found} == {("pilots", "female")}
    found = rounds_of(run, capsys, "--phase", "before", "--unclassified", "--contains", "CANNOT")
    assert {r["text"] for r in found} == {"I cannot say."}
    lost = rounds_of(run, capsys, "--phase", "before", "--unclassified", "--grouped")
    assert [(g["text"], g["category"]) for g in lost] == [("I cannot say.", None)]
    assert lost[0]["rounds"] == len(
        rounds_of(run, capsys, "--phase", "before", "--unclassified", "--limit", "500")
    )
    assert len({r["template"] for r in rounds_of(run, capsys, "--template", "2", "--limit", "500")}) == 1
    texts = [r["text"] for r in rounds_of(run, capsys, "--sort", "answer", "--limit", "500")]
    assert texts == sorted(texts, key=str.casefold)


def test_rounds_and_groups_are_tables_for_a_person(run: Run, capsys: pytest.CaptureFixture) -> None:
    assert main(["rounds", run.id, "--limit", "3"]) == 0
    out = capsys.readouterr().out
    assert "3 of 200 rounds, after, heldout_templates" in out and "bakers" in out
    assert main(["rounds", run.id, "--phase", "before", "--grouped"]) == 0
    assert "(unclassified)" in capsys.readouterr().out


def test_show_has_the_summary_in_words(run: Run, capsys: pytest.CaptureFixture) -> None:
    assert main(["show", run.id]) == 0
    out = capsys.readouterr().out
    assert "On held-out templates, the gender" in out and "not fairness" in out
    assert out.count("unrelated prompts") == 1
    assert main(["show", run.id, "--json"]) == 0
    assert "not fairness" in json.loads(capsys.readouterr().out)["summary"][-1]


@pytest.mark.parametrize("split", ["heldout_templates", "seen_templates"])
def test_each_measured_split_has_its_summary(run: Run, capfdbinary, split: str) -> None:
    def told(*arguments: str) -> str:
        assert main([*arguments]) == 0
        return capfdbinary.readouterr().out.decode()

    results = json.loads(told("export", run.id, "--what", "results", "--format", "json"))
    assert set(results["summaries"]) == {"heldout_templates", "seen_templates"}
    summary = results["summaries"][split]
    assert f"On {split_name(split)}, the gender" in summary[0]
    assert results["summary"] == results["summaries"]["heldout_templates"]
    assert "\n".join(summary) in told("show", run.id, "--split", split)
    assert json.loads(told("show", run.id, "--split", split, "--json"))["summary"] == summary
