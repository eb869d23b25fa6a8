"""Contexts that are held out: never trained on, and measured by themselves."""

from __future__ import annotations

import random
from collections.abc import Sequence

from distalign.contexts import Contexts
from distalign.errors import SpecError, shown
from distalign.matching import composed
from distalign.targets import Target

FIELD = "heldout_contexts"


def parse_heldout(value: object) -> int | tuple[str, ...]:
    """Read which contexts are held out: how many, or their names; 0 and an empty list hold out none.

    Raises:
        SpecError: for anything else.
    """
    if isinstance(value, int) and not isinstance(value, bool):
        return value
    if isinstance(value, Sequence) and not isinstance(value, str):
        # YAML reads a bare 1 as a number; as a context it is the text "1".
        return tuple(composed(str(name)) for name in value) or 0
    raise SpecError(FIELD, f"{shown(value)} is not usable", "Give a whole number, or a list of contexts")


def check_heldout(value: int | tuple[str, ...], contexts: Contexts, target: Target) -> None:
    """Raise SpecError unless the contexts can be held out: some stay, and the target is a rule."""
    if isinstance(value, int):
        count = value
    else:
        count = len(value)
        unknown = [name for name in value if name not in contexts.names]
        if unknown:
            raise SpecError(
                FIELD, f"{shown(unknown[0])} is not one of the contexts", "Name contexts of the run"
            )
        if len(set(value)) < count:
            raise SpecError(FIELD, "a context is given twice", "Name each once")
    if not 0 <= count < len(contexts):
        raise SpecError(
            FIELD,
            f"{count} of {len(contexts)} contexts",
            "Hold out at least none, and leave at least one to train on",
        )
    if count and not target.is_rule:
        raise SpecError(
            FIELD,
            f"contexts have rows of their own in the target ({target.kind}), so that no rule says what a new one gets",
            "Hold out contexts with an even target, one mapping for all or a table of rules alone, or hold out none",
        )


def choose_heldout(value: int | tuple[str, ...], contexts: Contexts, seed: int) -> tuple[int, ...]:
    """Indices of the contexts that are held out, in order; a number of them is drawn from the seed."""
    if isinstance(value, int):
        return tuple(sorted(random.Random(f"{seed} heldout contexts").sample(range(len(contexts)), value)))
    return tuple(i for i, name in enumerate(contexts.names) if name in value)
