"""Removing runs with their files: at once, or some time after they were deleted."""

from __future__ import annotations

import shutil

from distalign.folders import DataFolder
from jobs.liveness import run_lock
from jobs.places import run_log
from storage import Store

# How long a deleted run can be brought back.
RESTORE_SECONDS = 600.0


def remove(store: Store, data: DataFolder, run_id: str) -> None:
    """Remove a run and its files now, with no way back.

    Raises:
        StoreError: when it is running.
    """
    store.delete_run(run_id)
    _remove_files(data, run_id)


def purge(store: Store, data: DataFolder, after: float = RESTORE_SECONDS) -> list[str]:
    """Remove runs that were deleted ``after`` seconds ago or earlier, with their files; their ids."""
    gone = store.purge_deleted(after)
    for run_id in gone:
        _remove_files(data, run_id)
    return gone


def _remove_files(data: DataFolder, run_id: str) -> None:
    shutil.rmtree(data.run(run_id), ignore_errors=True)
    for file in (run_log(data, run_id), run_lock(data, run_id)):
        file.unlink(missing_ok=True)
