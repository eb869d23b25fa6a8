"""What is tried: each knob with its values, and the templates that are kept out of training for it."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from bench.kept import split_templates
from distalign.spec import RunSpec, load_spec
from distalign.training_config import CHOICES, TrainingConfig, slower

Fields = Mapping[str, Any]
# Rounds a context, for the answers; the error needs none.
MEASURED = {"rounds": 20, "exact_epsilon": 0}
SEEDS = (0, 1)
# The preset that is measured unless another is named.
USUAL = "quick"
# What presets were when their knobs were turned. The values in force since follow from the figures.
BEFORE: Mapping[str, Fields] = {
    "quick": {"steps": 80, "learning_rate": 0.01},
    "standard": {"learning_rate": 0.006},
}
# Several fields at once, where single knobs pointed to them.
TOGETHER: Mapping[str, Mapping[str, Fields]] = {
    "quick": {
        "120 steps at 0.005": {"steps": 120, "learning_rate": 0.005},
        "120 steps at 0.007": {"steps": 120, "learning_rate": 0.007},
        "120 steps at 0.007 of 24 prompts": {"steps": 120, "learning_rate": 0.007, "prompts_per_step": 24},
        "120 steps at 0.005 of 24 prompts with 12 layers": {
            "steps": 120, "learning_rate": 0.005, "prompts_per_step": 24, "adapted_layers": 12,
        },
        "120 steps of 24 prompts with adamw at 0.004": {
            "steps": 120, "optimizer": "adamw", "learning_rate": 0.004, "prompts_per_step": 24,
        },
    }
}  # fmt: skip
BASE = "default"
TRIAL = {"steps": 5, "warmup_steps": 1, "rounds": 6}
# In a trial, steps are divided by this.
FEWER_STEPS = 16
# Stands for a number of seen templates among the fields of a value.
SEEN = "seen_templates"


# The knobs, in the order in which they are measured, and what each is to a reader.
TITLES = {
    "kto_over": "KTO's log-ratio over",
    "templates": "seen templates",
    "lora_rank": "rank of the adapter",
    "adapted_layers": "uppermost layers with an adapter (0: all)",
    "learning_rate": "learning rate",
    "steps": "steps (beyond the preset's, its rate falls)",
    "prompts": "prompts a step, and how many have answers",
    "optimizer": "optimizer, and its learning rate",
    "retain_weight": "weight of the penalty on side effects",
    "kto_weight": "weight of KTO's term",
    "anchor_weight": "weight of the supervised term after the warm-up",
    "together": "several at once",
}
NUMBERS: dict[str, tuple[float, ...]] = {
    "lora_rank": (4, 8, 16, 32),
    "adapted_layers": (4, 6, 8, 12, 0),
    "learning_rate": (0.004, 0.005, 0.007, 0.01, 0.014),
    "retain_weight": (0, 0.03, 0.06, 0.1, 0.3, 1),
    "kto_weight": (0, 0.05, 0.1, 0.3),
    "anchor_weight": (0, 0.05, 0.15),
}
TEMPLATES = (6, 12, 24, 42)
STEPS = (48, 80, 160, 260)
PROMPTS = ((4, 4), (8, 4), (16, 4), (24, 4), (16, 16))
OPTIMIZERS = (("muon", 0.01), ("adamw", 0.004), ("adamw", 0.01))


def values_of(base: RunSpec, *, trial: bool = False) -> dict[str, dict[str, Fields]]:
    """The values of each knob, the base's own among them, in order: label → the fields that it replaces."""
    own, seen = base.training, len(base.templates.seen)
    shorter = [max(4, n // FEWER_STEPS) if trial else n for n in STEPS]
    steps = {n for n in shorter if n > own.warmup_steps} | {own.steps}
    # Those that most have answers in come last, as all layers do.
    prompts = sorted({*PROMPTS, (own.prompts_per_step, own.answers_per_step)}, key=lambda pair: pair[::-1])
    optimizers = {*OPTIMIZERS, (own.optimizer, own.learning_rate)}
    numbers = {
        name: sorted({*given, getattr(own, name)}, key=lambda n: n or (math.inf if name == "adapted_layers" else 0))
        for name, given in NUMBERS.items()
    }  # fmt: skip
    found = {name: _values(name, given) for name, given in numbers.items()} | {
        "kto_over": _values("kto_over", CHOICES["kto_over"]),
        "templates": _values(SEEN, [*(n for n in TEMPLATES if n < seen), seen]),
        "steps": {f"{n}": {"steps": n} | _rate(own, n) for n in sorted(steps)},
        "prompts": {f"{p}, {a}": {"prompts_per_step": p, "answers_per_step": a} for p, a in prompts},
        "optimizer": {
            f"{name}, {rate:g}": {"optimizer": name, "learning_rate": rate}
            for name, rate in sorted(optimizers, key=lambda o: (CHOICES["optimizer"].index(o[0]), o[1]))
        },
        "together": {"one at a time": {}} | TOGETHER.get(base.preset, {}),
    }
    return {name: found[name] for name in TITLES}


def _rate(own: TrainingConfig, steps: int) -> dict[str, float]:
    """The rate of so many steps, where it is another."""
    rate = slower(own, steps)
    return {} if own.optimizer != "muon" or rate == own.learning_rate else {"learning_rate": rate}


def _values(field: str, given: Iterable[Any]) -> dict[str, Fields]:
    return {value if isinstance(value, str) else f"{value:g}": {field: value} for value in given}


@dataclass(frozen=True)
class Grid:
    """The grid over a specification file; ``overrides`` hold for the default and all values.

    The default is the preset as it was when its knobs were turned.
    """

    file: Path
    overrides: Fields
    trial: bool = False

    def spec(self, fields: Fields, seed: int = 0) -> RunSpec:
        """The default with a value of a knob; its held-out templates are the kept ones.

        Raises:
            SpecError: for a value that does not go with the specification.
        """
        own = load_spec(self.file, self.overrides)
        before = {} if self.trial else BEFORE.get(own.preset, {})
        replaced = {name: value for name, value in fields.items() if name != SEEN}
        templates = split_templates(own.templates.seen, fields.get(SEEN))
        common = MEASURED | dict(before) | dict(self.overrides) | {"templates": templates, "seed": seed}
        return load_spec(self.file, common | replaced)

    @cached_property
    def values(self) -> dict[str, dict[str, Fields]]:
        """What is tried of each knob: label → the fields that it replaces."""
        return values_of(self.spec({}), trial=self.trial)

    def units(self, knob: str) -> dict[str, str]:
        """The name of each value's unit: that of the default where it is the default."""
        base = self.spec({})
        return {
            label: BASE if self.spec(fields) == base else f"{knob}/{label.replace(', ', '-')}"
            for label, fields in self.values[knob].items()
        }
