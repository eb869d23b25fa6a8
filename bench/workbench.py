"""What every measurement begins with: a specification, its model, its tokenizer, its steering tokens."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from transformers import PreTrainedModel, PreTrainedTokenizerBase

from distalign.folders import DataFolder
from distalign.models import load
from distalign.precision import training_dtype
from distalign.spec import RunSpec, load_spec
from distalign.steering import SteeringTokens, choose_steering_tokens

Arguments = Mapping[str, Any]


@dataclass(frozen=True)
class Workbench:
    """The parts of a run, before training."""

    spec: RunSpec
    model: PreTrainedModel
    tokenizer: PreTrainedTokenizerBase
    steering: SteeringTokens

    @property
    def dtype(self) -> torch.dtype:
        """Of the frozen weights' arithmetic in training."""
        return training_dtype(self.spec.training)


def open_workbench(arguments: Arguments, **changes: Any) -> Workbench:
    """Load what ``spec`` and ``data`` in the arguments name, with fields changed by ``set`` and ``changes``."""
    fields = {**arguments.get("set", {}), **changes}
    spec = load_spec(Path(arguments["spec"]), fields)
    model, tokenizer = load(spec.base_model, DataFolder(Path(arguments["data"])))
    rows = model.get_output_embeddings().weight
    steering = choose_steering_tokens(tokenizer, rows, spec.attribute, spec.steering, spec.least_tokens)
    return Workbench(spec, model, tokenizer, steering)


def name_of(dtype: torch.dtype) -> str:
    return str(dtype).removeprefix("torch.")
