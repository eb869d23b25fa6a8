"""The target: q(category | context), one row of probabilities a context."""

from __future__ import annotations

import itertools
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from distalign.attributes import GENDER, Attribute
from distalign.contexts import SOURCES, Contexts, occupation_table
from distalign.errors import SpecError, shown
from distalign.matching import composed
from distalign.stated import STATED, kept_rows

# Stands for any text in the name of a row that is a rule.
RULE = "*"
# A row may miss 1 by this much (tables are typed with a few decimals); it is then rescaled.
SUM_TOLERANCE = 0.005


@dataclass(frozen=True)
class Target:
    """The rows of q, each over the K categories and summing to 1.

    ``kind`` is how it was given: "even", "real", "mapping" (one row for all
    contexts), "table" (a row a context), "stated" (in the prompt; the rows are those it
    is measured on) or "product" (of ``factors``, the independent targets of a joint
    attribute's parts). ``given`` are the rows of a table by name as they were given, where some are rules.
    """

    kind: str
    rows: tuple[tuple[float, ...], ...]
    factors: tuple[Target, ...] = ()
    given: tuple[tuple[str, tuple[float, ...]], ...] = ()

    @property
    def is_rule(self) -> bool:
        """Whether it says of any context, also of one that it never saw, what its shares are."""
        if self.kind == "product":
            return all(factor.is_rule for factor in self.factors)
        by_rules = bool(self.given) and all(RULE in name for name, _ in self.given)
        return self.kind in ("even", "mapping", STATED) or by_rules

    def to_mapping(self, attribute: Attribute, contexts: Contexts) -> Any:
        if self.kind in ("even", "real", STATED):
            return self.kind
        if self.kind == "product":
            parts = zip(attribute.parts, self.factors, strict=True)
            return {part.name: factor.to_mapping(part, contexts) for part, factor in parts}
        named = self.given or tuple(zip(contexts.names, self.rows, strict=True))
        rows = {name: dict(zip(attribute.names, row, strict=True)) for name, row in named}
        return next(iter(rows.values())) if self.kind == "mapping" else rows


# Targets that a word names; any other text is that of a file.
WORDS = ("even", "real", STATED)


def parse_target(value: object, attribute: Attribute, contexts: Contexts) -> Target:
    """Read a target: "even", "real", a mapping category → p, or context → mapping.

    A row's name with ``*`` in it is a rule: it stands for the contexts that it matches and that have
    no row of their own; of several rules the first counts.

    That of a joint attribute has cells in place of categories, or is a mapping from
    its parts' names to a target of each, which are then independent.

    Raises:
        SpecError: naming the row and the category that cannot be used.
    """
    if isinstance(value, Target):
        return value
    if isinstance(value, str):
        if value == "even":
            return Target("even", ((1 / len(attribute),) * len(attribute),) * len(contexts))
        if value == "real":
            return Target("real", tuple(_real_row(name, attribute) for name in contexts.names))
        if value == STATED:
            return Target(STATED, kept_rows(len(attribute), len(contexts)))
        raise SpecError(
            "target",
            f"{shown(value)} is not known",
            "Use even, real, stated, a mapping, or a table per context",
        )
    if not isinstance(value, Mapping) or not value:
        raise SpecError("target", f"{shown(value)} is not a mapping", "Give each category its probability")
    if any(name in _part_names(attribute) for name in _spelled(value)):
        return _product(_spelled(value), attribute, contexts)
    if all(isinstance(row, Mapping) for row in value.values()):
        return _table(_spelled(value), attribute, contexts)
    row = check_row(value, attribute, "target")
    return Target("mapping", (row,) * len(contexts))


def _part_names(attribute: Attribute) -> tuple[str, ...]:
    return tuple(part.name for part in attribute.parts)


def _product(value: Mapping[str, object], attribute: Attribute, contexts: Contexts) -> Target:
    """The target of parts that do not depend on each other."""
    names = _part_names(attribute)
    for name in [*value, *names]:
        if name not in names or name not in value:
            problem = "has no target" if name in names else f"is not a part of {shown(attribute.name)}"
            raise SpecError(
                "target", f"{shown(name)} {problem}", f"Give one target each for {', '.join(names)}"
            )
    factors = []
    for part in attribute.parts:
        try:
            factors.append(parse_target(value[part.name], part, contexts))
        except SpecError as error:
            within = error.field.removeprefix("target")
            raise SpecError(f"target[{part.name}]{within}", error.problem, error.remedy) from None
    if any(factor.kind == STATED for factor in factors):
        raise SpecError("target", "a part's target cannot be stated", "State that of one attribute")
    rows = (
        tuple(math.prod(cell) for cell in itertools.product(*parts))
        for parts in zip(*(factor.rows for factor in factors), strict=True)
    )
    return Target("product", tuple(rows), tuple(factors))


def _real_row(context: str, attribute: Attribute) -> tuple[float, ...]:
    if attribute != GENDER:
        raise SpecError(
            "target",
            f"'real' has no statistics for the attribute {shown(attribute.name)}",
            "Use it with the built-in gender, alone or as a part, or give a table",
        )
    for source in SOURCES:
        if (share := occupation_table(source).share(context)) is not None:
            return share
    raise SpecError(
        "target",
        f"'real' has no statistics for the context {shown(context)}",
        f"Use contexts of {' or '.join(SOURCES)}, or give a table",
    )


def _table(table: Mapping[str, Mapping[str, object]], attribute: Attribute, contexts: Contexts) -> Target:
    for problem in stray_rows(list(table), contexts).values():
        raise SpecError("target", problem, "Remove it, or add the context")
    names = matched_rows(list(table), contexts)
    for context, name in zip(contexts.names, names, strict=True):
        if name is None:
            raise SpecError(
                "target",
                f"the context {shown(context)} has no row in the table",
                "Add a row for it, or a row '*' for all others",
            )
    checked = {name: check_row(row, attribute, f"target[{name}]") for name, row in table.items()}
    given = tuple(checked.items()) if set(checked) - set(contexts.names) else ()
    return Target("table", tuple(checked[name] for name in names if name is not None), given=given)


def matched_rows(names: Sequence[str], contexts: Contexts) -> list[str | None]:
    """For each context the name of its row in a table: its own, or the first rule that matches it."""
    given, rules = set(names), [name for name in names if RULE in name]
    return [
        context if context in given else next((rule for rule in rules if _matches(rule, context)), None)
        for context in contexts.names
    ]


def stray_rows(names: Sequence[str], contexts: Contexts) -> dict[str, str]:
    """The rows of a table that are of no context, and what is wrong with each."""
    known = set(contexts.names)
    return {
        name: f"the row {shown(name)} {'matches none' if RULE in name else 'is not one'} of the contexts"
        for name in names
        if name not in known and not (RULE in name and any(_matches(name, c) for c in contexts.names))
    }


def _matches(rule: str, context: str) -> bool:
    """Whether a context is the rule's text, with anything at its stars; case is ignored."""
    text = context.casefold()
    first, *middle, last = rule.casefold().split(RULE)
    end = len(text) - len(last)
    if not text.startswith(first) or not text.endswith(last) or len(first) > end:
        return False
    at = len(first)
    for part in middle:
        at = text.find(part, at, end) + len(part)
        if at < len(part):
            return False
    return True


def _spelled(mapping: Mapping[Any, Any]) -> dict[str, Any]:
    """The mapping with its names as contexts and categories spell them (YAML reads a bare 1 as a number)."""
    return {composed(str(name)): value for name, value in mapping.items()}


def check_row(row: Mapping[str, object], attribute: Attribute, field: str) -> tuple[float, ...]:
    """Probabilities in the order of the categories, checked and rescaled to sum to 1.

    Raises:
        SpecError: for a missing or unknown category, a value that is no
            probability, or a sum further than :data:`SUM_TOLERANCE` from 1.
    """
    row = _spelled(row)
    unknown = [name for name in row if name not in attribute.names]
    if unknown:
        raise SpecError(field, f"{shown(unknown[0])} is not a category", f"Use {', '.join(attribute.names)}")
    values = [_probability(row.get(name), name, field) for name in attribute.names]
    total = math.fsum(values)
    if abs(total - 1) > SUM_TOLERANCE:
        raise SpecError(
            field, f"the probabilities sum to {total:.4g}", "Make them sum to 1 (or press Normalise)"
        )
    # A row that sums to 1 but for rounding stays as it is, so that a specification round-trips.
    return tuple(values) if abs(total - 1) < 1e-12 else tuple(v / total for v in values)


def _probability(value: object, name: str, field: str) -> float:
    if value is None or value == "":
        raise SpecError(field, f"{shown(name)} has no probability", "Give one from 0 to 1")
    try:
        number = float(value)  # type: ignore[arg-type]
    except (TypeError, ValueError, OverflowError):
        number = math.nan
    if isinstance(value, bool) or not 0 <= number <= 1:
        raise SpecError(field, f"{shown(name)} is given {shown(value)}", "Give a probability from 0 to 1")
    return number


def normalise(values: Sequence[float]) -> tuple[float, ...]:
    """Non-negative weights rescaled to sum to 1; even where all are zero.

    Raises:
        SpecError: for a negative or non-finite weight.
    """
    for value in values:
        if not math.isfinite(value) or value < 0:
            raise SpecError("target", f"{shown(value)} is not a weight", "Give numbers from 0 up")
    total = math.fsum(values)
    return tuple(v / total for v in values) if total > 0 else (1 / len(values),) * len(values)
