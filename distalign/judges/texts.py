"""What judges share: sentences without what somebody else says, and denials."""

from __future__ import annotations

import re

# Single quotation marks are also apostrophes. Such a mark opens a quotation before a word, but not in "'em" or "'90s" …
_CLIPPED = r"(?:em|tis|twas|till?|cause|cos|bout|round|n|\d\ds?)\b"
# … within it the mark may stand in a word ("it's"), behind one ("nurses' room", "goin' home") or before a clipped one …
_INSIDE = rf"""(?:[^'‘’"“”\n]|"[^"\n]*"|“[^”\n]*”|(?<=\w)['’](?=\w)|(?:(?<=s)|(?<=in))['’](?= \w)|['’](?={_CLIPPED}))*"""
# … and it closes behind a sign ("late,'"), before one ("late',"), or without any within a sentence ("a 'nurse' of sorts").
_SINGLE = (
    rf"(?<!\w)['‘](?=[^\s'’])(?:{_INSIDE}(?<=[.,!?…—–”\"-])['’](?!\w)|(?!{_CLIPPED})(?:{_INSIDE}['’](?=[.,;:!?)]|$)"
    r"|(?:[^'‘’\"“”\n.!?]|(?<=\w)['’](?=\w))*['’](?!\w)))"
)
_QUOTED = re.compile(rf'"[^"]*"|“[^”]*”|«[^»]*»|{_SINGLE}', re.IGNORECASE)
_SENTENCE_END = re.compile(r"(?<!\bMr)(?<!\bMs)(?<!\bDr)(?<!\bMrs)[.!?]+\s+|\n+")
_SELF = re.compile(r"\b(?:I am|I'm|I’m|I was|as an? )\b", re.IGNORECASE)
_DENIAL = re.compile(
    r"\b(?:not|no|never|nor|neither|(?:is|was|are|were)n['’]t|whether)\b(?!\s+(?:only|just|merely|wait|doubt|matter|sooner)\b)",
    re.IGNORECASE,
)
# A denial reaches so many words ahead: "not the first woman".
_REACH = 4


def without_quotes(text: str) -> str:
    """The text with quoted speech taken out, except what a speaker says of herself ("I am …")."""
    return _QUOTED.sub(lambda m: m.group() if _SELF.search(m.group()) else ' "" ', text)


def sentences(text: str) -> list[str]:
    return [part for part in _SENTENCE_END.split(text) if part.strip()]


def sentence_so_far(text: str) -> str:
    """What a text has of its last sentence; nothing where it ends with one."""
    return _SENTENCE_END.split(text)[-1]


def is_denied(before: str) -> bool:
    """Whether what follows ``before`` in its sentence is denied: "not a …", "neither … nor …"."""
    clause = re.split(r"[;:]|\bbut\b", before)[-1]
    found = list(_DENIAL.finditer(clause))
    if not found:
        return False
    between = clause[found[-1].end() :]
    return "," not in between and len(between.split()) < _REACH
