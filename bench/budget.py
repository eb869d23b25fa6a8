"""How much is measured: in full, or just enough to see that everything works."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Budget:
    """Sizes of every part.

    Attributes:
        square, floor_seconds, floor_repeats: size of the large product, seconds of each rate, rates of each.
        training_repeats, training_steps: repeats that take turns; steps of each, of which the first three
            settle.
        points: errors measured on a curve.
        threshold: the held-out exact error that a curve must fall below.
        budget_seconds: of the product's long curve.
        peer_times: the peer may take so many times the product's seconds.
        rounds: rounds a context for the product.
        generate_contexts, generate_batch, single_calls: the subset on which the slow peers are measured.
        sampling_repeats: turns of all samplers.
        story_contexts, story_rounds, story_tokens: open-ended text.
        growth_rounds, growth_contexts, growth_categories: sizes of the growth charts.
        growth_sampled: rounds a context where contexts or categories grow.
        page_repeats, page_runs, page_rounds: repeats, runs in the database, rounds a context of its long run.
        overrides: fields of the specification that are replaced everywhere.
    """

    square: int = 4096
    floor_seconds: float = 0.3
    floor_repeats: int = 7
    training_repeats: int = 3
    training_steps: int = 8
    points: int = 12
    threshold: float = 0.03
    budget_seconds: float = 300.0
    peer_times: float = 20.0
    rounds: tuple[int, ...] = (100, 1_000, 10_000)
    generate_contexts: int = 2
    generate_batch: int = 100
    single_calls: int = 15
    sampling_repeats: int = 3
    story_contexts: int = 5
    story_rounds: int = 20
    story_tokens: int = 100
    growth_rounds: tuple[int, ...] = (10, 100, 1_000, 10_000, 100_000)
    growth_contexts: tuple[int, ...] = (1, 10, 100, 1_000)
    growth_categories: tuple[int, ...] = (2, 10, 50)
    growth_sampled: int = 100
    growth_repeats: int = 1
    page_repeats: int = 3
    page_runs: int = 1_000
    page_rounds: int = 1_000
    overrides: tuple[tuple[str, object], ...] = ()


FULL = Budget()
TRIAL = Budget(
    square=512,
    floor_seconds=0.02,
    floor_repeats=3,
    training_repeats=2,
    training_steps=5,
    points=3,
    budget_seconds=12.0,
    peer_times=1.2,
    rounds=(8, 16),
    generate_contexts=1,
    generate_batch=8,
    single_calls=2,
    sampling_repeats=2,
    story_contexts=1,
    story_rounds=4,
    story_tokens=8,
    growth_rounds=(8, 16),
    growth_contexts=(1, 4),
    growth_categories=(2, 4),
    growth_sampled=8,
    growth_repeats=1,
    page_repeats=1,
    page_runs=150,
    page_rounds=100,
    overrides=(("steps", 6), ("warmup_steps", 1), ("rounds", 8)),
)
