"""The best results published for the six datasets: Jiang et al. 2026 (arXiv:2604.05756).

MAE by dataset, the lowest over the paper's models (Qwen2.5 1.5B and 7B, Llama-3.2 1B, Llama-3.1
8B, Gemma-2 2B and 9B) and methods, in the paper's own setting: 100 rounds a context (90 for
sentiment), the vocabulary restricted to the steering tokens.
"""

from __future__ import annotations

SOURCE = "Jiang et al. 2026, arXiv:2604.05756"
ANSWERS = {
    "gender-uk-real": 0.084,
    "gender-us-real": 0.068,
    "gender-uk-even": 0.046,
    "gender-us-even": 0.054,
    "race-even": 0.072,
    "sentiment-even": 0.075,
}
# None was published for the others.
STORIES = {"gender-uk-real": 0.22, "gender-us-real": 0.25, "sentiment-even": 0.13}


def best(kind: str, dataset: str) -> float | None:
    """The best published MAE in short answers ("answers") or stories; None where there is none."""
    return {"answers": ANSWERS, "stories": STORIES}.get(kind, {}).get(dataset)
