"""The parts of the benchmark, each a list of measurements that can be made one at a time.

Repeats of things that are compared take turns, each in a process of its own.
"""

from __future__ import annotations

import importlib.util
import shutil
import tempfile
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from bench.budget import Budget
from bench.errors import MeasurementFailed
from bench.records import Records


@dataclass(frozen=True)
class Options:
    """What the command line asked for.

    ``adapter`` is a folder that PEFT loads, or None to train one; ``peer_cap`` is in seconds.
    """

    spec: Path
    data: Path
    budget: Budget
    adapter: Path | None = None
    peer_rate: float = 1e-3
    peer_batch: int = 16
    peer_cap: float | None = None


@dataclass(frozen=True)
class Unit:
    """One measurement: its key in the records, the function that makes it, and that function's arguments.

    ``arguments`` is called when it is the unit's turn, because some depend on what was measured before.
    """

    key: str
    function: str
    arguments: Callable[[], dict[str, Any]]


class Parts:
    """The units of each part, in the order in which they are measured."""

    def __init__(self, options: Options, records: Records) -> None:
        self.options = options
        self.budget = options.budget
        self.records = records

    def units(self, part: str) -> Iterator[Unit]:
        return getattr(self, f"_{part}")()

    def missing(self, part: str) -> str | None:
        """Why a part cannot be measured here, or None."""
        if part == "page" and importlib.util.find_spec("bench.page") is None:
            return "bench/page.py is not there yet"
        if part == "memory" and not Path("/proc/self/status").exists():
            return "memory is read from /proc, which this system does not have"
        return None

    def _unit(self, key: str, function: str, preset: str | None = None, **values: Any) -> Unit:
        fields = ({"preset": preset} if preset else {}) | dict(self.budget.overrides)
        fixed = {"spec": str(self.options.spec), "data": str(self.options.data), "set": fields} | values
        return Unit(key, function, lambda: {name: v() if callable(v) else v for name, v in fixed.items()})

    def _floor(self) -> Iterator[Unit]:
        budget = self.budget
        yield self._unit(
            "floor",
            "bench.floor:measure",
            square=budget.square,
            floor_seconds=budget.floor_seconds,
            repeats=budget.floor_repeats,
        )

    def _training(self) -> Iterator[Unit]:
        steps = self.budget.training_steps
        for i in range(self.budget.training_repeats):
            for name, changes in (("product", {}), ("product-float32", {"precision": "float32"})):
                yield self._unit(
                    f"training/{name}/{i}", "bench.training:product", steps=steps, changes=changes
                )
            for name, all_layers in (("peer", True), ("peer-upper", False)):
                yield self._unit(
                    f"training/{name}/{i}", "bench.training:peer", steps=steps, all_layers=all_layers
                )
        yield self._unit("training/once", "bench.training:once")

    def _convergence(self) -> Iterator[Unit]:
        measured = {"points": self.budget.points, "threshold": self.budget.threshold}
        function = "bench.curves:product"
        yield self._unit("convergence/quick", function, "quick", **measured)
        long = {"set": lambda: {"preset": "standard", **dict(self.budget.overrides), **self._long()}}
        yield self._unit("convergence/budget", function, **measured, **long)
        yield self._unit(
            "convergence/peer",
            "bench.curves:peer",
            **measured,
            cap=self._peer_cap,
            rate=self.options.peer_rate,
            batch=self.options.peer_batch,
        )

    def _long(self) -> dict[str, int]:
        """As many steps as the seconds of the long curve have room for, by what the quick one took."""
        quick = self._needed("convergence/quick")
        room = self.budget.budget_seconds - quick["fixed_seconds"]
        return {"steps": max(10, int(room / quick["step_seconds"]))}

    def _peer_cap(self) -> float:
        """So many times the seconds in which the product reached the threshold, or of its quick run."""
        if self.options.peer_cap is not None:
            return self.options.peer_cap
        quick = self._needed("convergence/quick")
        curves = (quick, self.records.get("convergence/budget") or quick)
        reached = [c["reached_seconds"] for c in curves if c["reached_seconds"] is not None]
        return self.budget.peer_times * min(reached, default=quick["seconds"])

    def _needed(self, key: str) -> dict[str, Any]:
        value = self.records.get(key)
        if value is None:
            raise MeasurementFailed(f"it depends on {key}, which was not measured")
        return value

    def _adapter(self) -> Iterator[Unit]:
        """Train an adapter to sample with, unless one was given."""
        if self.options.adapter is None:
            folder = str(self.options.data / "bench" / "adapter")
            yield self._unit("adapter", "bench.adapters:train", "standard", folder=folder)

    def _adapter_folder(self) -> str:
        return str(self.options.adapter or self._needed("adapter")["folder"])

    def _sampling(self) -> Iterator[Unit]:
        budget = self.budget
        yield from self._adapter()
        for i in range(budget.sampling_repeats):
            yield self._unit(
                f"sampling/answers/{i}",
                "bench.sampling:answers",
                adapter=self._adapter_folder,
                rounds=budget.rounds,
                generate_contexts=budget.generate_contexts,
                generate_batch=budget.generate_batch,
                single_calls=budget.single_calls,
            )
            yield self._unit(
                f"sampling/stories/{i}",
                "bench.sampling:stories",
                seed=i,
                story_contexts=budget.story_contexts,
                story_rounds=budget.story_rounds,
                story_tokens=budget.story_tokens,
            )

    def _growth(self) -> Iterator[Unit]:
        budget = self.budget
        yield from self._adapter()
        tuned = {"adapter": self._adapter_folder, "repeats": budget.growth_repeats}
        sampled = {"sampled_rounds": budget.growth_sampled, "repeats": budget.growth_repeats}
        yield self._unit("growth/rounds", "bench.growth:rounds", rounds=budget.growth_rounds, **tuned)
        for size in budget.growth_contexts:
            yield self._unit(
                f"growth/contexts/{size}",
                "bench.growth:contexts",
                size=size,
                steps=budget.training_steps,
                **(tuned | sampled),
            )
        for size in budget.growth_categories:
            yield self._unit(
                f"growth/categories/{size}", "bench.growth:categories", "quick", size=size, **sampled
            )

    def _memory(self) -> Iterator[Unit]:
        for preset in ("quick", "standard"):
            yield self._unit(f"memory/{preset}", "bench.memory:measure", preset)

    def _page(self) -> Iterator[Unit]:
        def folder() -> str:
            return tempfile.mkdtemp(prefix="distalign-bench-page-")

        yield self._unit(
            "page",
            "bench.parts:measure_page",
            folder=folder,
            repeats=self.budget.page_repeats,
            runs=self.budget.page_runs,
            rounds=self.budget.page_rounds,
        )


NAMES = ("floor", "training", "convergence", "sampling", "growth", "memory", "page")
# They sample with an adapter, whose training is a unit of its own.
TUNED = ("sampling", "growth")


def prefixes(names: Sequence[str]) -> list[str]:
    """What the keys of some parts' units begin with."""
    return [*names, *(["adapter"] if set(names) & set(TUNED) else [])]


def measure_page(arguments: dict[str, Any]) -> dict[str, Any]:
    """The page's timings, in an empty folder that is removed again."""
    # Imported here: with the page come its own libraries, which no other part needs.
    from bench.page import measure

    folder = Path(arguments["folder"])
    try:
        return measure(folder, arguments["repeats"], arguments["runs"], arguments["rounds"])
    finally:
        shutil.rmtree(folder, ignore_errors=True)
