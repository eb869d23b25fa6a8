"""The process of one run: ``python -m jobs.child RUN --data DIR``, started by an executor.

Its standard input is a pipe that the worker holds. When the worker dies the
pipe ends, and so does this process: no run goes on that nobody looks after.
"""

from __future__ import annotations

import argparse
import os
import sys
import threading

from jobs.execution import DEFAULT_RUNNER, execute_run
from jobs.liveness import hold, run_lock
from jobs.places import opened
from jobs.recorder import StoreRecorder

ORPHANED = 70
NOT_ALONE = 71
LOCK_PATIENCE_SECONDS = 10.0


def main(argv: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="python -m jobs.child")
    parser.add_argument("run")
    parser.add_argument("--data", required=True)
    parser.add_argument("--db")
    parser.add_argument("--runner", default=DEFAULT_RUNNER)
    args = parser.parse_args(argv)
    end_with_the_worker(sys.stdin.fileno())
    store, data = opened(args)
    lock = hold(run_lock(data, args.run), patience=LOCK_PATIENCE_SECONDS)
    if lock is None:
        print(f"another process executes the run {args.run}", file=sys.stderr)
        return NOT_ALONE
    with lock:
        run = store.run(args.run)
        execute_run(store, data, run, args.runner, StoreRecorder(store, run))
    return 0


def end_with_the_worker(descriptor: int) -> None:
    """End this process at once when the pipe ``descriptor`` ends."""

    def watch() -> None:
        while os.read(descriptor, 1024):
            pass
        os._exit(ORPHANED)

    threading.Thread(target=watch, name="end-with-the-worker", daemon=True).start()


if __name__ == "__main__":
    sys.exit(main())
