"""One walk over the tree of prefixes: it draws rounds, and expands what is likely.

At a prefix that n rounds have reached, the counts of the next token are drawn
from Multinomial(n, p), and the walk goes on with the distinct children: exactly the
law of n independent samples. Children that carry much probability are walked,
too, where the exact distribution is wanted; both share the prefixes.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np
import torch
from torch import Tensor

from distalign.exact import Expansion, Level, choose, lightest
from distalign.next_token import Floats, Ints, draw_tokens, generator_of, next_token_probs, restricted
from distalign.prefixes import (
    TOKENS_AT_ONCE,
    Ids,
    Prefixes,
    Prompts,
    bytes_per_token,
    grow,
    no_prefixes,
    read_prompts,
    room_of,
)
from distalign.sampling_config import Sampling

if TYPE_CHECKING:
    from transformers import PreTrainedModel

# Bytes of keys and values of all prefixes that are held at a time.
PREFIX_BYTES, LONG_PREFIX_BYTES = 128 * 2**20, 512 * 2**20
# Prefixes up to this length may be many at once: most rounds part here, and later fewer go on.
SHORT = 4
# Even where memory is short, so many prefixes grow together.
LEAST_TOGETHER = 8


@dataclass(frozen=True)
class Answer:
    """A distinct completion; ``ids`` has no end-of-turn token.

    ``count`` rounds gave it (0: it was only expanded); ``probability`` is that of
    the completion.
    """

    prompt: int
    ids: Ids
    count: int
    probability: float


@dataclass(frozen=True)
class Frontier:
    """M prefixes with what reached them; arrays are [M].

    ``prompts`` are indices of the walk; ``counts`` rounds; ``mass`` the
    probability of the prefix; ``allowance`` how much of it may be dropped.
    """

    prompts: Ints
    ids: list[Ids]
    counts: Ints
    mass: Floats
    allowance: Floats

    def __len__(self) -> int:
        return len(self.ids)

    def part(self, rows: slice) -> Frontier:
        arrays = (self.prompts, self.ids, self.counts, self.mass, self.allowance)
        return Frontier(*(array[rows] for array in arrays))


@dataclass(frozen=True)
class _Pending:
    """Prefixes that have not run yet: the last token of each, and its place among the ones before."""

    before: Prefixes
    frontier: Frontier
    parents: Ints
    tokens: Ints

    def part(self, rows: slice) -> _Pending:
        return _Pending(self.before, self.frontier.part(rows), self.parents[rows], self.tokens[rows])


@dataclass
class _Found:
    """Children of a frontier's prefixes: [C] arrays, in pieces as the passes give them."""

    rows: list[Ints] = field(default_factory=list)
    tokens: list[Ints] = field(default_factory=list)
    counts: list[Ints] = field(default_factory=list)
    probs: list[Floats] = field(default_factory=list)
    ended: list[Floats] = field(default_factory=list)


class Walk:
    """A walk behind some prompts.

    Args:
        model: in evaluation mode; runs in the precision of its weights.
        stop_ids: tokens that end a completion.
        seed: makes the rounds repeatable.
        expansion: how far to expand for probability; None: rounds only.
        opening: tokens that a completion may begin with; empty for any.
    """

    def __init__(
        self,
        model: PreTrainedModel,
        sampling: Sampling,
        stop_ids: frozenset[int],
        seed: int,
        expansion: Expansion | None = None,
        opening: Ids = (),
    ) -> None:
        self.model, self.sampling, self.seed, self.expansion = model, sampling, seed, expansion
        self.opening = list(opening)
        self.stops = np.array(sorted(stop_ids), dtype=np.int64)
        self.token_bytes = bytes_per_token(model)
        self.answers: list[Answer] = []
        # Rounds that are drawn, over all prompts so far: to their end, and with the parts of those under way.
        self.answered, self.reached = 0, 0.0
        self.used = np.zeros(0, dtype=np.int64)

    def run(
        self,
        prompts: Sequence[Ids],
        counts: Sequence[int],
        first: int = 0,
        on_logits: Callable[[int, Tensor], None] | None = None,
    ) -> Iterator[list[Answer]]:
        """Walk behind the prompts, a step at a time.

        Args:
            counts: rounds a prompt.
            first: index of the first prompt.
            on_logits: called with an index and the logits [n, V] behind some prompts from there on.

        Yields:
            after each step the answers of the prompts that it finished, in their order; often none.
        """
        self.first, self.answers = first, []
        self.used = np.zeros(len(prompts), dtype=np.int64)
        epsilon = self.expansion.epsilon if self.expansion else 0.0
        count = len(prompts)
        start = Frontier(
            np.arange(count), [()] * count, np.array(counts), np.ones(count), np.full(count, epsilon)
        )
        found = _Found()

        def visit(index: int, logits: Tensor) -> None:
            if on_logits is not None:
                on_logits(first + index, logits)
            self._visit(start, slice(index, index + len(logits)), logits, found)

        read = read_prompts(self.model, prompts, visit)
        pending = self._children(start, found, no_prefixes(read))
        waiting = [pending] if pending else []
        while waiting:
            self.reached = self.answered + sum(
                float(p.frontier.counts.sum()) * (p.before.length + 1) / self.sampling.max_new_tokens
                for p in waiting
            )
            yield self._finished(first + min(int(p.frontier.prompts.min()) for p in waiting))
            self._advance(read, waiting)
        self.reached = float(self.answered)
        yield self._finished(first + count)

    def _finished(self, stop: int) -> list[Answer]:
        """Take out the answers of the prompts before ``stop``."""
        ready = [answer for answer in self.answers if answer.prompt < stop]
        self.answers = [answer for answer in self.answers if answer.prompt >= stop]
        return sorted(ready, key=lambda answer: answer.prompt)

    def _advance(self, read: Prompts, waiting: list[_Pending]) -> None:
        """Run what waits on top, or as much of it as memory allows; its children go on top."""
        pending = waiting.pop()
        if len(pending.tokens) > self._at_once(waiting, pending.before.length + 1):
            # The rest keeps the prefixes that both come from.
            at_once = self._at_once([*waiting, pending], pending.before.length + 1)
            waiting.append(pending.part(slice(at_once, None)))
            pending = pending.part(slice(0, at_once))
        # Those that wait may come from the same prefixes.
        alone = all(other.before is not pending.before for other in waiting)
        frontier = pending.frontier
        grown, passes = grow(self.model, read, pending.before, pending.parents, pending.tokens, reuse=alone)
        found = _Found()
        for rows, logits in passes:
            self._visit(frontier, rows, logits, found)
        children = self._children(frontier, found, grown)
        if children is not None:
            waiting.append(children)

    def _at_once(self, waiting: list[_Pending], length: int) -> int:
        """How many prefixes may grow to ``length`` in what memory those that wait leave.

        Each must be able to grow on to its full length, short ones after another split.
        """
        held = {id(p.before): len(p.before.prompts) * room_of(p.before.length) for p in waiting}
        full_length = room_of(self.sampling.max_new_tokens)
        # Long answers get more, so that a pass stays full to their end.
        wanted = min(TOKENS_AT_ONCE * full_length * self.token_bytes, LONG_PREFIX_BYTES)
        free = max(PREFIX_BYTES, wanted) // self.token_bytes - sum(held.values())
        full = free // full_length
        short = free // 2 // room_of(length) if length <= SHORT else 0
        return max(LEAST_TOGETHER, full, short)

    def _visit(self, frontier: Frontier, rows: slice, logits: Tensor, found: _Found) -> None:
        """Draw the children of some prefixes, and look up those of much mass."""
        here = frontier.part(rows)
        if self.opening and not here.ids[0]:
            logits = restricted(logits, self.opening)
        probs = next_token_probs(logits, self.sampling)
        pieces = [(np.zeros(0, dtype=np.int64),) * 3]
        (drawing,) = here.counts.nonzero()
        if len(drawing):
            generators = [
                generator_of(self.seed, self.first + int(here.prompts[r]), here.ids[r]) for r in drawing
            ]
            some = probs if len(drawing) == len(probs) else probs[torch.from_numpy(drawing)]
            row, token, count = draw_tokens(some, here.counts[drawing], generators)
            pieces.append((drawing[row], token, count))
        if self.expansion is not None:
            pieces.append(self._likely(frontier, rows, probs))
        row, token, count = map(np.concatenate, zip(*pieces, strict=True))
        place, which = np.unique(row * probs.shape[1] + token, return_inverse=True)
        row, token = place // probs.shape[1], place % probs.shape[1]
        found.rows.append(row + rows.start)
        found.tokens.append(token)
        found.counts.append(np.bincount(which, count, len(place)).astype(np.int64))
        found.probs.append(probs.numpy()[row, token].astype(np.float64))
        found.ended.append(probs.numpy()[:, self.stops].sum(-1, dtype=np.float64))

    def _likely(self, frontier: Frontier, rows: slice, probs: Tensor) -> tuple[Ints, Ints, Ints]:
        """Children that may be worth expanding, and all ends: rows, tokens, and no rounds."""
        floor = lightest(self.expansion, frontier.prompts, frontier.allowance)[rows]
        least = torch.from_numpy(floor / np.maximum(frontier.mass[rows], 1e-300)).float()
        likely = (probs >= least[:, None]) & (probs > 0)
        likely[:, self.stops] = probs[:, self.stops] > 0
        row, token = likely.nonzero(as_tuple=True)
        return row.numpy(), token.numpy(), np.zeros(len(row), dtype=np.int64)

    def _children(self, frontier: Frontier, found: _Found, before: Prefixes) -> _Pending | None:
        """Prefixes that go on; those that end become answers."""
        rows, tokens, counts, probs = map(
            np.concatenate, (found.rows, found.tokens, found.counts, found.probs)
        )
        mass = frontier.mass[rows] * probs
        stopped = np.isin(tokens, self.stops)
        for r, n, m in zip(rows[stopped], counts[stopped], mass[stopped], strict=True):
            self._answer(frontier, r, frontier.ids[r], n, m)
        kept, allowance = ~stopped, np.zeros(len(rows))
        if self.expansion is not None:
            level = Level(
                frontier.prompts,
                frontier.mass,
                frontier.mass * (1 - np.concatenate(found.ended)),
                frontier.allowance,
            )
            (on,) = kept.nonzero()
            kept[on], allowance[on] = choose(
                self.expansion, level, rows[on], mass[on], counts[on] > 0, self.used
            )
        rows, tokens, counts, mass, allowance = (
            array[kept] for array in (rows, tokens, counts, mass, allowance)
        )
        ids = [(*frontier.ids[r], t) for r, t in zip(rows.tolist(), tokens.tolist(), strict=True)]
        if before.length + 1 == self.sampling.max_new_tokens:
            for r, i, n, m in zip(rows, ids, counts, mass, strict=True):
                self._answer(frontier, r, i, n, m)
            return None
        if not ids:
            return None
        return _Pending(before, Frontier(frontier.prompts[rows], ids, counts, mass, allowance), rows, tokens)

    def _answer(self, frontier: Frontier, row: int, ids: Ids, count: int, mass: float) -> None:
        self.answered += int(count)
        self.answers.append(Answer(self.first + int(frontier.prompts[row]), ids, int(count), float(mass)))
