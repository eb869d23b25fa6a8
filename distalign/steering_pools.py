"""Steering tokens, and the tokens that may become them. Needs no torch."""

from __future__ import annotations

import string
from dataclasses import dataclass
from typing import TYPE_CHECKING

from distalign.attributes import Attribute
from distalign.errors import ModelError

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase

DIGITS = "1234567890"


@dataclass(frozen=True)
class SteeringTokens:
    """Token k opens the answers of category k.

    ``texts`` are what a decoder shows for them; ``ids`` their token ids.
    """

    texts: tuple[str, ...]
    ids: tuple[int, ...]

    def index(self, token_id: int) -> int | None:
        """Category of a token, or None if it is no steering token."""
        return self.ids.index(token_id) if token_id in self.ids else None

    def first(self, count: int) -> SteeringTokens:
        """The tokens of an attribute with ``count`` categories, where more were chosen."""
        return SteeringTokens(self.texts[:count], self.ids[:count])


def candidates(
    tokenizer: PreTrainedTokenizerBase, attribute: Attribute, pool: str = "visible"
) -> list[tuple[str, int]]:
    """The tokens of a pool, in the order in which they are taken: what a decoder shows, and the id."""
    return _visible(tokenizer, attribute) if pool == "visible" else _special(tokenizer)


def _visible(tokenizer: PreTrainedTokenizerBase, attribute: Attribute) -> list[tuple[str, int]]:
    words = {word.casefold() for word in attribute.words}
    # A digit before an answer that is itself a number would be read as part of it.
    digits = "" if any(c.isdigit() for word in words for c in word) else DIGITS
    found = []
    for text in digits + string.ascii_uppercase + string.ascii_lowercase:
        ids = tokenizer.encode(text, add_special_tokens=False)
        if text.casefold() not in words and len(ids) == 1 and tokenizer.decode(ids) == text:
            found.append((text, ids[0]))
    return found


def _special(tokenizer: PreTrainedTokenizerBase) -> list[tuple[str, int]]:
    template = tokenizer.chat_template
    if not isinstance(template, str):
        raise ModelError("base_model: the tokenizer has no chat template. Use an instruction-tuned model")
    used = set(tokenizer.all_special_tokens)
    return [
        (token.content, token_id)
        for token_id, token in sorted(tokenizer.added_tokens_decoder.items())
        if token.special and token.content not in used and token.content not in template
    ]
