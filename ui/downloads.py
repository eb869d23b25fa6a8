"""Files that the page hands out: written here, or a run's artifact from the store."""

from __future__ import annotations

import json
import re
import shutil
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

from distalign.errors import DiskError, shown
from jobs import export
from storage import Run, Store, StoreError
from storage.packed import is_example
from ui import charts, labels, report

KINDS: dict[str, str] = {
    "adapter": "Adapter (zip)",
    "spec": "Specification (YAML)",
    "results-csv": "Results (CSV)",
    "results-json": "Results (JSON)",
    "rounds-csv": "Rounds (CSV)",
    "rounds-json": "Rounds (JSON)",
    "chart-png": "Chart (PNG)",
    "chart-svg": "Chart (SVG)",
}
KEEP_SECONDS = 3600
PNG_SCALE = 2.0


@dataclass(frozen=True)
class Folder:
    """A folder of this process for files on their way to a browser; old ones are swept out."""

    path: Path

    @classmethod
    def fresh(cls) -> Folder:
        return cls(Path(tempfile.mkdtemp(prefix="distalign-downloads-")))

    def place(self, name: str) -> Path:
        """The path of a new file, in a folder of its own so that its name can be plain."""
        self._sweep()
        try:
            return Path(tempfile.mkdtemp(dir=self.path)) / name
        except OSError as error:
            raise DiskError(f"a download cannot be written ({error.strerror}). Free some room") from error

    def _sweep(self) -> None:
        for folder in self.path.iterdir():
            if time.time() - folder.stat().st_mtime > KEEP_SECONDS:
                shutil.rmtree(folder, ignore_errors=True)


def make(store: Store, folder: Folder, kind: str, run_id: str, split: str = "", category: int = 0) -> Path:
    """Write one of :data:`KINDS` for a run.

    Raises:
        DistalignError: for an unknown run, one that has no such thing, or a full disk.
    """
    run = store.run(run_id)
    if kind == "adapter":
        return adapter(store, folder, run)
    what, _, ending = kind.partition("-")
    path = folder.place(f"{stem(run)}-{what}.{ending or 'yaml'}")
    if what == "spec":
        path.write_text(run.spec.to_yaml(), "utf-8")
    elif what == "chart":
        _write_chart(store, run, split, category, path)
    else:
        getattr(export, kind.replace("-", "_"))(store, run.id, path)
    return path


def stem(run: Run) -> str:
    """The beginning of a file's name: letters, digits and dashes only."""
    words = re.sub(r"[^a-z0-9]+", "-", run.title.lower()).strip("-")[:50].strip("-")
    return f"distalign-{words or 'run'}-{run.id[:6]}"


def adapter(store: Store, folder: Folder, run: Run) -> Path:
    """A copy of the run's adapter.

    Raises:
        StoreError: when it has none, or the file is not the plain file that was stored.
    """
    found = next((a for a in store.artifacts(run.id) if a.kind == "adapter"), None)
    if found is None and is_example(run.id):
        raise StoreError(
            "run: an example comes without its adapter. Download its specification, and train it here"
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
    shutil.copyfile(found.path, path, follow_symlinks=False)
    return path


def _write_chart(store: Store, run: Run, split: str, category: int, path: Path) -> None:
    import vl_convert

    results = store.results(run.id)
    before, after = report.of_split(results, split)
    if not before and not after:
        raise StoreError(f"run: {shown(run.title)} has no results to draw. Wait for its end")
    names, spec = run.spec.attribute.names, run.spec
    category = category if category in range(len(names)) else 0
    chart = charts.realized_chart(
        before.contexts if before else (), after.contexts if after else (), spec.contexts.names, category
    )
    subtitle = [
        f"Share of “{names[category]}” on {labels.SPLITS[split].lower()}: target (tick), noise floor (band),",
        "before (grey) and after (teal) with 95 % intervals",
    ]
    vega = json.dumps(charts.for_export(chart, run.title, subtitle))
    if path.suffix == ".png":
        path.write_bytes(vl_convert.vegalite_to_png(vega, scale=PNG_SCALE))
    else:
        path.write_text(vl_convert.vegalite_to_svg(vega), "utf-8")
