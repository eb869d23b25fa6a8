"""A database as large as a laboratory's after a year: a thousand runs, a million rounds, and one long run."""

from __future__ import annotations

import random
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from bench.made_up import add_steps, finished_run
from distalign.folders import DataFolder
from distalign.spec import BASE_ROUNDS, parse_spec
from storage import RunState, Store

# The paper's data sets and one custom attribute; 10 rounds in 2 phases and 2 splits.
KINDS: tuple[dict[str, Any], ...] = (
    {"attribute": "gender", "contexts": "uk-occupations", "target": "real"},
    {"attribute": "gender", "contexts": "us-occupations", "target": "real"},
    {"attribute": "gender", "contexts": "uk-occupations", "target": "even", "preset": "standard"},
    {"attribute": "race", "contexts": "us-occupations", "target": "even"},
    {"attribute": "sentiment", "contexts": "us-occupations", "target": "even", "method": "kl_only"},
    {
        "attribute": {"name": "age group", "categories": ["young", "middle-aged", "old"], "kind": "person"},
        "contexts": "uk-occupations",
        "target": {"young": 0.2, "middle-aged": 0.3, "old": 0.5},
    },
)
ROUNDS_EACH = 10
STEPS_EACH = 12
ENDS = {7: (RunState.FAILED, "the process ran out of memory"), 11: (RunState.CANCELLED, None)}


@dataclass(frozen=True)
class Made:
    """What was made: ids of an ordinary run, of the long one and of one that is running, and sizes."""

    ordinary: str
    long: str
    live: str
    runs: int
    rounds: int
    long_rounds: int
    live_events: int
    megabytes: float
    seconds: float


def make(
    folder: Path, runs: int = 1000, contexts: int = 1000, rounds: int = 1000, live_events: int = 5000
) -> Made:
    """Fill the database of a data folder.

    Args:
        runs: how many runs in all; those with a million rounds between them.
        contexts, rounds: of the long run, on one split; before its training it has at most as many as a base model is asked.
        live_events: steps that the running run has told so far.
    """
    began = time.perf_counter()
    folder.mkdir(parents=True, exist_ok=True)
    store = Store(DataFolder(folder).database)
    long = finished_run(
        store, folder, _long_spec(contexts, rounds), steps=STEPS_EACH, splits=("heldout_templates",)
    )
    many = list(_ordinary(store, folder, runs - 2))
    live = store.insert_run(parse_spec(KINDS[0] | {"name": "Live"}), state=RunState.RUNNING)
    add_steps(store, live, live_events, 2 * live_events)
    # The last connection to close moves the write-ahead log into the file.
    store.close()
    ordinary, total = many[-1], sum(count for _, count in many)
    size = store.path.stat().st_size / 1e6
    long_rounds = contexts * (rounds + min(rounds, BASE_ROUNDS))
    seconds = time.perf_counter() - began
    return Made(
        ordinary[0], long.id, live.id, runs, total + long_rounds, long_rounds, live_events, size, seconds
    )


def _long_spec(contexts: int, rounds: int) -> dict[str, Any]:
    draw = random.Random(1)
    names = [f"occupation {i} of the long list" for i in range(contexts)]
    shares = {name: round(draw.uniform(0.05, 0.95), 3) for name in names}
    table = {name: {"male": p, "female": 1 - p} for name, p in shares.items()}
    return {"name": "The long run", "contexts": names, "target": table, "rounds": rounds}


def _ordinary(store: Store, folder: Path, count: int) -> Iterator[tuple[str, int]]:
    """Runs of all kinds, some of them failed or cancelled; their ids, and how many rounds each has."""
    for number in range(count):
        mapping = KINDS[number % len(KINDS)] | {"rounds": ROUNDS_EACH, "seed": number}
        if number % 13 in ENDS and number < count - 1:
            state, why = ENDS[number % 13]
            run = store.insert_run(parse_spec(mapping), state=RunState.RUNNING)
            add_steps(store, run, STEPS_EACH, 240)
            store.finish(run.id, state, why)
            yield run.id, 0
        else:
            run = finished_run(store, folder, mapping, seed=number, steps=STEPS_EACH)
            yield run.id, 4 * ROUNDS_EACH * len(run.spec.contexts)
