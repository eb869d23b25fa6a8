"""Answers, and pairs of answers, drawn from the target. Needs no torch."""

from __future__ import annotations

import random
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from distalign.prompts import Prompt
from distalign.spec import RunSpec

Ids = tuple[int, ...]


@dataclass(frozen=True)
class Drawn:
    """A prompt with an answer drawn from its target, and one of another category.

    ``chosen`` is a draw from q(·|context), ``rejected`` one from the same row without the
    chosen category, renormalised; ``answer`` and ``other`` are their token ids.
    """

    prompt: Prompt
    chosen: int
    answer: Ids
    rejected: int
    other: Ids

    def as_answer(self) -> dict[str, Any]:
        """A row of TRL's SFTTrainer: loss on the answer only (−100 is not read)."""
        ids = [*self.prompt.ids, *self.answer]
        return {"input_ids": ids, "labels": [-100] * len(self.prompt.ids) + list(self.answer)}

    def as_pair(self) -> dict[str, Any]:
        """A row of TRL's DPOTrainer."""
        return {
            "prompt_ids": list(self.prompt.ids),
            "chosen_ids": list(self.answer),
            "rejected_ids": list(self.other),
        }


def draw_answers(
    spec: RunSpec, prompts: Sequence[Prompt], texts: Sequence[Sequence[Sequence[Ids]]], rng: random.Random
) -> Iterator[Drawn]:
    """Without end: every prompt once, in random order, with a drawn answer; then all again.

    Args:
        texts: of each prompt, what may be said for each category.
    """
    categories = range(len(spec.attribute))
    while True:
        for index in rng.sample(range(len(prompts)), len(prompts)):
            prompt = prompts[index]
            row = prompt.target or spec.target.rows[prompt.context]
            (chosen,) = rng.choices(categories, row)
            (rejected,) = rng.choices(categories, others(row, chosen))
            answer, other = (rng.choice(texts[index][k]) for k in (chosen, rejected))
            yield Drawn(prompt, chosen, answer, rejected, other)


def others(row: tuple[float, ...], chosen: int) -> list[float]:
    """Weights of the categories but one; even where the target gives all to that one."""
    weights = [0.0 if k == chosen else q for k, q in enumerate(row)]
    return weights if sum(weights) > 0 else [float(k != chosen) for k in range(len(row))]
