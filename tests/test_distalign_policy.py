"""The policy over cached activations is the model itself, for every family it knows, values and gradients."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch
from peft import PeftModel, get_peft_model
from torch import Tensor
from transformers import (
    LlamaForCausalLM,
    MistralConfig,
    MistralForCausalLM,
    PreTrainedModel,
    Qwen2Config,
    Qwen2ForCausalLM,
    Qwen3Config,
    Qwen3ForCausalLM,
)

from distalign import policy as policy_module
from distalign.adapter import lora_config
from distalign.decoder import is_known
from distalign.policy import UpperPolicy, WholePolicy, lower_activations
from distalign.training_config import TrainingConfig
from distalign.trie import Pack, TokenTrie, pack
from tests.tiny import tiny_model

LAYERS, VOCABULARY = 4, 64
SHAPE = {
    "vocab_size": VOCABULARY,
    "hidden_size": 32,
    "intermediate_size": 48,
    "num_hidden_layers": LAYERS,
    "num_attention_heads": 4,
    "num_key_value_heads": 2,
    "initializer_range": 0.2,
}
FAMILIES: dict[str, Callable[[], PreTrainedModel]] = {
    "llama": lambda: tiny_model(VOCABULARY, layers=LAYERS, spread=0.2),
    "mistral": lambda: MistralForCausalLM(MistralConfig(**SHAPE, sliding_window=None)),
    "qwen2, with biases": lambda: Qwen2ForCausalLM(Qwen2Config(**SHAPE)),
    "qwen3, with norms of heads": lambda: Qwen3ForCausalLM(Qwen3Config(**SHAPE, head_dim=16)),
}


def randomised(model: torch.nn.Module) -> None:
    """Biases, norms and LoRA's B begin as zeros or ones, which would hide mistakes."""
    generator = torch.Generator().manual_seed(1)
    for name, parameter in model.named_parameters():
        if "bias" in name or "norm" in name or "lora_B" in name:
            parameter.data += 0.2 * torch.randn(parameter.shape, generator=generator)


def adapted(make: Callable[[], PreTrainedModel], adapted_layers: int) -> PeftModel:
    torch.manual_seed(0)
    model = make().eval()
    config = TrainingConfig(lora_rank=4, adapted_layers=adapted_layers)
    wrapped = get_peft_model(model, lora_config(model, config))
    randomised(wrapped)
    return wrapped


@pytest.fixture(scope="module")
def trie() -> TokenTrie:
    """Prompts with common beginnings and branches, more than one block of them."""
    trie, generator = TokenTrie(), torch.Generator().manual_seed(0)
    for beginning in ([1, 2, 3, 4], [1, 2, 9]):
        for _ in range(9):
            leaf = trie.insert([*beginning, *torch.randint(VOCABULARY, (6,), generator=generator).tolist()])
            trie.insert([5, 6], leaf[-1])
            trie.insert([5, 7], leaf[-1])
    return trie


def question(trie: TokenTrie) -> tuple[Pack, Tensor, Tensor, Tensor]:
    """The whole trie in one row, and some tokens to ask for."""
    row = pack(trie, range(len(trie)))
    reads = torch.arange(3, len(row.nodes), 2)
    generator = torch.Generator().manual_seed(3)
    places = torch.randint(len(reads), (40,), generator=generator)
    return row, reads, places, torch.randint(VOCABULARY, (40,), generator=generator)


def gradients(model: PeftModel, logps: Tensor) -> dict[str, Tensor]:
    weights = torch.linspace(-1, 1, len(logps))
    named = {n: p for n, p in model.named_parameters() if p.requires_grad}
    found = torch.autograd.grad((weights * logps).sum(), list(named.values()))
    return dict(zip(named, found, strict=True))


@pytest.mark.parametrize("family", FAMILIES)
@pytest.mark.parametrize("adapted_layers", [1, 2, LAYERS])
def test_values_and_gradients_are_those_of_transformers_and_peft(
    family: str, adapted_layers: int, trie: TokenTrie
) -> None:
    model = adapted(FAMILIES[family], adapted_layers)
    asked = question(trie)
    assert len(trie) > 128
    ours = UpperPolicy(model.get_base_model(), trie, LAYERS - adapted_layers, torch.float32)
    mine, whole = ours.token_logps(*asked), WholePolicy(model).token_logps(*asked)

    torch.testing.assert_close(mine, whole, atol=1e-4, rtol=1e-4)
    expected = gradients(model, whole)
    assert len(expected) == 14 * adapted_layers
    for name, gradient in gradients(model, mine).items():
        assert expected[name].abs().max() > 1e-4, name
        torch.testing.assert_close(gradient, expected[name], atol=1e-4, rtol=1e-3)


def test_bfloat16_is_near_float32_and_trains_the_same_parameters(trie: TokenTrie) -> None:
    model = adapted(FAMILIES["llama"], 2)
    asked = question(trie)
    exact, fast = (
        UpperPolicy(model.get_base_model(), trie, LAYERS - 2, dtype)
        for dtype in (torch.float32, torch.bfloat16)
    )
    one, other = exact.token_logps(*asked), fast.token_logps(*asked)

    assert other.dtype == torch.float32
    torch.testing.assert_close(other, one, atol=0.1, rtol=0.02)
    wanted = gradients(model, one)
    for name, gradient in gradients(model, other).items():
        assert gradient.dtype == torch.float32
        assert torch.cosine_similarity(gradient.flatten(), wanted[name].flatten(), 0) > 0.98, name


def test_a_step_of_the_optimizer_is_seen_at_once(trie: TokenTrie) -> None:
    model = adapted(FAMILIES["llama"], 1)
    policy, asked = UpperPolicy(model.get_base_model(), trie, LAYERS - 1, torch.float32), question(trie)
    before = policy.token_logps(*asked)
    with torch.no_grad():
        for name, parameter in model.named_parameters():
            if "lora_B" in name:
                parameter.add_(0.5)
    after = policy.token_logps(*asked)

    assert (before - after).abs().max() > 0.01
    torch.testing.assert_close(after, WholePolicy(model).token_logps(*asked), atol=1e-4, rtol=1e-4)


@torch.no_grad()
@pytest.mark.parametrize("count", [0, 1, 3])
@pytest.mark.parametrize("chunk", [4, 768])
def test_cached_activations_are_the_models_own_hidden_states(
    count: int, chunk: int, trie: TokenTrie, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(policy_module, "CHUNK_TOKENS", chunk)
    model = FAMILIES["llama"]()
    row = pack(trie, range(len(trie)))
    states = model(
        input_ids=row.tokens,
        position_ids=row.positions,
        attention_mask=row.mask,
        output_hidden_states=True,
    ).hidden_states[count]
    cached = lower_activations(model, trie, count, torch.float32)

    torch.testing.assert_close(cached, states[0, : len(trie)], atol=1e-5, rtol=1e-4)


def test_models_of_other_shapes_are_left_to_transformers() -> None:
    model: LlamaForCausalLM = tiny_model(VOCABULARY)
    assert is_known(model)
    model.config.hidden_act = "gelu"
    assert not is_known(model)
    model.config.hidden_act, model.config.model_type = "silu", "gemma2"
    assert not is_known(model)
