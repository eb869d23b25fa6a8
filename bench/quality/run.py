"""One cell's run."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from bench.errors import JobRefused
from bench.job import run_job

# Of this machine, or of its database.
LEFT_OUT = ("run_id", "adapter", "error", "state")
DIGITS = 6


def unit(arguments: Mapping[str, Any]) -> dict[str, Any]:
    """Run the specification ``spec`` in the data folder ``folder``.

    Returns:
        ``unmeasurable``, the product's own words, where it refuses the run; else its
        ``report``, with ``seconds`` and GB as :func:`bench.job.run_job` tells them,
        and ``settings`` as they were given.
    """
    try:
        found = run_job(arguments["spec"], Path(arguments["folder"]), {}, Path(arguments["log"]))
    except JobRefused as refused:
        return {"unmeasurable": str(refused)}
    report = {name: value for name, value in found["report"].items() if name not in LEFT_OUT}
    return rounded(found | {"report": report}) | {"settings": arguments["settings"]}


def rounded(value: Any) -> Any:
    """Numbers with so many digits as a reader of the JSON needs."""
    if isinstance(value, dict):
        return {name: rounded(inner) for name, inner in value.items()}
    return round(value, DIGITS) if isinstance(value, float) else value
