"""Training speed: the packed trainer against plain TRL + KL, step by step."""

from __future__ import annotations

import tempfile
import time
from collections import defaultdict
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import replace
from statistics import median
from typing import Any

import torch
from torch.optim.optimizer import (
    register_optimizer_step_post_hook,
    register_optimizer_step_pre_hook,
)
from transformers import TrainerCallback

from bench.operations import DecoderShape
from bench.peer import PlainTrainer, plain_arguments, rows_of_step
from bench.steps import matched, step_of, step_operations
from bench.workbench import Arguments, Workbench, name_of, open_workbench
from distalign.adapter import lora_config
from distalign.errors import Cancelled
from distalign.progress import TRAINING_STAGES, Progress
from distalign.training import train_adapter
from distalign.training_set import build_training_set

# Of a measured training: the one step before the reference, the step that takes
# it, and one that meets new shapes do not count.
WARMUP = 1
SETTLED_AFTER = 3


class StepClock:
    """Seconds of each optimizer step, and of the parts of it that torch lets one see."""

    def __init__(self) -> None:
        self.began = time.perf_counter()
        self.ends: list[tuple[int, float, dict[str, float]]] = []
        self._parts: dict[str, float] = defaultdict(float)

    def emit(self, progress: Progress) -> None:
        if progress.kind == "step" and progress.stage in TRAINING_STAGES:
            self.tick(progress.step)

    def tick(self, step: int) -> None:
        """A step has ended; steps are numbered from 1."""
        self.ends.append((step, time.perf_counter(), dict(self._parts)))

    def steps(self, after: int) -> list[dict[str, float]]:
        """Seconds a step, as "step" and by part, of those after step ``after``."""
        found = []
        for (before, start, earlier), (step, end, later) in zip(self.ends, self.ends[1:], strict=False):
            if before >= after:
                parts = {name: later[name] - earlier.get(name, 0.0) for name in later}
                taken = (end - start) / (step - before)
                found.append(parts | {"forward, loss and layout": taken - sum(parts.values()), "step": taken})
        return found

    @contextmanager
    def watching(self) -> Iterator[None]:
        """Within the block, time the backward passes and the optimizer."""
        backward, clock = torch.autograd.backward, time.perf_counter
        started: list[float] = []

        def timed(*args: Any, **kwargs: Any) -> Any:
            start = clock()
            try:
                return backward(*args, **kwargs)
            finally:
                self._parts["backward"] += clock() - start

        def stepped(*_: Any) -> None:
            self._parts["optimizer"] += clock() - started.pop()

        handles = [
            register_optimizer_step_pre_hook(lambda *_: started.append(clock())),
            register_optimizer_step_post_hook(stepped),
        ]
        torch.autograd.backward = timed
        try:
            yield
        finally:
            torch.autograd.backward = backward
            for handle in handles:
                handle.remove()


class TickCallback(TrainerCallback):
    """Tells a clock of each optimizer step."""

    def __init__(self, clock: StepClock) -> None:
        self.clock = clock

    def on_step_end(self, args: Any, state: Any, control: Any, **_: Any) -> None:
        self.clock.tick(state.global_step)


def product(arguments: Arguments) -> dict[str, Any]:
    """Seconds of each step of the product's trainer, with the operations that each needs.

    ``changes`` replace fields of the specification.
    """
    changes = {"steps": arguments["steps"], "warmup_steps": WARMUP} | arguments.get("changes", {})
    bench = open_workbench(arguments, **changes)
    training_set = build_training_set(bench.spec, bench.tokenizer, bench.steering)
    config, shape = bench.spec.training, DecoderShape.of(bench.model.config)
    clock = StepClock()
    with clock.watching():
        train_adapter(bench.model, bench.tokenizer, bench.spec, bench.steering, clock.emit)
    steps = [step_of(training_set, config, i) for i in range(SETTLED_AFTER, config.steps)]
    counts = [step_operations(shape, training_set, config, step) for step in steps]
    return _measured(bench, clock) | {
        "examples": median(len(matched(training_set, step)) for step in steps),
        "calibrated": config.prompts_per_step,
        "adapted_layers": config.adapted_layers,
        "needed_operations": sum(needed for needed, _ in counts) / len(counts),
        "laid_out_operations": sum(laid_out for _, laid_out in counts) / len(counts),
    }


def peer(arguments: Arguments) -> dict[str, Any]:
    """Seconds of each step of plain TRL + KL on the prompts and completions of the product's steps.

    ``all_layers`` says whether the adapter is on all layers, as the plain form
    has it, or on the product's upper ones.
    """
    bench = open_workbench(arguments, steps=arguments["steps"], warmup_steps=0)
    config = bench.spec.training
    training_set = build_training_set(bench.spec, bench.tokenizer, bench.steering)
    batches = [rows_of_step(training_set, step_of(training_set, config, i)) for i in range(config.steps)]
    clock = StepClock()
    with tempfile.TemporaryDirectory() as folder:
        trainer = plain_trainer(
            bench, folder, batches, adapted_layers=0 if arguments["all_layers"] else config.adapted_layers
        )
        trainer.add_callback(TickCallback(clock))
        with clock.watching():
            trainer.train()
    return _measured(bench, clock) | {"examples": len(batches[0]), "calibrated": len(batches[0])}


def plain_trainer(
    bench: Workbench, folder: str, batches: list[list[dict[str, Any]]], *, adapted_layers: int
) -> PlainTrainer:
    """The peer on given batches of equal size, in the arithmetic that the product trains in."""
    config = bench.spec.training
    return PlainTrainer(
        model=bench.model.to(bench.dtype),
        rows=[row for batch in batches for row in batch],
        steering_ids=torch.tensor(bench.steering.ids),
        args=plain_arguments(
            folder,
            batch=len(batches[0]),
            steps=len(batches),
            learning_rate=config.learning_rate,
            beta=config.beta,
            dtype=bench.dtype,
            seed=bench.spec.seed,
        ),
        processing_class=bench.tokenizer,
        peft_config=lora_config(bench.model, replace(config, adapted_layers=adapted_layers)),
    )


def _measured(bench: Workbench, clock: StepClock) -> dict[str, Any]:
    steps = clock.steps(SETTLED_AFTER)
    parts = {name: median(step.get(name, 0.0) for step in steps) for name in steps[-1]}
    return {
        "dtype": name_of(bench.dtype),
        "step_seconds": [step["step"] for step in steps],
        "parts": parts,
    }


def once(arguments: Arguments) -> dict[str, Any]:
    """What a whole training pays once: everything before its first step, and taking the reference.

    The training is that of the specification, stopped soon after its reference is taken.
    """
    bench = open_workbench(arguments)
    config, clock = bench.spec.training, StepClock()
    first_step: list[float] = []

    def emit(progress: Progress) -> None:
        if progress.kind == "stage" and progress.stage in TRAINING_STAGES:
            first_step.append(time.perf_counter())
        clock.emit(progress)
        if clock.ends and clock.ends[-1][0] > config.warmup_steps + 3:
            raise Cancelled("enough was seen")

    with suppress(Cancelled):
        train_adapter(bench.model, bench.tokenizer, bench.spec, bench.steering, emit)
    pairs = zip(clock.ends, clock.ends[1:], strict=False)
    seconds = {step: end - start for (_, start, _), (step, end, _) in pairs}
    usual = median(seconds[s] for s in seconds if s > config.warmup_steps + 1)
    return {
        "steps": config.steps,
        "before_seconds": first_step[0] - clock.began,
        "reference_seconds": max(0.0, seconds[config.warmup_steps + 1] - usual),
    }
