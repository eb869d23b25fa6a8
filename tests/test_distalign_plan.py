"""What a run will do and how long is left."""

from __future__ import annotations

import json
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from distalign.folders import DataFolder
from distalign.past import REMEMBERED
from distalign.plan import Plan, Speed, estimate, read_speed, rounds_of_work, write_speed
from distalign.progress import STAGES, Progress
from distalign.spec import BASE_ROUNDS, parse_spec
from distalign.timeline import PLANNED, Timeline
from distalign.training_config import PRESETS

SPEC = parse_spec({"attribute": "gender"})
PROJECT = Path(__file__).parent.parent


class Clock:
    """Seconds that a test sets."""

    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now


def run_through(pace: float, start: float = 10.0) -> list[Progress]:
    """A run planned at 10 s, 100 s of training and 50 s of sampling, that takes ``pace`` times as long."""
    clock, told = Clock(), []
    timeline = Timeline({"prepare": 10.0, "train": 100.0, "sample": 50.0}, told.append, clock)
    timeline(Progress("stage", "prepare"))
    clock.now += start * pace
    timeline(Progress("stage", "warmup"))
    for step in range(1, 101):
        clock.now += pace
        timeline(Progress("step", "warmup" if step <= 20 else "hybrid", step=step, total=100))
    timeline(Progress("stage", "sample"))
    for done in range(1, 11):
        clock.now += 5 * pace
        timeline(Progress("step", "sample", step=done, total=10))
    timeline(Progress("stage", "save"))
    return told


@pytest.mark.parametrize("pace", [0.1, 1.0, 4.0])
def test_the_fraction_rises_within_0_and_1(pace: float) -> None:
    fractions = [p.fraction for p in run_through(pace)]

    assert all(0 <= f <= 1 for f in fractions)
    assert fractions == sorted(fractions)
    assert fractions[0] == 0 and fractions[-1] == pytest.approx(1, abs=1e-6)


def test_the_time_left_falls_as_planned_when_all_goes_as_planned() -> None:
    told = run_through(1.0)
    steps = [p.eta for p in told if p.kind == "step"]

    assert told[0].eta == pytest.approx(160)
    assert steps == pytest.approx([*range(149, 49, -1), *range(45, -1, -5)])


@pytest.mark.parametrize("pace", [0.25, 3.0])
def test_the_time_left_ends_near_what_is_left_when_the_plan_was_wrong(pace: float) -> None:
    training = [p for p in run_through(pace) if p.kind == "step" and p.stage == "hybrid"]
    late = training[-10]

    # Ten steps of training are left, and sampling, which is taken to be as much off its plan.
    assert late.eta == pytest.approx(9 * pace + 50 * pace, rel=0.35)


def test_a_line_of_the_log_does_not_forget_how_far_its_stage_is() -> None:
    clock, told = Clock(), []
    timeline = Timeline({"base": 10.0, "sample": 10.0}, told.append, clock)
    timeline(Progress("stage", "base"))
    clock.now += 30.0
    timeline(Progress("step", "base", 50, 100))
    timeline(Progress("log", "base", message="half way"))

    assert told[-1].eta == told[-2].eta > 30


def test_how_fast_a_model_loads_says_nothing_of_what_follows() -> None:
    clock, told = Clock(), []
    timeline = Timeline({"prepare": 10.0, "train": 100.0}, told.append, clock)
    timeline(Progress("stage", "prepare"))
    clock.now += 60.0
    timeline(Progress("stage", "warmup", total=10))

    assert told[-1].eta == pytest.approx(100)


def test_a_stage_that_is_forgotten_says_nothing_of_the_pace() -> None:
    clock, told = Clock(), []
    timeline = Timeline({"base": 200.0, "train": 100.0, "sample": 50.0}, told.append, clock)
    timeline(Progress("stage", "base"))
    clock.now += 1.0
    timeline(Progress("step", "base", 50, 50))
    timeline.forget("base")
    timeline(Progress("stage", "warmup", total=10))

    assert told[-1].eta == pytest.approx(150)
    assert "base" not in timeline.taken


@pytest.mark.parametrize(("share", "taken"), [(0.2, 200.0), (0.5, 200.0), (0.9, None)])
def test_of_a_stage_that_is_forgotten_in_part_the_rest_stands_for_all(
    share: float, taken: float | None
) -> None:
    clock, told = Clock(), []
    timeline = Timeline({"base": 200.0, "train": 100.0, "sample": 50.0}, told.append, clock)
    timeline(Progress("stage", "base"))
    clock.now += 200.0 * (1 - share)
    timeline(Progress("step", "base", 50, 50))
    timeline.forget("base", share)
    timeline(Progress("stage", "warmup", total=10))

    assert told[-1].eta == pytest.approx(150)
    assert timeline.taken.get("base") == (taken and pytest.approx(taken))


def test_where_rounds_differ_in_length_the_part_of_the_work_counts() -> None:
    clock, told = Clock(), []
    timeline = Timeline({"sample": 100.0}, told.append, clock)
    timeline(Progress("stage", "sample"))
    clock.now += 10.0
    # Nine of ten rounds are over, but the last is as long as all the others nine times.
    timeline(Progress("step", "sample", step=9, total=10, part=0.1))

    assert told[-1].eta == pytest.approx(90, rel=0.05)
    assert told[-1].fraction == pytest.approx(0.1, rel=0.05)


def test_a_plan_by_earlier_runs_counts_more_than_an_uneven_stage() -> None:
    lefts = {}
    for known in (True, False):
        clock, told = Clock(), []
        timeline = Timeline({"sample": 100.0}, told.append, clock, known)
        # A third in a fifth of the planned time: rounds that ended early went first.
        for step in (10, 20, 30, 40):
            timeline(Progress("step", "sample", step, 100))
            clock.now += 5
        lefts[known] = told[-1].eta
    whole_by_its_steps, whole_by_the_plan = 50, 100
    assert lefts[False] == pytest.approx(whole_by_its_steps - 15, abs=8)
    assert lefts[False] + 7 < lefts[True] < whole_by_the_plan - 15


def test_a_story_round_is_as_much_work_as_several_short_ones() -> None:
    spec = parse_spec({"attribute": "gender", "target": "even", "stories": True})
    short, story = (rounds_of_work(spec, split, "after") for split in ("heldout_templates", "stories"))

    assert story > 10 * short


def test_a_stage_that_is_skipped_is_not_waited_for() -> None:
    told: list[Progress] = []
    timeline = Timeline({"write": 50.0, "train": 100.0, "sample": 30.0}, told.append, Clock())
    timeline(Progress("stage", "warmup", total=10))
    timeline(Progress("stage", "sample"))

    assert [p.eta for p in told] == pytest.approx([130, 30])


def test_a_stage_that_takes_longer_than_planned_is_still_expected_to_go_on() -> None:
    clock, told = Clock(), []
    timeline = Timeline({"cache": 5.0}, told.append, clock)
    timeline(Progress("stage", "cache"))
    clock.now += 40.0
    timeline(Progress("log", "cache", message="still at it"))

    assert told[-1].eta == pytest.approx(4)


def test_the_time_left_is_never_negative_and_ends_at_nothing() -> None:
    etas = [p.eta for p in run_through(5.0)]

    assert all(eta >= 0 for eta in etas)
    assert etas[-1] == 0


def test_what_is_told_passes_through_unchanged() -> None:
    told: list[Progress] = []
    Timeline({}, told.append, Clock())(Progress("log", "base", message="hello", values={"kl": 1.0}))

    assert (told[0].message, told[0].values, told[0].stage) == ("hello", {"kl": 1.0}, "base")


def test_the_seconds_that_each_stage_took_are_kept() -> None:
    clock = Clock()
    timeline = Timeline({}, lambda _: None, clock)
    for stage, seconds in (("prepare", 3), ("warmup", 5), ("hybrid", 7), ("sample", 11)):
        timeline(Progress("stage", stage))
        clock.now += seconds
    timeline(Progress("stage", "save"))

    assert timeline.taken == {"prepare": 3, "train": 12, "sample": 11}


def test_every_stage_of_a_run_has_its_time_planned() -> None:
    assert set(PLANNED) == set(STAGES)
    assert set(estimate(SPEC).stages) <= set(PLANNED.values())


def test_a_plan_counts_what_the_run_does() -> None:
    plan = estimate(parse_spec({"attribute": "gender", "preset": "quick", "rounds": 50}))

    assert plan.steps == PRESETS["quick"].steps
    assert plan.rounds == (BASE_ROUNDS + 50) * 25 * 2, (
        "rounds of 25 contexts, on two splits, before and after"
    )
    assert plan.prompts == PRESETS["quick"].distinct_prompts < 25 * 48
    assert plan.seconds == pytest.approx(sum(plan.stages.values()))


def test_more_work_is_planned_to_take_longer() -> None:
    def seconds(**values: object) -> float:
        return estimate(parse_spec({"attribute": "gender", **values})).seconds

    assert seconds(preset="quick") < seconds() < seconds(steps=2000)
    assert seconds(rounds=10) < seconds(rounds=1000)
    assert seconds() < seconds(base_model="qwen2.5-1.5b")
    assert seconds(method="zero_shot") < seconds(preset="quick")


def test_a_zero_shot_run_trains_nothing() -> None:
    plan = estimate(parse_spec({"attribute": "gender", "method": "zero_shot"}))

    assert (plan.steps, plan.examples, plan.prompts) == (0, 0, 0)
    assert set(plan.stages) == {"prepare", "base"}


@pytest.mark.parametrize("method", ["sft", "dpo"])
def test_a_baseline_is_planned_without_cached_layers(method: str) -> None:
    plan = estimate(parse_spec({"attribute": "gender", "method": method}))

    assert set(plan.stages) == {"prepare", "base", "train", "effects", "sample"}
    assert plan.steps == PRESETS["standard"].steps
    assert plan.stages["train"] > estimate(SPEC).stages["train"]


def test_an_instruction_is_sampled_and_not_trained() -> None:
    plan = estimate(parse_spec({"attribute": "gender", "method": "prompt"}))

    assert (plan.steps, plan.examples) == (0, 0)
    assert set(plan.stages) == {"prepare", "base", "sample"}
    assert plan.rounds == 100 * 25 * 2 * 2


def test_planning_loads_no_torch() -> None:
    code = (
        "import sys; from distalign.plan import estimate; from distalign.spec import parse_spec; "
        "estimate(parse_spec({'attribute': 'gender'})); "
        "print({'torch', 'transformers', 'numpy'} & set(sys.modules))"
    )
    done = subprocess.run([sys.executable, "-c", code], cwd=PROJECT, capture_output=True, text=True)

    assert done.stdout.strip() == "set()", done.stderr


class TestSpeed:
    """The speed that earlier runs showed."""

    @pytest.fixture
    def data(self, tmp_path: Path) -> DataFolder:
        return DataFolder(tmp_path)

    @pytest.fixture
    def plan(self) -> Plan:
        return estimate(SPEC)

    def test_none_is_known_before_the_first_run(self, data: DataFolder) -> None:
        assert read_speed(data) is None

    def test_the_next_plan_takes_as_long_as_the_last_run_took(self, data: DataFolder, plan: Plan) -> None:
        taken = {stage: 2 * seconds for stage, seconds in plan.stages.items()}
        write_speed(data, SPEC, plan, taken)

        assert estimate(SPEC, read_speed(data)).stages == pytest.approx(taken)
        assert [path.name for path in data.root.iterdir() if path.is_file()] == ["speed.json"]

    def test_a_run_with_stories_keeps_what_writing_took(self, data: DataFolder) -> None:
        spec = parse_spec({"attribute": "gender", "stories": True})
        plan = estimate(spec)
        taken = {stage: 2 * seconds for stage, seconds in plan.stages.items()}
        write_speed(data, spec, plan, taken)

        assert estimate(spec, read_speed(data)).stages == pytest.approx(taken)

    def test_stages_that_a_run_skipped_keep_their_speed(self, data: DataFolder, plan: Plan) -> None:
        write_speed(data, SPEC, plan, {"train": 7 * plan.units["train"]})
        write_speed(data, SPEC, plan, {"base": 5 * plan.units["base"]})

        assert read_speed(data) == Speed(train=pytest.approx(7), before=pytest.approx(5))

    def test_methods_keep_to_the_figures_of_their_own_work(self, data: DataFolder) -> None:
        for method, units in (("sft", "train"), ("prompt", "sample")):
            spec = parse_spec({"attribute": "gender", "method": method})
            plan = estimate(spec)
            write_speed(data, spec, plan, {"base": 5 * plan.units["base"], units: 9 * plan.units[units]})

        assert read_speed(data) == Speed(plain=pytest.approx(9), before=pytest.approx(5))

    def test_stages_without_a_speed_are_left_out(self, data: DataFolder, plan: Plan) -> None:
        write_speed(data, SPEC, plan, {"save": 3.0, "prepare": 4.0})

        assert read_speed(data) == Speed(start=4.0)

    def test_other_models_do_not_change_it(self, data: DataFolder) -> None:
        spec = parse_spec({"attribute": "gender", "base_model": "gemma-2-2b"})
        write_speed(data, spec, estimate(spec), {"prepare": 99.0})

        assert read_speed(data) is None

    @pytest.mark.parametrize("text", ["", "{", "[1]", '{"knots": 3}', "null", '{"runs": [{"knots": 3}]}'])
    def test_a_damaged_file_is_as_none(self, data: DataFolder, text: str) -> None:
        (data.root / "speed.json").write_text(text)

        assert read_speed(data) is None

    def test_a_plan_follows_the_run_that_is_most_like_it(self, data: DataFolder) -> None:
        small = parse_spec({"attribute": "gender", "rounds": 10})
        many = parse_spec({"attribute": "race", "contexts": "us-occupations", "target": "even"})
        for spec, slowness in ((small, 2.0), (many, 5.0)):
            plan = estimate(spec)
            write_speed(data, spec, plan, {stage: slowness * s for stage, s in plan.stages.items()})
        speed = read_speed(data)

        assert estimate(small, speed).stages["sample"] == pytest.approx(2 * estimate(small).stages["sample"])
        assert estimate(many, speed).stages["sample"] == pytest.approx(5 * estimate(many).stages["sample"])

    def test_one_run_that_was_disturbed_does_not_spoil_the_next_plan(self, data: DataFolder) -> None:
        plan = estimate(SPEC)
        for slowness in (1.0, 1.0, 9.0):
            write_speed(data, SPEC, plan, {stage: slowness * s for stage, s in plan.stages.items()})

        assert estimate(SPEC, read_speed(data)).stages == pytest.approx(plan.stages)

    def test_it_remembers_so_many_runs_and_no_more(self, data: DataFolder, plan: Plan) -> None:
        for _ in range(REMEMBERED + 3):
            write_speed(data, SPEC, plan, {"train": 1.0})

        assert len(read_speed(data).runs) == REMEMBERED

    def test_the_file_is_plain_json(self, data: DataFolder, plan: Plan) -> None:
        write_speed(data, SPEC, plan, {"prepare": 4.0})

        assert json.loads((data.root / "speed.json").read_text())["start"] == 4.0

    def test_runs_that_end_together_are_all_remembered(self, data: DataFolder, plan: Plan) -> None:
        with ThreadPoolExecutor(8) as pool:
            list(pool.map(lambda n: write_speed(data, SPEC, plan, {"train": float(n + 1)}), range(32)))

        assert {run.seconds["train"] for run in read_speed(data).runs} == {float(n + 1) for n in range(32)}

    @pytest.mark.parametrize("in_the_way", ["speed.json", "locks"])
    def test_a_file_that_cannot_be_written_costs_the_run_nothing(
        self, data: DataFolder, plan: Plan, in_the_way: str
    ) -> None:
        if in_the_way == "locks":
            data.locks.write_text("no folder")
        else:
            (data.root / in_the_way / "no file").mkdir(parents=True)
        write_speed(data, SPEC, plan, {"train": 1.0})

        assert read_speed(data) is None
        assert not list(data.root.glob("*.partial"))
