"""What the Compare tab sends: fragments and controls, by output."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class Part:
    """A fragment: drawn anew when its key is another."""

    key: Any
    make: Callable[[], Any]


@dataclass(frozen=True)
class Control:
    """A control: its value and, where they are not fixed, its choices (label and value), and whether it is there."""

    value: Any
    choices: tuple[tuple[str, Any], ...] | None = None
    visible: bool = True
