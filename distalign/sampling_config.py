"""How rounds are sampled."""

from __future__ import annotations

from dataclasses import dataclass

from distalign.training_config import check_number


@dataclass(frozen=True)
class Sampling:
    """How rounds are sampled; the defaults are plain sampling.

    ``exact_epsilon`` is the probability that the exact distribution of a trained
    model's answers may leave out; 0 does not work it out.
    """

    temperature: float = 1.0
    top_p: float = 1.0
    top_k: int = 0
    max_new_tokens: int = 16
    exact_epsilon: float = 0.001

    def __post_init__(self) -> None:
        check_number("temperature", self.temperature, 0.05, 5, whole=False)
        check_number("top_p", self.top_p, 0.01, 1, whole=False)
        check_number("top_k", self.top_k, 0, 100_000, whole=True)
        check_number("max_new_tokens", self.max_new_tokens, 2, 256, whole=True)
        check_number("exact_epsilon", self.exact_epsilon, 0, 0.5, whole=False)


SAMPLING_FIELDS = ("temperature", "top_p", "top_k", "max_new_tokens", "exact_epsilon")
