"""Stand-ins for distalign.runner.execute, named to the child process as tests.test_jobs_runners:NAME."""

from __future__ import annotations

import os
import signal
import threading
import time
from pathlib import Path

from distalign.errors import ModelError
from distalign.folders import DataFolder
from distalign.progress import Progress
from distalign.results import ContextResult, Interval, Recorder, Round, SideEffects, SplitResult
from distalign.spec import RunSpec, parse_spec

SPEC = {
    "attribute": "gender",
    "contexts": ["nurse", "pilot"],
    "target": {"male": 0.3, "female": 0.7},
    "rounds": 4,
}

SIDE_EFFECTS = SideEffects(72, 1385, 10.5, 11.25, Interval(0.06, 0.05, 0.07), 0.034, 0.036, 0.125)


def split_result(spec: RunSpec, phase: str, split: str, mae: float) -> SplitResult:
    def around(value: float) -> Interval:
        return Interval(value, value / 2, value * 2)

    contexts = tuple(
        ContextResult(
            context=number,
            rounds=spec.rounds,
            unclassified=1,
            target=spec.target.rows[number],
            realized=(0.25, 0.75),
            low=(0.1, 0.5),
            high=(0.5, 0.9),
            steering=(0.31, 0.69),
            mae=mae,
            noise_floor=0.04,
            kl=0.01,
            js_distance=0.02,
            total_variation=0.03,
            chi2_p=0.5,
        )
        for number in range(len(spec.contexts))
    )
    return SplitResult(
        phase=phase,
        split=split,
        rounds=spec.rounds * len(contexts),
        unclassified=0.25,
        mae=around(mae),
        kl=around(0.01),
        js_distance=around(0.02),
        total_variation=around(0.03),
        noise_floor=0.04,
        ratio=around(mae / 0.04),
        chi2_p=0.5,
        exact_error=0.02,
        restricted_error=0.01,
        steering_mass=0.99,
        agreement=None,
        contexts=contexts,
    )


def complete(spec: RunSpec, data: DataFolder, folder: Path, recorder: Recorder, run_id: str) -> None:
    """All that a real run records, in a moment."""
    recorder.progress(Progress("stage", "prepare", message="loading"))
    print("a library prints this")
    for phase, mae in (("before", 0.4), ("after", 0.05)):
        for split in ("seen_templates", "heldout_templates"):
            recorder.rounds(
                [
                    Round(phase, split, context, index % 2, index, 0, (0, 1, None)[index % 3], "=male")
                    for context in range(len(spec.contexts))
                    for index in range(spec.rounds)
                ]
            )
            recorder.result(split_result(spec, phase, split, mae))
    for step in range(1, 4):
        recorder.progress(Progress("step", "hybrid", step, 3, step / 3, 3.0 - step, {"loss": 1 / step}))
    recorder.side_effects(SIDE_EFFECTS)
    adapter = folder / "adapter.zip"
    adapter.write_bytes(b"PK" + run_id.encode())
    recorder.artifact("adapter", adapter)
    recorder.timing("train_seconds", 1.5)
    recorder.timing("sample_seconds", 0.5)


def endless(spec: RunSpec, data: DataFolder, folder: Path, recorder: Recorder, run_id: str) -> None:
    """Goes on until it is asked to stop."""
    (folder / "pid").write_text(str(os.getpid()))
    step = 0
    while True:
        step += 1
        recorder.progress(Progress("step", "hybrid", step, 10**6, 0.5))
        time.sleep(0.02)


def deaf(spec: RunSpec, data: DataFolder, folder: Path, recorder: Recorder, run_id: str) -> None:
    """Hears neither a request to stop nor SIGTERM."""
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    recorder.progress(Progress("stage", "hybrid"))
    time.sleep(600)


def lingering(spec: RunSpec, data: DataFolder, folder: Path, recorder: Recorder, run_id: str) -> None:
    """Is done, but its process does not end, nor hear SIGTERM."""
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    threading.Thread(target=time.sleep, args=(600,)).start()


def wrong_on_purpose(spec: RunSpec, data: DataFolder, folder: Path, recorder: Recorder, run_id: str) -> None:
    recorder.progress(Progress("stage", "base", fraction=0.25))
    raise ModelError("the model cannot be read.\nPrepare it again")


def wrong_by_accident(spec: RunSpec, data: DataFolder, folder: Path, recorder: Recorder, run_id: str) -> None:
    recorder.progress(Progress("stage", "base", fraction=0.25))
    raise ZeroDivisionError("a secret\nof two lines")


def killed(spec: RunSpec, data: DataFolder, folder: Path, recorder: Recorder, run_id: str) -> None:
    os.kill(os.getpid(), signal.SIGKILL)


def ended_by_a_signal_for_real_time(
    spec: RunSpec, data: DataFolder, folder: Path, recorder: Recorder, run_id: str
) -> None:
    os.kill(os.getpid(), 40)


def interrupted_by_keyboard(
    spec: RunSpec, data: DataFolder, folder: Path, recorder: Recorder, run_id: str
) -> None:
    os.kill(os.getpid(), signal.SIGINT)
    time.sleep(10)


def test_the_stand_in_records_what_it_says(tmp_path: Path) -> None:
    from jobs.recorder import StoreRecorder
    from storage import RunState, Store

    store = Store(tmp_path / "runs.db")
    run = store.insert_run(parse_spec(SPEC), state=RunState.RUNNING)
    complete(run.spec, DataFolder(tmp_path), tmp_path, StoreRecorder(store, run), run.id)
    assert len(store.results(run.id)) == 4
    assert store.count_rounds(run.id, "after", "heldout_templates") == 8
