"""One run of the product's own command line, in a process that is watched."""

from __future__ import annotations

import json
import subprocess
import sys
import time
from collections import defaultdict
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from bench.errors import JobRefused
from bench.machine import PROJECT
from jobs.foreground import UNUSABLE

LOOK_SECONDS = 0.1
# ``python -m jobs``, but its process ends with this one, whose pipe it reads.
RUN = "import sys; from jobs import child, cli; child.end_with_the_worker(0); sys.exit(cli.main())"
KIB_PER_GB = 2**20


def run_job(spec: str, data: Path, fields: Mapping[str, Any], log: Path) -> dict[str, Any]:
    """Run ``python -m jobs run SPEC --json`` in a data folder.

    Args:
        fields: fields of the specification that are replaced.
        log: what the run tells on standard error.

    Returns:
        ``report``, the run's JSON; ``seconds`` from the process's start to its end; GB (2³⁰ bytes):
        ``peak_gb`` of the process that computes (its VmHWM), and ``group_gb``, the highest
        sum over it and all processes under it (VmRSS). Both are 0 where there is no /proc.

    Raises:
        JobRefused: for a specification that cannot be run here.
        RuntimeError: when the run fails otherwise.
    """
    command = [sys.executable, "-c", RUN, "run", spec, "--json", "--data", str(data)]
    for name, value in fields.items():
        command += ["--set", f"{name}={json.dumps(value)}"]
    output = log.with_suffix(".out")
    start = time.perf_counter()
    with output.open("wb") as stream, log.open("wb") as errors:
        process = subprocess.Popen(command, cwd=PROJECT, stdin=subprocess.PIPE, stdout=stream, stderr=errors)
    try:
        peak, group = watch(process)
    finally:
        process.kill()
        process.stdin.close()
        process.wait()
    taken = time.perf_counter() - start
    if process.returncode:
        told = " ".join(log.read_text("utf-8", "replace").splitlines()[-1:])
        if process.returncode == UNUSABLE:
            raise JobRefused(told.removeprefix("distalign: "))
        raise RuntimeError(f"python -m jobs run ended with {process.returncode}: {told}")
    told = json.loads(output.read_text("utf-8").splitlines()[-1])
    output.unlink()
    return {"peak_gb": peak, "group_gb": group, "seconds": taken, "report": told}


def watch(process: subprocess.Popen[bytes]) -> tuple[float, float]:
    """Peak memory of a process and of its group, in GB, until it ends."""
    peak = group = 0
    while process.poll() is None:
        peak = max(peak, memory_of(process.pid).get("VmHWM", 0))
        everyone = [process.pid, *descendants(process.pid)]
        group = max(group, sum(memory_of(pid).get("VmRSS", 0) for pid in everyone))
        time.sleep(LOOK_SECONDS)
    return peak / KIB_PER_GB, max(peak, group) / KIB_PER_GB


def memory_of(pid: int) -> dict[str, int]:
    """The memory lines of /proc/PID/status, in KiB; empty for a process that has ended."""
    try:
        lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    except OSError:
        return {}
    pairs = (line.partition(":") for line in lines if line.startswith("Vm"))
    return {name: int(rest.split()[0]) for name, _, rest in pairs}


def descendants(pid: int) -> list[int]:
    """All processes under a process."""
    children: dict[int, list[int]] = defaultdict(list)
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            stat = (folder / "stat").read_text()
        except OSError:
            continue
        # The name, in brackets, may hold spaces.
        children[int(stat.rpartition(")")[2].split()[1])].append(int(folder.name))
    found, pending = [], [pid]
    while pending:
        under = children[pending.pop()]
        found += under
        pending += under
    return found
