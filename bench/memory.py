"""Peak memory of a whole run, from the command line to the saved adapter."""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import Any

from bench.job import run_job


def measure(arguments: dict[str, Any]) -> dict[str, Any]:
    """Run ``python -m jobs run`` in a data folder of its own; what :func:`bench.job.run_job` gives."""
    with tempfile.TemporaryDirectory() as folder:
        link_models(Path(folder), Path(arguments["data"]))
        return run_job(arguments["spec"], Path(folder), arguments["set"], Path(folder) / "log")


def link_models(folder: Path, data: Path) -> None:
    """Let a data folder use the prepared base models of another."""
    models = data / "models"
    models.mkdir(parents=True, exist_ok=True)
    if not (folder / "models").exists():
        (folder / "models").symlink_to(models.absolute())
