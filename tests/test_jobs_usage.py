"""Samples of what a run uses: of this process, while a run works, and in the store."""

from __future__ import annotations

import subprocess
import sys
import time
from pathlib import Path

import pytest

from distalign.spec import parse_spec
from jobs.usage import Meter, sampled
from storage import RunState, Store, StoreError
from tests.test_jobs_runners import SPEC

PROJECT = Path(__file__).resolve().parent.parent


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return Store(tmp_path / "runs.db")


def test_a_busy_core_counts_as_one_and_sleep_as_none() -> None:
    meter = Meter()
    end = time.process_time() + 0.3
    while time.process_time() < end:
        pass
    busy = meter.sample()
    time.sleep(0.3)
    idle = meter.sample()
    # In seconds of a core: how long both took depends on what else the machine does.
    assert busy.cpu * busy.seconds == pytest.approx(0.3, abs=0.06)
    assert idle.cpu * idle.seconds < 0.1
    assert busy.cores >= 1 and busy.cpu <= busy.cores
    assert (busy.gpu_memory, busy.gpu) == (None, None)


def test_the_peak_is_that_of_the_process_even_between_two_samples() -> None:
    code = (
        "from jobs.usage import Meter\nmeter = Meter()\nbefore = meter.sample()\n"
        "block = bytearray(200 * 2**20)\nblock[::4096] = b'x' * len(block[::4096])\ndel block\n"
        "after = meter.sample()\n"
        "print(after.peak_memory - before.peak_memory, after.memory - before.memory)"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=PROJECT, capture_output=True, text=True, check=True
    )
    peak, memory = map(int, done.stdout.split())
    assert peak > 150 * 2**20 > memory


def test_a_run_is_sampled_while_it_works_and_once_at_its_end(store: Store) -> None:
    run = store.insert_run(parse_spec(SPEC), state=RunState.RUNNING)
    began = time.time()
    with sampled(store, run, every=0.1):
        time.sleep(0.35)
    samples = store.usage(run.id, run.attempt)
    assert 3 <= len(samples) <= 6
    assert sum(s.seconds for s in samples) == pytest.approx(time.time() - began, abs=0.3)
    assert all(s.memory > 2**20 and s.peak_memory >= s.memory for s in samples)
    assert store.usage_summary(run.id, run.attempt).samples == len(samples)


def test_a_run_goes_on_when_its_samples_cannot_be_kept(
    store: Store, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture
) -> None:
    run = store.insert_run(parse_spec(SPEC), state=RunState.RUNNING)

    def full(*_: object) -> None:
        raise StoreError("the disk is full")

    monkeypatch.setattr(store, "add_usage", full)
    with sampled(store, run, every=0.05):
        time.sleep(0.2)
    assert "the disk is full" in capsys.readouterr().err
