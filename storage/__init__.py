"""The SQLite database of runs: their events, rounds, results and artifacts."""

from storage.records import (
    Answer,
    Artifact,
    ComparableRun,
    Event,
    ListedRun,
    Run,
    RunState,
    StoreError,
    UnknownRun,
)
from storage.store import Store

__all__ = [
    "Answer",
    "Artifact",
    "ComparableRun",
    "Event",
    "ListedRun",
    "Run",
    "RunState",
    "Store",
    "StoreError",
    "UnknownRun",
]
