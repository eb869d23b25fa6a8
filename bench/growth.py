"""How time grows with rounds, contexts and categories."""

from __future__ import annotations

from statistics import median
from typing import Any

from bench.adapters import tuned
from bench.sampling import spread_rounds, timed_tree
from bench.training import SETTLED_AFTER, WARMUP, StepClock
from bench.workbench import Arguments, Workbench, open_workbench
from distalign.adapter import merged
from distalign.contexts import parse_contexts
from distalign.training import train_adapter

# Sampling that took so long is not repeated.
ENOUGH_SECONDS = 60.0
# Fifty everyday words, each a category that an answer can name.
ANIMALS = (
    "cat dog horse cow sheep goat pig duck goose hen rabbit mouse rat squirrel fox wolf bear deer moose elk "
    "otter beaver badger hedgehog mole bat lion tiger leopard cheetah zebra giraffe elephant rhino hippo "
    "monkey gorilla kangaroo koala panda camel llama eagle hawk owl crow swan heron whale dolphin"
)


def rounds(arguments: Arguments) -> dict[str, Any]:
    """Seconds of sampling ``rounds`` [several] a context from the tuned model."""
    bench = open_workbench(arguments)
    policy = tuned(bench, arguments["adapter"])
    _sampling_seconds(bench, policy, arguments["rounds"][0], 1)
    return {
        "sampling": [
            {"size": n, "seconds": _sampling_seconds(bench, policy, n, arguments["repeats"])}
            for n in arguments["rounds"]
        ]
    }


def contexts(arguments: Arguments) -> dict[str, Any]:
    """Seconds of sampling ``sampled_rounds`` for each of ``size`` contexts, and of a training step on them."""
    names = context_names(arguments["size"])
    changes = {"contexts": names, "target": "even"}
    bench = open_workbench(arguments, **changes)
    policy = tuned(bench, arguments["adapter"])
    _sampling_seconds(bench, policy, 2, 1)
    sampling = _sampling_seconds(bench, policy, arguments["sampled_rounds"], arguments["repeats"])
    bench = open_workbench(arguments, **changes, steps=arguments["steps"], warmup_steps=WARMUP)
    return {"size": len(names), "sampling": sampling, "training": _train(bench)[1]}


def categories(arguments: Arguments) -> dict[str, Any]:
    """Seconds of a training step on ``size`` categories, and of sampling the model so trained."""
    attribute = {"name": "animal", "kind": "general", "categories": ANIMALS.split()[: arguments["size"]]}
    bench = open_workbench(arguments, attribute=attribute, target="even")
    policy, training = _train(bench)
    _sampling_seconds(bench, policy, 2, 1)
    sampling = _sampling_seconds(bench, policy, arguments["sampled_rounds"], arguments["repeats"])
    return {"size": arguments["size"], "sampling": sampling, "training": training}


def context_names(count: int) -> list[str]:
    """So many different contexts: the UK occupations, then the same again with a numbered region."""
    known = parse_contexts("uk-occupations").names
    return [
        known[i % len(known)] + (f", region {i // len(known)}" if i >= len(known) else "")
        for i in range(count)
    ]


def _train(bench: Workbench) -> tuple[Any, float]:
    """The tuned model, and its median seconds a step after the reference was taken."""
    clock = StepClock()
    policy = train_adapter(bench.model, bench.tokenizer, bench.spec, bench.steering, clock.emit)
    settled = clock.steps(bench.spec.training.warmup_steps + SETTLED_AFTER - WARMUP)
    return policy, median(step["step"] for step in settled)


def _sampling_seconds(bench: Workbench, policy: Any, rounds: int, repeats: int) -> float:
    """Median of the repeats, fewer of them where they take long."""
    prompts, counts = spread_rounds(bench, rounds)
    seconds: list[float] = []
    with merged(policy):
        while len(seconds) < repeats and sum(seconds) < ENOUGH_SECONDS:
            sampling = bench.spec.sampling
            seconds.append(timed_tree(bench, policy, prompts, counts, sampling, len(seconds))[0])
    return median(seconds)
