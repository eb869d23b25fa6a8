"""What a run says while it works, and how long is left."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

# In the order in which a run goes through them; a stage may be skipped.
STAGES = (
    "prepare", "base", "write", "cache", "warmup", "hybrid", "sft", "dpo", "effects", "sample", "save",
)  # fmt: skip
TRAINING_STAGES = ("warmup", "hybrid", "sft", "dpo")


@dataclass(frozen=True)
class Progress:
    """One thing that a run tells.

    Attributes:
        kind: "stage" (a stage began), "step" (an optimizer step), or "log".
        stage: one of :data:`STAGES`.
        step, total: position in the stage; 0, 0 if it has none. Training counts optimizer
            steps over all of its stages; sampling counts rounds.
        fraction: share of the whole run that is done, 0 to 1.
        eta: seconds left for the whole run, or None while unknown.
        values: numbers of this step: loss and its parts ("loss", "kl", "kto",
            "sft", "retain", "dpo"; nats), "mass" (probability on the steering tokens), "error"
            (exact error of the steering distribution on the step's prompts),
            "learning_rate".
        message: a line for the log.
        part: share of the stage's work that is done; None where that is step / total.
    """

    kind: str
    stage: str
    step: int = 0
    total: int = 0
    fraction: float = 0.0
    eta: float | None = None
    values: Mapping[str, float] = field(default_factory=dict)
    message: str = ""
    part: float | None = None


Emit = Callable[[Progress], None]
