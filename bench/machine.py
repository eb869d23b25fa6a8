"""What the numbers were measured on."""

from __future__ import annotations

import os
import subprocess
from importlib.metadata import version
from pathlib import Path

PROJECT = Path(__file__).resolve().parent.parent
# Flags of /proc/cpuinfo that decide how fast matrix products are, and what to call them.
UNITS = {
    "avx2": "AVX2",
    "avx512f": "AVX-512",
    "avx512_bf16": "AVX-512 bfloat16",
    "amx_bf16": "AMX bfloat16",
}


def describe_machine() -> dict[str, object]:
    """Processor, cores that this process may use, memory in GB (2³⁰ bytes), torch, and units for number types."""
    lines = _lines("/proc/cpuinfo")
    flags = set(lines.get("flags", "").split())
    return {
        "cpu": lines.get("model name", "unknown processor"),
        "cores": len(os.sched_getaffinity(0)),
        "memory_gb": round(os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE") / 2**30, 1),
        "torch": version("torch"),
        "units": [name for flag, name in UNITS.items() if flag in flags],
    }


def machine_text(machine: dict[str, object]) -> str:
    units = ", ".join(machine["units"]) or "no vector units known"
    return (
        f"{machine['cpu']} ({units}), {machine['cores']} cores, {machine['memory_gb']} GB, "
        f"torch {machine['torch']}"
    )


def commit() -> str:
    """The revision of the working tree, with a plus sign when it has changes."""
    revision = _git("rev-parse", "--short", "HEAD")
    if not revision:
        return "unknown"
    return revision + ("+" if _git("status", "--porcelain", "--untracked-files=no") else "")


def _git(*arguments: str) -> str:
    try:
        done = subprocess.run(["git", *arguments], cwd=PROJECT, capture_output=True, text=True, timeout=30)
    except (OSError, subprocess.TimeoutExpired):
        return ""
    return done.stdout.strip() if done.returncode == 0 else ""


def _lines(path: str) -> dict[str, str]:
    """The first value of each name in a file of ``name : value`` lines."""
    values: dict[str, str] = {}
    try:
        text = Path(path).read_text()
    except OSError:
        return values
    for line in text.splitlines():
        name, _, value = line.partition(":")
        values.setdefault(name.strip(), value.strip())
    return values
