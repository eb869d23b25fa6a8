"""What follows from the records: rates, ratios and shares. Each is None while it cannot be told."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from statistics import median
from typing import Any

from bench.budget import Budget
from bench.records import Records
from bench.spread import Spread, ratios, spread

PEERS = {"peer": "plain TRL + KL, all layers", "peer-upper": "plain TRL + KL, the product's upper layers"}


@dataclass(frozen=True)
class Figures:
    """Derived figures of a set of records."""

    records: Records
    budget: Budget

    def floor(self, dtype: str, product: str = "square") -> Spread | None:
        """FLOP/s of a product of matrices."""
        value = self.records.get("floor")
        return spread(value["rates"][dtype][product]) if value else None

    def training_dtype(self) -> str | None:
        found = self.records.several("training/product")
        return found[0]["dtype"] if found else None

    def step_seconds(self, side: str) -> list[float]:
        """Median seconds a step, one a repeat."""
        return [median(v["step_seconds"]) for v in self.records.several(f"training/{side}")]

    def per_second(self, side: str, what: str = "examples") -> list[float]:
        """Examples (or prompts ``calibrated``) a second of training, one a repeat."""
        found = self.records.several(f"training/{side}")
        return [v[what] / median(v["step_seconds"]) for v in found]

    def training_ratio(self, peer: str = "peer", what: str = "examples") -> Spread | None:
        return ratios(self.per_second("product", what), self.per_second(peer, what))

    def whole_training_ratio(self, peer: str = "peer") -> Spread | None:
        """The same with what the product pays once spread over the steps of the specification's training."""
        once = self.records.get("training/once")
        if once is None:
            return None
        extra = (once["before_seconds"] + once["reference_seconds"]) / once["steps"]
        product = [
            v["examples"] / (median(v["step_seconds"]) + extra)
            for v in self.records.several("training/product")
        ]
        return ratios(product, self.per_second(peer))

    def training_share(self, dtype: str, counted: str = "needed", side: str = "product") -> Spread | None:
        """Share of the machine's FLOP/s that a product step reaches."""
        floor = self.floor(dtype)
        if floor is None:
            return None
        return spread(
            [
                v[f"{counted}_operations"] / median(v["step_seconds"]) / floor.median
                for v in self.records.several(f"training/{side}")
            ]
        )

    def curve(self, name: str) -> dict[str, Any] | None:
        return self.records.get(f"convergence/{name}")

    def product_reached(self) -> float | None:
        """Seconds from when on the held-out error was below the threshold, by the faster of the product's curves."""
        curves = [c for name in ("quick", "budget") if (c := self.curve(name))]
        return min((c["reached_seconds"] for c in curves if c["reached_seconds"] is not None), default=None)

    def convergence_ratio(self) -> tuple[float, bool] | None:
        """(times faster than the peer, whether the peer reached the threshold at all)."""
        ours, peer = self.product_reached(), self.curve("peer")
        if ours is None or peer is None:
            return None
        reached = peer["reached_seconds"]
        return ((reached if reached is not None else peer["seconds"]) / ours, reached is not None)

    def samplings(self, layout: str, rounds: int) -> list[dict[str, Any]]:
        """The product's turns in a layout ("one_template", "spread") at so many rounds a context."""
        return [v[layout][str(rounds)] for v in self.records.several("sampling/answers")]

    def peer_samplings(self, peer: str) -> list[dict[str, Any]]:
        """The turns of ``generate``: "batched" or "single"."""
        return [v[peer] for v in self.records.several("sampling/answers")]

    def sampling_ratio(self, rounds: int, peer: str, layout: str = "one_template") -> Spread | None:
        """Rounds a second by those of ``generate``."""
        return ratios(
            rounds_per_second(self.samplings(layout, rounds)), rounds_per_second(self.peer_samplings(peer))
        )

    def more_rounds_ratio(self, layout: str) -> Spread | None:
        """Seconds at the most rounds a context by those at the fewest."""
        few, many = (self.samplings(layout, self.budget.rounds[i]) for i in (0, -1))
        return ratios([v["seconds"] for v in many], [v["seconds"] for v in few])

    def sampling_share(self, layout: str, rounds: int) -> Spread | None:
        """Share of the machine's FLOP/s that the tree sampler reaches."""
        found = self.records.several("sampling/answers")
        floor = self.floor(found[0]["dtype"]) if found else None
        if floor is None:
            return None
        trees = self.samplings(layout, rounds)
        return spread([t["operations"] / t["seconds"] / floor.median for t in trees])

    def stories_ratio(self) -> Spread | None:
        found = self.records.several("sampling/stories")
        return spread([v["batched_seconds"] / v["tree_seconds"] for v in found])

    def peak_memory(self) -> float | None:
        """GB of the larger of the two presets, the whole group of processes counted."""
        found = self.records.several("memory")
        return max((v["group_gb"] for v in found), default=None)

    def page(self, part: str, kind: str = "median_ms") -> float | None:
        """The slowest of a part's figures of a kind, in milliseconds, as bench.page told them."""
        told = (self.records.get("page") or {}).get(part)
        found = [number for name, number in flattened(told or {}) if name.split(".")[-1] == kind]
        return max(found, default=None)


def rounds_per_second(turns: Sequence[Mapping[str, Any]]) -> list[float]:
    return [turn["rounds"] / turn["seconds"] for turn in turns]


def flattened(value: Mapping[str, Any], prefix: str = "") -> Iterator[tuple[str, float]]:
    """The numbers of nested mappings, by dotted path."""
    for name, inner in value.items():
        if isinstance(inner, Mapping):
            yield from flattened(inner, f"{prefix}{name}.")
        elif isinstance(inner, int | float):
            yield f"{prefix}{name}", inner
