"""The tuned adapter that sampling is measured with."""

from __future__ import annotations

from typing import Any

from bench.workbench import Arguments, Workbench, open_workbench
from distalign.training import train_adapter


def train(arguments: Arguments) -> dict[str, Any]:
    """Train the specification's adapter into ``folder``, in the form that PEFT loads."""
    bench = open_workbench(arguments)
    policy = train_adapter(bench.model, bench.tokenizer, bench.spec, bench.steering, lambda _: None)
    policy.save_pretrained(arguments["folder"], safe_serialization=True)
    return {"folder": arguments["folder"], "steps": bench.spec.training.steps}


def tuned(bench: Workbench, folder: str) -> Any:
    """The workbench's model with an adapter, in evaluation mode, as a user of PEFT loads it."""
    from peft import PeftModel

    return PeftModel.from_pretrained(bench.model, folder).eval()
