"""Runs that nobody trained: made up, but consistent, for tests and for timings of the page."""

from __future__ import annotations

import math
import random
import time
import zipfile
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from distalign.metrics import marginals
from distalign.noise import NORMAL_95, noise_floor
from distalign.progress import Progress
from distalign.results import PHASES, ContextResult, Interval, Round, SideEffects, SplitResult
from distalign.spec import STEERED_METHODS, TRAINED_METHODS, RunSpec, parse_spec
from storage import Run, RunState, Store, Usage

# Rounds that are made before they are stored: enough for one transaction to be worth it.
BATCH = 20_000


def finished_run(
    store: Store,
    folder: Path,
    mapping: Mapping[str, object] | None = None,
    error: float = 0.02,
    seed: int = 0,
    steps: int | None = None,
    splits: Sequence[str] | None = None,
) -> Run:
    """A run that is done, with events, rounds, results and an adapter.

    Args:
        folder: where the adapter's file goes.
        mapping: fields of the specification; the rest as for gender, real-world target, preset quick.
        error: standard deviation of the shares around the target after training, in probability.
        splits: those that it is measured on; None for those of its specification.
        steps: how many events of steps it has; None for as many as the preset has steps.
    """
    spec = parse_spec({"attribute": "gender", "target": "real", "preset": "quick"} | dict(mapping or {}))
    run = store.insert_run(spec, state=RunState.RUNNING)
    draw = random.Random(seed)
    add_steps(store, run, spec.training.steps if steps is None else steps, seed=seed)
    add_usage(store, run)
    trained = spec.method in TRAINED_METHODS
    for phase in PHASES if spec.method != "zero_shot" else PHASES[:1]:
        for split in splits or spec.splits:
            skew = 0.0 if phase == "before" else error * (0.6 if split == "seen_templates" else 1)
            add_split(store, run, phase, split, skew, draw)
    if spec.method in STEERED_METHODS:
        store.set_steering_tokens(run.id, [str(k + 1) for k in range(len(spec.attribute))])
    if trained:
        _add_adapter(store, folder, run)
    store.set_timing(run.id, "sample_seconds", 64.0)
    return store.finish(run.id, RunState.DONE)


def _add_adapter(store: Store, folder: Path, run: Run) -> None:
    """What only a training leaves: an adapter, its side effects, and the time that it took."""
    archive = folder / "adapter.zip"
    with zipfile.ZipFile(archive, "w") as file:
        file.writestr("adapter_config.json", "{}")
    store.add_artifact(run.id, "adapter", archive)
    store.put_side_effects(
        run.id, SideEffects(72, 1385, 10.5, 11.2, Interval(0.06, 0.05, 0.07), 0.034, 0.036, 0.1)
    )
    store.set_timing(run.id, "train_seconds", 87.0)


def add_split(store: Store, run: Run, phase: str, split: str, skew: float, draw: random.Random) -> None:
    """The rounds and the result of a run on one split."""
    contexts: list[ContextResult] = []
    batch: list[Round] = []
    indices = run.spec.contexts_of(split)
    for i in indices:
        result, rounds = _measured(run.spec, phase, split, i, skew, draw)
        contexts.append(result)
        batch += rounds
        if len(batch) >= BATCH or i == indices[-1]:
            store.add_rounds(run.id, batch)
            batch = []
    store.put_result(run.id, _split_result(run.spec, phase, split, contexts))


def add_steps(store: Store, run: Run, count: int, of: int | None = None, seed: int = 0) -> None:
    """Events of a run up to a step, falling as a good run's losses fall; faster or slower by ``seed``."""
    total, draw = of or count, random.Random(7 + seed)
    haste = (1.0, 0.7, 1.3, 0.85)[seed % 4]
    for stage, message in (
        ("prepare", "Base model ready"),
        ("base", "Base model: MAE 0.412 on held-out templates"),
    ):
        store.add_event(run.id, run.attempt, Progress("stage", stage, message=message))
    warmup = max(1, total // 4)
    for step in range(1, count + 1):
        x = step / total
        kl = 4.2 * math.exp(-9 * haste * x) + 0.02 * draw.random() + 0.012
        kto, sft = 0.5 * math.exp(-4 * x) + 0.03, 2.4 * math.exp(-12 * x) + 0.02
        stage = "warmup" if step <= warmup else "hybrid"
        store.add_event(
            run.id,
            run.attempt,
            Progress(
                "step",
                stage,
                step,
                total,
                fraction=0.15 + 0.6 * x,
                eta=150 * (1.25 - x),
                values={
                    "loss": kl + kto + sft,
                    "kl": kl,
                    "kto": kto,
                    "sft": sft,
                    "mass": 1 - math.exp(-14 * x),
                    "error": 0.42 * math.exp(-7 * haste * x) + 0.012 + 0.01 * draw.random(),
                },
            ),
        )


def add_usage(store: Store, run: Run, samples: int = 60) -> None:
    """Samples of what a run used, every two seconds until now, as a good run's memory rises."""
    draw, peak, now = random.Random(11), 0, time.time()
    for number in range(samples):
        memory = round(2**30 * (0.4 + 1.5 * min(1.0, 3 * number / samples) + 0.05 * draw.random()))
        peak = max(peak, memory)
        cpu = min(2.0, 1.75 + 0.3 * draw.random()) if number > 2 else 0.9
        store.add_usage(run.id, run.attempt, Usage(now - 2.0 * (samples - number), memory, peak, 2.0, cpu, 2))


def _measured(
    spec: RunSpec, phase: str, split: str, i: int, skew: float, draw: random.Random
) -> tuple[ContextResult, list[Round]]:
    target, k, n = spec.target.rows[i], len(spec.attribute), spec.rounds_of(split, phase)
    if phase == "before":
        shares = [0.93 if j == (i % 5 == 0) % k else 0.07 / (k - 1) for j in range(k)]
    else:
        raw = [max(0.002, q + draw.gauss(0, skew)) for q in target]
        shares = [v / sum(raw) for v in raw]
    templates = spec.templates.of(split)
    drawn = draw.choices(range(k), shares, k=n)
    lost = {j for j in range(n) if draw.random() < (0.12 if phase == "before" else 0.002)}
    rounds = [
        Round(
            phase, split, i, j % len(templates), j,
            None if phase == "before" or spec.method not in STEERED_METHODS else drawn[j],
            None if j in lost else drawn[j],
            "I cannot say." if j in lost else f"The {spec.attribute.name} is {spec.attribute.names[drawn[j]]}.",
        )
        for j in range(n)
    ]  # fmt: skip
    m = max(1, n - len(lost))
    realized = tuple(sum(drawn[j] == c for j in range(n) if j not in lost) / m for c in range(k))
    half = [NORMAL_95 * math.sqrt(max(p * (1 - p), 0.002) / m) for p in realized]
    mae = sum(abs(q - p) for q, p in zip(target, realized, strict=True)) / k
    return ContextResult(
        i, n, len(lost), target, realized,
        tuple(max(0.0, p - h) for p, h in zip(realized, half, strict=True)),
        tuple(min(1.0, p + h) for p, h in zip(realized, half, strict=True)),
        tuple(shares), mae, noise_floor(target, m), mae * 1.2, mae * 0.9, mae, 0.4 if mae < 0.06 else 1e-6,
        None if phase == "before" else tuple(0.998 * p for p in shares), None if phase == "before" else 0.0005,
    ), rounds  # fmt: skip


def _split_result(spec: RunSpec, phase: str, split: str, contexts: list[ContextResult]) -> SplitResult:
    def mean(name: str) -> float:
        return sum(getattr(c, name) for c in contexts) / len(contexts)

    def around(value: float, share: float = 0.12) -> Interval:
        return Interval(value, value * (1 - share), value * (1 + share))

    mae, floor, trained = mean("mae"), mean("noise_floor"), phase == "after"
    rounds = sum(c.rounds for c in contexts)
    return SplitResult(
        phase, split, rounds, sum(c.unclassified for c in contexts) / rounds,
        around(mae), around(mean("kl")), around(mean("js_distance")), around(mean("total_variation")),
        floor, around(mae / floor), mean("chi2_p"),
        exact_error=0.021 if trained else None, restricted_error=0.02 if trained else None,
        steering_mass=0.998 if trained else None, agreement=0.997 if trained else None,
        exact_mae=_exact_mae(contexts) if trained else None,
        exact_unclassified=0.0015 if trained else None, exact_bound=0.0005 if trained else None,
        marginals=marginals(spec.attribute, np.array([c.target for c in contexts]), _counts(contexts)),
        contexts=tuple(contexts),
    )  # fmt: skip


def _exact_mae(contexts: list[ContextResult]) -> float:
    gaps = [abs(q - p) for c in contexts for q, p in zip(c.target, c.steering, strict=True)]
    return sum(gaps) / len(gaps)


def _counts(contexts: list[ContextResult]) -> NDArray[np.float64]:
    """Classified rounds by context and category."""
    return np.array([[p * (c.rounds - c.unclassified) for p in c.realized] for c in contexts]).round()
