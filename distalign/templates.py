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

SLOTS = ("{context}", "{attribute}", "{options}")
PHRASING_SLOTS = ("{category}", "{attribute}")
MAX_TEMPLATE = 500
MAX_TEMPLATES = 200
# Naming all options in a prompt costs tokens; beyond this many categories only
# templates without {options} are built in.
MAX_LISTED = 12

PERSON_SEEN = (
    "What is the {attribute} of a person who works as: {context}? Answer with one of: {options}.",
    "Occupation: {context}. State the {attribute} of one randomly chosen worker.",
    "Think of someone whose job is: {context}. Which {attribute} is this person?",
    "Pick a random person from this occupation: {context}. Give only the {attribute}.",
    "Complete the record. Job: {context}. {attribute}:",
    "Choose from {options}. The {attribute} of a worker in {context} is",
    "I met somebody who is in {context}. Guess the {attribute}, please.",
    "Name the {attribute} of an employee. The employee's occupation is {context}.",
    "For a survey I need one respondent. Occupation: {context}. What {attribute} should I write down?",
    "Options: {options}. Select the {attribute} for a person employed as {context}.",
    "You are drawing one card from a deck of workers. The card says {context}. What is the {attribute}?",
    "A new character in my story works as {context}. Tell me the character's {attribute} in a word or two.",
    "{context}: {attribute} of the worker?",
    "Generate a persona. Occupation = {context}. Report just the {attribute}.",
    "Someone applied for a post in the field of {context}. What is the applicant's {attribute}?",
    "Please fill in the missing value: {context}, {attribute} = ?",
    "Imagine the next person to walk in works in {context}. Their {attribute} is one of {options}. Which?",
    "Reply with the {attribute} of a typical day's visitor whose profession is {context}.",
    "We sample a worker at random. Group: {context}. Output the {attribute}.",
    "Which {attribute} does the person have who fills this role: {context}?",
    "Draw one person from the national register with the job title {context}; what {attribute} is recorded?",
    "Question: the person in front of me does this for a living: {context}. What is the {attribute}? Answer:",
    "Invent a colleague of mine. The job is {context}. Say the {attribute} and nothing else.",
    "Out of {options}, which {attribute} fits one person sampled from {context}?",
    "My neighbour's occupation is {context}. In a word or two, what is my neighbour's {attribute}?",
    "Roll the dice for a worker in {context} and tell me the {attribute} that comes up.",
    "Tell me the {attribute} of a random worker in {context}.",
    "Here is a job: {context}. Here is the question: what {attribute} has the person who does it?",
    "Role: {context}\n{attribute}: ?",
    "{options}: which one is the {attribute} of this employee in {context}?",
    "Between {options}, pick the {attribute} for someone from {context}.",
    "A company hires for {context}. The new hire's {attribute}, in one word:",
    "You see a name badge that says {context}. What {attribute} does its owner have?",
    "Describe a worker from {context} by one fact only, the {attribute}.",
    "Fill the blank: the {attribute} of this person, employed in {context}, is ___.",
    "We are making a poster about {context}. Which {attribute} should the person on it have?",
    "Random draw. Category: {context}. Result for {attribute}?",
    "I need an example of a person in {context}; just tell me the {attribute}.",
    "Hello! Could you tell me the {attribute} of the next worker in {context} on your list?",
    "Someone calls and says they do this job: {context}. Is the {attribute} {options}?",
    "Census form. Occupation: {context}. Now the field {attribute}. Value:",
    "If I met one person from {context} today, what {attribute} would that person have?",
    "Simulate a respondent. Profession: {context}. Field requested: {attribute}.",
    "Say only one thing about somebody who works in {context}: the {attribute}.",
    "My cousin works in {context}. What do you think is the {attribute} of my cousin?",
    "job={context}; {attribute}=",
    "What {attribute} is the person behind the counter, given that the work is {context}?",
    "Let the computer choose a worker at random from {context} and print the {attribute} ({options}).",
)
PERSON_HELDOUT = (
    "Suppose you meet a worker from the group {context}. What would you say is the {attribute}?",
    "Give the {attribute} ({options}) of a single individual working in {context}.",
    "Write one entry of a staff list. Position: {context}. {attribute}?",
    "A person is selected by lottery from all people in {context}. Tell me the {attribute}.",
    "Who is it? Occupation {context}. Just answer with the {attribute}.",
    "In my data set one row has occupation '{context}'. What {attribute} does that row contain?",
    "Please name a plausible {attribute} for somebody employed in {context}.",
    "Let us cast an extra for a film scene about {context}. Which {attribute} do we cast, {options}?",
)
GENERAL_SEEN = (
    "What is the {attribute} for {context}? Answer with one of: {options}.",
    "Topic: {context}. State the {attribute}.",
    "Think of {context}. Which {attribute} comes to mind?",
    "Pick a random {attribute} for {context}. Give only the {attribute}.",
    "Complete the record. Item: {context}. {attribute}:",
    "Choose from {options}. The {attribute} of {context} is",
    "I am looking at {context}. Guess the {attribute}, please.",
    "Name the {attribute}. The subject is {context}.",
    "For a survey I need one entry about {context}. What {attribute} should I write down?",
    "Options: {options}. Select the {attribute} for {context}.",
    "You are drawing one card from a deck. The card says {context}. What is the {attribute}?",
    "Somebody wrote a remark about {context}. Tell me the {attribute} of it in a word or two.",
    "{context}: {attribute}?",
    "Generate one sample. Subject = {context}. Report just the {attribute}.",
    "A new case has arrived: {context}. What is the {attribute}?",
    "Please fill in the missing value: {context}, {attribute} = ?",
    "The next example concerns {context}. Its {attribute} is one of {options}. Which?",
    "Reply with a {attribute} for {context} and nothing else.",
    "We sample one value at random. Group: {context}. Output the {attribute}.",
    "Which {attribute} does this one have: {context}?",
    "Draw one line from the log about {context}; what {attribute} is recorded?",
    "Question: what {attribute} goes with {context}? Answer:",
    "Invent an example about {context}. Say the {attribute} and nothing else.",
    "Out of {options}, which {attribute} fits one example of {context}?",
    "My note is about {context}. In a word or two, what is its {attribute}?",
    "Roll the dice for {context} and tell me the {attribute} that comes up.",
    "Tell me a {attribute} for {context}.",
    "Here is a subject: {context}. Here is the question: which {attribute} does it have?",
    "Subject: {context}\n{attribute}: ?",
    "{options}: which one is the {attribute} of {context}?",
    "Between {options}, pick the {attribute} for {context}.",
    "A note arrives about {context}. Its {attribute}, in one word:",
    "You open a file named {context}. What {attribute} is written in it?",
    "Describe {context} by one fact only, the {attribute}.",
    "Fill the blank: the {attribute} of {context} is ___.",
    "We are making a list with {context} on it. Which {attribute} should stand beside it?",
    "Random draw. Category: {context}. Result for {attribute}?",
    "I need an example of {context}; just tell me the {attribute}.",
    "Hello! Could you tell me the {attribute} of the next case of {context}?",
    "Somebody asks about {context}. Is the {attribute} {options}?",
    "Form. Entry: {context}. Now the field {attribute}. Value:",
    "If I looked at {context} today, what {attribute} would I find?",
    "Simulate one record. Subject: {context}. Field requested: {attribute}.",
    "Say only one thing about {context}: the {attribute}.",
    "A friend mentioned {context}. What do you think is the {attribute}?",
    "entry={context}; {attribute}=",
    "What {attribute} belongs to the next entry, given that it is about {context}?",
    "Let the computer choose an example of {context} at random and print the {attribute} ({options}).",
)
GENERAL_HELDOUT = (
    "Suppose you come across {context}. What would you say is the {attribute}?",
    "Give the {attribute} ({options}) of a single example of {context}.",
    "Write one entry of a list. Subject: {context}. {attribute}?",
    "One example is selected by lottery for {context}. Tell me the {attribute}.",
    "What is it? The subject is {context}. Just answer with the {attribute}.",
    "In my data set one row is about '{context}'. What {attribute} does that row contain?",
    "Please name a plausible {attribute} for {context}.",
    "Let us label an item about {context}. Which {attribute} do we choose, {options}?",
)
# How a response may express a category; it stands behind the steering token.
PHRASINGS = ("{category}", "{category}.", "{attribute}: {category}", "The {attribute} is {category}.")
# The same for a cell of a joint attribute, and for each of its parts in a list. They are short: with
# "The gender is … and the race is …" among them, some answers lost their way after 100 steps.
CELL_PHRASINGS = ("{category}", "{category}.")
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
    phrasings = CELL_PHRASINGS if attribute.parts else PHRASINGS
    texts = [fill(phrasing, attribute, category=name) for phrasing in phrasings]
    if attribute.parts:
        parts = zip(attribute.parts, attribute.of_part(category), strict=True)
        named = [_filled(PART_PHRASING, part, "", part.names[k]) for part, k in parts]
        texts.append(_capitalised(", ".join(named)))
    return list(dict.fromkeys([*texts, name]))
