"""Curves of convergence: the held-out exact error against the seconds since the process was started.

Everything counts (the interpreter, imports, loading, the training set, the
cache, training), except the time that measuring the error itself takes.
"""

from __future__ import annotations

import tempfile
import time
from typing import Any

import torch
from transformers import TrainerCallback

from bench.heldout import HeldOut
from bench.peer import PlainTrainer, plain_arguments, plain_rows
from bench.workbench import Arguments, Workbench, open_workbench
from distalign.adapter import lora_config, lowest_adapted
from distalign.progress import TRAINING_STAGES, Progress
from distalign.training import train_adapter

# The error of the model that training returns, against the last that was measured
# within it: more apart than this, and the curve was not that of the model.
SAME_MODEL = 0.01
# Batches of the peer before its rows repeat; each prompt comes with several completions.
PEER_BATCHES = 400
ENDLESS = 1_000_000


class Curve:
    """Points of a curve, on a clock that stands still while the error is measured.

    Args:
        began: when the process was started, seconds since 1970.
    """

    def __init__(self, began: float) -> None:
        self._began = began
        self._excluded = 0.0
        self.points: list[dict[str, float]] = []
        self.held_out: HeldOut | None = None

    @property
    def seconds(self) -> float:
        return time.time() - self._began - self._excluded

    def prepare(self, bench: Workbench, lowest: int) -> None:
        start = time.time()
        self.held_out = HeldOut(bench, lowest)
        self._excluded += time.time() - start

    def measure(self, step: int) -> float:
        """Add a point; the error."""
        seconds, start = self.seconds, time.time()
        error = self.held_out.error()
        self.points.append({"step": step, "seconds": seconds, "error": error})
        self._excluded += time.time() - start
        return error

    def value(self, threshold: float) -> dict[str, Any]:
        """``reached_seconds``: from when on every error was below the threshold, or None."""
        reached = None
        for point in reversed(self.points):
            if point["error"] >= threshold:
                break
            reached = point["seconds"]
        return {
            "points": self.points,
            "reached_seconds": reached,
            "seconds": self.seconds,
            "error": self.points[-1]["error"],
            "best_error": min(p["error"] for p in self.points),
        }


def product(arguments: Arguments) -> dict[str, Any]:
    """The product's curve: ``points`` errors within the training, and one behind its end."""
    curve = Curve(arguments["began"])
    bench = open_workbench(arguments)
    config = bench.spec.training
    every = max(1, config.steps // arguments["points"])
    curve.prepare(bench, lowest_adapted(bench.model, config))
    training_began: list[float] = []

    def emit(progress: Progress) -> None:
        if progress.kind != "step" or progress.stage not in TRAINING_STAGES:
            return
        training_began.append(curve.seconds)
        if progress.step % every == 0:
            curve.measure(progress.step)

    policy = train_adapter(bench.model, bench.tokenizer, bench.spec, bench.steering, emit)
    final = curve.measure(config.steps)
    _require_same(curve, policy, config.steps)
    value = curve.value(arguments["threshold"])
    per_step = (training_began[-1] - training_began[0]) / max(1, len(training_began) - 1)
    return value | {
        "error": final,
        "steps": config.steps,
        "step_seconds": per_step,
        "fixed_seconds": max(0.0, value["seconds"] - per_step * config.steps),
    }


def _require_same(curve: Curve, policy: Any, steps: int) -> None:
    """The points were measured on the model that training returns."""
    if policy.get_base_model() is not curve.held_out.model:
        raise RuntimeError("train_adapter returned another model than it was given: no curve was measured")
    within = [p["error"] for p in curve.points[:-1] if p["step"] == steps]
    if within and abs(within[0] - curve.points[-1]["error"]) > SAME_MODEL:
        raise RuntimeError(
            "the error at the last step is not that of the model returned: no curve was measured"
        )


class CurveCallback(TrainerCallback):
    """Measures the peer's error at even intervals, and ends its training."""

    def __init__(self, curve: Curve, *, cap: float, every: float, threshold: float) -> None:
        self.curve, self.cap, self.every, self.threshold = curve, cap, every, threshold
        self.due = every

    def on_step_end(self, args: Any, state: Any, control: Any, **_: Any) -> None:
        ended = self.curve.seconds >= self.cap
        if not ended and self.curve.seconds < self.due:
            return
        error = self.curve.measure(state.global_step)
        # More often near the threshold, so that the peer is not charged for the wait until the next look.
        near = error < 2 * self.threshold
        self.due = self.curve.seconds + (self.every / 5 if near else self.every)
        control.should_training_stop = ended or error < self.threshold


def peer(arguments: Arguments) -> dict[str, Any]:
    """Plain TRL + KL on all layers, until its error falls below the threshold or ``cap`` seconds have passed.

    Its cosine schedule follows the seconds, so that it ends at the cap.
    """
    curve = Curve(arguments["began"])
    bench = open_workbench(arguments, adapted_layers=0)
    spec, batch, cap = bench.spec, arguments["batch"], arguments["cap"]
    model = bench.model.to(bench.dtype)
    curve.prepare(bench, 0)
    rows = plain_rows(spec, bench.tokenizer, bench.steering.ids, batch, PEER_BATCHES * batch)
    with tempfile.TemporaryDirectory() as folder:
        trainer = PlainTrainer(
            model=model,
            rows=rows,
            steering_ids=torch.tensor(bench.steering.ids),
            args=plain_arguments(
                folder,
                batch=batch,
                steps=ENDLESS,
                learning_rate=arguments["rate"],
                beta=spec.training.beta,
                dtype=bench.dtype,
                seed=spec.seed,
            ),
            pace=lambda: curve.seconds / cap,
            processing_class=bench.tokenizer,
            peft_config=lora_config(model, spec.training),
        )
        every = cap / arguments["points"]
        trainer.add_callback(CurveCallback(curve, cap=cap, every=every, threshold=arguments["threshold"]))
        trainer.train()
    told = {"cap": cap, "rate": arguments["rate"], "batch": batch, "steps": trainer.state.global_step}
    return curve.value(arguments["threshold"]) | told
