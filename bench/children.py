"""Measurements in processes of their own, so that none disturbs another: ``python -m bench.children``."""

from __future__ import annotations

import argparse
import importlib
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from bench.errors import MeasurementFailed
from bench.machine import PROJECT
from jobs.child import end_with_the_worker
from jobs.executor import CALM


def measured(function: str, arguments: Mapping[str, Any], log: Path) -> dict[str, Any]:
    """Call ``module:function`` with one mapping in a child process; its value.

    The child is given the time at which it was started as ``began`` (seconds
    since 1970). What it prints goes to ``log``.

    Raises:
        MeasurementFailed: when the child fails.
    """
    log.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory() as folder, log.open("wb") as output:
        target = Path(folder) / "value.json"
        text = json.dumps({**arguments, "began": time.time()})
        command = [sys.executable, "-m", "bench.children", function, str(target), text]
        process = subprocess.Popen(
            command,
            cwd=PROJECT,
            env=CALM | os.environ,
            stdin=subprocess.PIPE,
            stdout=output,
            stderr=subprocess.STDOUT,
        )
        try:
            code = process.wait()
        finally:
            process.kill()
            process.stdin.close()
            process.wait()
        if code == 0 and target.exists():
            return json.loads(target.read_text("utf-8"))
    raise MeasurementFailed(f"{function} ended with {code}: {_last_line(log)} (see {log})")


def _last_line(log: Path) -> str:
    """The last line that is not indented, which in a traceback is the error."""
    lines = log.read_text("utf-8", "replace").splitlines()
    said = [line for line in lines if line.strip() and not line[0].isspace()]
    return said[-1] if said else "it said nothing"


def main(argv: list[str] | None = None) -> int:
    """The child's side: call a function, write its value. It ends when its parent does."""
    parser = argparse.ArgumentParser(prog="python -m bench.children")
    parser.add_argument("function")
    parser.add_argument("target")
    parser.add_argument("arguments")
    args = parser.parse_args(argv)
    end_with_the_worker(sys.stdin.fileno())
    module, _, name = args.function.partition(":")
    value = getattr(importlib.import_module(module), name)(json.loads(args.arguments))
    Path(args.target).write_text(json.dumps(value, allow_nan=False), "utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
