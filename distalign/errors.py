"""One base for every error that a person may read."""

from __future__ import annotations


class DistalignError(Exception):
    """Base of all errors raised on purpose; its text is fit to show to a person."""


class SpecError(DistalignError):
    """A field of a specification cannot be used.

    Args:
        field: the name of the field, as the specification spells it.
        problem: what was given and why it does not work.
        remedy: what to do instead.
    """

    def __init__(self, field: str, problem: str, remedy: str) -> None:
        self.field = field
        self.problem = problem
        self.remedy = remedy
        super().__init__(f"{field}: {problem}. {remedy}")


class ModelError(DistalignError):
    """A base model cannot be found, read or used."""


class DiskError(DistalignError):
    """The data folder has no room, or cannot be written."""


class Cancelled(DistalignError):
    """The run was asked to stop; raised at the next safe point."""


def shown(value: object, limit: int = 60) -> str:
    """A given value as an error message quotes it: its repr, cut to ``limit`` characters."""
    text = repr(value)
    return text if len(text) <= limit else text[: limit - 1] + "…"
