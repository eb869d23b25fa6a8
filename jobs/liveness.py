"""Which processes live, told by POSIX locks that the system frees when their holder dies.

The locks are ``fcntl.lockf``'s: they belong to one process and are not
inherited by its children. Two things follow. A process must not ask
:func:`is_held` about a lock of its own (closing the file frees the lock).
And a lock of a worker is free once the worker is dead, whoever else lives.
"""

from __future__ import annotations

import fcntl
import hashlib
import os
import time
from pathlib import Path
from types import TracebackType
from typing import Self

from distalign.errors import DiskError
from distalign.folders import DataFolder

RETRY_SECONDS = 0.05


class Lock:
    """A lock that this process holds until :meth:`release`, or its end."""

    def __init__(self, descriptor: int) -> None:
        self._descriptor: int | None = descriptor

    def release(self) -> None:
        if self._descriptor is not None:
            os.close(self._descriptor)
            self._descriptor = None

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.release()


def run_lock(data: DataFolder, run_id: str) -> Path:
    """The lock that the process of a running run holds."""
    return data.locks / f"run-{run_id}.lock"


def worker_lock(data: DataFolder) -> Path:
    """The lock that the worker of this database holds."""
    digest = hashlib.sha256(str(data.database.resolve()).encode()).hexdigest()[:12]
    return data.locks / f"worker-{digest}.lock"


def hold(path: Path, patience: float = 0.0) -> Lock | None:
    """Take a lock, or None if another process has it.

    Args:
        patience: seconds to go on trying; a caller of :func:`is_held` may have
            the lock for a moment.

    Raises:
        DiskError: when the file cannot be made.
    """
    descriptor = _open(path)
    end = time.monotonic() + patience
    while not _try(descriptor, fcntl.LOCK_EX):
        if time.monotonic() >= end:
            os.close(descriptor)
            return None
        time.sleep(RETRY_SECONDS)
    return Lock(descriptor)


def is_held(path: Path) -> bool:
    """Whether another process holds this lock."""
    if not path.exists():
        return False
    descriptor = _open(path)
    try:
        return not _try(descriptor, fcntl.LOCK_SH)
    finally:
        os.close(descriptor)


def _open(path: Path) -> int:
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        return os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
    except OSError as error:
        raise DiskError(
            f"the lock file {path} cannot be made ({error.strerror}). "
            "Set DISTALIGN_DATA to a folder that can be written"
        ) from error


def _try(descriptor: int, kind: int) -> bool:
    try:
        fcntl.lockf(descriptor, kind | fcntl.LOCK_NB)
    except (BlockingIOError, PermissionError):
        return False
    return True
