"""The held-out exact error E of a model in training: mean over prompts and categories of |q_k − π(s_k|x)|."""

from __future__ import annotations

import torch
from torch import Tensor

from bench.workbench import Workbench
from distalign.policy import UpperPolicy
from distalign.prompts import split_prompts
from distalign.trie import TokenTrie, pack

PROMPTS_AT_ONCE = 50


class HeldOut:
    """Measures E over every held-out template and context, in float32, the softmax over the whole vocabulary.

    Args:
        lowest: index of the lowest layer that training changes; what lies below runs once.
    """

    def __init__(self, bench: Workbench, lowest: int) -> None:
        spec, self.model, self.lowest = bench.spec, bench.model, lowest
        self.steering_ids = torch.tensor(bench.steering.ids)
        prompts = split_prompts(spec, bench.tokenizer, "heldout_templates")
        self.trie = TokenTrie()
        self.leaves = [self.trie.insert(prompt.ids)[-1] for prompt in prompts]
        self.target = torch.tensor([spec.target.rows[p.context] for p in prompts], dtype=torch.float64)
        self._policies: dict[bool, UpperPolicy] = {}

    @torch.no_grad()
    def error(self) -> float:
        """E of the model as it stands, which is left as it was."""
        with torch.autocast("cpu", enabled=False):
            probs = torch.cat([self._probs(leaves) for leaves in _groups(self.leaves)])
        return float((self.target - probs).abs().mean())

    def _policy(self) -> UpperPolicy:
        """It follows the adapter's weights; one made before there was an adapter would not."""
        adapted = any("lora_" in name for name, _ in self.model.named_parameters())
        if adapted not in self._policies:
            self._policies = {adapted: UpperPolicy(self.model, self.trie, self.lowest, torch.float32)}
        return self._policies[adapted]

    def _probs(self, leaves: list[int]) -> Tensor:
        """π(s_k|x) of some prompts: [P, K]."""
        row, count = pack(self.trie, leaves), len(self.steering_ids)
        places = torch.arange(len(leaves)).repeat_interleave(count)
        tokens = self.steering_ids.repeat(len(leaves))
        logps = self._policy().token_logps(row, row.places(leaves), places, tokens)
        return logps.double().exp().view(len(leaves), count)


def _groups(leaves: list[int]) -> list[list[int]]:
    return [leaves[i : i + PROMPTS_AT_ONCE] for i in range(0, len(leaves), PROMPTS_AT_ONCE)]
