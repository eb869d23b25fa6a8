"""What the processes of runs used: memory, processor, GPU."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

from storage.connection import Connections
from storage.records import Usage, UsageSummary

_COLUMNS = "at, memory, peak_memory, seconds, cpu, cores, gpu_memory, gpu"


class UsageSamples(Connections):
    """Methods on the table ``usage``."""

    def add_usage(self, run_id: str, attempt: int, sample: Usage) -> None:
        """Keep a sample; one of the same moment is replaced. UnknownRun for an unknown id."""
        with self._write_for(run_id) as db:
            row = {"run_id": run_id, "attempt": attempt} | asdict(sample)
            db.table("usage").upsert(row, pk=("run_id", "attempt", "at"))

    def usage(self, run_id: str, attempt: int, most: int = 1000) -> list[Usage]:
        """Samples of an attempt, in order; of many every second, third, … and always the newest."""
        rows = self._rows(
            f"SELECT {_COLUMNS} FROM (SELECT {_COLUMNS}, row_number() OVER (ORDER BY at DESC) - 1 AS place, "
            "count(*) OVER () AS n FROM usage WHERE run_id = ?1 AND attempt = ?2) "
            "WHERE place % ((n + ?3 - 1) / ?3) = 0 ORDER BY at",
            [run_id, attempt, most],
        )
        return [Usage(**row) for row in rows]

    def usage_summary(self, run_id: str, attempt: int) -> UsageSummary | None:
        """None where there are no samples."""
        (row,) = self._rows(
            "SELECT count(*) AS samples, max(peak_memory) AS peak_memory, max(cores) AS cores, "
            "max(gpu_memory) AS peak_gpu_memory, "
            "sum(cpu * seconds) / sum(seconds) AS cpu, "
            "sum(gpu * seconds) / sum(iif(gpu IS NULL, NULL, seconds)) AS gpu "
            "FROM usage WHERE run_id = ? AND attempt = ?",
            [run_id, attempt],
        )
        if not row["samples"]:
            return None
        return UsageSummary(**row, last=self._last_usage(run_id, attempt))

    def _last_usage(self, run_id: str, attempt: int) -> Usage:
        rows: list[dict[str, Any]] = self._rows(
            f"SELECT {_COLUMNS} FROM usage WHERE run_id = ? AND attempt = ? ORDER BY at DESC LIMIT 1",
            [run_id, attempt],
        )
        return Usage(**rows[0])
