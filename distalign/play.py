"""What can be asked of base models and adapters outside of a run: one prompt, some rounds."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from distalign.errors import SpecError
from distalign.sampling_config import Sampling
from distalign.spec import RunSpec
from distalign.training_config import check_number

MAX_ROUNDS = 1000
MAX_PROMPT = 2000
# As long as the longest story that a run may train on.
MAX_TOKENS = 256
# The first rounds come soon, the later ones in larger batches.
FIRST_BATCHES, LATER_BATCH = (10, 20, 70), 100


@dataclass(frozen=True)
class Question:
    """A prompt to be asked ``rounds`` times; ``tokens`` is the length of the longest answer."""

    prompt: str
    rounds: int = 100
    seed: int = 0
    tokens: int = Sampling().max_new_tokens

    def __post_init__(self) -> None:
        if not isinstance(self.prompt, str) or not self.prompt.strip():
            raise SpecError("prompt", "is empty", "Write what the model is asked")
        if len(self.prompt) > MAX_PROMPT:
            raise SpecError("prompt", f"has {len(self.prompt):,} characters", f"Use at most {MAX_PROMPT:,}")
        check_number("rounds", self.rounds, 1, MAX_ROUNDS, whole=True)
        check_number("seed", self.seed, 0, 2**31 - 1, whole=True)
        check_number("tokens", self.tokens, 2, MAX_TOKENS, whole=True)


@dataclass(frozen=True)
class Voice:
    """A model that answers: a base model as it is, or with the adapter of a run.

    ``run`` is the run's id, ``adapter`` its zip with the hash ``digest``; all are empty for a base model.
    A voice that is only shown again has neither ``spec`` nor ``adapter``.
    """

    base_model: str
    run: str = ""
    title: str = ""
    method: str = ""
    spec: RunSpec | None = None
    adapter: Path | None = None
    digest: str = ""

    @property
    def base_name(self) -> str:
        """The base model's name; of a folder its last part."""
        return Path(self.base_model).name

    @property
    def name(self) -> str:
        return f"{self.title} ({self.run[:6]})" if self.run else self.base_name


@dataclass(frozen=True)
class Drawn:
    """A batch of rounds of one voice: distinct answers, steering tokens removed, and how often each came."""

    voice: int
    answers: tuple[tuple[str, int], ...]


def batch_sizes(rounds: int) -> list[int]:
    """How many rounds are drawn at a time; more rounds begin with the same batches."""
    sizes: list[int] = []
    while rounds > 0:
        size = FIRST_BATCHES[len(sizes)] if len(sizes) < len(FIRST_BATCHES) else LATER_BATCH
        sizes.append(min(size, rounds))
        rounds -= sizes[-1]
    return sizes
