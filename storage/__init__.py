"""The SQLite database of runs: their events, rounds, results and artifacts."""

from storage.records import Artifact, Event, Run, RunState, StoreError, UnknownRun
from storage.store import Store

__all__ = ["Artifact", "Event", "Run", "RunState", "Store", "StoreError", "UnknownRun"]
