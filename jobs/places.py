"""Where the jobs keep things in the data folder."""

from __future__ import annotations

import argparse
from dataclasses import dataclass
from pathlib import Path

from distalign.folders import DataFolder
from storage import Store


@dataclass(frozen=True)
class DataFolderWithDatabase(DataFolder):
    """A data folder whose database is a file somewhere else."""

    database_file: Path

    @property
    def database(self) -> Path:
        return self.database_file


def data_folder(root: str | Path | None = None, database: str | Path | None = None) -> DataFolder:
    """The data folder at ``root`` (or as the environment says), with its database or another."""
    data = DataFolder(Path(root).absolute()) if root else DataFolder.from_environment()
    return DataFolderWithDatabase(data.root, Path(database).absolute()) if database else data


def opened(args: argparse.Namespace) -> tuple[Store, DataFolder]:
    """The store and the data folder that a command's arguments name."""
    data = data_folder(args.data, args.db)
    return Store(data.database), data


def store_of(args: argparse.Namespace) -> Store:
    """The store that a command's arguments name."""
    return opened(args)[0]


def run_log(data: DataFolder, run_id: str) -> Path:
    """What the process of a run prints."""
    return data.root / "logs" / f"run-{run_id}.log"


def worker_log(data: DataFolder) -> Path:
    return data.root / "logs" / "worker.log"


def play_log(data: DataFolder) -> Path:
    """What the process that answers on the Play tab prints."""
    return data.root / "logs" / "play.log"
