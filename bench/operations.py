"""Counting the floating-point operations that a task needs: multiplications and additions, two a multiply-add.

Counted is what the task cannot do without. What several sequences share is
counted once; the uppermost layer is run in full at the places that are read
only (elsewhere its keys and values are enough); frozen weights get no
gradients, and what enters the lowest adapted layer needs none. Norms, rotary
embeddings, activations and the optimizer are left out.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

Counts = dict[str, int]


@dataclass(frozen=True)
class DecoderShape:
    """Sizes of a decoder of the Llama family."""

    hidden: int
    intermediate: int
    heads: int
    key_heads: int
    head_size: int
    layers: int
    vocabulary: int

    @classmethod
    def of(cls, config: Any) -> DecoderShape:
        """From a model's configuration."""
        head_size = getattr(config, "head_dim", None) or config.hidden_size // config.num_attention_heads
        return cls(
            config.hidden_size,
            config.intermediate_size,
            config.num_attention_heads,
            config.num_key_value_heads,
            head_size,
            config.num_hidden_layers,
            config.vocab_size,
        )

    @property
    def projections(self) -> dict[str, tuple[int, int]]:
        """(inputs, outputs) of each projection of a layer."""
        queries, keys = self.heads * self.head_size, self.key_heads * self.head_size
        return {
            "q_proj": (self.hidden, queries),
            "k_proj": (self.hidden, keys),
            "v_proj": (self.hidden, keys),
            "o_proj": (queries, self.hidden),
            "gate_proj": (self.hidden, self.intermediate),
            "up_proj": (self.hidden, self.intermediate),
            "down_proj": (self.intermediate, self.hidden),
        }


@dataclass(frozen=True)
class Reading:
    """How much a task runs through a decoder.

    Attributes:
        tokens: distinct prefixes.
        pairs: (token, what it attends to), itself included.
        reads: tokens whose next-token distribution is read.
        read_pairs: the pairs of those.
    """

    tokens: int
    pairs: int
    reads: int
    read_pairs: int

    @classmethod
    def of(cls, depths: Mapping[int, int], reads: Iterable[int]) -> Reading:
        """Of a trie's nodes (node → depth, from 0) and those of them that are read."""
        read = set(reads)
        return cls(
            len(depths),
            sum(depths.values()) + len(depths),
            len(read),
            sum(depths[node] + 1 for node in read),
        )


CONSTANT_INPUT = ("q_proj", "k_proj", "v_proj")
KEYS_AND_VALUES = ("k_proj", "v_proj")


def forward_operations(shape: DecoderShape, reading: Reading, *, adapted: int = 0, rank: int = 0) -> Counts:
    """Operations of a pass through all layers and the head; ``adapted`` upper layers carry LoRA."""
    lower = shape.layers - adapted
    total = _forward(shape, reading, range(lower), 0) | {"lora": 0}
    upper = _forward(shape, reading, range(lower, shape.layers), rank)
    return {name: total[name] + upper[name] for name in upper} | {"head": _head(shape, reading)}


def training_operations(
    shape: DecoderShape, forward: Reading, backward: Reading, *, adapted: int, rank: int
) -> Counts:
    """Operations of a training step on the ``adapted`` uppermost layers, what lies below being known.

    Args:
        forward: all that the step reads.
        backward: the part of it that the gradient flows through.
    """
    layers = range(shape.layers - adapted, shape.layers)
    ahead = _forward(shape, forward, layers, rank)
    counts = {f"forward {name}": count for name, count in ahead.items()}
    counts["forward head"] = _head(shape, forward)
    back = {"projections": 0, "attention": 0, "lora": 0}
    for layer in layers:
        tokens, reads, pairs = _of_layer(shape, backward, layer)
        for name, (inputs, outputs) in shape.projections.items():
            count = tokens if name in KEYS_AND_VALUES else reads
            constant = layer == layers[0] and name in CONSTANT_INPUT
            back["projections"] += 0 if constant else 2 * count * inputs * outputs
            # Gradients of A and B, of what lies between them, and of the input.
            back["lora"] += 2 * count * rank * (inputs + outputs)
            back["lora"] += 2 * count * rank * (outputs if constant else inputs + outputs)
        # Gradients of queries, keys, values and weights: four products for the forward two.
        back["attention"] += 8 * pairs * shape.heads * shape.head_size
    counts |= {f"backward {name}": count for name, count in back.items()}
    return counts | {"backward head": _head(shape, backward)}


def layout_operations(shape: DecoderShape, reading: Reading, *, adapted: int, rank: int) -> Counts:
    """The simple count: every token through every adapted layer, forward and back, and the head at the reads."""
    per_layer = sum(2 * i * o for i, o in shape.projections.values())
    lora = sum(2 * rank * (i + o) for i, o in shape.projections.values())
    attention = 4 * reading.pairs * shape.heads * shape.head_size
    return {
        "projections": 2 * adapted * reading.tokens * per_layer,
        "lora": 3 * adapted * reading.tokens * lora,
        "attention": 3 * adapted * attention,
        "head": 2 * _head(shape, reading),
    }


def _forward(shape: DecoderShape, reading: Reading, layers: range, rank: int) -> Counts:
    counts = {"projections": 0, "attention": 0, "lora": 0}
    for layer in layers:
        tokens, reads, pairs = _of_layer(shape, reading, layer)
        for name, (inputs, outputs) in shape.projections.items():
            count = tokens if name in KEYS_AND_VALUES else reads
            counts["projections"] += 2 * count * inputs * outputs
            counts["lora"] += 2 * count * rank * (inputs + outputs)
        counts["attention"] += 4 * pairs * shape.heads * shape.head_size
    return counts


def _of_layer(shape: DecoderShape, reading: Reading, layer: int) -> tuple[int, int, int]:
    """Tokens that need keys and values, tokens that need all of the layer, and pairs."""
    if layer == shape.layers - 1:
        return reading.tokens, reading.reads, reading.read_pairs
    return reading.tokens, reading.tokens, reading.pairs


def _head(shape: DecoderShape, reading: Reading) -> int:
    return 2 * reading.reads * shape.hidden * shape.vocabulary
