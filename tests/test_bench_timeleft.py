"""``python -m bench timeleft``: real runs, its table and its page."""

from __future__ import annotations

from pathlib import Path

import pytest
import yaml

from bench.cli import main
from bench.timeleft import Looked, command, page, rows, verdict
from jobs.hindsight import TENTHS, Said
from tests.tiny import save_base, tiny_spec

LATE = Looked([Said(share, 100 * (1 - share), 150 * (1 - share)) for share in TENTHS], 100.0)
MUTE = Looked(
    [Said(0.1, 90.0, None), *(Said(share, 100 * (1 - share), 90 * (1 - share)) for share in TENTHS[1:])], 90
)


@pytest.fixture
def place(tmp_path: Path) -> Path:
    save_base(tmp_path / "model")
    spec = tiny_spec({"base_model": str(tmp_path / "model"), "rounds": 4})
    (tmp_path / "spec.yaml").write_text(yaml.safe_dump(spec.to_mapping()), "utf-8")
    return tmp_path


def arguments(place: Path, *more: str) -> list[str]:
    return ["timeleft", str(place / "spec.yaml"), "--data", str(place), *more]


def test_a_real_run_is_looked_back_on_and_its_table_is_written(
    place: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    out = place / "pages" / "timeleft.md"
    assert main(arguments(place, "--set", "seed=3", "--out", str(out))) == 0
    text, said = out.read_text("utf-8"), capfd.readouterr().out

    assert text.startswith(
        "# The time left\n\nWritten by `python -m bench timeleft spec.yaml --set seed=3 --runs 1` · "
    )
    assert "torch 2." in text and "revision" in text and str(place) not in text
    assert "after 0 finished runs in the same data folder: " in text
    shares = [line.split(" | ")[0] for line in text.splitlines() if line.startswith("| ")]
    assert shares == ["| of the time", *(f"| {n}0%" for n in range(1, 10))]
    assert "Within 25% of what was left: " in text and "within 25% of what was left: " in said


def test_the_table_has_the_errors_of_each_run_and_silence_counts_as_wrong() -> None:
    assert rows([LATE, MUTE])[:2] == [
        ["10%", "+50%", "–", "+45%", "–"],
        ["20%", "+50%", "-10%", "+40%", "-8%"],
    ]
    assert verdict([LATE, MUTE]) == "within 25% of what was left: 8 of 18; the most off by 100%"
    told = page([LATE, MUTE], 2, "python -m bench timeleft --runs 2")
    assert "after 2 finished runs in the same data folder: 100 s and 90 s." in told
    assert "| 20% | +50% | -10% | +40% | -8% |" in told


def test_the_command_on_the_page_makes_the_same_runs() -> None:
    assert command("specs/gender-uk-real.yaml", ["preset=quick"], 3) == "python -m bench timeleft --runs 3"
    told = command("specs/race-even.yaml", ["preset=standard", "name=a b"], 1)
    assert (
        told
        == "python -m bench timeleft specs/race-even.yaml --set preset=standard --set 'name=a b' --runs 1"
    )


BAD = {
    "no run at all": (["--runs", "0"], "--runs"),
    "fewer than none": (["--runs", "-1"], "--runs"),
    "no number": (["--runs", "some"], "--runs"),
    "no field": (["--set", "colour=red"], "colour"),
    "page cannot be written": (["--out", "/proc/timeleft.md"], "--out"),
}


@pytest.mark.parametrize(("given", "named"), BAD.values(), ids=BAD)
def test_bad_input_is_refused_in_one_line(
    place: Path, given: list[str], named: str, capsys: pytest.CaptureFixture[str]
) -> None:
    try:
        code = main(arguments(place, "--out", str(place / "timeleft.md"), *given))
    except SystemExit as ended:
        code = ended.code
    told = capsys.readouterr().err.strip()

    assert code == 2 and named in told
    assert len(told.splitlines()) == 1 and told.startswith("distalign: ")
    assert not (place / "timeleft.md").exists(), "no page without a figure"
