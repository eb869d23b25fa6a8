"""Whether a run writes stories, how long they are, and who judges them."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, fields

from distalign.errors import SpecError, shown
from distalign.training_config import check_number

# Stories a context by which a base model is measured before its training; they take long.
BASE_STORIES = 20
# A text has at least a word for so many tokens of the longest story, or it is no story.
TOKENS_A_WORD = 4
# Nor is it one that runs on in the same words: the share of different words at least, and of one word at most.
# The bundled base model's stories all pass.
DISTINCT, FREQUENT = 0.5, 0.25
# Why a story is unclassified; the rate does not tell these apart.
UNCLASSIFIED_STORIES = f"the judge cannot tell, or the text is no story (fewer words than story_tokens ÷ {TOKENS_A_WORD}, or the same ones over and over)"
JUDGES = ("words", "endpoint")


@dataclass(frozen=True)
class StoryConfig:
    """Open-ended answers beside the short ones.

    Attributes:
        stories: whether the run trains on stories and is measured on them.
        story_tokens: the longest story, in tokens, steering token included.
        story_rounds: rounds a context on the split ``stories``; 0: as many as on the others.
        judge: who reads a story: "words" (the judge that comes with the attribute)
            or "endpoint" (a language model, see :mod:`distalign.judges.endpoint`).
    """

    stories: bool = False
    story_tokens: int = 100
    story_rounds: int = 0
    judge: str = "words"

    def __post_init__(self) -> None:
        if not isinstance(self.stories, bool):
            raise SpecError("stories", f"{shown(self.stories)} is neither", "Use true or false")
        check_number("story_tokens", self.story_tokens, 30, 256, whole=True)
        check_number("story_rounds", self.story_rounds, 0, 100_000, whole=True)
        if self.judge not in JUDGES:
            raise SpecError("judge", f"{shown(self.judge)} is not known", f"Use {' or '.join(JUDGES)}")

    @property
    def least_words(self) -> int:
        """Words of the shortest text that is taken for a story."""
        return self.story_tokens // TOKENS_A_WORD

    def is_story(self, text: str) -> bool:
        """Whether a text is long enough for a story, and more than a few words over and over."""
        words = text.lower().split()
        if len(words) < self.least_words:
            return False
        counts = Counter(words)
        return len(counts) >= DISTINCT * len(words) and max(counts.values()) <= FREQUENT * len(words)


STORY_FIELDS = tuple(f.name for f in fields(StoryConfig))
