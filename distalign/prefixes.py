"""Prefixes that grow token by token behind prompts whose keys and values are kept.

Many prefixes grow in one pass, as one row of tokens. Each token attends to three
stretches: the beginning that all prompts share, the rest of its own prompt, and
its own prefix. No prompt is copied for its prefixes, and no prefix is read by
another: the cost of a pass is that of its tokens.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from transformers import DynamicCache

from distalign.decoder import is_known
from distalign.operations import linear
from distalign.prefix_attention import KeysValues, PrefixAttention, attending, multiplying
from distalign.trie import TokenTrie, pack, padded

if TYPE_CHECKING:
    from transformers import PreTrainedModel

# Tokens of a pass: with fewer the processor waits for weights, with more keys and values fill memory.
TOKENS_AT_ONCE = 512
# Of so many the logits are there at a time.
LOGITS_AT_ONCE = 128
# Prompts that are read in one pack; in a longer one attention among them costs more than it saves.
PROMPTS_IN_PACK = 32
TOKEN_MULTIPLE = 8
# Room in the keys and values of prefixes grows by so many tokens.
ROOM_MULTIPLE = 4

Ids = tuple[int, ...]
Ints = NDArray[np.int64]


@dataclass(frozen=True)
class Prompts:
    """P prompts that were read: what their prefixes attend to, and what comes next.

    A layer of ``common`` has the C tokens that all begin with, [KV, C, D]; of
    ``own`` the L at most that follow, [P, KV, L, D], where ``padding`` [P, L] is
    −inf behind a prompt's end. KV is the number of key-value heads, D their width.
    """

    lengths: Ints
    common: list[KeysValues]
    own: list[KeysValues]
    padding: Tensor


@dataclass
class Prefixes:
    """M distinct prefixes of ``length`` tokens each, with their keys and values.

    ``prompts`` [M] are places in :class:`Prompts`; ``layers`` hold [M, KV, room, D].
    """

    prompts: Ints
    length: int
    layers: list[KeysValues]


def bytes_per_token(model: PreTrainedModel) -> int:
    """Bytes of a token's keys and values in all layers. They are kept in float32."""
    config = model.config.get_text_config()
    heads = getattr(config, "num_key_value_heads", None) or config.num_attention_heads
    width = getattr(config, "head_dim", None) or config.hidden_size // config.num_attention_heads
    return config.num_hidden_layers * heads * width * 2 * 4


def room_of(length: int) -> int:
    """Tokens that the keys and values of a prefix have room for."""
    return padded(length, ROOM_MULTIPLE)


def common_length(prompts: Sequence[Ids]) -> int:
    """How many tokens all prompts begin with."""
    alike = itertools.takewhile(lambda tokens: len(set(tokens)) == 1, zip(*prompts, strict=False))
    return sum(1 for _ in alike)


def read_prompts(
    model: PreTrainedModel, prompts: Sequence[Ids], on_logits: Callable[[int, Tensor], None]
) -> Prompts:
    """Run the prompts, what they share once in a pack.

    Args:
        on_logits: called with the index of a prompt and the logits of its next
            tokens: those of some prompts from there on, [n, V].
    """
    shared = common_length(prompts)
    longest = max(map(len, prompts)) - shared
    common: list[KeysValues] = []
    own: list[KeysValues] = []
    for first in range(0, len(prompts), PROMPTS_IN_PACK):
        some = prompts[first : first + PROMPTS_IN_PACK]
        cache, paths, logits = _read_pack(model, some)
        on_logits(first, logits)
        begin = torch.tensor(paths[0][:shared], dtype=torch.long)
        rest = torch.tensor([p[shared:] + [0] * (longest - len(p) + shared) for p in paths], dtype=torch.long)
        for index, layer in enumerate(cache.layers):
            both = layer.keys[0].float(), layer.values[0].float()  # [KV, N, D]
            if first == 0:
                common.append(tuple(x[:, begin] for x in both))
                shape = (len(prompts), both[0].shape[0], longest)
                own.append(tuple(x.new_empty(*shape, x.shape[-1]) for x in both))
            for whole, x in zip(own[index], both, strict=True):
                whole[first : first + len(some)] = x[:, rest].transpose(0, 1)
    lengths = np.array([len(ids) for ids in prompts])
    padding = torch.zeros(len(prompts), longest)
    padding[torch.arange(longest) >= torch.from_numpy(lengths - shared)[:, None]] = -torch.inf
    return Prompts(lengths, common, own, padding)


def _read_pack(
    model: PreTrainedModel, prompts: Sequence[Ids]
) -> tuple[DynamicCache, list[list[int]], Tensor]:
    """Keys and values of a pack, the places [length] of each prompt in it, and logits [P, V]."""
    trie = TokenTrie()
    nodes = [trie.insert(ids) for ids in prompts]
    row = pack(trie, [path[-1] for path in nodes])
    cache = DynamicCache()
    logits = _logits(
        model,
        row.places([path[-1] for path in nodes]),
        input_ids=row.tokens,
        position_ids=row.positions,
        attention_mask=row.mask,
        past_key_values=cache,
        use_cache=True,
    )(slice(None))
    return cache, [row.places(path).tolist() for path in nodes], logits


def no_prefixes(prompts: Prompts) -> Prefixes:
    """One empty prefix behind each prompt."""
    count = len(prompts.lengths)
    layers = [tuple(x.new_empty(count, x.shape[1], 0, x.shape[-1]) for x in layer) for layer in prompts.own]
    return Prefixes(np.arange(count), 0, layers)


def grow(
    model: PreTrainedModel, prompts: Prompts, before: Prefixes, parents: Ints, tokens: Ints, *, reuse: bool
) -> tuple[Prefixes, Iterator[tuple[slice, Tensor]]]:
    """Put one more token behind some prefixes; one may grow several ways.

    Args:
        parents: [M] places in ``before``, in ascending order.
        tokens: [M] one token behind each.
        reuse: whether ``before`` may be overwritten.

    Returns:
        the prefixes, and an iterator that runs them, a slice and its logits
        [n, V] at a time. The prefixes can grow when it has come to its end.
    """
    layers = _inherit(before, parents, reuse=reuse)
    grown = Prefixes(before.prompts[parents], before.length + 1, layers)
    return grown, _run(model, prompts, grown, tokens)


def _inherit(before: Prefixes, parents: Ints, *, reuse: bool) -> list[KeysValues]:
    """Keys and values of each prefix's parent, with room for one token more."""
    length, room = before.length, room_of(before.length + 1)
    fits = before.layers[0][0].shape[2] > length
    if reuse and fits and np.array_equal(parents, np.arange(len(before.prompts))):
        return before.layers
    chosen = torch.from_numpy(parents)
    layers = before.layers if reuse else list(before.layers)
    for index, layer in enumerate(before.layers):
        kept = []
        for x in layer:
            new = x.new_empty(len(parents), x.shape[1], room, x.shape[-1])
            new[:, :, :length] = x[:, :, :length][chosen]
            kept.append(new)
        layers[index] = tuple(kept)
    return layers


def _run(
    model: PreTrainedModel, prompts: Prompts, grown: Prefixes, tokens: Ints
) -> Iterator[tuple[slice, Tensor]]:
    # Models of other families give the logits of a whole pass at once.
    at_once = TOKENS_AT_ONCE if is_known(model) else LOGITS_AT_ONCE
    for first in range(0, len(tokens), at_once):
        rows = slice(first, min(first + at_once, len(tokens)))
        count = rows.stop - rows.start
        padding = padded(count, TOKEN_MULTIPLE) - count
        mine = [(keys[rows], values[rows]) for keys, values in grown.layers]
        positions = prompts.lengths[grown.prompts[rows]] + grown.length - 1
        attention = PrefixAttention(
            grown.prompts[rows], grown.length, prompts.common, prompts.own, prompts.padding, mine
        )
        with attending(model, attention):
            logits = _logits(
                model,
                torch.arange(count),
                input_ids=torch.from_numpy(np.pad(tokens[rows], (0, padding)))[None],
                position_ids=torch.from_numpy(np.pad(positions, (0, padding)))[None],
                use_cache=False,
            )
        for start in range(0, count, LOGITS_AT_ONCE):
            some = slice(start, min(start + LOGITS_AT_ONCE, count))
            yield slice(first + some.start, first + some.stop), logits(some)


def _logits(model: PreTrainedModel, places: Tensor, **inputs: Any) -> Callable[[slice], Tensor]:
    """What gives the logits at a slice of some places [R] of a row: [n, V]."""
    if not is_known(model):
        return model(**inputs, logits_to_keep=places).logits[0].__getitem__
    decoder = model.get_decoder()
    with multiplying(decoder):
        hidden = decoder(**inputs).last_hidden_state[0, places]
    head = model.get_output_embeddings()
    return lambda some: linear(hidden[some], head.weight, head.bias)
