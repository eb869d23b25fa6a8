"""Files that runs produced, so that only these are ever handed out."""

from __future__ import annotations

import hashlib
import os
from pathlib import Path

from distalign.errors import shown
from storage.connection import Connections
from storage.records import Artifact, StoreError


class Artifacts(Connections):
    """Methods on the table ``artifacts``.

    A path below the database's folder is kept relative to it, so that the
    data folder can be moved.
    """

    def add_artifact(self, run_id: str, kind: str, path: Path | str) -> Artifact:
        """Note a file of a run, in place of one of the same kind.

        Raises:
            UnknownRun: for an unknown id.
            StoreError: when ``path`` is not a plain file (a link, a folder, or missing).
        """
        path = Path(os.path.abspath(path))
        if path.is_symlink() or not path.is_file():
            raise StoreError(f"{shown(str(path))} is not a plain file. Give the path of the file itself")
        with path.open("rb") as file:
            digest = hashlib.file_digest(file, "sha256").hexdigest()
        folder = self.path.parent
        row = {
            "run_id": run_id,
            "kind": kind,
            "path": str(path.relative_to(folder) if path.is_relative_to(folder) else path),
            "bytes": path.stat().st_size,
            "sha256": digest,
            "created_at": self._clock(),
        }
        with self._write_for(run_id) as db:
            db.table("artifacts").upsert(row, pk=("run_id", "kind"))
        return self._artifact_from(row)

    def artifacts(self, run_id: str) -> list[Artifact]:
        rows = self._rows("SELECT * FROM artifacts WHERE run_id = ? ORDER BY kind", [run_id])
        return [self._artifact_from(row) for row in rows]

    def artifact(self, run_id: str, kind: str) -> Artifact | None:
        return next((found for found in self.artifacts(run_id) if found.kind == kind), None)

    def _artifact_from(self, row: dict) -> Artifact:
        return Artifact(
            run=row["run_id"],
            kind=row["kind"],
            path=self.path.parent / row["path"],
            bytes=row["bytes"],
            sha256=row["sha256"],
            created_at=row["created_at"],
        )
