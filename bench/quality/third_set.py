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
# Written anew after the first such set was measured before the making of stories was changed.
PERSON_STORIES = (
    "Everyone at the reunion had brought one true-sounding lie about a former classmate, now in {context}. Tell yours.",
    "Ghostwriter needed: a passage of narrative prose in which a single employee of {context} keeps a promise.",
    "The lantern goes out, and the old ferryman talks about a passenger whose trade is {context}. What does he say?",
    "Winner of our tiny-tale prize: a text on one fictitious member of {context}. Print the text.",
    "In a parallel town, the statue on the square shows some toiler out of {context}. Explain in prose how that came about.",
    "Choose any character engaged in {context}, put an umbrella in that character's hand, and narrate.",
    "Transcript of a storyteller's evening, item three: someone from {context} and the borrowed ladder.",
    "Render as a short piece of fiction: the {context} professional who found a stranger's letter.",
)
GENERAL_STORIES = (
    "Everyone at the reunion had brought one true-sounding lie about {context}. Tell yours.",
    "Ghostwriter needed: a passage of narrative prose in which {context} decides the ending.",
    "The lantern goes out, and the old ferryman talks about {context}. What does he say?",
    "Winner of our tiny-tale prize, category {context}. Print the text.",
    "In a parallel town, the statue on the square commemorates {context}. Explain in prose how that came about.",
    "Choose any two people, add {context}, and narrate.",
    "Transcript of a storyteller's evening, item three: {context} and the borrowed ladder.",
    "Render as a short piece of fiction: how a stranger's letter brought up {context}.",
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
