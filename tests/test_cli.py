"""The command line: its JSON, its exit codes, and one line for every mistake."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest
import yaml

from distalign.folders import DataFolder
from distalign.progress import Progress
from distalign.spec import load_spec, parse_spec
from distalign.yaml_text import parse_text
from jobs.cli import main
from storage import RunState, Store
from tests.test_jobs_runners import SPEC

PROJECT = Path(__file__).resolve().parent.parent
SPECS = PROJECT / "specs"
MEASURES = {
    "rounds", "mae", "mae_low", "mae_high", "noise_floor", "ratio", "ratio_low", "ratio_high",
    "unclassified", "kl", "kl_low", "kl_high", "js_distance", "total_variation", "chi2_p",
    "exact_error", "restricted_error", "steering_mass", "agreement",
}  # fmt: skip


def runner(name: str) -> str:
    return f"tests.test_jobs_runners:{name}"


@pytest.fixture
def data(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> DataFolder:
    monkeypatch.setenv("DISTALIGN_DATA", str(tmp_path / "data"))
    return DataFolder.from_environment()


@pytest.fixture
def spec_file(tmp_path: Path) -> Path:
    path = tmp_path / "spec.yaml"
    path.write_text(yaml.safe_dump(SPEC))
    return path


@pytest.fixture
def run_id(data: DataFolder, spec_file: Path, capsys: pytest.CaptureFixture) -> str:
    """A run that is done."""
    assert main(["run", str(spec_file), "--runner", runner("complete")]) == 0
    capsys.readouterr()
    return Store(data.database).runs()[0].id


def test_run_prints_one_json_object_last(data: DataFolder, spec_file: Path) -> None:
    command = [sys.executable, "-m", "jobs", "run", str(spec_file), "--json", "--runner", runner("complete")]
    done = subprocess.run(command, cwd=PROJECT, capture_output=True, text=True, check=True)
    # What libraries print goes to standard error.
    assert "a library prints this" in done.stderr
    found = json.loads(done.stdout)
    assert found["state"] == "done"
    assert found["method"] == "hybrid"
    assert (found["train_seconds"], found["sample_seconds"]) == (1.5, 0.5)
    assert Path(found["adapter"]).read_bytes().startswith(b"PK")
    assert set(found["splits"]) == set(found["before"]) == {"seen_templates", "heldout_templates"}
    for measures in (*found["splits"].values(), *found["before"].values()):
        assert set(measures) >= MEASURES
    headline = found["splits"]["heldout_templates"]
    for name in ("mae", "mae_low", "mae_high", "noise_floor", "ratio", "unclassified"):
        assert found[name] == headline[name]
    assert (found["mae"], found["before"]["heldout_templates"]["mae"]) == (0.05, 0.4)
    effects = found["side_effects"]
    assert (effects["perplexity_before"], effects["perplexity_after"]) == (10.5, 11.25)
    assert (effects["kl"], effects["kl_low"], effects["kl_high"]) == (0.06, 0.05, 0.07)
    run = Store(data.database).run(found["run_id"])
    assert (run.state, run.spec) == (RunState.DONE, parse_spec(SPEC))
    assert "loading" in done.stderr
    assert "hybrid" in done.stderr
    assert "\r" not in done.stderr


def test_run_prints_a_table_of_before_and_after(
    data: DataFolder, spec_file: Path, capsys: pytest.CaptureFixture
) -> None:
    assert main(["run", str(spec_file), "--runner", runner("complete")]) == 0
    out = capsys.readouterr().out
    assert "held-out templates  before   0.4000 [0.2000, 0.8000]" in out
    assert "held-out templates  after    0.0500 [0.0250, 0.1000]" in out
    assert "25.0%" in out


def test_run_keeps_its_records_in_another_database(
    data: DataFolder, spec_file: Path, tmp_path: Path, capsys: pytest.CaptureFixture
) -> None:
    other = tmp_path / "elsewhere" / "mine.db"
    code = main(["run", str(spec_file), "--db", str(other), "--json", "--runner", runner("complete")])
    assert code == 0
    found = json.loads(capsys.readouterr().out.splitlines()[-1])
    assert Store(other).run(found["run_id"]).state == RunState.DONE
    assert not data.database.exists()
    assert Path(found["adapter"]).is_relative_to(data.runs)
    assert main(["show", found["run_id"][:4], "--db", str(other)]) == 0


@pytest.mark.parametrize(
    ("setting", "field", "value"),
    [
        ("rounds=7", "rounds", 7),
        ("learning_rate=1e-3", "learning_rate", 0.001),
        ("target={male: 0.25, female: 0.75}", "target", {"male": 0.25, "female": 0.75}),
        ("contexts=[a, b, c]", "contexts", ["a", "b", "c"]),
        ("name=x=y", "name", "x=y"),
        ("method=kl_only", "method", "kl_only"),
        ("steps=50", "steps", 50),
    ],
)
def test_set_replaces_a_field_with_a_yaml_value(
    data: DataFolder, spec_file: Path, setting: str, field: str, value: object
) -> None:
    assert main(["run", str(spec_file), "--runner", runner("complete"), "--set", setting]) == 0
    (run,) = Store(data.database).runs()
    assert run.spec == parse_spec(SPEC | {field: value})


def test_later_settings_win_and_several_are_taken(data: DataFolder, spec_file: Path) -> None:
    settings = ["--set", "rounds=7", "--set", "seed=3", "--set", "rounds=8"]
    assert main(["run", str(spec_file), "--runner", runner("complete"), *settings]) == 0
    (run,) = Store(data.database).runs()
    assert (run.spec.rounds, run.spec.seed) == (8, 3)


@pytest.mark.parametrize("method", ["sft", "dpo", "zero_shot"])
def test_a_setting_that_the_method_does_not_read_is_taken_and_told(
    data: DataFolder, spec_file: Path, capsys: pytest.CaptureFixture, method: str
) -> None:
    settings = ["--set", f"method={method}", "--set", "steps=20", "--set", "kl_weight=2"]
    assert main(["run", str(spec_file), "--runner", runner("complete"), *settings]) == 0
    shown = capsys.readouterr()
    (run,) = Store(data.database).runs()
    assert run.spec.training.kl_weight == 1
    unread = "kl_weight" if run.spec.training.steps == 20 else "steps, kl_weight"
    assert f"The method {method} does not read: {unread}\n" in shown.err


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        ([], "VERB"),
        (["dance"], "invalid choice"),
        (["run"], "SPEC"),
        (["run", "SPEC_FILE", "--frobnicate"], "unrecognized arguments"),
        (["run", "missing.yaml"], "SPEC: missing.yaml cannot be read"),
        (["run", "."], "SPEC: . cannot be read"),
        (["run", "NOT_YAML"], "SPEC: it is not valid YAML"),
        (["run", "A_LIST"], "not a mapping"),
        (["run", "NOT_TEXT"], "cannot be read"),
        (["run", "SPEC_FILE", "--set", "steps"], "--set: 'steps' is not key=value"),
        (["run", "SPEC_FILE", "--set", "=5"], "--set: '=5' is not key=value"),
        (["run", "SPEC_FILE", "--set", "steps=[1"], "steps: '[1' is not a YAML value"),
        (["run", "SPEC_FILE", "--set", "stepz=50"], "'stepz': this is not a field"),
        (["run", "SPEC_FILE", "--set", "steps=many"], "steps: 'many' is out of range"),
        (["run", "SPEC_FILE", "--set", "rounds=0"], "rounds: 0 is out of range"),
        (["run", "SPEC_FILE", "--set", "rounds=100001"], "rounds:"),
        (["run", "SPEC_FILE", "--set", "method=magic"], "method: 'magic' is not known"),
        (["run", "SPEC_FILE", "--set", "attribute=height"], "attribute: 'height' is not built in"),
        (
            ["run", "SPEC_FILE", "--set", "attribute={name: a, categories: [x]}"],
            "attribute.categories: 1 given",
        ),
        (["run", "SPEC_FILE", "--set", "target={male: 0.9, female: 0.9}"], "target: the probabilities sum"),
        (["run", "SPEC_FILE", "--set", "target={men: 1.0}"], "'men' is not a category"),
        (["run", "SPEC_FILE", "--set", "target=fair"], "target: 'fair' cannot be read"),
        (["run", "SPEC_FILE", "--set", "contexts=[a, a]"], "contexts: 'a' (row 2) is given twice"),
        (["run", "SPEC_FILE", "--set", "contexts=[]"], "contexts: 0 given"),
        (["run", "SPEC_FILE", "--set", "contexts=none.csv"], "contexts: 'none.csv' cannot be read"),
        (["run", "SPEC_FILE", "--set", "preset=slow"], "preset: 'slow' is not known"),
        (["run", "SPEC_FILE", "--db", "NOT_YAML"], "not a database"),
        (["submit", "SPEC_FILE", "--data", "NOT_YAML"], "cannot be"),
        (["submit", "missing.yaml"], "SPEC: missing.yaml"),
        (["show", "nope"], "run: 'nope' is not known"),
        (["cancel", "nope"], "run: 'nope' is not known"),
        (["resume", "nope"], "run: 'nope' is not known"),
        (["delete", "nope"], "run: 'nope' is not known"),
        (["export", "nope"], "run: 'nope' is not known"),
        (["export", "nope", "--what", "everything"], "invalid choice: 'everything'"),
        (["list", "--limit", "some"], "invalid int value"),
        (["list", "--state", "lost"], "invalid choice: 'lost'"),
        (["list", "--archived", "--deleted"], "not allowed with"),
        (["list", "--db", "NOT_YAML"], "Move it away"),
    ],
)
def test_a_mistake_is_one_line_and_exit_code_2(
    data: DataFolder,
    spec_file: Path,
    tmp_path: Path,
    capsys: pytest.CaptureFixture,
    arguments: list[str],
    told: str,
) -> None:
    (tmp_path / "bad.yaml").write_text("a: [1\nb: }\n" + "x" * 200)
    (tmp_path / "list.yaml").write_text("- a\n- b\n")
    (tmp_path / "bytes.yaml").write_bytes(b"\xff\xfe\x00")
    places = {"SPEC_FILE": spec_file, "NOT_YAML": tmp_path / "bad.yaml"}
    places |= {"A_LIST": tmp_path / "list.yaml", "NOT_TEXT": tmp_path / "bytes.yaml"}
    try:
        code = main([str(places.get(argument, argument)) for argument in arguments])
    except SystemExit as stopped:
        code = stopped.code
    out, err = capsys.readouterr()
    assert code == 2
    assert out == ""
    assert err.startswith("distalign: ")
    assert err.count("\n") == 1
    assert told in err


def test_a_run_that_fails_on_purpose_is_told_in_one_line(
    data: DataFolder, spec_file: Path, capsys: pytest.CaptureFixture
) -> None:
    assert main(["run", str(spec_file), "--json", "--runner", runner("wrong_on_purpose")]) == 2
    out, err = capsys.readouterr()
    assert err.splitlines()[-1] == "distalign: the model cannot be read. Prepare it again"
    found = json.loads(out.splitlines()[-1])
    assert (found["state"], found["mae"], found["splits"], found["adapter"]) == ("failed", None, {}, None)


def test_a_run_that_fails_by_accident_says_where_the_traceback_is(
    data: DataFolder, spec_file: Path, capsys: pytest.CaptureFixture
) -> None:
    assert main(["run", str(spec_file), "--runner", runner("wrong_by_accident")]) == 1
    err = capsys.readouterr().err
    assert "Traceback" not in err
    run_id = Store(data.database).runs()[0].id
    assert f"python -m jobs show {run_id}" in err.splitlines()[-1]
    assert main(["show", run_id]) == 0
    assert "in wrong_by_accident" in capsys.readouterr().out


def test_ctrl_c_cancels_the_run_in_the_foreground(
    data: DataFolder, spec_file: Path, capsys: pytest.CaptureFixture
) -> None:
    assert main(["run", str(spec_file), "--json", "--runner", runner("interrupted_by_keyboard")]) == 130
    assert json.loads(capsys.readouterr().out.splitlines()[-1])["state"] == "cancelled"
    (run,) = Store(data.database).runs()
    assert run.state == RunState.CANCELLED


def test_a_run_in_the_foreground_is_cancelled_from_another_shell(data: DataFolder, spec_file: Path) -> None:
    command = [sys.executable, "-m", "jobs", "run", str(spec_file), "--runner", runner("endless")]
    running = subprocess.Popen(command, cwd=PROJECT, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    try:
        _wait(lambda: data.database.exists() and bool(Store(data.database).runs()))
        run_id = Store(data.database).runs()[0].id
        _wait(lambda: Store(data.database).last_event(run_id) is not None)
        assert main(["cancel", run_id[:4]]) == 0
        assert running.wait(timeout=20) == 130
    finally:
        running.kill()
        running.communicate()
    assert Store(data.database).run(run_id).state == RunState.CANCELLED


def test_submit_prints_the_id_and_starts_a_worker(
    data: DataFolder, spec_file: Path, capsys: pytest.CaptureFixture, commands: list[list[str]]
) -> None:
    assert main(["submit", str(spec_file), "--set", "seed=5"]) == 0
    run = Store(data.database).run(capsys.readouterr().out.strip())
    assert (run.state, run.spec.seed) == (RunState.QUEUED, 5)
    (command,) = commands
    assert command[:4] == [sys.executable, "-m", "jobs", "worker"]
    assert command[command.index("--data") + 1] == str(data.root)


def test_the_worker_executes_what_was_submitted(data: DataFolder) -> None:
    store = Store(data.database)
    run = store.insert_run(parse_spec(SPEC))
    assert main(["worker", "--idle", "0.3", "--runner", runner("complete")]) == 0
    assert store.run(run.id).state == RunState.DONE


def test_list_shows_the_figures_of_each_run(
    data: DataFolder, run_id: str, capsys: pytest.CaptureFixture
) -> None:
    assert main(["list"]) == 0
    out = capsys.readouterr().out
    assert run_id in out
    assert "0.0500" in out
    assert main(["list", "--json"]) == 0
    (listed,) = json.loads(capsys.readouterr().out)
    assert (listed["run_id"], listed["state"], listed["mae"], listed["noise_floor"]) == (
        run_id, "done", 0.05, 0.04,
    )  # fmt: skip


def test_an_empty_list_says_what_to_do(data: DataFolder, capsys: pytest.CaptureFixture) -> None:
    assert main(["list"]) == 0
    assert "python -m jobs submit" in capsys.readouterr().out
    assert main(["list", "--json"]) == 0
    assert json.loads(capsys.readouterr().out) == []


def test_show_has_all_that_run_printed_and_the_specification(
    data: DataFolder, run_id: str, capsys: pytest.CaptureFixture
) -> None:
    assert main(["show", run_id[:5], "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert (found["run_id"], found["mae"], found["fraction"]) == (run_id, 0.05, 1.0)
    assert parse_spec(found["spec"]) == parse_spec(SPEC)
    store = Store(data.database)
    for number in range(30):
        store.add_event(run_id, 1, Progress("log", "save", message=f"line {number}"))
    assert main(["show", run_id, "--log"]) == 0
    assert "line 0\n" in capsys.readouterr().out
    assert main(["show", run_id]) == 0
    out = capsys.readouterr().out
    assert "line 29\n" in out and "line 0\n" not in out
    assert "held-out templates" in out
    assert "On 72 unrelated prompts" in out
    assert "adapter.zip" in out


def test_control_characters_of_a_title_do_not_reach_the_terminal(
    data: DataFolder, spec_file: Path, capsys: pytest.CaptureFixture
) -> None:
    assert main(["run", str(spec_file), "--runner", runner("complete"), "--set", r'name="a\e[2Jb"']) == 0
    main(["list"])
    main(["show", Store(data.database).runs()[0].id])
    assert "\x1b" not in capsys.readouterr().out


@pytest.mark.parametrize(
    ("what", "form", "read"),
    [
        ("rounds", "json", lambda text: len(json.loads(text)) == 32),
        ("rounds", "csv", lambda text: len(text.splitlines()) == 33 and "'=male" in text),
        ("results", "json", lambda text: len(json.loads(text)["results"]) == 4),
        ("results", "csv", lambda text: len(text.splitlines()) == 13),
        ("spec", "json", lambda text: parse_spec(json.loads(text)) == parse_spec(SPEC)),
        ("spec", None, lambda text: parse_spec(parse_text(text)) == parse_spec(SPEC)),
    ],
)
def test_export_writes_to_standard_output_or_a_file(
    run_id: str,
    tmp_path: Path,
    capsys: pytest.CaptureFixture,
    what: str,
    form: str | None,
    read: Callable[[str], bool],
) -> None:
    arguments = ["export", run_id, "--what", what, *(["--format", form] if form else [])]
    assert main(arguments) == 0
    assert read(capsys.readouterr().out)
    assert main([*arguments, "--out", str(tmp_path / "out")]) == 0
    assert capsys.readouterr().out == ""
    assert read((tmp_path / "out").read_text("utf-8"))


def test_export_copies_the_adapter(
    run_id: str, tmp_path: Path, capsys: pytest.CaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    assert main(["export", run_id, "--what", "adapter"]) == 0
    assert (tmp_path / f"distalign-{run_id}.zip").read_bytes() == b"PK" + run_id.encode()
    assert main(["export", run_id, "--what", "adapter"]) == 2
    assert "already there" in capsys.readouterr().err


def test_export_of_an_adapter_that_is_not_there_is_an_error(
    data: DataFolder, spec_file: Path, capsys: pytest.CaptureFixture
) -> None:
    main(["run", str(spec_file), "--runner", runner("wrong_on_purpose")])
    assert main(["export", Store(data.database).runs()[0].id, "--what", "adapter"]) == 2
    assert "has no adapter" in capsys.readouterr().err


def test_resume_and_cancel_tell_the_new_state(
    run_id: str, capsys: pytest.CaptureFixture, commands: list[list[str]]
) -> None:
    assert main(["resume", run_id]) == 0
    assert capsys.readouterr().out == f"{run_id} queued, attempt 2\n"
    assert len(commands) == 1
    assert main(["resume", run_id]) == 2
    assert main(["cancel", run_id]) == 0
    assert capsys.readouterr().out == f"{run_id} cancelled\n"


def test_a_reader_that_leaves_early_is_no_error(data: DataFolder, run_id: str) -> None:
    reading, writing = os.pipe()
    os.close(reading)
    command = [sys.executable, "-m", "jobs", "export", run_id, "--what", "rounds"]
    done = subprocess.run(
        command, cwd=PROJECT, stdout=writing, stderr=subprocess.PIPE, text=True, check=False
    )
    os.close(writing)
    assert done.stderr == ""


@pytest.mark.parametrize(
    ("name", "attribute", "source", "target", "rounds"),
    [
        ("gender-uk-real", "gender", "uk-occupations", "real", 100),
        ("gender-us-real", "gender", "us-occupations", "real", 100),
        ("gender-uk-even", "gender", "uk-occupations", "even", 100),
        ("gender-us-even", "gender", "us-occupations", "even", 100),
        ("race-even", "race", "us-occupations", "even", 100),
        ("sentiment-even", "sentiment", "us-occupations", "even", 90),
    ],
)
def test_the_papers_specifications_can_be_run(
    name: str, attribute: str, source: str, target: str, rounds: int
) -> None:
    path = SPECS / f"{name}.yaml"
    assert path.read_text().startswith("# ")
    spec = load_spec(path)
    assert (spec.attribute.name, spec.contexts.source, spec.target.kind, spec.rounds, spec.preset) == (
        attribute, source, target, rounds, "standard",
    )  # fmt: skip


def _wait(condition: Callable[[], bool]) -> None:
    end = time.monotonic() + 20
    while not condition():
        assert time.monotonic() < end
        time.sleep(0.05)


def test_a_queued_run_says_what_it_waits_for(data: DataFolder, capsys: pytest.CaptureFixture) -> None:
    store = Store(data.database)
    first, _, third = (
        store.insert_run(parse_spec(SPEC | {"name": name})) for name in ("One", "Two", "Three")
    )
    main(["show", first.id])
    assert "waits for the worker" in capsys.readouterr().out
    store.claim()
    main(["show", third.id])
    assert 'waits for "One" and 1 run before it in the queue' in capsys.readouterr().out
