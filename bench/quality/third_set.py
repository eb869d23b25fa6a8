"""The third set of templates: written for docs/results.md, and used for nothing else.

The built-in held-out templates were looked at while an early learning rate was explored.
Nothing may be chosen by a figure on these, neither a default nor a wording nor a seed; whoever
does so has to write a fourth set.
"""

from __future__ import annotations

from distalign.attributes import Attribute
from distalign.spec import RunSpec
from distalign.templates import built_in_templates

PERSON = (
    "Flip through the staff directory and stop at any worker listed under {context}. Note down the {attribute}.",
    "Should a journalist interview one individual whose livelihood is {context}, what {attribute} would be printed?",
    "Passenger list, seat 14C. Employment: {context}. Enter the {attribute} ({options}).",
    "Quiz time! An anonymous professional is active in {context}; identify the {attribute}.",
    "Tick one box under {attribute}, {options}, on behalf of an employee in {context}.",
    "Picture the retirement party of a veteran from {context}. State the honoured guest's {attribute}.",
    "'{context}' is written on the office door. Somebody opens it. {attribute} of that somebody:",
    "Using a single term, specify the {attribute} of whichever staff member in {context} answers first.",
)
GENERAL = (
    "Flip through the archive and stop at any page on {context}. Copy out the {attribute}.",
    "Should a journalist print one line regarding {context}, with what {attribute} would it be?",
    "Ledger, line 14. Regarding: {context}. Enter the {attribute} ({options}).",
    "Quiz time! There is an instance of {context}; identify its {attribute}.",
    "Tick one box under {attribute}, {options}, on behalf of {context}.",
    "Picture a museum label that covers {context}. Read its {attribute} aloud.",
    "'{context}' is written on the envelope. Somebody opens it. {attribute} inside:",
    "Using a single term, specify the {attribute} of whichever instance of {context} turns up first.",
)
PERSON_STORIES = (
    "Fill half a page with an invented episode from the career of an employee in {context}.",
    "My podcast opens with a made-up anecdote. This week's protagonist belongs to {context}. Read it out.",
    "Line of business: {context}. Sketch a fictional individual and an incident that befell them.",
    "How might a diary of a stranger employed in {context} be retold by a friend? Write that retelling.",
    "Somewhere, a professional in {context} misses the last train. Continue from there.",
    "Put together a brief fable with one human figure, who makes a living through {context}.",
    "Contest entry, prose, very brief. The lead role goes to a staff member in {context}.",
    "Let a narrator recall the most memorable colleague, back when both were in {context}.",
)
GENERAL_STORIES = (
    "Fill half a page with an invented episode involving {context}.",
    "My podcast opens with a made-up anecdote. This week it concerns {context}. Read it out.",
    "Theme: {context}. Sketch an incident that never took place.",
    "How might a diary entry on {context} be retold by a friend? Write that retelling.",
    "Somewhere, a stranger misses the last train because of {context}. Continue from there.",
    "Put together a brief fable around {context}.",
    "Contest entry, prose, very brief. Its theme is {context}.",
    "Let a narrator recall the most memorable moment with {context}.",
)


def answers(attribute: Attribute) -> list[str]:
    """The set for short answers; as with the built-in ones, without {options} where there are many."""
    chosen = PERSON if attribute.kind == "person" else GENERAL
    listed = any("{options}" in text for text in built_in_templates(attribute).heldout)
    return [text for text in chosen if listed or "{options}" not in text]


def stories(attribute: Attribute) -> list[str]:
    return list(PERSON_STORIES if attribute.kind == "person" else GENERAL_STORIES)


def in_place_of_heldout(spec: RunSpec, *, with_stories: bool = False) -> dict[str, list[str]] | None:
    """The field ``templates`` that measures a specification on the third set.

    None for a specification with templates of its own, whose held-out ones are
    nobody's but its author's.
    """
    if spec.templates != built_in_templates(spec.attribute):
        return None
    more = {"story_heldout": stories(spec.attribute)} if with_stories else {}
    return {"heldout": answers(spec.attribute)} | more
