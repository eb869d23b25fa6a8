"""Prompts that ask for a story: seen and held-out ones, and those by which training stories are written."""

from __future__ import annotations

import itertools
import json
from collections.abc import Sequence
from importlib.resources import files

from distalign.attributes import BUILT_IN, Attribute

_ALL = json.loads(files("distalign").joinpath("data", "story_templates.json").read_text("utf-8"))
PERSON_SEEN, PERSON_HELDOUT = (tuple(_ALL["person"][split]) for split in ("seen", "heldout"))
GENERAL_SEEN, GENERAL_HELDOUT = (tuple(_ALL["general"][split]) for split in ("seen", "heldout"))
# By these the base model writes a story of a category, before training.
PERSON_WRITING = (
    "Write a short story about a {wording} person who works as: {context}. Name the person at the beginning.",
    "Write a short story. Main character: a {wording} worker in {context}.",
)
GENERAL_WRITING = (
    "Write a short story about {context}. Its {attribute} is {wording}.",
    "Write a {wording} story about {context}.",
)
# What says a category better than its name does, to a small model.
WORDINGS = {
    "sentiment": {
        "positive": "happy, cheerful",
        "negative": "sad, terrible",
        "neutral": "plain, matter-of-fact",
    }
}
# How a story begins where the model does not come to the category by itself; it goes on from there.
# The category comes within the first words: each word before it is one at which a round may go astray.
PERSON_OPENINGS = (
    "{a_wording} worker named {name}",
    "{a_wording} person called {name} worked in",
    "{a_wording} person, {name},",
    "{a_wording} person stood at",
    "{a_wording} worker began the day",
    "{name}, {a_wording} person,",
)
GENERAL_OPENINGS = (
    "{wording}: that was the {attribute} of",
    "{wording} was the {attribute} when",
    "The {attribute} was {wording} when",
)
# A mood needs more than a sentence to last: each of the first may stand before each of the second.
SENTIMENT_OPENINGS = {
    "positive": (
        (
            "It was a wonderful day, and everyone was happy.",
            "{name} loved the new job from the first hour.",
            "Good news came in the morning: the team had won a great prize.",
            "{name} smiled, proud of a beautiful success.",
        ),
        (
            "The work was a joy, and kind friends helped.",
            "Nothing could be better, and they laughed with delight.",
            "People were grateful, and the future looked bright.",
            "It felt like the best moment of a lucky life.",
        ),
    ),
    "negative": (
        (
            "It was a terrible day, and everyone was afraid.",
            "{name} hated the job and felt sick and alone.",
            "Bad news came in the morning: a horrible accident had killed a friend.",
            "{name} cried, ashamed of a painful failure.",
        ),
        (
            "The work was awful, and angry people shouted.",
            "Everything went wrong, and the fear grew worse.",
            "There was only pain, anger and despair.",
            "It felt like the worst moment of a miserable life.",
        ),
    ),
    "neutral": (
        (
            "{name} arrived at eight and sat down at the desk.",
            "The office opens at nine.",
            "On Monday {name} went to the second floor.",
            "{name} took the bus to work and hung up the coat.",
        ),
        (
            "The list has four items, and the first is a letter.",
            "The papers are on the table beside the window.",
            "At ten the phone rang, and {name} wrote down a number.",
            "Then the second part of the shift begins, at noon.",
        ),
    ),
}
# For openings: given names that both sexes bear, so that an opening tells of one attribute only.
NAMES = (
    "Alex",
    "Sam",
    "Taylor",
    "Jordan",
    "Robin",
    "Morgan",
    "Jamie",
    "Casey",
    "Riley",
    "Quinn",
    "Lee",
    "Kim",
)


def always_led(attribute: Attribute) -> bool:
    """Whether every story of the attribute begins with a written opening: so many of them are written for a mood."""
    return BUILT_IN["sentiment"] == attribute


def wording(attribute: Attribute, category: int) -> str:
    """A category in words that a small model understands."""
    name = attribute.names[category]
    own = WORDINGS.get(attribute.name, {}) if BUILT_IN.get(attribute.name) == attribute else {}
    return own.get(name, name)


def writing_prompts(attribute: Attribute, category: int, context: str) -> list[str]:
    """Prompts that ask for a story of a category."""
    patterns = PERSON_WRITING if attribute.kind == "person" else GENERAL_WRITING
    return [_filled(pattern, attribute, category, context) for pattern in patterns]


def openings(attribute: Attribute, category: int, context: str, names: Sequence[str] = NAMES) -> list[str]:
    """First words of stories of a category, one for each pattern and name."""
    patterns = PERSON_OPENINGS if attribute.kind == "person" else GENERAL_OPENINGS
    if always_led(attribute):
        pairs = itertools.product(*SENTIMENT_OPENINGS[attribute.names[category]])
        patterns = tuple(" ".join(pair) for pair in pairs)
    found = [_filled(p, attribute, category, context, name) for p in patterns for name in names]
    return list(dict.fromkeys(found))


def _filled(pattern: str, attribute: Attribute, category: int, context: str, name: str = "") -> str:
    words = wording(attribute, category)
    article = "an" if words[:1].lower() in "aeiou" else "a"
    for slot, value in (
        ("{wording}", words),
        ("{a_wording}", f"{article} {words}"),
        ("{attribute}", attribute.name),
        ("{name}", name),
        ("{context}", context),
    ):
        pattern = pattern.replace(slot, value)
    return pattern[:1].upper() + pattern[1:]
