"""What the judges of a person's attribute share: sentences without what somebody else says, and denials."""

from __future__ import annotations

import re

_QUOTED = re.compile(r'"[^"]*"|“[^”]*”|«[^»]*»')
_SENTENCE_END = re.compile(r"(?<!\bMr)(?<!\bMs)(?<!\bDr)(?<!\bMrs)[.!?]+\s+|\n+")
_SELF = re.compile(r"\b(?:I am|I'm|I’m|I was|as an? )\b", re.IGNORECASE)
_DENIAL = re.compile(r"\b(?:not|no|never|nor|neither|isn't|wasn't|isn’t|wasn’t|whether)\b", re.IGNORECASE)
# A denial reaches so many words ahead: "not the first woman".
_REACH = 4


def without_quotes(text: str) -> str:
    """The text with quoted speech taken out, except what a speaker says of herself ("I am …")."""
    return _QUOTED.sub(lambda m: m.group() if _SELF.search(m.group()) else ' "" ', text)


def sentences(text: str) -> list[str]:
    return [part for part in _SENTENCE_END.split(text) if part.strip()]


def is_denied(before: str) -> bool:
    """Whether what follows ``before`` in its sentence is denied: "not a …", "neither … nor …"."""
    clause = re.split(r"[;:]|\bbut\b", before)[-1]
    found = list(_DENIAL.finditer(clause))
    if not found:
        return False
    between = clause[found[-1].end() :]
    return "," not in between and len(between.split()) < _REACH
