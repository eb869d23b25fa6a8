"""What follows from the records of runs: figures by cell, with what several seeds differ by."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from statistics import mean
from typing import Any

from bench.quality.cells import ANSWERS, METHODS, PAPER
from bench.records import Records

SEEN, HELDOUT, HELDOUT_CONTEXTS = "seen_templates", "heldout_templates", "heldout_contexts"
UNSEEN_ATTRIBUTES = "unseen_attributes"
# Its targets are stated in the prompts, and those that are measured were never trained on.
MANY_TARGETS = "gender-any-target"


@dataclass(frozen=True)
class Figure:
    """A measure over the seeds of a cell: their mean, and the lowest and the highest."""

    mean: float
    low: float
    high: float
    seeds: int


def over_seeds(values: Sequence[float]) -> Figure | None:
    """None for no values."""
    return Figure(mean(values), min(values), max(values), len(values)) if values else None


@dataclass(frozen=True)
class Quality:
    """The figures of a set of records. Each is None where it was not measured."""

    records: Records

    def by_seed(self, kind: str, dataset: str, method: str) -> dict[int, dict[str, Any]]:
        """What was measured of a cell, by seed."""
        prefix = f"{kind}/{dataset}/{method}"
        keys = sorted((k for k in self.records if k.rpartition("/")[0] == prefix), key=_seed)
        found = {_seed(key): self.records.get(key) for key in keys}
        return {seed: value for seed, value in found.items() if "report" in value}

    def runs(self, kind: str, dataset: str, method: str) -> list[dict[str, Any]]:
        """The same as a list."""
        return list(self.by_seed(kind, dataset, method).values())

    def datasets(self, kind: str) -> list[str]:
        """Those with a measurement: the paper's in its order, then the others."""
        names = [k.split("/")[1] for k in self.records if k.startswith(f"{kind}/")]
        ordered = [name for name in PAPER if name in names]
        ordered += [name for name in dict.fromkeys(names) if name not in PAPER]
        return [name for name in ordered if self.methods(kind, name)]

    def methods(self, kind: str, dataset: str) -> list[str]:
        """The methods that were measured on a dataset, in the order of the tables."""
        return [method for method in METHODS if self.runs(kind, dataset, method)]

    def split(self, kind: str, dataset: str, method: str, split: str, measure: str) -> Figure | None:
        """A measure of a split."""
        found = [
            run["report"]["splits"].get(split, {}).get(measure) for run in self.runs(kind, dataset, method)
        ]
        return over_seeds([value for value in found if value is not None])

    def whole(self, kind: str, dataset: str, method: str, measure: str) -> Figure | None:
        """A measure of whole runs: "train_seconds", "seconds" (all of it), or "group_gb" (peak memory)."""
        runs = self.runs(kind, dataset, method)
        found = [run.get(measure, run["report"].get(measure)) for run in runs]
        # No /proc, no memory; no training, no time of it.
        return over_seeds([value for value in found if value])

    def mean_of_six(self, method: str, measure: str = "mae", split: str = HELDOUT) -> float | None:
        """The mean of a measure over the paper's six datasets, once all are there."""
        found = [self.split(ANSWERS, dataset, method, split, measure) for dataset in PAPER]
        return mean(f.mean for f in found if f) if all(found) else None

    def floor(self, dataset: str) -> Figure | None:
        """The noise floor of short answers on held-out templates: hybrid's, or that of the last method that has one."""
        found = (self.split(ANSWERS, dataset, m, HELDOUT, "noise_floor") for m in reversed(METHODS))
        return next((figure for figure in found if figure), None)

    def unmeasurable(self) -> dict[str, list[str]]:
        """Why cells cannot be measured, with the cells."""
        reasons: dict[str, list[str]] = {}
        for key in self.records:
            if reason := self.records.get(key).get("unmeasurable"):
                reasons.setdefault(reason, []).append(key)
        return reasons


def _seed(key: str) -> int:
    return int(key.rpartition("/")[2])
