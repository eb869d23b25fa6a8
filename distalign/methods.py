"""Which function trains each method's adapter."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from distalign.baselines.dpo import train_dpo
from distalign.baselines.sft import train_sft
from distalign.progress import Emit
from distalign.spec import STEERED_METHODS, RunSpec
from distalign.steering import SteeringTokens
from distalign.training import train_adapter

if TYPE_CHECKING:
    from peft import PeftModel
    from transformers import PreTrainedModel, PreTrainedTokenizerBase

Train = Callable[
    ["PreTrainedModel", "PreTrainedTokenizerBase", RunSpec, SteeringTokens | None, Emit], "PeftModel"
]
TRAINERS: dict[str, Train] = {
    **dict.fromkeys(STEERED_METHODS, train_adapter),
    "sft": train_sft,
    "dpo": train_dpo,
}
