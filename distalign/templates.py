"""Prompt templates, split into seen and held-out ones, and the phrasings of responses.

A template is filled by literal replacement, never by ``str.format``: a
person's template must not reach attributes of Python objects.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

from distalign import story_templates
from distalign.attributes import Attribute
from distalign.errors import SpecError, shown
from distalign.question_templates import GENERAL_HELDOUT, GENERAL_SEEN, PERSON_HELDOUT, PERSON_SEEN

SLOTS = ("{context}", "{attribute}", "{options}")
PHRASING_SLOTS = ("{category}", "{attribute}")
MAX_TEMPLATE = 500
MAX_TEMPLATES = 200
# Rounds of a context are spread evenly over this many templates of a split.
MEASURED_TEMPLATES = 8
# Naming all options in a prompt costs tokens; beyond this many categories only
# templates without {options} are built in.
MAX_LISTED = 12

# How a response may express a category; it stands behind the steering token. They are short: with "The gender
# is …" among them, 25 times as many answers lost their way (docs/method.md).
PHRASINGS = ("{category}", "{category}.")
# The same for each part of a joint attribute, in a list.
PART_PHRASING = "{attribute}: {category}"


TEMPLATE_GROUPS = ("seen", "heldout", "story_seen", "story_heldout")
MAX_PHRASING, MAX_PHRASINGS = 200, 20
# Names the seen story templates where the name of a split is asked for; nothing is measured on them.
SEEN_STORIES = "seen_stories"


@dataclass(frozen=True)
class Templates:
    """The prompt templates of a run: seen ones are trained on, held-out ones never.

    ``phrasings`` are how a response may express a category; empty for the built-in ones.
    """

    seen: tuple[str, ...]
    heldout: tuple[str, ...]
    story_seen: tuple[str, ...] = story_templates.GENERAL_SEEN
    story_heldout: tuple[str, ...] = story_templates.GENERAL_HELDOUT
    phrasings: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        for name in TEMPLATE_GROUPS:
            field, group = f"templates.{name}", getattr(self, name)
            if not 1 <= len(group) <= MAX_TEMPLATES:
                raise SpecError(field, f"{len(group)} given", f"Give 1 to {MAX_TEMPLATES} templates")
            for template in group:
                check_template(template, field)
        for seen, heldout in ((self.seen, "heldout"), (self.story_seen, "story_heldout")):
            both = set(seen) & set(getattr(self, heldout))
            if both:
                raise SpecError(
                    f"templates.{heldout}",
                    f"{shown(sorted(both)[0])} is also among the seen templates",
                    "Hold out templates that are never trained on",
                )
        if len(self.phrasings) > MAX_PHRASINGS:
            raise SpecError(
                "templates.phrasings", f"{len(self.phrasings)} given", f"Give at most {MAX_PHRASINGS}"
            )
        for phrasing in self.phrasings:
            check_template(phrasing, "templates.phrasings", "{category}")

    def to_mapping(self, *, stories: bool) -> dict[str, list[str]]:
        """All prompts of a run in full, whatever is built in one day; those for stories only where it tells some."""
        groups = TEMPLATE_GROUPS if stories else TEMPLATE_GROUPS[:2]
        return {name: list(getattr(self, name)) for name in (*groups, "phrasings")}

    def of(self, split: str) -> tuple[str, ...]:
        """The templates of a split, or the seen ones for stories; on held-out contexts only the contexts are new."""
        groups = {
            "heldout_templates": self.heldout,
            "stories": self.story_heldout,
            SEEN_STORIES: self.story_seen,
        }
        return groups.get(split, self.seen)


def built_in_templates(attribute: Attribute) -> Templates:
    """The templates for an attribute's kind; without {options} where it has many categories."""
    seen, heldout = (
        (PERSON_SEEN, PERSON_HELDOUT) if attribute.kind == "person" else (GENERAL_SEEN, GENERAL_HELDOUT)
    )
    stories = (
        (story_templates.PERSON_SEEN, story_templates.PERSON_HELDOUT)
        if attribute.kind == "person"
        else (story_templates.GENERAL_SEEN, story_templates.GENERAL_HELDOUT)
    )
    if sum(map(len, attribute.parts or (attribute,))) > MAX_LISTED:
        seen, heldout = (tuple(t for t in ts if "{options}" not in t) for ts in (seen, heldout))
    return Templates(seen, heldout, *stories)


def own_templates(templates: Templates, attribute: Attribute) -> dict[str, list[str]]:
    """The groups that differ from an attribute's built-in ones; of prompts for short answers both or none."""
    built_in = built_in_templates(attribute)
    names = [
        name
        for name in (*TEMPLATE_GROUPS, "phrasings")
        if getattr(templates, name) != getattr(built_in, name)
    ]
    both = ["seen", "heldout"] if {"seen", "heldout"} & set(names) else []
    return {name: list(getattr(templates, name)) for name in dict.fromkeys([*both, *names])}


def check_template(template: object, field: str, slot: str = "{context}") -> None:
    """Raise SpecError unless ``template`` has its slot and no other braces than its kind may have."""
    longest, slots = (MAX_TEMPLATE, SLOTS) if slot == "{context}" else (MAX_PHRASING, PHRASING_SLOTS)
    if not isinstance(template, str) or not template.strip():
        raise SpecError(field, f"{shown(template)} is empty", f"Give a sentence with {slot} in it")
    if len(template) > longest:
        raise SpecError(field, f"{shown(template)} has {len(template)} characters", f"Use at most {longest}")
    if slot not in template:
        raise SpecError(
            field, f"{shown(template)} has no {slot}", f"Put {slot} where the {slot.strip('{}')} goes"
        )
    rest = re.sub("|".join(map(re.escape, slots)), "", template)
    if re.search(r"[{}]|<\||[\x00-\x09\x0b-\x1f]", rest):
        raise SpecError(
            field,
            f"{shown(template)} has a brace, '<|' or a control character outside its slots",
            f"Use only {', '.join(slots)}",
        )


def measured_templates(count: int, rounds: int) -> list[int]:
    """Indices of the templates that a split is measured on, evenly spaced among ``count``."""
    used = min(count, MEASURED_TEMPLATES, rounds)
    return [i * count // used for i in range(used)]


def check_phrasings(phrasings: Sequence[str], attribute: Attribute) -> None:
    """Raise SpecError if an answer in one of the phrasings would not be read as its own category."""
    for phrasing in phrasings:
        for k, name in enumerate(attribute.names):
            if attribute.classify(text := fill(phrasing, attribute, category=name)) != k:
                raise SpecError(
                    "templates.phrasings",
                    f"{shown(text)} is not read as {shown(name)}",
                    "Name no category but {category}, which the last one named decides",
                )


def fill(template: str, attribute: Attribute, context: str = "", category: str = "") -> str:
    """Replace the slots of ``template`` literally, in one pass; the first letter becomes a capital."""
    return _capitalised(_filled(template, attribute, context, category))


def _filled(template: str, attribute: Attribute, context: str, category: str) -> str:
    values = {
        "{context}": context,
        "{attribute}": attribute.name,
        "{options}": options(attribute),
        "{category}": category,
    }
    return re.sub("|".join(map(re.escape, values)), lambda m: values[m.group()], template)


def _capitalised(text: str) -> str:
    return text[:1].upper() + text[1:]


def options(attribute: Attribute) -> str:
    """The categories to choose from; those of each part of a joint attribute."""
    return ", and ".join(spoken_list(part.names) for part in attribute.parts or (attribute,))


def spoken_list(names: Sequence[str]) -> str:
    """ "a, b or c"."""
    return ", ".join(names[:-1]) + " or " + names[-1]


def responses(attribute: Attribute, category: int, own: Sequence[str] = ()) -> list[str]:
    """The phrasings that express a category, without repeats: a run's ``own``, or the built-in ones."""
    name = attribute.names[category]
    if own:
        return list(dict.fromkeys(fill(phrasing, attribute, category=name) for phrasing in own))
    texts = [fill(phrasing, attribute, category=name) for phrasing in PHRASINGS]
    if attribute.parts:
        parts = zip(attribute.parts, attribute.of_part(category), strict=True)
        named = [_filled(PART_PHRASING, part, "", part.names[k]) for part, k in parts]
        texts.append(_capitalised(", ".join(named)))
    return list(dict.fromkeys([*texts, name]))
