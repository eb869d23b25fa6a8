"""A run's figures as plain mappings, for JSON and for tables."""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import asdict
from typing import Any

from distalign.results import (
    EXACT_FIGURES,
    FIGURES,
    INTERVALS,
    PHASES,
    STEERING_FIGURES,
    Marginal,
    SideEffects,
    SplitResult,
)
from storage import Artifact, Run, RunState

HEADLINE_SPLIT = "heldout_templates"
CONTEXT_FIGURES = (
    "rounds", "unclassified", "target", "realized", "low", "high", "steering",
    "mae", "noise_floor", "kl", "js_distance", "total_variation", "chi2_p",
    "exact", "exact_bound",
)  # fmt: skip


def measures(result: SplitResult) -> dict[str, Any]:
    """Every measure of a split by name; an interval's ends are ``<name>_low`` and ``<name>_high``.

    ``mae``, ``noise_floor``, the errors and ``total_variation`` are in
    probability, ``kl`` is KL(target‖realized) in nats, ``unclassified`` a rate.
    What was not measured is None. ``marginals`` has those of each part of a joint
    attribute, by its name; shares by category.
    """
    figures: dict[str, Any] = {"rounds": result.rounds}
    for name in INTERVALS:
        figures |= getattr(result, name).named(name)
    figures |= {name: getattr(result, name) for name in FIGURES + STEERING_FIGURES + EXACT_FIGURES}
    return figures | {"marginals": {m.attribute: _marginal(m) for m in result.marginals}}


def _marginal(marginal: Marginal) -> dict[str, Any]:
    figures: dict[str, Any] = {"noise_floor": marginal.noise_floor}
    for name in ("mae", "ratio"):
        figures |= getattr(marginal, name).named(name)
    shares = {"target": marginal.target, "realized": marginal.realized}
    return figures | {
        name: dict(zip(marginal.categories, values, strict=True)) for name, values in shares.items()
    }


def splits(results: Iterable[SplitResult], phase: str) -> dict[str, dict[str, Any]]:
    """The measures of each split of one phase."""
    return {result.split: measures(result) for result in results if result.phase == phase}


def side_effects(effects: SideEffects | None) -> dict[str, Any] | None:
    """Side effects by name, None where none were measured; ``kl`` is KL(base‖tuned) in nats a token."""
    return None if effects is None else asdict(effects) | effects.kl.named("kl")


def report(
    run: Run,
    results: list[SplitResult],
    artifacts: Iterable[Artifact],
    effects: SideEffects | None,
) -> dict[str, Any]:
    """The object that ``run --json`` prints.

    The measures at its top are those of the held-out templates, and null until
    there are any; ``splits`` has those of every split: after training or, for a
    run that is done and trains nothing, of the base model.
    """
    after, before = splits(results, PHASES[1]), splits(results, PHASES[0])
    final = after or (before if run.state == RunState.DONE else {})
    headline = final.get(HEADLINE_SPLIT, {})
    adapter = next((str(artifact.path) for artifact in artifacts if artifact.kind == "adapter"), None)
    return finite(
        {
            "run_id": run.id,
            "title": run.title,
            "state": str(run.state),
            "error": run.error,
            "method": run.spec.method,
            **{name: headline.get(name) for name in ("mae", "mae_low", "mae_high", *FIGURES)},
            **{name: headline.get(name) for name in ("ratio", "ratio_low", "ratio_high", *STEERING_FIGURES)},
            **{name: headline.get(name) for name in EXACT_FIGURES},
            "train_seconds": run.train_seconds,
            "sample_seconds": run.sample_seconds,
            "adapter": adapter,
            "splits": final,
            "before": before,
            "side_effects": side_effects(effects),
        }
    )


def finite(value: Any) -> Any:
    """The same value with null in place of NaN and infinity, which JSON does not have."""
    if isinstance(value, dict):
        return {name: finite(item) for name, item in value.items()}
    if isinstance(value, list | tuple):
        return [finite(item) for item in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value
