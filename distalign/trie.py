"""Token sequences that share prefixes, each prefix kept and computed once.

A *trie* holds sequences as nodes; a *pack* is a set of its nodes laid out as one
row for the model, in which each token attends to its ancestors only. A prompt's
completions are branches behind it, and prompts share their common beginnings.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

ROOT = -1
ROW_MULTIPLE = 32


class TokenTrie:
    """A growing trie of token ids. Nodes are numbered so that a parent comes before its children."""

    def __init__(self) -> None:
        self.tokens: list[int] = []
        self.parents: list[int] = []
        self.depths: list[int] = []
        self._children: dict[tuple[int, int], int] = {}

    def __len__(self) -> int:
        return len(self.tokens)

    def insert(self, ids: Iterable[int], parent: int = ROOT) -> list[int]:
        """Add a sequence behind ``parent``; returns its nodes, new or found."""
        nodes = []
        for token in ids:
            node = self._children.get((parent, token))
            if node is None:
                node = len(self.tokens)
                self._children[parent, token] = node
                self.tokens.append(token)
                self.parents.append(parent)
                self.depths.append(0 if parent == ROOT else self.depths[parent] + 1)
            nodes.append(node)
            parent = node
        return nodes

    def ids_to(self, node: int) -> list[int]:
        """Token ids of the sequence that ends at ``node``, from its beginning."""
        ids = []
        while node != ROOT:
            ids.append(self.tokens[node])
            node = self.parents[node]
        return ids[::-1]

    def closure(self, nodes: Iterable[int]) -> list[int]:
        """The nodes and all their ancestors, parents first."""
        found: set[int] = set()
        for node in nodes:
            while node != ROOT and node not in found:
                found.add(node)
                node = self.parents[node]
        return sorted(found)


@dataclass(frozen=True)
class Pack:
    """Nodes of a trie as one row of N tokens.

    The row may be longer than its nodes: the places behind them are padding,
    which attends to itself only and which nothing attends to.

    Attributes:
        nodes: the trie's node at each place, parents first.
        tokens: [1, N] token ids.
        positions: [1, N] position ids (the depth in the trie).
        mask: [1, 1, N, N] bool, true where the row's token may attend to the column's.
    """

    nodes: list[int]
    tokens: Tensor
    positions: Tensor
    mask: Tensor

    def places(self, nodes: Sequence[int]) -> Tensor:
        """Places in the row of some of the pack's nodes: [len(nodes)]."""
        return torch.from_numpy(np.searchsorted(self.nodes, nodes))


def padded(length: int, multiple: int) -> int:
    """``length`` rounded up to a multiple.

    Libraries keep compiled code for every shape that they meet; lengths that
    repeat keep that memory small.
    """
    return -(-length // multiple) * multiple


def pack(trie: TokenTrie, nodes: Iterable[int]) -> Pack:
    """Lay out some nodes and all their ancestors as one row, padded to a multiple of 32."""
    order = trie.closure(nodes)
    place = {node: i for i, node in enumerate(order)}
    mask = np.eye(padded(len(order), ROW_MULTIPLE), dtype=bool)
    for i, node in enumerate(order):
        parent = trie.parents[node]
        if parent != ROOT:
            mask[i] |= mask[place[parent]]
    padding = [0] * (len(mask) - len(order))
    return Pack(
        order,
        torch.tensor([[trie.tokens[n] for n in order] + padding]),
        torch.tensor([[trie.depths[n] for n in order] + padding]),
        torch.from_numpy(mask)[None, None],
    )
