"""Prompts as token ids: a template filled with a context, in the model's chat format."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from jinja2 import TemplateError

from distalign import stated
from distalign.attributes import Attribute
from distalign.spec import RunSpec
from distalign.stated import STATED
from distalign.templates import fill, responses

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase


# Turns before the question: a role and a text each.
Preface = tuple[tuple[str, str], ...]


@dataclass(frozen=True)
class Prompt:
    """A prompt of a run; ``context`` and ``template`` are indices into its specification.

    ``target`` holds the shares that the prompt itself states, empty where it states none.
    ``attribute`` is what it asks about, None for the run's own.
    """

    context: int
    template: int
    ids: tuple[int, ...]
    target: tuple[float, ...] = ()
    attribute: Attribute | None = None


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
            chat_ids(tokenizer, prompt_text(spec, split, t, c), prefaces[c] if prefaces else ()),
        )
        for t in chosen
        for c in spec.contexts_of(split)
    ]


def prompt_text(spec: RunSpec, split: str, template: int, context: int) -> str:
    """What a prompt of a split asks; a stated target follows, in held-out words behind held-out templates."""
    text = fill(spec.templates.of(split)[template], spec.attribute, context=spec.contexts.names[context])
    if spec.target.kind != STATED:
        return text
    wordings = stated.HELDOUT if split == "heldout_templates" else stated.SEEN
    percentages = [round(100 * q) for q in spec.target.rows[context]]
    return stated.behind(text, wordings[template % len(wordings)], spec.attribute.names, percentages)


def response_ids(
    tokenizer: PreTrainedTokenizerBase, spec: RunSpec, lead: str = " ", attribute: Attribute | None = None
) -> list[list[tuple[int, ...]]]:
    """For each category the token ids of its phrasings, with the end of the turn behind them.

    A space leads each, which sets it apart from the steering token in plain text; where
    there is no such token, ``lead`` is empty. What sampling would cut off is left out, unless
    all of a category's phrasings are that long.
    """
    attribute = attribute or spec.attribute
    room = spec.sampling.max_new_tokens - 1
    found = []
    for k in range(len(attribute)):
        texts = responses(attribute, k, spec.templates.phrasings)
        ids = [tuple(tokenizer.encode(lead + text, add_special_tokens=False)) for text in texts]
        shortest = min(map(len, ids))
        found.append([(*i, tokenizer.eos_token_id) for i in ids if len(i) <= max(room, shortest)])
    return found
