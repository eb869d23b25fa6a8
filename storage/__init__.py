"""The SQLite database of runs: their events, rounds, results and artifacts."""

from storage.connection import StoreBusy
from storage.records import (
    Answer,
    Artifact,
    ComparableRun,
    Event,
    ListedRun,
    Run,
    RunFilter,
    RunState,
    StoreError,
    UnknownRun,
    Usage,
    UsageSummary,
)
from storage.store import Store

__all__ = [
    "Answer",
    "Artifact",
    "ComparableRun",
    "Event",
    "ListedRun",
    "Run",
    "RunFilter",
    "RunState",
    "Store",
    "StoreBusy",
    "StoreError",
    "UnknownRun",
    "Usage",
    "UsageSummary",
]
