"""The SQLite database of runs: their events, rounds, results and artifacts."""

from storage.records import Artifact, Event, ListedRun, Run, RunState, StoreError, UnknownRun
from storage.store import Store

__all__ = ["Artifact", "Event", "ListedRun", "Run", "RunState", "Store", "StoreError", "UnknownRun"]
