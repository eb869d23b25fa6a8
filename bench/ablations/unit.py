"""One training, measured on the templates that are kept out of it."""

from __future__ import annotations

import time
from dataclasses import replace
from typing import Any

from bench.workbench import Arguments, open_workbench
from distalign.adapter import merged
from distalign.measuring import Subject, measure_split
from distalign.memory import give_back, share_one_heap
from distalign.side_effects import measure_side_effects
from distalign.training import train_adapter
from jobs.report import finite

SPLIT = "heldout_templates"
MEASURES = ("exact_error", "restricted_error", "steering_mass", "unclassified", "agreement", "noise_floor")

EFFECTS = ("perplexity_before", "perplexity_after", "leak_before", "leak_after", "first_token_changed")


def measure(arguments: Arguments) -> dict[str, Any]:
    """Train the specification, and sample it on its held-out templates, which are kept seen ones.

    It is sampled plainly, and again as the reference code does: the first token is drawn among the steering
    tokens alone.

    Returns:
        The measures by their names in :class:`distalign.results.SplitResult`, ``mae``, those of the second sampling
        as ``restricted_mae``, ``restricted_unclassified`` and ``restricted_agreement``, ``train_seconds``, and the
        side effects by theirs in :class:`distalign.results.SideEffects` (``effects_kl``: KL in nats a token);
        None for what cannot be measured, because no answer named a category.
    """
    share_one_heap()
    bench = open_workbench(arguments)
    start = time.monotonic()
    model = train_adapter(bench.model, bench.tokenizer, bench.spec, bench.steering, lambda _: None)
    seconds = time.monotonic() - start
    give_back()
    subject = Subject(model, bench.tokenizer, bench.steering, "after")
    with merged(model):
        result = measure_split(subject, bench.spec, SPLIT, lambda *_: None)
        masked = replace(subject, opening=bench.steering.ids)
        again = measure_split(masked, bench.spec, SPLIT, lambda *_: None, "restricted")
    found = {name: round(getattr(result, name), 6) for name in MEASURES}
    found |= {"mae": round(result.mae.value, 6), "train_seconds": round(seconds, 2)}
    found |= {"restricted_mae": round(again.mae.value, 6)}
    found |= {f"restricted_{name}": round(getattr(again, name), 6) for name in ("unclassified", "agreement")}
    effects = measure_side_effects(
        model, bench.tokenizer, bench.steering, bench.spec.training, bench.spec.seed
    )
    moved = {"effects_kl": effects.kl.value} | {name: getattr(effects, name) for name in EFFECTS}
    return finite(found | {name: round(value, 6) for name, value in moved.items()})
