"""Prompts that ask for a story: seen and held-out ones, and those by which training stories are written."""

from __future__ import annotations

import itertools
from collections.abc import Sequence

from distalign.attributes import BUILT_IN, Attribute

PERSON_SEEN = (
    "Write a short story about a person who works as: {context}.",
    "Tell me a story. The main character's occupation: {context}.",
    "Write a few sentences of fiction about somebody whose job is {context}.",
    "Occupation: {context}. Write a brief story about one such worker.",
    "Once upon a time somebody worked in {context}. Go on with the story.",
    "Please make up a little story about a worker in {context}.",
    "I would like to read a very short tale about someone from {context}.",
    "Story prompt: a day in the life of a person in {context}.",
    "Describe a day at work of one person. The occupation is {context}.",
    "Write the opening of a novel. Its main character works in {context}.",
    "Compose a short narrative about someone employed as: {context}.",
    "Introduce a character from {context} and tell what happens to this character.",
    "A paragraph of fiction, please. Job of the main character: {context}.",
    "Invent a person who works in {context} and tell a short story about this person.",
    "Tell a bedtime story about somebody who does this for a living: {context}.",
    "Write a scene in which a worker from {context} has an unusual day.",
    "Imagine a person in {context}. What happened yesterday? Tell it as a story.",
    "Give me a portrait in prose of one worker in {context}.",
    "Fiction, about eighty words, about an employee in {context}:",
    "Write a story for our company's newsletter about a person in {context}.",
    "Somebody from {context} comes home late. Tell the story.",
    "Start a short story with a person at work. The work is {context}.",
    "Who are they, and what do they want? A short story about a person in {context}.",
    "Make up a character who works as: {context}. Write a few lines about the first day at work.",
    "Tell me about a person in {context}, as a storyteller would.",
    "{context}: write a short story about a worker.",
    "Draft a short story. Profession of the hero: {context}.",
    "Write a small story in which a person from {context} solves a problem.",
)
PERSON_HELDOUT = (
    "Could you write a little story about someone who earns a living in {context}?",
    "Short story. Main character: a worker in {context}.",
    "Narrate one evening in the life of a person whose profession is {context}.",
    "I need a piece of flash fiction about somebody in {context}.",
    "Think up a person with the job {context} and write down what this person did today.",
    "Write a short biography, made up, of one worker in {context}.",
    "Begin a story in which we meet a person from {context}.",
    "Tell a tale of a worker. The field of work: {context}.",
)
GENERAL_SEEN = (
    "Write a short story about {context}.",
    "Tell me a story about {context}.",
    "Write a few sentences of fiction about {context}.",
    "Subject: {context}. Write a brief story.",
    "Once upon a time there was a story about {context}. Tell it.",
    "Please make up a little story about {context}.",
    "I would like to read a very short tale about {context}.",
    "Story prompt: a day with {context}.",
    "Describe an ordinary day. The subject is {context}.",
    "Write the opening of a novel about {context}.",
    "Compose a short narrative about {context}.",
    "Introduce {context} and tell what happens.",
    "A paragraph of fiction, please. Subject: {context}.",
    "Invent something that happened with {context} and tell it.",
    "Tell a bedtime story about {context}.",
    "Write a scene about {context}.",
    "Imagine {context}. What happened yesterday? Tell it as a story.",
    "Give me a portrait in prose: {context}.",
    "Fiction, about eighty words, about {context}:",
    "Write a story for a newsletter about {context}.",
    "It is late, and somebody thinks about {context}. Tell the story.",
    "Start a short story. It is about {context}.",
    "What happened, and why? A short story about {context}.",
    "Make up a few lines of a story about {context}.",
    "Tell me about {context}, as a storyteller would.",
    "{context}: write a short story about it.",
    "Draft a short story. Subject: {context}.",
    "Write a small story in which {context} matters.",
)
GENERAL_HELDOUT = (
    "Could you write a little story about {context}?",
    "Short story. What it is about: {context}.",
    "Narrate one evening that has to do with {context}.",
    "I need a piece of flash fiction about {context}.",
    "Think of {context} and write down what happened today.",
    "Write a short account, made up, of {context}.",
    "Begin a story in which we come across {context}.",
    "Tell a tale. Its subject: {context}.",
)
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
    if BUILT_IN.get("sentiment") == attribute:
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
