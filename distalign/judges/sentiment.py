"""Sentiment of a story by VADER (Hutto and Gilbert 2014), sentence by sentence.

VADER's compound score saturates on long texts, so a story's score is the mean
over its sentences. Quoted speech is among them: without it, the development
part of the labelled texts was read no better, and a story may be all talk.
VADER itself turns what is denied ("not good") around.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from distalign.judges.texts import sentences

if TYPE_CHECKING:
    from vaderSentiment.vaderSentiment import SentimentIntensityAnalyzer

# Chosen on the development part of the labelled texts (0.13 to 0.2 did equally well). VADER's own, ±0.05,
# are for single sentences; they leave few stories neutral.
POSITIVE, NEGATIVE = 0.15, -0.15
# A text of which VADER knows no word is neutral only if it is English at all.
_ENGLISH = re.compile(r"\b(?:(?i:the|a|an|and|of|to|was|is|it|at|in|on|you|he|she|they|we)|I)\b")


def _analyzer() -> SentimentIntensityAnalyzer:
    # It reads its lexicon, which takes a moment.
    from vaderSentiment.vaderSentiment import SentimentIntensityAnalyzer

    return SentimentIntensityAnalyzer()


@dataclass(frozen=True)
class SentimentJudge:
    """ "positive", "negative" or "neutral"; None for what is no English text."""

    analyzer: SentimentIntensityAnalyzer = field(default_factory=_analyzer)

    def score(self, text: str) -> float | None:
        """Mean compound score of the sentences, −1 to 1; None for a text without letters."""
        parts = [part for part in sentences(text) if any(c.isalpha() for c in part)]
        if not parts:
            return None
        return sum(self.analyzer.polarity_scores(part)["compound"] for part in parts) / len(parts)

    def __call__(self, text: str) -> str | None:
        score = self.score(text)
        if score is None or (score == 0 and not _ENGLISH.search(text)):
            return None
        return "positive" if score >= POSITIVE else "negative" if score <= NEGATIVE else "neutral"
