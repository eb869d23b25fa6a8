"""The store: one object with a typed method for everything that is kept."""

from __future__ import annotations

from storage.artifacts import Artifacts
from storage.comparisons import Comparisons
from storage.events import Events
from storage.packed import Packed
from storage.plays import Plays
from storage.results import Results
from storage.rounds import Rounds
from storage.shelves import Shelves
from storage.usage import UsageSamples


class Store(Shelves, Events, Rounds, Results, Artifacts, UsageSamples, Comparisons, Packed, Plays):
    """The database of runs: ``Store(path, clock=time.time)``.

    It opens the file and brings its schema up to date. One connection a
    thread; safe to use from many threads and many processes. Every method
    raises StoreError where the database cannot be read or written.
    """
