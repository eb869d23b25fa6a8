"""What the process of a run uses while it works: samples of its memory, processor and GPU."""

from __future__ import annotations

import os
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from storage import Run, Store, StoreError, Usage

# Seconds until the first sample, and between two; more and more in a long run, so that a day makes
# some two thousand samples.
FIRST_SECONDS, SAMPLE_SECONDS, SPREAD = 0.5, 2.0, 300
END_SECONDS = 5.0
KIB = 1024


class Meter:
    """Measures this process from one sample to the next.

    Args:
        clock: seconds since 1970-01-01 UTC.
    """

    def __init__(self, clock: Callable[[], float] = time.time) -> None:
        import psutil

        self._process = psutil.Process()
        self._clock = clock
        self._cores = _cores()
        self._peak = 0
        self._at, self._busy = clock(), self._busy_seconds()

    def sample(self) -> Usage:
        """What is used now, and since the last sample."""
        now, busy = self._clock(), self._busy_seconds()
        seconds = max(now - self._at, 1e-3)
        memory = self._process.memory_info().rss
        self._peak = max(self._peak, memory, _high_water())
        cpu = min(max((busy - self._busy) / seconds, 0.0), float(self._cores))
        self._at, self._busy = now, busy
        return Usage(now, memory, self._peak, seconds, cpu, self._cores, *_gpu())

    def _busy_seconds(self) -> float:
        times = self._process.cpu_times()
        return times.user + times.system


@contextmanager
def sampled(store: Store, run: Run, every: float = SAMPLE_SECONDS) -> Iterator[None]:
    """While the body works, keep a sample every few seconds, and one at its end."""
    ended = threading.Event()
    thread = threading.Thread(
        target=_sample, args=(store, run, every, ended), name="sample-usage", daemon=True
    )
    thread.start()
    try:
        yield
    finally:
        ended.set()
        thread.join(END_SECONDS)


def _sample(store: Store, run: Run, every: float, ended: threading.Event) -> None:
    meter, began = Meter(), time.monotonic()
    wait = min(FIRST_SECONDS, every)
    while True:
        last = ended.wait(wait)
        try:
            store.add_usage(run.id, run.attempt, meter.sample())
        except StoreError as error:
            # A run is worth more than its samples.
            print(f"usage: a sample is lost ({error})", file=sys.stderr)
        if last:
            store.close()
            return
        wait = max(every, (time.monotonic() - began) / SPREAD)


def _cores() -> int:
    """Cores that this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def _high_water() -> int:
    """The most memory that this process had so far, in bytes; 0 where the system does not tell."""
    try:
        lines = Path("/proc/self/status").read_text().splitlines()
    except OSError:
        return 0
    return next((int(line.split()[1]) * KIB for line in lines if line.startswith("VmHWM:")), 0)


def _gpu() -> tuple[int | None, float | None]:
    """Bytes that this process has of its GPU, and the share of time that it is busy."""
    cuda = getattr(sys.modules.get("torch"), "cuda", None)
    if cuda is None or not cuda.is_initialized():
        return None, None
    try:
        busy = cuda.utilization() / 100
    except Exception:
        # Its library may not be installed, and each driver refuses in its own way.
        busy = None
    return cuda.memory_reserved(), busy
