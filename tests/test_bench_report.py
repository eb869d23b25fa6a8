"""The benchmark's records, its page, and its command line."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
import yaml

from bench import turns
from bench.budget import FULL
from bench.cli import main
from bench.errors import BenchError, MeasurementFailed
from bench.figures import Figures
from bench.goals import goal_rows
from bench.parts import prefixes
from bench.records import Records
from bench.report import render, write_report
from bench.spread import ratios, spread
from tests.tiny import save_base, tiny_spec

SIDES = ("product", "product-float32", "peer", "peer-upper")


def curve(reached: float | None, error: float, seconds: float = 70.0, **more: Any) -> dict[str, Any]:
    points = [
        {"step": 10, "seconds": 20.0, "error": 0.2},
        {"step": 20, "seconds": seconds, "error": error},
    ]
    told = {"points": points, "reached_seconds": reached, "seconds": seconds, "error": error}
    return told | {"best_error": error, "steps": 20} | more


def answers(seconds: float) -> dict[str, Any]:
    turns = {
        str(n): {"seconds": seconds * growth, "rounds": n * 25, "distinct": 9, "operations": 10**12}
        for n, growth in ((100, 1), (1000, 1.5), (10_000, 3))
    }
    batched = {"seconds": 30.0, "rounds": 300, "contexts": 3}
    spread_out = {n: turn | {"seconds": 2 * seconds} for n, turn in turns.items()}
    layouts = {"one_template": turns, "spread": spread_out}
    return layouts | {"dtype": "float32", "batched": batched, "single": {"seconds": 60.0, "rounds": 30}}


def training(seconds: float, **more: Any) -> dict[str, Any]:
    parts = {"backward": seconds / 2, "step": seconds}
    told = {"dtype": "bfloat16", "step_seconds": [seconds] * 3, "parts": parts, "examples": 16}
    return told | {"calibrated": 24} | more


@pytest.fixture
def records(tmp_path: Path) -> Records:
    """Made-up measurements: some goals are met, some missed, and the page was not measured."""
    kept = Records(tmp_path / "speed.json", {})
    rates = {"float32": {"square": [2e11, 3e11, 4e11]}, "bfloat16": {"square": [5e11]}}
    kept.keep("floor", {"products": {"square": [8, 8, 8]}, "rates": rates, "training_dtype": "bfloat16"}, 9)
    counted = {"needed_operations": 1e11, "laid_out_operations": 1.5e11, "adapted_layers": 8}
    for i, seconds in enumerate((0.4, 0.5, 0.6)):
        kept.keep(f"training/product/{i}", training(seconds, **counted), 20)
        kept.keep(f"training/peer/{i}", training(10 * seconds), 60)
    kept.keep("training/once", {"steps": 10, "before_seconds": 9.0, "reference_seconds": 1.0}, 20)
    kept.keep("convergence/quick", curve(50.0, 0.02, step_seconds=0.5, fixed_seconds=20.0), 70)
    kept.keep("convergence/budget", curve(80.0, 0.015, 299.0), 320)
    kept.keep("convergence/peer", curve(None, 0.045, 1000.0, cap=1000.0, rate=1e-3, batch=16), 1400)
    for i, seconds in enumerate((5.0, 6.0)):
        kept.keep(f"sampling/answers/{i}", answers(seconds), 100)
    kept.keep("growth/contexts/10", {"size": 10, "sampling": 2.0, "training": 0.5}, 30)
    kept.keep("growth/contexts/1", {"size": 1, "sampling": 1.0, "training": 0.4}, 30)
    memory = {"peak_gb": 1.5, "group_gb": 1.6, "seconds": 200.0, "report": {"mae": 0.04}}
    kept.keep("memory/quick", memory, 200)
    return kept


# Figures


def test_a_spread_is_a_median_with_its_range() -> None:
    found = spread([3.0, 1.0, 2.0])

    assert (found.median, found.low, found.high, found.count) == (2, 1, 3, 3)
    assert spread([]) is None and ratios([], [1.0]) is None
    assert ratios([4.0, 9.0], [2.0, 3.0]).median == 2.5, "each repeat by the one beside it"


def test_figures_follow_from_the_records(records: Records) -> None:
    figures = Figures(records, FULL)

    assert figures.training_ratio().median == pytest.approx(10)
    # Ten seconds once, over ten steps, is one second more a step.
    assert figures.whole_training_ratio().median == pytest.approx(5 / 1.5)
    assert figures.training_share("bfloat16").median == pytest.approx(1e11 / 0.5 / 5e11)
    assert figures.training_share("float32").median == pytest.approx(1e11 / 0.5 / 3e11)
    assert figures.sampling_ratio(100, "batched").high == pytest.approx(2500 / 5 / 10)
    assert figures.sampling_ratio(100, "batched", "spread").high == pytest.approx(2500 / 10 / 10)
    assert figures.more_rounds_ratio("one_template").median == pytest.approx(3)
    assert figures.more_rounds_ratio("spread").median == pytest.approx(1)
    assert figures.convergence_ratio() == (20, False)


def test_every_goal_is_met_missed_or_not_measured(records: Records) -> None:
    rows = {row[0]: row[1:] for row in goal_rows(records, FULL)}
    verdicts = {name: row[-1] for name, row in rows.items()}

    assert (
        rows["Training examples a second, by plain TRL + KL"] == ["≥ 8×", "10×", "met"]
        or rows["Training examples a second, by plain TRL + KL"][-1] == "met"
    )
    assert verdicts["the same, the cache and the reference spread over the steps"] == "missed"
    assert verdicts["Training: share of the machine's FLOP/s (its own type)"] == "missed"
    assert verdicts["Seconds to a held-out error below 0.03, from the process's start"] == "met"
    faster = rows["Time to a held-out error below 0.03: plain TRL + KL by the product"]
    assert faster == ["≥ 20×", "> 20.0× (stopped at 0.045)", "met"]
    assert rows["Held-out error after 300 s"] == ["≤ 0.012", "0.015", "missed"]
    assert verdicts["Time of 10,000 rounds a context, by that of 100, as a run spreads them"] == "met"
    assert verdicts["the same on one template"] == "missed"
    assert verdicts["Peak memory of a whole run"] == "met"
    assert verdicts["One poll of a live run"] == "not measured"


def test_the_slowest_figure_of_the_page_counts_and_a_missing_one_is_no_silent_gap(records: Records) -> None:
    results = {
        "server": {"a": {"median_ms": 40.0}},
        "browser": {"b": {"median_ms": 620.0, "slowest_ms": 900}},
    }
    told = {"start": {"answered_ms": 4100.0}, "poll": {"first_ms": 90.0, "median_ms": 20.0}}
    records.keep("page", told | {"results": results, "browser": None}, 60)
    rows = {row[0]: row[1:] for row in goal_rows(records, FULL)}

    assert rows["App: start to the first answered request"][1:] == ["4,100 ms", "met"]
    assert rows["One poll of a live run"] == ["≤ 50 ms", "20 ms", "met"]
    assert rows["Results over a million rounds"][1:] == ["620 ms", "missed"]
    assert rows["Click on Train to its acknowledgement"][1:] == [
        "bench.page told no median_ms of train", "missed",
    ]  # fmt: skip
    assert "| results: browser, b, median_ms | 620 |" in render(records, FULL, {})


def test_a_product_that_never_reaches_the_threshold_has_missed(records: Records) -> None:
    for name in ("quick", "budget"):
        value = records.get(f"convergence/{name}") | {"reached_seconds": None, "best_error": 0.041}
        records.keep(f"convergence/{name}", value, 70)
    rows = {row[0]: row[1:] for row in goal_rows(records, FULL)}

    seconds = rows["Seconds to a held-out error below 0.03, from the process's start"]
    assert seconds[1:] == ["never (best 0.041)", "missed"]
    ratio = rows["Time to a held-out error below 0.03: plain TRL + KL by the product"]
    assert ratio[1:] == ["the product did not reach it", "missed"]


# The page


def test_the_page_names_commands_machine_and_what_is_missing(records: Records, tmp_path: Path) -> None:
    out = tmp_path / "docs" / "speed.md"
    out.parent.mkdir()
    write_report(records, FULL, out)
    text = out.read_text("utf-8")

    assert text.index("## Goals") < text.index("## The floor") < text.index("## The page")
    for part in ("floor", "training", "convergence", "sampling", "growth", "memory", "page"):
        assert f"`python -m bench speed --only {part}`" in text
    assert "torch 2." in text and "cores" in text and "revision" in text
    assert text.count("Not measured yet.") == 1 and "A trial" not in text
    assert (
        "| plain TRL + KL, all layers, rate 0.001, 16 rows a step (20 steps, at most 1,000 s) | never |"
        in text
    )


def test_the_charts_lie_beside_the_page_on_a_white_ground(records: Records, tmp_path: Path) -> None:
    out = tmp_path / "speed.md"
    write_report(records, FULL, out)
    text = out.read_text("utf-8")
    images = sorted(path.name for path in (tmp_path / "images").iterdir())

    assert images == [
        "speed-convergence.svg", "speed-growth-contexts.svg", "speed-sampling.svg", "speed-training.svg",
    ]  # fmt: skip
    for name in images:
        svg = (tmp_path / "images" / name).read_text("utf-8")
        assert f"](images/{name})" in text
        assert svg.startswith("<svg") and 'fill="white"' in svg
    assert "plain TRL + KL" in (tmp_path / "images" / "speed-convergence.svg").read_text("utf-8")


def test_a_page_without_any_measurement_says_so(tmp_path: Path) -> None:
    out = tmp_path / "speed.md"
    write_report(Records(tmp_path / "speed.json", {}), FULL, out, trial=True)
    text = out.read_text("utf-8")

    assert text.count("Not measured yet.") == 7 and text.count("not measured") == 17
    assert "A trial" in text and "`python -m bench speed --trial --only floor`" in text


# Records


def test_records_survive_and_are_forgotten_by_part(records: Records) -> None:
    again = Records(records.path, {})

    assert again.several("training/product") == records.several("training/product")
    assert [v["size"] for v in again.several("growth/contexts")] == [1, 10], "by number, not by text"
    again.forget("training")
    assert again.several("training/product") == [] and "floor" in again
    assert again.stamps("floor")[0]["machine"]["cores"] >= 1


def test_records_of_other_settings_are_refused_unless_measured_anew(tmp_path: Path) -> None:
    Records(tmp_path / "r.json", {"budget": (1, 2)}).keep("floor", {}, 1)

    assert "floor" in Records(tmp_path / "r.json", {"budget": [1, 2]})
    with pytest.raises(BenchError, match="another budget"):
        Records(tmp_path / "r.json", {"budget": [1, 3]})
    assert "floor" not in Records(tmp_path / "r.json", {"budget": [1, 3]}, again=["floor"])
    Records(tmp_path / "empty.json", {"budget": [1, 2]}).save()
    assert not list(Records(tmp_path / "empty.json", {"budget": [1, 3]})), "nothing was measured with others"


def test_what_is_measured_anew_is_forgotten_and_nothing_else(tmp_path: Path) -> None:
    kept = Records(tmp_path / "r.json", {"budget": 1})
    for key in ("floor", "training/peer/0", "training/peer/1", "memory/quick"):
        kept.keep(key, {}, 1)

    same = Records(tmp_path / "r.json", {"budget": 1}, again=["training", "floor"])
    assert list(same) == ["memory/quick"]
    told = (
        r"another budget\. --again leaves training/peer/1 and memory/quick: choose all of it, or name another"
    )
    with pytest.raises(BenchError, match=told):
        Records(tmp_path / "r.json", {"budget": 2}, again=["training/peer/0", "floor"])
    assert len(list(Records(tmp_path / "r.json", {"budget": 1}))) == 4, "a refusal takes nothing away"
    assert not list(Records(tmp_path / "r.json", {"budget": 2}, again=["training", "floor", "memory"]))
    assert prefixes(["growth", "page"]) == ["growth", "page", "adapter"], "what it samples with goes, too"


# The command line


@pytest.fixture
def place(tmp_path: Path) -> Path:
    save_base(tmp_path / "model")
    mapping = tiny_spec({"base_model": str(tmp_path / "model")}).to_mapping()
    (tmp_path / "spec.yaml").write_text(yaml.safe_dump(mapping), "utf-8")
    return tmp_path


def arguments(place: Path, *more: str) -> list[str]:
    places = {"--data": place, "--spec": place / "spec.yaml", "--out": place / "out" / "speed.md"}
    return ["speed", "--trial", *(str(x) for pair in places.items() for x in pair), *more]


def test_a_part_is_measured_in_its_own_process_and_not_twice(
    place: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    assert main(arguments(place, "--only", "floor")) == 0
    first = (place / "bench" / "speed-trial.json").read_text("utf-8")
    out, _ = capfd.readouterr()
    assert "not measured" in out and (place / "out" / "speed.md").is_file()
    assert main(arguments(place, "--only", "floor")) == 0

    assert (place / "bench" / "speed-trial.json").read_text("utf-8") == first
    assert "floor: measured before" in capfd.readouterr().err
    rates = json.loads(first)["units"]["floor"]["value"]["rates"]
    assert min(rates["float32"]["square"]) > 0


class Interrupted:
    """Stands for the child processes: stops the benchmark, once, at the call that is given."""

    def __init__(self, stop_at: int) -> None:
        self.calls: list[str] = []
        self.stop_at = stop_at

    def __call__(self, function: str, arguments: Mapping[str, Any], log: Path) -> dict[str, Any]:
        self.calls.append(log.stem)
        if len(self.calls) == self.stop_at:
            raise KeyboardInterrupt
        if "once" in log.stem:
            raise MeasurementFailed("it fell over")
        return training(0.5, needed_operations=1e9, laid_out_operations=1e9)


def test_a_stopped_benchmark_goes_on_where_it_was(place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    stand_in = Interrupted(stop_at=3)
    monkeypatch.setattr(turns, "measured", stand_in)

    assert main(arguments(place, "--only", "training")) == 130
    assert main(arguments(place, "--only", "training")) == 1, "a measurement failed"
    units = [f"training-{side}-{i}" for i in (0, 1) for side in SIDES]
    units.append("training-once")
    assert stand_in.calls == [*units[:3], *units[2:]]
    stand_in.calls, stand_in.stop_at = [], 0
    assert main(arguments(place, "--only", "training", "--again")) == 1
    assert stand_in.calls == units, "all anew"


def test_what_depends_on_a_failed_measurement_is_told(
    place: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def fail(function: str, *_: Any) -> dict[str, Any]:
        raise MeasurementFailed(f"{function} fell over")

    monkeypatch.setattr(turns, "measured", fail)

    assert main(arguments(place, "--only", "convergence")) == 1
    told = capsys.readouterr().err
    assert "convergence/quick: bench.curves:product fell over" in told
    assert "convergence/peer: it depends on convergence/quick, which was not measured" in told


BAD = {
    "unknown part": (["--only", "colours"], "--only"),
    "no specification": (["--spec", "/nowhere.yaml"], "/nowhere.yaml"),
    "no adapter": (["--adapter", "/nowhere"], "--adapter"),
    "no results": (["--results", "{place}/spec.yaml"], "--results"),
    "page cannot be written": (["--out", "/proc/speed.md"], "--out"),
    "rate below nothing": (["--peer-rate", "-1"], "--peer-rate"),
    "rate no number": (["--peer-rate", "fast"], "--peer-rate"),
}


@pytest.mark.parametrize(("given", "named"), BAD.values(), ids=BAD)
def test_bad_input_is_refused_in_one_line(
    place: Path, given: list[str], named: str, capsys: pytest.CaptureFixture[str]
) -> None:
    given = [text.replace("{place}", str(place)) for text in given]
    try:
        code = main(
            arguments(place, *given) if "--only" in given else arguments(place, "--only", "page", *given)
        )
    except SystemExit as ended:
        code = ended.code
    told = capsys.readouterr().err.strip()

    assert code == 2 and named in told
    assert len(told.splitlines()) == 1 and told.startswith("distalign: ")
