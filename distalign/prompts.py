"""Prompts as token ids: a template filled with a context, in the model's chat format."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from jinja2 import TemplateError

from distalign.spec import RunSpec
from distalign.templates import fill, responses

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase


# Turns before the question: a role and a text each.
Preface = tuple[tuple[str, str], ...]


@dataclass(frozen=True)
class Prompt:
    """A prompt of a run; ``context`` and ``template`` are indices into its specification."""

    context: int
    template: int
    ids: tuple[int, ...]


def chat_ids(tokenizer: PreTrainedTokenizerBase, text: str, preface: Preface = ()) -> tuple[int, ...]:
    """Token ids of one user turn, up to where the assistant's answer begins.

    ``preface`` are the turns before it. Where the model's chat format has no system
    turn, what it says opens the first user turn.
    """
    turns = [{"role": role, "content": content} for role, content in (*preface, ("user", text))]
    try:
        encoded = tokenizer.apply_chat_template(turns, add_generation_prompt=True, return_dict=True)
    except TemplateError:
        if turns[0]["role"] != "system":
            raise
        system, first, *rest = turns
        first = first | {"content": f"{system['content']}\n\n{first['content']}"}
        encoded = tokenizer.apply_chat_template([first, *rest], add_generation_prompt=True, return_dict=True)
    return tuple(encoded["input_ids"])


def split_prompts(
    spec: RunSpec,
    tokenizer: PreTrainedTokenizerBase,
    split: str,
    templates: list[int] | None = None,
    prefaces: Sequence[Preface] = (),
) -> list[Prompt]:
    """The prompts of a split, contexts within templates; of some templates only if given.

    ``prefaces``, if any, has one a context.
    """
    texts = spec.templates.of(split)
    chosen = range(len(texts)) if templates is None else templates
    return [
        Prompt(
            c,
            t,
            chat_ids(
                tokenizer,
                fill(texts[t], spec.attribute, context=spec.contexts.names[c]),
                prefaces[c] if prefaces else (),
            ),
        )
        for t in chosen
        for c in spec.contexts_of(split)
    ]


def response_ids(
    tokenizer: PreTrainedTokenizerBase, spec: RunSpec, lead: str = " "
) -> list[list[tuple[int, ...]]]:
    """For each category the token ids of its phrasings, with the end of the turn behind them.

    A space leads each, which sets it apart from the steering token in plain text; where
    there is no such token, ``lead`` is empty. What sampling would cut off is left out, unless
    all of a category's phrasings are that long.
    """
    room = spec.sampling.max_new_tokens - 1
    found = []
    for k in range(len(spec.attribute)):
        texts = responses(spec.attribute, k)
        ids = [tuple(tokenizer.encode(lead + text, add_special_tokens=False)) for text in texts]
        shortest = min(map(len, ids))
        found.append([(*i, tokenizer.eos_token_id) for i in ids if len(i) <= max(room, shortest)])
    return found
