"""What is tried: each knob with its values, and the templates that are kept out of training for it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from bench.kept import split_templates
from distalign.spec import RunSpec, load_spec

# Rounds a context, for the answers; the error needs none.
MEASURED = {"rounds": 20, "exact_epsilon": 0}
SEEDS = (0, 1)
BASE = "default"
TRIAL = {"steps": 5, "warmup_steps": 1, "rounds": 6}
# In a trial, steps are divided by this.
FEWER_STEPS = 16
# Stands for a number of seen templates among the fields of a value.
SEEN = "seen_templates"
Fields = Mapping[str, Any]


@dataclass(frozen=True)
class Knob:
    """A knob's name for a reader, and its values: label → the fields that it replaces."""

    title: str
    values: Mapping[str, Fields]


def knobs(*, trial: bool = False) -> dict[str, Knob]:
    """The grid, in the order in which it is measured."""
    steps = [max(4, n // FEWER_STEPS) if trial else n for n in (48, 80, 160, 260)]
    prompts = ((16, 4), (4, 4), (8, 4), (24, 4), (16, 16))
    optimizers = (("muon", 0.01), ("adamw", 0.01), ("adamw", 0.004))
    return {
        "kto_over": Knob("KTO's log-ratio over", _values("kto_over", "response", "completion")),
        "templates": Knob("seen templates", _values(SEEN, 6, 12, 24, 42, 89)),
        "lora_rank": Knob("rank of the adapter", _values("lora_rank", 4, 8, 16, 32)),
        "adapted_layers": Knob(
            "uppermost layers with an adapter (0: all)", _values("adapted_layers", 4, 6, 8, 12, 0)
        ),
        "learning_rate": Knob("learning rate", _values("learning_rate", 0.004, 0.007, 0.01, 0.014)),
        "steps": Knob("steps (beyond the preset's, its rate falls)", _values("steps", *steps)),
        "prompts": Knob(
            "prompts a step, and how many have answers",
            {f"{p}, {a}": {"prompts_per_step": p, "answers_per_step": a} for p, a in prompts},
        ),
        "optimizer": Knob(
            "optimizer, and its learning rate",
            {f"{name}, {rate:g}": {"optimizer": name, "learning_rate": rate} for name, rate in optimizers},
        ),
        "retain_weight": Knob(
            "weight of the penalty on side effects", _values("retain_weight", 0, 0.03, 0.06, 0.1, 0.3, 1)
        ),
    }


def _values(field: str, *given: Any) -> dict[str, Fields]:
    return {value if isinstance(value, str) else f"{value:g}": {field: value} for value in given}


@dataclass(frozen=True)
class Grid:
    """The grid over a specification file; ``overrides`` hold for the default and all values."""

    file: Path
    overrides: Fields
    trial: bool = False

    def spec(self, fields: Fields, seed: int = 0) -> RunSpec:
        """The default with a value of a knob; its held-out templates are the kept ones.

        Raises:
            SpecError: for a value that does not go with the specification.
        """
        own = load_spec(self.file, self.overrides)
        replaced = {name: value for name, value in fields.items() if name != SEEN}
        templates = split_templates(own.templates.seen, fields.get(SEEN))
        common = MEASURED | dict(self.overrides) | {"templates": templates, "seed": seed}
        return load_spec(self.file, common | replaced)

    def units(self, knob: str) -> dict[str, str]:
        """The name of each value's unit: that of the default where it is the default."""
        base = self.spec({})
        return {
            label: BASE if self.spec(fields) == base else f"{knob}/{label.replace(', ', '-')}"
            for label, fields in knobs(trial=self.trial)[knob].values.items()
        }
