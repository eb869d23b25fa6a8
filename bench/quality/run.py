"""One cell's run, and what its figures depend on."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

from bench.errors import JobRefused
from bench.job import run_job
from bench.quality.cells import STORIES
from distalign.spec import RunSpec

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


def settings_of(spec: RunSpec, kind: str) -> dict[str, Any]:
    """All that a run's figures depend on, its templates as digests."""
    mapping = {name: value for name, value in spec.to_mapping().items() if name != "templates"}
    groups = asdict(spec.templates)
    digests = {name: _digest(g) for name, g in groups.items() if kind == STORIES or "story" not in name}
    whole = {"training": asdict(spec.training), "sampling": asdict(spec.sampling), "templates": digests}
    # As it comes back from the file: lists for tuples.
    return json.loads(json.dumps(mapping | whole))


def _digest(texts: object) -> str:
    return hashlib.sha256(json.dumps(texts).encode()).hexdigest()[:12]


def differences(then: Mapping[str, Any], now: Mapping[str, Any]) -> list[str]:
    """Names of settings that are others now. One that was not there then is none as long as it is off."""
    found = []
    for name in dict.fromkeys((*then, *now)):
        a, b = then.get(name), now.get(name)
        if isinstance(a, Mapping) and isinstance(b, Mapping):
            found += [f"{name}.{inner}" for inner in differences(a, b)]
        elif a != b and (a or b):
            found.append(name)
    return found
