"""Packed prefixes give what each sequence gives alone."""

from __future__ import annotations

import pytest
import torch
from transformers import LlamaForCausalLM

from distalign.precision import weights_in
from distalign.trie import ROW_MULTIPLE, TokenTrie, pack
from tests.tiny import tiny_model

SEQUENCES = [(5, 6, 7, 8), (5, 6, 9), (5, 6, 7, 8, 10, 11), (12, 6, 7), (5, 6, 7, 12)]


@pytest.fixture(scope="module")
def model() -> LlamaForCausalLM:
    return tiny_model(32, layers=4, spread=0.2)


@pytest.fixture
def trie() -> TokenTrie:
    trie = TokenTrie()
    for ids in SEQUENCES:
        trie.insert(ids)
    return trie


def test_shared_prefixes_are_kept_once(trie: TokenTrie) -> None:
    assert len(trie) == 4 + 1 + 2 + 3 + 1
    assert trie.insert(SEQUENCES[0]) == [0, 1, 2, 3]
    assert all(parent < node for node, parent in enumerate(trie.parents))


def test_a_branch_behind_a_node_continues_its_positions(trie: TokenTrie) -> None:
    leaf = trie.insert(SEQUENCES[1])[-1]
    branch = trie.insert((20, 21), leaf)

    assert [trie.depths[n] for n in branch] == [3, 4]
    assert trie.closure(branch) == [0, 1, leaf, *branch]


@torch.no_grad()
def test_logits_of_a_pack_equal_those_of_each_sequence_alone(
    model: LlamaForCausalLM, trie: TokenTrie
) -> None:
    paths = [trie.insert(ids) for ids in SEQUENCES]
    row = pack(trie, [path[-1] for path in paths])
    packed = model(input_ids=row.tokens, position_ids=row.positions, attention_mask=row.mask).logits[0]

    for ids, path in zip(SEQUENCES, paths, strict=True):
        alone = model(input_ids=torch.tensor([ids])).logits[0]
        torch.testing.assert_close(packed[row.places(path)], alone, atol=1e-5, rtol=0)


def test_a_pack_holds_only_what_was_asked_for_and_its_ancestors(trie: TokenTrie) -> None:
    leaf = trie.insert(SEQUENCES[1])[-1]
    row = pack(trie, [leaf])

    assert row.tokens[0, :3].tolist() == list(SEQUENCES[1])
    assert row.mask[0, 0, :3, :3].tolist() == torch.ones(3, 3).tril().bool().tolist()


def test_a_row_is_padded_with_places_that_see_only_themselves(trie: TokenTrie) -> None:
    row = pack(trie, [trie.insert(SEQUENCES[1])[-1]])

    assert row.tokens.shape == row.positions.shape == (1, ROW_MULTIPLE)
    expected = torch.eye(ROW_MULTIPLE, dtype=torch.bool)
    expected[:3, :3] = torch.ones(3, 3).tril().bool()
    assert torch.equal(row.mask[0, 0], expected)


@pytest.mark.parametrize("frozen_only", [True, False])
@pytest.mark.parametrize("published_in", [torch.bfloat16, torch.float32])
def test_weights_in_another_type_are_restored_exactly(frozen_only: bool, published_in: torch.dtype) -> None:
    model = tiny_model(32, layers=1).to(published_in).float()
    trained = model.model.layers[0].self_attn.q_proj.weight
    model.requires_grad_(False)
    trained.requires_grad_(True)
    before = {name: value.clone() for name, value in model.state_dict().items()}
    with weights_in(model, torch.bfloat16, frozen_only=frozen_only):
        assert model.model.norm.weight.dtype == torch.bfloat16
        assert model.get_input_embeddings().weight.dtype == torch.bfloat16
        assert trained.dtype == (torch.float32 if frozen_only else torch.bfloat16)

    after = model.state_dict()
    assert all(torch.equal(before[name], after[name]) for name in before)
    assert all(value.dtype == torch.float32 for value in after.values())
