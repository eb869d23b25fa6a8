"""Files that the page hands out: written here, or a run's artifact from the store."""

from __future__ import annotations

import re
import shutil
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

from distalign.errors import DiskError, shown
from jobs import export
from jobs.reporting import files
from jobs.reporting.views import View
from storage import Run, Store, StoreError
from storage.packed import is_example

# What a run offers, by the heading above its buttons.
GROUPS: dict[str, dict[str, str]] = {
    "Model and report": {
        "adapter": "Adapter (zip)",
        "report-html": "Report (HTML)",
        "spec": "Specification (YAML)",
        "spec-json": "Specification (JSON)",
        "log-txt": "Log (text)",
        "log-json": "Log (JSON)",
    },
    "Figures": {
        "results-csv": "Results (CSV)",
        "results-json": "Results (JSON)",
        "rounds-csv": "Rounds (CSV)",
        "rounds-json": "Rounds (JSON)",
        "convergence-csv": "Convergence (CSV)",
        "convergence-json": "Convergence (JSON)",
    },
    "The charts as they are shown": {
        "chart-png": "Shares (PNG)",
        "chart-svg": "Shares (SVG)",
        "convergence-png": "Convergence (PNG)",
        "convergence-svg": "Convergence (SVG)",
    },
}
KEEP_SECONDS = 3600
_ALL = View()


@dataclass(frozen=True)
class Folder:
    """A folder of this process for files on their way to a browser; old ones are swept out."""

    path: Path

    @classmethod
    def fresh(cls) -> Folder:
        return cls(Path(tempfile.mkdtemp(prefix="distalign-downloads-")))

    def place(self, name: str) -> Path:
        """The path of a new file, in a folder of its own so that its name can be plain.

        Raises:
            DiskError: when there can be none.
        """
        with writing():
            # Systems clear out what lies among temporary files for days.
            self.path.mkdir(mode=0o700, parents=True, exist_ok=True)
            self._sweep()
            return Path(tempfile.mkdtemp(dir=self.path)) / name

    def _sweep(self) -> None:
        for folder in self.path.iterdir():
            # Another thread's sweep may have taken it.
            with suppress(OSError):
                if time.time() - folder.stat().st_mtime > KEEP_SECONDS:
                    shutil.rmtree(folder, ignore_errors=True)


@contextmanager
def writing() -> Iterator[None]:
    """DiskError where what is done within cannot be written."""
    try:
        yield
    except OSError as error:
        raise DiskError(f"a download cannot be written ({error.strerror}). Free some room") from error


def make(store: Store, folder: Folder, kind: str, run_id: str, view: View = _ALL) -> Path:
    """Write one of the kinds in :data:`GROUPS` for a run; ``view`` is what of its results is looked at.

    Raises:
        DistalignError: for an unknown run, one that has no such thing, or a full disk.
    """
    run = store.run(run_id)
    if kind == "adapter":
        return adapter(store, folder, run)
    what, _, ending = kind.partition("-")
    path = folder.place(f"{stem(run)}-{what}.{ending or 'yaml'}")
    if what in ("rounds", "results"):
        getattr(export, f"{what}_{ending}")(store, run.id, path)
        return path
    with writing():
        path.write_bytes(files.content(store, run, view, what, ending or "yaml"))
    return path


def stem(run: Run) -> str:
    """The beginning of a file's name: letters, digits and dashes only."""
    words = re.sub(r"[^a-z0-9]+", "-", run.title.lower()).strip("-")[:50].strip("-")
    return f"distalign-{words or 'run'}-{run.id[:6]}"


def adapter(store: Store, folder: Folder, run: Run) -> Path:
    """A copy of the run's adapter.

    Raises:
        StoreError: when it has none, or the file is not the plain file that was stored.
        DiskError: when it cannot be copied.
    """
    found = store.artifact(run.id, "adapter")
    if found is None and is_example(run.id):
        raise StoreError(
            "run: this example comes without its adapter. Download its specification, and train it here"
        )
    if found is None:
        raise StoreError(
            f"run: {shown(run.title)} has no adapter. Take a run of a method that trains, done to its end"
        )
    if found.path.is_symlink() or not found.path.is_file():
        raise StoreError(
            f"run: the adapter of {shown(run.title)} is gone from the data folder. Start it again"
        )
    path = folder.place(f"{stem(run)}-adapter.zip")
    with writing():
        shutil.copyfile(found.path, path, follow_symlinks=False)
    return path
