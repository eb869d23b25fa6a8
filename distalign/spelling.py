"""A tokenizer's part in a preview: what a model reads, as text, without transformers or torch.

The chat format and the tokens come from the prepared folder of the bundled model. Without one, turns
are shown by their roles, and a token is taken for a word.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from jinja2.sandbox import ImmutableSandboxedEnvironment

from distalign.folders import DataFolder
from distalign.models import BUNDLED, is_prepared, prepared_folder

if TYPE_CHECKING:
    from tokenizers import AddedToken, Tokenizer

Turns = tuple[tuple[str, str], ...]


class Spelling:
    """Stands in for a tokenizer where text is wanted: what it calls ids are texts.

    A chat becomes one "id", its turns, for :meth:`chat` to spell out; a text becomes as many "ids" as
    it has tokens, of which the first holds it all.
    """

    eos_token_id = ""
    chat_template = ""
    all_special_tokens: Sequence[str] = ()
    added_tokens_decoder: dict[int, AddedToken] = {}  # noqa: RUF012

    def apply_chat_template(self, turns: Sequence[dict[str, str]], **_: Any) -> dict[str, list[Turns]]:
        return {"input_ids": [tuple((turn["role"], turn["content"]) for turn in turns)]}

    def encode(self, text: str, **_: Any) -> list[str]:
        return [text, *[""] * (self.length(text) - 1)]

    def decode(self, ids: Sequence[str]) -> str:
        return "".join(ids)

    def length(self, text: str) -> int:
        """How many tokens a text has, about."""
        return max(1, len(text.split()))

    def chat(self, turns: Turns) -> str:
        """The turns as the model sees them, up to where its answer begins."""
        return "\n".join(f"{role}: {content}" for role, content in turns) + "\nassistant:"


class PreparedSpelling(Spelling):
    """The same by a prepared model's own chat format and tokens."""

    def __init__(self, folder: Path) -> None:
        from tokenizers import Tokenizer

        self.tokenizer: Tokenizer = Tokenizer.from_file(str(folder / "tokenizer.json"))
        self.chat_template = (folder / "chat_template.jinja").read_text("utf-8")
        config = json.loads((folder / "tokenizer_config.json").read_text("utf-8"))
        self.eos_token_id = config["eos_token"]
        self.all_special_tokens = [
            v for k, v in config.items() if k.endswith("_token") and isinstance(v, str)
        ]
        self.added_tokens_decoder = dict(self.tokenizer.get_added_tokens_decoder())
        # As transformers renders chat formats.
        environment = ImmutableSandboxedEnvironment(trim_blocks=True, lstrip_blocks=True)
        self.format = environment.from_string(self.chat_template)

    def length(self, text: str) -> int:
        return len(self.tokenizer.encode(text, add_special_tokens=False).ids)

    def chat(self, turns: Turns) -> str:
        messages = [{"role": role, "content": content} for role, content in turns]
        return self.format.render(messages=messages, add_generation_prompt=True)


def spelling_for(base_model: str, data: DataFolder) -> Spelling:
    """The model's own spelling where its files are at hand, else a plain one."""
    if base_model == BUNDLED and is_prepared(data):
        try:
            return _prepared(prepared_folder(data))
        except (OSError, ValueError, KeyError):
            return Spelling()
    return Spelling()


@cache
def _prepared(folder: Path) -> PreparedSpelling:
    return PreparedSpelling(folder)
