"""What the page, the command line and the API do with runs."""

from __future__ import annotations

import os
from collections.abc import Callable

from distalign.folders import DataFolder
from distalign.judges import require_judge
from distalign.spec import RunSpec, parse_spec
from jobs.liveness import is_held, run_lock, worker_lock
from jobs.removal import purge
from jobs.worker import ensure_worker
from storage import Run, RunState, Store, StoreError
from storage.packed import is_example

# The run that a new installation shows: the paper's first data set, in the short preset.
DEFAULT_RUN = {"attribute": "gender", "contexts": "uk-occupations", "target": "real", "preset": "quick"}

StartWorker = Callable[[DataFolder], None]


def submit(store: Store, data: DataFolder, spec: RunSpec, start: StartWorker = ensure_worker) -> Run:
    """Queue a run and make sure that a worker is there; returns at once.

    Raises:
        DiskError: when the data folder has no room for a run.
        SpecError: when its judge is an endpoint that the environment does not name.
    """
    data.require_room()
    require_judge(spec)
    run = store.insert_run(spec)
    start(data)
    return run


def cancel(store: Store, data: DataFolder, run_id: str) -> Run:
    """Cancel a queued run at once, ask a running one to stop; nothing happens to an ended one."""
    run = store.request_cancel(run_id)
    if run.state == RunState.RUNNING and not _has_process(data, run_id):
        store.interrupt_running(lambda i: i != run_id or _has_process(data, i))
        run = store.run(run_id)
    return run


def resume(store: Store, data: DataFolder, run_id: str, start: StartWorker = ensure_worker) -> Run:
    """Queue an ended run again, from its beginning.

    Raises:
        StoreError: when it is queued or running, or an example.
        SpecError: when its judge is an endpoint that the environment does not name.
    """
    if is_example(run_id):
        raise StoreError(f"run: {run_id} is an example. Export its specification, and submit that")
    data.require_room()
    require_judge(store.run(run_id).spec)
    run = store.requeue(run_id)
    start(data)
    return run


def delete(store: Store, data: DataFolder, run_id: str) -> Run:
    """Take a run out of the lists; for RESTORE_SECONDS it can be brought back.

    After that it is removed with its files: by the worker, at the app's next start, or at the next delete.

    Raises:
        StoreError: when it is running.
    """
    purge(store, data)
    return store.mark_deleted(run_id)


def archive(store: Store, data: DataFolder, run_id: str) -> Run:
    """Take an ended run out of the lists for as long as one likes.

    Raises:
        StoreError: when it is queued or running.
    """
    return store.archive_run(run_id)


def restore(store: Store, data: DataFolder, run_id: str, start: StartWorker = ensure_worker) -> Run:
    """Bring a deleted or archived run back; one that was waiting waits again."""
    run = store.restore_run(run_id)
    if run.state == RunState.QUEUED:
        start(data)
    return run


def recover(store: Store, data: DataFolder, start: StartWorker = ensure_worker) -> list[str]:
    """Mark runs whose process is gone as interrupted, and see to what is queued, or deleted for long.

    Returns:
        the ids of the runs that were marked.
    """
    ended = store.interrupt_running(lambda run_id: _has_process(data, run_id))
    purge(store, data)
    # A worker also looks after a run whose process is only just ending.
    if store.count_runs(RunState.QUEUED) or store.count_runs(RunState.RUNNING):
        start(data)
    return ended


def queue_default(store: Store, data: DataFolder, start: StartWorker = ensure_worker) -> Run | None:
    """Queue the default run if there is no run yet, unless DISTALIGN_DEFAULT_RUN is 0."""
    if os.environ.get("DISTALIGN_DEFAULT_RUN") == "0" or store.count_runs():
        return None
    data.require_room()
    run = store.insert_first_run(parse_spec(DEFAULT_RUN))
    if run is not None:
        start(data)
    return run


def _has_process(data: DataFolder, run_id: str) -> bool:
    # A live worker may be about to start the run's process, and marks a dead one itself.
    return is_held(worker_lock(data)) or is_held(run_lock(data, run_id))
