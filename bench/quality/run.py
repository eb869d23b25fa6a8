"""One cell's run."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from bench.errors import JobRefused
from bench.job import run_job
from bench.quality.figures import HELDOUT
from distalign.stated import STATED
from jobs.places import data_folder
from storage import Store

# Of this machine, or of its database.
LEFT_OUT = ("run_id", "adapter", "error", "state")
DIGITS = 6


def unit(arguments: Mapping[str, Any]) -> dict[str, Any]:
    """Run the specification ``spec`` in the data folder ``folder``.

    Returns:
        ``unmeasurable``, the product's own words, where it refuses the run; else its
        ``report``, with ``seconds`` and GB as :func:`bench.job.run_job` tells them,
        and ``settings`` as they were given. Of a run whose prompts state their targets also
        ``by_context``: as :func:`by_context` tells.
    """
    folder, settings = Path(arguments["folder"]), arguments["settings"]
    try:
        found = run_job(arguments["spec"], folder, {}, Path(arguments["log"]))
    except JobRefused as refused:
        return {"unmeasurable": str(refused)}
    if settings["target"] == STATED:
        found["by_context"] = by_context(folder, found["report"]["run_id"])
    report = {name: value for name, value in found["report"].items() if name not in LEFT_OUT}
    return rounded(found | {"report": report}) | {"settings": settings}


def by_context(folder: Path, run_id: str) -> dict[str, list[list[float]]]:
    """What a trained run was measured to do in each context of the held-out templates.

    Returns:
        ``target`` and ``steering`` [contexts][categories]: the shares wanted, and the exact probability of
        each steering token, the mean over templates. Empty for a run without steering tokens.
    """
    result = Store(data_folder(folder).database).result(run_id, "after", HELDOUT)
    if result is None or result.exact_error is None:
        return {}
    return {name: [list(getattr(c, name)) for c in result.contexts] for name in ("target", "steering")}


def rounded(value: Any) -> Any:
    """Numbers with so many digits as a reader of the JSON needs."""
    if isinstance(value, dict):
        return {name: rounded(inner) for name, inner in value.items()}
    if isinstance(value, list):
        return [rounded(inner) for inner in value]
    return round(value, DIGITS) if isinstance(value, float) else value
