"""A tiny base model on disk, and a run that trained an adapter for it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from distalign.folders import DataFolder
from jobs.execution import DEFAULT_RUNNER, execute_run
from jobs.recorder import StoreRecorder
from storage import Run, RunState, Store
from tests.tiny import save_base, tiny_spec

TARGETS = {"Nurses": {"male": 0.2, "female": 0.8}, "Pilots": {"male": 0.7, "female": 0.3}}
PROMPT = "Job: Nurses. gender?"


def trained_run(data: DataFolder, values: Mapping[str, Any] | None = None) -> Run:
    """A run of the tiny model, trained to its end in this process; takes seconds."""
    data.root.mkdir(parents=True, exist_ok=True)
    store = Store(data.database)
    settings = {
        "base_model": str(save_base(data.root / "tiny-llama")),
        "target": TARGETS,
        "steps": 150,
        "warmup_steps": 120,
        "answers_per_step": 4,
        "learning_rate": 0.02,
        "lora_rank": 16,
        "rounds": 10,
        "max_new_tokens": 24,
        "exact_epsilon": 0,
    }
    run = store.insert_run(tiny_spec(settings | dict(values or {})), state=RunState.RUNNING)
    outcome = execute_run(store, data, run, DEFAULT_RUNNER, StoreRecorder(store, run))
    assert outcome.run.state == RunState.DONE, outcome.error
    return outcome.run
