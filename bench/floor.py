"""The floor: how many operations a second this machine's matrix products reach, through torch."""

from __future__ import annotations

import time
from typing import Any

import torch

from bench.operations import DecoderShape
from bench.steps import reading, step_of
from bench.workbench import Arguments, name_of, open_workbench
from distalign.operations import linear
from distalign.training_set import build_training_set

DTYPES = (torch.float32, torch.bfloat16)


def measure(arguments: Arguments) -> dict[str, Any]:
    """FLOP/s of products of [m, k] by [k, n], each the rate of ``floor_seconds`` of them, ``repeats`` times.

    The dtypes and shapes take turns. ``square`` is the size of the large
    product; the others are those of a training step, forward.
    """
    bench = open_workbench(arguments, steps=4, warmup_steps=0)
    shape = DecoderShape.of(bench.model.config)
    training_set = build_training_set(bench.spec, bench.tokenizer, bench.steering)
    step = step_of(training_set, bench.spec.training, 1)
    whole = reading(training_set, step.prompts, step.completions)
    size = arguments["square"]
    products = {"square": (size, size, size)}
    products |= {name: (whole.tokens, i, o) for name, (i, o) in shape.projections.items()}
    products["head"] = (whole.reads, shape.hidden, shape.vocabulary)
    rates: dict[str, dict[str, list[float]]] = {name_of(d): {n: [] for n in products} for d in DTYPES}
    for _ in range(arguments["repeats"]):
        for dtype in DTYPES:
            for name, sizes in products.items():
                rates[name_of(dtype)][name].append(rate(sizes, dtype, arguments["floor_seconds"]))
    return {"products": products, "rates": rates, "training_dtype": name_of(bench.dtype)}


def rate(sizes: tuple[int, int, int], dtype: torch.dtype, seconds: float) -> float:
    """FLOP/s over at least so many seconds of products, after one that does not count; by the faster library."""
    m, k, n = sizes
    left, right = torch.randn(m, k).to(dtype), torch.randn(n, k).to(dtype)
    linear(left, right)
    times, began = 0, time.perf_counter()
    while (taken := time.perf_counter() - began) < seconds or not times:
        linear(left, right)
        times += 1
    return 2 * m * k * n * times / taken
