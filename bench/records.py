"""What was measured: a JSON file that grows by one value at a time, so that a stopped benchmark goes on."""

from __future__ import annotations

import json
import os
from collections.abc import Collection, Iterator, Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from bench.errors import BenchError
from bench.machine import commit, describe_machine
from distalign.wording import listed

Value = dict[str, Any]
# A refusal names so many of the values that stand in the way.
NAMED = 3


class Records:
    """The measured values by key ("training/product/0"), each with when, where and for how long.

    Args:
        path: the file; need not be there.
        settings: what the values depend on. A file that was measured with others is refused.
        again: keys, or what they begin with, that are to be measured anew, and are forgotten.

    Raises:
        BenchError: for a file that is none of ours, or holds values that were measured with other
            settings and are not to be measured anew.
    """

    def __init__(self, path: Path, settings: Mapping[str, Any], *, again: Collection[str] = ()) -> None:
        self.path = path
        # As they come back from the file: lists for tuples.
        self._settings = json.loads(json.dumps(settings))
        self._units: dict[str, dict[str, Any]] = {}
        if path.exists():
            self._read(again)

    def _read(self, again: Collection[str]) -> None:
        try:
            found = json.loads(self.path.read_text("utf-8"))
            settings, self._units = found["settings"], dict(found["units"])
        except (OSError, ValueError, KeyError, TypeError) as error:
            raise BenchError(
                f"--results: {self.path} cannot be read as results ({type(error).__name__}). "
                "Name another file"
            ) from None
        for prefix in again:
            self.forget(prefix)
        if self._units and settings != self._settings:
            other = ", ".join(k for k in self._settings if settings.get(k) != self._settings[k])
            left = f"--again leaves {listed(list(self._units), NAMED)}: choose all of it, "
            raise BenchError(
                f"--results: {self.path} was measured with another {other or 'version'}. "
                f"{left if again else 'Add --again to measure all of it anew, '}or name another file"
            )

    def __contains__(self, key: str) -> bool:
        return key in self._units

    def __iter__(self) -> Iterator[str]:
        """The keys of all values, in the order in which they came."""
        return iter(self._units)

    def get(self, key: str) -> Value | None:
        unit = self._units.get(key)
        return unit["value"] if unit else None

    def several(self, prefix: str) -> list[Value]:
        """The values of all keys ``prefix/…``, in the order of their last parts as numbers."""
        keys = [k for k in self._units if k.startswith(f"{prefix}/")]
        return [self._units[k]["value"] for k in sorted(keys, key=lambda k: _rank(k.rpartition("/")[2]))]

    def stamps(self, prefix: str) -> list[dict[str, Any]]:
        """When, where, and for how many seconds the values under a key were measured."""
        return [
            {k: v for k, v in unit.items() if k != "value"}
            for key, unit in self._units.items()
            if key == prefix or key.startswith(f"{prefix}/")
        ]

    def keep(self, key: str, value: Value, seconds: float) -> None:
        """Add a value and write the file."""
        self._units[key] = {
            "value": value,
            "at": datetime.now(UTC).isoformat(timespec="seconds"),
            "seconds": round(seconds, 2),
            "machine": describe_machine(),
            "commit": commit(),
        }
        self.save()

    def forget(self, prefix: str) -> None:
        """Drop the values under a key."""
        self._units = {k: v for k, v in self._units.items() if k != prefix and not k.startswith(f"{prefix}/")}

    def save(self) -> None:
        """Write the file."""
        text = json.dumps({"settings": self._settings, "units": self._units}, indent=1, allow_nan=False)
        partial = self.path.with_name(f"{self.path.name}.{os.getpid()}.partial")
        try:
            self.path.parent.mkdir(parents=True, exist_ok=True)
            partial.write_text(text + "\n", "utf-8")
            partial.replace(self.path)
        except OSError as error:
            raise BenchError(
                f"--results: {self.path} cannot be written ({error.strerror}). Name another file"
            ) from error


def _rank(text: str) -> tuple[int, int, str]:
    return (0, int(text), "") if text.isdigit() else (1, 0, text)
