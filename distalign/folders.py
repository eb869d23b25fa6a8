"""Where things lie on disk."""

from __future__ import annotations

import os
import shutil
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from distalign.errors import DiskError

# A run writes an adapter of a few MB; the prepared base model takes 300 MB.
RUN_BYTES = 64 * 2**20


@dataclass(frozen=True)
class DataFolder:
    """The data folder: the database, prepared models, and what runs produce."""

    root: Path

    @classmethod
    def from_environment(cls) -> DataFolder:
        """The folder named by DISTALIGN_DATA, or ``data`` under the working folder."""
        return cls(Path(os.environ.get("DISTALIGN_DATA") or "data").absolute())

    @property
    def database(self) -> Path:
        return self.root / "distalign.db"

    @property
    def models(self) -> Path:
        return self.root / "models"

    @property
    def answers(self) -> Path:
        return self.root / "answers"

    @property
    def runs(self) -> Path:
        return self.root / "runs"

    @property
    def locks(self) -> Path:
        return self.root / "locks"

    def run(self, run_id: str) -> Path:
        return self.runs / run_id

    def require_room(self, needed: int = RUN_BYTES) -> None:
        """Make the folder.

        Raises:
            DiskError: when it cannot be made, or has fewer than ``needed`` bytes free.
        """
        try:
            self.root.mkdir(parents=True, exist_ok=True)
            free = shutil.disk_usage(self.root).free
        except OSError as error:
            raise DiskError(
                f"the data folder {self.root} cannot be used ({error.strerror}). "
                "Set DISTALIGN_DATA to a folder that can be written"
            ) from error
        if free < needed:
            raise DiskError(
                f"the disk of {self.root} has {free / 2**20:,.0f} MB free, {needed / 2**20:,.0f} MB are "
                "needed. Free some room, or set DISTALIGN_DATA to another disk"
            )


def replace_file(path: Path, content: bytes) -> bool:
    """Put a whole file in place of the one that may be there; False, and all is as it was, where that cannot be."""
    partial = path.with_suffix(f".{os.getpid()}.partial")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        partial.write_bytes(content)
        partial.replace(path)
    except OSError:
        with suppress(OSError):
            partial.unlink()
        return False
    return True
