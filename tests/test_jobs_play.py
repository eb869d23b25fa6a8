"""Play with a real, tiny model: what is drawn, the process that stays loaded, and how it ends."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from bench.made_up import finished_run
from distalign.errors import DistalignError, ModelError, SpecError
from distalign.folders import DataFolder
from distalign.play import Question, batch_sizes
from distalign.player import Player
from distalign.prompts import prompt_text
from distalign.spec import parse_spec
from jobs.cli import main
from jobs.play import Played, PlayError, voices_of
from jobs.play_desk import Desk, Status, Waiting
from jobs.play_process import IDLE_VARIABLE, PlayProcess, text_of_end
from storage import Run, RunState, Store
from tests.play_support import PROMPT, TARGETS, trained_run
from tests.tiny import save_base, tiny_spec

PROJECT = Path(__file__).resolve().parent.parent
SECONDS = 60.0


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> DataFolder:
    return DataFolder(tmp_path_factory.mktemp("play"))


@pytest.fixture(scope="module")
def run(data: DataFolder) -> Run:
    return trained_run(data)


@pytest.fixture(scope="module")
def store(data: DataFolder, run: Run) -> Store:
    return Store(data.database)


@pytest.fixture(scope="module")
def player(data: DataFolder) -> Player:
    return Player(data)


@pytest.fixture(scope="module")
def desk(data: DataFolder, run: Run) -> Iterator[Desk]:
    opened = Desk(data)
    yield opened
    opened.close()


def played_by(player: Player, store: Store, runs: list[str], base: bool, question: Question) -> Played:
    voices = voices_of(store, runs, base=base)
    played = Played.nothing(question, voices)
    for drawn in player.sample(voices, question, lambda _: None):
        played = played.with_drawn(drawn)
    return played


def wait_for(condition: Callable[[], bool], what: str) -> None:
    end = time.monotonic() + SECONDS
    while not condition():
        assert time.monotonic() < end, f"waited in vain for {what}"
        time.sleep(0.05)


def is_alive(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except FileNotFoundError:
        return False


# --- drawing -------------------------------------------------------------------------


def test_an_adapters_answers_follow_its_target_without_their_steering_tokens(
    player: Player, store: Store, run: Run
) -> None:
    played = played_by(player, store, [run.id], False, Question(PROMPT, rounds=400, tokens=24))

    classify = played.read
    shares = Counter()
    for text, count in played.counts[0].items():
        shares[classify(text)] += count / 400
    assert played.aim.target == (0.2, 0.8)
    # The tiny model's head cannot put all of its mass on two tokens.
    assert shares[0] == pytest.approx(0.2, abs=0.12)
    assert shares[1] == pytest.approx(0.8, abs=0.12)
    assert not any(
        text.startswith(run.steering_tokens) for text in played.counts[0] if classify(text) is not None
    )


def test_what_is_drawn_repeats_with_the_seed_and_begins_alike_with_more_rounds(
    player: Player, store: Store, run: Run
) -> None:
    voices = voices_of(store, [run.id], base=True)

    def drawn(rounds: int, seed: int) -> list[object]:
        return list(player.sample(voices, Question(PROMPT, rounds, seed), lambda _: None))

    assert drawn(30, 3) == drawn(30, 3) == drawn(60, 3)[:4]
    assert drawn(30, 3) != drawn(30, 4)


def test_the_base_model_answers_as_if_no_adapter_lay_on_it(
    player: Player, data: DataFolder, store: Store, run: Run
) -> None:
    question = Question(PROMPT, rounds=30)
    both = played_by(player, store, [run.id], True, question)
    fresh = played_by(Player(data), store, [run.id], True, question)

    assert both.voices[0].run == ""
    assert both.counts[0] == fresh.counts[0]
    assert both.counts[0] != both.counts[1]


def test_voices_take_turns_batch_by_batch(player: Player, store: Store, run: Run) -> None:
    voices = voices_of(store, [run.id], base=True)
    told = list(player.sample(voices, Question(PROMPT, rounds=130), lambda _: None))

    assert batch_sizes(130) == [10, 20, 70, 30]
    assert [drawn.voice for drawn in told] == [0, 1] * 4
    assert [sum(count for _, count in drawn.answers) for drawn in told[::2]] == [10, 20, 70, 30]


def test_of_two_base_models_one_is_loaded_at_a_time_and_said_so(
    player: Player, store: Store, data: DataFolder, run: Run
) -> None:
    other = other_run(store, data, save_base(data.root / "another-llama", seed=1), run)
    voices = voices_of(store, [run.id, other.id, run.id[:7]], base=True)
    said: list[str] = []
    told = list(player.sample(voices, Question(PROMPT, rounds=10), said.append))

    assert [(v.base_name, bool(v.run)) for v in voices] == [
        ("tiny-llama", False), ("tiny-llama", True), ("another-llama", False), ("another-llama", True),
    ]  # fmt: skip
    assert [drawn.voice for drawn in told] == [0, 1, 2, 3]
    assert any("Loading the base model another-llama" in text for text in said)
    assert player._base.name == str(data.root / "another-llama")


def test_one_base_model_is_asked_in_place_of_those_of_the_runs(
    store: Store, data: DataFolder, run: Run
) -> None:
    own = str(data.root / "tiny-llama")

    def asked(runs: list[str], **values: object) -> list[tuple[str, bool]]:
        return [(v.base_model, bool(v.run)) for v in voices_of(store, runs, **values)]

    assert asked([], base=True, model="smollm2-360m") == [("smollm2-360m", False)]
    assert asked([run.id], base=True, model="smollm2-360m") == [(own, True), ("smollm2-360m", False)]
    assert asked([run.id], base=True, model=own) == [(own, False), (own, True)]
    assert asked([run.id], base=False, model="smollm2-360m") == [(own, True)]


def other_run(store: Store, data: DataFolder, base: Path, trained: Run) -> Run:
    """A done run of another base model, with the adapter of the run that was trained."""
    (adapter,) = store.artifacts(trained.id)
    other = store.insert_run(tiny_spec({"base_model": str(base), "target": TARGETS}), state=RunState.RUNNING)
    store.add_artifact(other.id, "adapter", shutil.copy(adapter.path, data.root / f"{other.id}.zip"))
    return store.finish(other.id, RunState.DONE)


# --- what cannot be asked --------------------------------------------------------------


@pytest.mark.parametrize(
    ("values", "told"),
    [
        ({"prompt": " \n"}, "prompt: is empty"),
        ({"prompt": "x" * 2001}, "2,001 characters"),
        ({"rounds": 0}, "rounds: 0 is out of range"),
        ({"rounds": 1001}, "1 to 1,000"),
        ({"tokens": 257}, "tokens: 257"),
        ({"seed": -1}, "seed: -1"),
    ],
)
def test_a_question_that_cannot_be_asked_is_named(values: dict[str, object], told: str) -> None:
    with pytest.raises(SpecError, match=told):
        Question(**{"prompt": PROMPT} | values)


def test_whoever_cannot_answer_is_named(store: Store, data: DataFolder, run: Run) -> None:
    untrained = store.insert_run(parse_spec({"attribute": "gender", "method": "zero_shot"}))

    def told(runs: list[str], base: bool = False) -> str:
        with pytest.raises(DistalignError) as caught:
            voices_of(store, runs, base=base)
        return str(caught.value)

    assert "none is chosen" in told([])
    assert "5 runs are chosen" in told([run.id] * 5)
    assert "'nowhere' is not known" in told(["nowhere"])
    assert "has no adapter" in told([untrained.id])


def test_an_adapter_that_is_none_is_told_by_its_runs_title(
    player: Player, store: Store, data: DataFolder, tmp_path: Path, run: Run
) -> None:
    made_up = finished_run(store, tmp_path, {"base_model": run.spec.base_model, "rounds": 1}, steps=1)

    with pytest.raises(ModelError, match=f"the adapter of '{made_up.title}' cannot be read"):
        played_by(player, store, [made_up.id], True, Question(PROMPT))


def test_a_base_model_that_is_gone_is_told_and_the_next_question_is_answered(
    desk: Desk, store: Store, data: DataFolder, run: Run
) -> None:
    gone = other_run(store, data, data.root / "no-such-model", run)

    with pytest.raises(PlayError, match=r"base_model: .*no-such-model' is not known"):
        list(desk.ask(Question(PROMPT), [gone.id], base=False))
    assert rounds_told(desk.ask(Question(PROMPT, 10), [run.id], base=True)) == 20


def rounds_told(asking: object) -> int:
    return sum(count for told in asking for _, count in getattr(told, "answers", ()))


# --- the process -----------------------------------------------------------------------


def test_the_process_draws_what_this_one_would_and_stays(
    desk: Desk, player: Player, store: Store, run: Run
) -> None:
    question = Question(PROMPT, rounds=30, seed=5)
    played = Played.nothing(question, voices_of(store, [run.id], base=True))
    for _ in range(2):
        counted = played
        for told in desk.ask(question, [run.id], base=True):
            counted = counted.with_drawn(told) if hasattr(told, "answers") else counted
        assert counted == played_by(player, store, [run.id], True, question)
    said = [told for told in desk.ask(question, [run.id], base=True) if isinstance(told, Status)]
    assert said == [Status("Sampling")]


def test_questions_are_answered_one_after_another_and_told_their_place(desk: Desk, run: Run) -> None:
    first = desk.ask(Question(PROMPT, 100), [run.id], base=True)
    second = desk.ask(Question(PROMPT, 10, seed=1), [run.id], base=True)
    third = desk.ask(Question(PROMPT, 10, seed=2), [run.id], base=True)
    rounds: list[int] = []
    listening = threading.Thread(target=lambda: rounds.append(rounds_told(first)))
    listening.start()
    told = list(third)
    listening.join(SECONDS)

    assert [t.ahead for t in told if isinstance(t, Waiting)] == [2, 1]
    assert rounds == [200]
    assert rounds_told(second) == rounds_told(told) == 20


def test_a_question_that_is_stopped_ends_at_once_and_makes_way(desk: Desk, run: Run) -> None:
    asking = desk.ask(Question(PROMPT, 1000, tokens=64), [run.id], base=True)
    waiting = desk.ask(Question(PROMPT, 1000, tokens=64), [run.id], base=True)
    waiting.stop()
    assert rounds_told(waiting) == 0
    some = 0
    for told in asking:
        if hasattr(told, "answers"):
            some += 1
            asking.stop()
    assert some == 1
    assert rounds_told(desk.ask(Question(PROMPT, 10), [run.id], base=False)) == 10


def test_a_process_that_dies_is_an_error_and_the_next_question_gets_another(
    data: DataFolder, run: Run
) -> None:
    desk = Desk(data)
    with pytest.raises(PlayError, match="SIGKILL"):
        for told in desk.ask(Question(PROMPT), [run.id], base=False):
            if told == Status("Starting") and desk.process is not None:
                os.kill(desk.process.pid, signal.SIGKILL)
    with pytest.raises(PlayError, match="'nowhere' is not known"):
        list(desk.ask(Question(PROMPT), ["nowhere"], base=False))
    desk.close()


@pytest.mark.parametrize(
    ("code", "told"),
    [
        (3, "with exit code 3"),
        (-9, "by SIGKILL. Perhaps the memory"),
        (-15, "by SIGTERM;"),
        (-40, "by signal 40;"),
    ],
)
def test_the_end_of_a_process_is_told_by_its_code(code: int, told: str) -> None:
    assert told in text_of_end(code)


def test_a_process_that_says_nothing_is_ended(data: DataFolder, run: Run) -> None:
    desk = Desk(data, silence=0.05)
    with pytest.raises(PlayError, match="no word"):
        list(desk.ask(Question(PROMPT), [run.id], base=False))
    assert desk.process is None


def test_an_idle_process_ends_and_the_next_question_starts_another(
    data: DataFolder, run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(IDLE_VARIABLE, "0.005")
    desk, pids = Desk(data), []
    for _ in range(2):
        with pytest.raises(PlayError, match="not known"):
            list(desk.ask(Question(PROMPT), ["nowhere"], base=False))
        pids.append(desk._process.pid)
        wait_for(lambda: desk.process is None, "the end of an idle process")
        assert desk._process.exit_code == 0
    assert pids[0] != pids[1]


def test_an_idle_time_that_is_no_number_is_told(data: DataFolder, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(IDLE_VARIABLE, "soon")
    with pytest.raises(SpecError, match=f"{IDLE_VARIABLE}: 'soon' is no number of minutes"):
        PlayProcess(data)


def test_the_process_ends_with_the_page_that_started_it(data: DataFolder, run: Run) -> None:
    code = (
        "import sys, time\n"
        "from distalign.folders import DataFolder\n"
        "from distalign.play import Question\n"
        "from jobs.play_desk import Desk\n"
        "from pathlib import Path\n"
        "desk = Desk(DataFolder(Path(sys.argv[1])))\n"
        "try: list(desk.ask(Question('?'), ['nowhere'], base=False))\n"
        "except Exception: print(desk.process.pid, flush=True)\n"
        "time.sleep(600)\n"
    )
    command = [sys.executable, "-c", code, str(data.root)]
    with subprocess.Popen(command, cwd=PROJECT, stdout=subprocess.PIPE, text=True) as page:
        pid = int(page.stdout.readline())
        assert is_alive(pid)
        page.kill()
    wait_for(lambda: not is_alive(pid), "the end of an orphaned process")


# --- the command line --------------------------------------------------------------------


def test_the_command_prints_one_json_object(
    data: DataFolder, run: Run, capsys: pytest.CaptureFixture
) -> None:
    asked = ["play", PROMPT, "--run", run.id[:6], "--base", "--rounds", "40", "--seed", "2"]
    assert main([*asked, "--json", "--data", str(data.root)]) == 0
    printed = capsys.readouterr()
    found = json.loads(printed.out)

    assert f"Kept as play {found['play_id']}\n" in printed.err
    assert main(["plays", found["play_id"], "--json", "--data", str(data.root)]) == 0
    assert capsys.readouterr().out == printed.out
    assert (found["prompt"], found["rounds"], found["seed"]) == (PROMPT, 40, 2)
    assert found["target"] == {"male": 0.2, "female": 0.8}
    base, tuned = found["voices"]
    assert (base["run_id"], tuned["run_id"]) == (None, run.id)
    for voice in (base, tuned):
        assert sum(voice["counts"].values()) + voice["unclassified"] == voice["rounds"] == 40
        assert sum(answer["count"] for answer in voice["answers"]) == 40
    assert tuned["noise_floor"] > 0


def test_the_command_asks_another_base_model(
    data: DataFolder, run: Run, capsys: pytest.CaptureFixture
) -> None:
    other = save_base(data.root / "one-more-llama", seed=1)
    asked = ["play", PROMPT, "--run", run.id, "--base-model", str(other), "--rounds", "10", "--json"]
    assert main([*asked, "--data", str(data.root)]) == 0
    found = json.loads(capsys.readouterr().out)
    assert [voice["run_id"] for voice in found["voices"]] == [run.id, None]

    assert main(["play", PROMPT, "--base-model", "gpt-9", "--data", str(data.root)]) == 2
    assert "'gpt-9' is not known" in capsys.readouterr().err


def test_the_command_prints_tables(data: DataFolder, run: Run, capsys: pytest.CaptureFixture) -> None:
    assert main(["play", PROMPT, "--run", run.id, "--rounds", "20", "--data", str(data.root)]) == 0
    shown = capsys.readouterr()

    assert "target" in shown.out and "80.0%" in shown.out and "names no category" in shown.out
    assert "noise floor" in shown.out
    assert "20 of 20 rounds" in shown.err


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        ([PROMPT, "--run", "nowhere"], "run: 'nowhere' is not known"),
        ([PROMPT, "--rounds", "0"], "rounds: 0 is out of range"),
        ([" "], "prompt: is empty"),
    ],
)
def test_the_command_tells_a_mistake_in_one_line(
    data: DataFolder, run: Run, arguments: list[str], told: str, capsys: pytest.CaptureFixture
) -> None:
    assert main(["play", *arguments, "--data", str(data.root)]) == 2
    assert told in capsys.readouterr().err


def test_the_command_fills_in_a_template_of_the_first_run(
    data: DataFolder, run: Run, capsys: pytest.CaptureFixture
) -> None:
    at, context = ["--data", str(data.root)], run.spec.contexts.names[1]
    asked = ["play", "--run", run.id, "--context", context, "--rounds", "10", "--json"]
    assert main([*asked, *at]) == 0
    assert json.loads(capsys.readouterr().out)["prompt"] == prompt_text(run.spec, "heldout_templates", 0, 1)
    assert main([*asked, "--split", "seen_templates", "--template", "2", *at]) == 0
    assert json.loads(capsys.readouterr().out)["prompt"] == prompt_text(run.spec, "seen_templates", 1, 1)


@pytest.mark.parametrize(
    ("asked", "said"),
    [
        ([], "PROMPT: there is none"),
        (["--context", "nurse"], "--context: it is of a run's templates"),
        (["--run", "RUN", "--context", "nurse"], "--context: 'nurse' is none of this run's"),
        (["--run", "RUN", "--context", "FIRST", "--template", "0"], "--template: 0 is none"),
        (["--run", "RUN", "--context", "FIRST", "--split", "stories"], "--split: the run tells no stories"),
        ([PROMPT, "--template", "1"], "--template: PROMPT was given, too"),
        ([PROMPT, "--context", "FIRST"], "--context: PROMPT was given, too"),
    ],
)
def test_the_command_says_what_a_template_needs(
    data: DataFolder, run: Run, capsys: pytest.CaptureFixture, asked: list[str], said: str
) -> None:
    known = {"RUN": run.id, "FIRST": run.spec.contexts.names[0]}
    assert main(["play", *(known.get(word, word) for word in asked), "--data", str(data.root)]) == 2
    assert said in capsys.readouterr().err
