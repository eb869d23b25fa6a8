"""How far a figure varies by luck alone: what perfect samplers show with as many contexts, rounds and seeds."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from distalign.errors import SpecError
from distalign.metrics import absolute_error
from distalign.spec import SPEC_FIELDS, RunSpec, parse_spec

Floats = NDArray[np.float64]
# Whole measurements that are drawn.
DRAWS = 2000


def spec_of(run: Mapping[str, Any]) -> RunSpec | None:
    """What a kept run measured, its templates apart; None where today's specification is another."""
    fields = {n: v for n, v in run["settings"].items() if n in SPEC_FIELDS and n != "templates"}
    try:
        return parse_spec(fields)
    except SpecError:
        return None


def rounds_of(spec: RunSpec, split: str, report: Mapping[str, Any]) -> int:
    """Classified rounds a context, on average."""
    return max(1, round(spec.rounds_of(split) * (1 - report["splits"][split]["unclassified"])))


def by_luck(runs: Mapping[int, Mapping[str, Any]], split: str, measure: str, off: float = 0) -> Floats | None:
    """What a sampler of the runs' targets shows in place of them, the mean over their seeds: [DRAWS].

    Args:
        runs: by seed, as they are kept.
        measure: "mae", or "ratio" (MAE by noise floor).
        off: how far its shares are from the target in each context, mean over the categories; 0 for a
            perfect one.

    Returns:
        None where a run does not tell what it measured.
    """
    rng, found = np.random.default_rng(0), []
    for run in runs.values():
        if (spec := spec_of(run)) is None:
            return None
        target = np.array(spec.target.rows)[list(spec.contexts_of(split))]
        size = (DRAWS, len(target))
        counts = rng.multinomial(rounds_of(spec, split, run["report"]), shifted(target, off, rng), size=size)
        floor = run["report"]["splits"][split]["noise_floor"] if measure == "ratio" else 1
        found.append(absolute_error(target, counts.astype(float)).mean(-1) / floor)
    return np.mean(found, axis=0)


def shifted(target: Floats, off: float, rng: np.random.Generator) -> Floats:
    """Rows of shares [C, K] that are off by so much on average: half of the categories up, the others down."""
    categories = target.shape[1]
    signs = np.zeros(categories)
    half = categories // 2
    signs[:half], signs[-half:] = 1, -1
    each = off * categories / (2 * half) * np.array([rng.permutation(signs) for _ in target])
    moved = np.clip(target + each, 0, 1)
    return moved / moved.sum(-1, keepdims=True)
