"""What the rounds of a split are about: contexts, categories and prompts, of a run or of unseen attributes."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cache
from importlib.resources import files

import yaml

from distalign.attributes import Attribute, parse_attribute
from distalign.contexts import Contexts, parse_contexts
from distalign.matching import fold
from distalign.prompts import prompt_text
from distalign.spec import RunSpec
from distalign.stated import STATED, kept_rows
from distalign.targets import Target
from distalign.templates import built_in_templates

UNSEEN = "unseen_attributes"
# Whose templates and words unseen attributes are asked about with.
AS_SPLIT = "heldout_templates"


@dataclass(frozen=True)
class Asked:
    """An attribute with the contexts that it is asked about."""

    attribute: Attribute
    contexts: Contexts


@cache
def small_attributes(group: str) -> tuple[Asked, ...]:
    """The bundled attributes: "trained" ones, or "unseen" ones, which no run trains on."""
    text = files("distalign").joinpath("data", "small_attributes.yaml").read_text("utf-8")
    return tuple(
        Asked(
            parse_attribute({"name": entry["name"], "categories": entry["categories"]}),
            parse_contexts(entry["contexts"]),
        )
        for entry in yaml.safe_load(text)[group]
    )


def unseen_attributes(spec: RunSpec) -> tuple[Asked, ...]:
    """The bundled unseen attributes, less those that share a word with the run's own."""
    own = set(map(fold, spec.attribute.words))
    return tuple(
        asked for asked in small_attributes("unseen") if own.isdisjoint(map(fold, asked.attribute.words))
    )


def unseen_specs(spec: RunSpec) -> list[RunSpec]:
    """The run as it would be for each unseen attribute."""
    return [_asking(spec, other) for other in unseen_attributes(spec)]


def _asking(spec: RunSpec, other: Asked) -> RunSpec:
    rows = kept_rows(len(other.attribute), len(other.contexts), other.attribute.name)
    return replace(
        spec,
        attribute=other.attribute,
        contexts=other.contexts,
        target=Target(STATED, rows),
        templates=built_in_templates(other.attribute),
        heldout_contexts=0,
    )


@dataclass(frozen=True)
class Names:
    """What the indices in the rounds of a split stand for.

    On unseen attributes contexts and categories of all of them are counted through, in order;
    ``firsts`` has for each context the index of the first category that it is asked about.
    """

    contexts: tuple[str, ...]
    categories: tuple[str, ...]
    templates: tuple[str, ...]
    firsts: tuple[int, ...]

    def steered(self, context: int, steering: int) -> str:
        """The category that a steering token stands for behind a prompt about a context."""
        return self.categories[self.firsts[context] + steering]


def names_of(spec: RunSpec, split: str) -> Names:
    if split == UNSEEN:
        return _names_of_all(unseen_attributes(spec))
    contexts = spec.contexts.names
    return Names(contexts, spec.attribute.names, spec.templates.of(split), (0,) * len(contexts))


@cache
def _names_of_all(attributes: tuple[Asked, ...]) -> Names:
    contexts: list[str] = []
    categories: list[str] = []
    firsts: list[int] = []
    for asked in attributes:
        name = asked.attribute.name
        firsts += [len(categories)] * len(asked.contexts)
        contexts += [f"{name}: {context}" for context in asked.contexts.names]
        categories += [f"{name}: {category}" for category in asked.attribute.names]
    templates = built_in_templates(attributes[0].attribute).of(AS_SPLIT)
    return Names(tuple(contexts), tuple(categories), templates, tuple(firsts))


def asked_text(spec: RunSpec, split: str, template: int, context: int) -> str:
    """The prompt of a round, from the indices that it is kept with."""
    if split != UNSEEN:
        return prompt_text(spec, split, template, context)
    for other in unseen_attributes(spec):
        if context < len(other.contexts):
            return prompt_text(_asking(spec, other), AS_SPLIT, template, context)
        context -= len(other.contexts)
    raise IndexError(f"no unseen attribute has context {context}")
