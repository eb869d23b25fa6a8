"""Sampling speed: the tree sampler against ``generate``, by rounds a second."""

from __future__ import annotations

import time
from collections.abc import Sequence
from typing import Any

import torch

from bench.adapters import tuned
from bench.operations import DecoderShape, Reading, forward_operations
from bench.workbench import Arguments, Workbench, name_of, open_workbench
from distalign.adapter import merged
from distalign.measuring import Subject, stop_ids
from distalign.precision import weights_in
from distalign.prompts import chat_ids, split_prompts
from distalign.sampling import Answer, sample_answers
from distalign.sampling_config import Sampling
from distalign.templates import measured_templates
from distalign.trie import TokenTrie

SPLIT = "heldout_templates"
STORY = "Write a short story about a person at work: {context}."


def answers(arguments: Arguments) -> dict[str, Any]:
    """One turn of every sampler on the tuned model, its adapter merged as the product samples it.

    The product draws ``rounds`` [several] a context for all contexts: from one
    template, as the peers do, and spread over the templates, as a run spreads them.
    ``generate`` draws ``generate_batch`` rounds at once for ``generate_contexts``
    contexts, and one at a time for ``single_calls`` rounds.
    """
    bench = open_workbench(arguments)
    policy = tuned(bench, arguments["adapter"])
    with merged(policy):
        return _turn(bench, policy, arguments)


def _turn(bench: Workbench, policy: Any, arguments: Arguments) -> dict[str, Any]:
    prompts = split_prompts(bench.spec, bench.tokenizer, SPLIT, [0])[: arguments["generate_contexts"]]
    sampling = bench.spec.sampling
    # What comes first meets shapes that the libraries have not compiled yet.
    for layout in LAYOUTS.values():
        _tree(bench, policy, *layout(bench, 8), seed=1)
    _generate(bench, policy, prompts[0].ids, 2, sampling)
    value: dict[str, Any] = {"dtype": name_of(next(policy.parameters()).dtype)}
    for name, layout in LAYOUTS.items():
        value[name] = {
            str(rounds): _tree(bench, policy, *layout(bench, rounds), seed=0)
            for rounds in arguments["rounds"]
        }
    batch, calls = arguments["generate_batch"], arguments["single_calls"]
    seconds = [_generate(bench, policy, p.ids, batch, sampling)[0] for p in prompts]
    value["batched"] = {"seconds": sum(seconds), "rounds": batch * len(prompts), "contexts": len(prompts)}
    singles = [_generate(bench, policy, prompts[i % len(prompts)].ids, 1, sampling)[0] for i in range(calls)]
    value["single"] = {"seconds": sum(singles), "rounds": calls}
    return value


def _tree(
    bench: Workbench, policy: Any, prompts: Sequence[tuple[int, ...]], counts: Sequence[int], seed: int
) -> dict[str, Any]:
    """Seconds for the rounds of every prompt, and the operations that their answers need."""
    seconds, found = timed_tree(bench, policy, prompts, counts, bench.spec.sampling, seed)
    needed = forward_operations(
        DecoderShape.of(bench.model.config),
        prefixes(prompts, found, bench.spec.sampling.max_new_tokens),
    )
    return {
        "seconds": seconds,
        "rounds": sum(counts),
        "distinct": len(found),
        "operations": sum(needed.values()),
    }


def one_template(bench: Workbench, rounds: int) -> tuple[list[tuple[int, ...]], list[int]]:
    """A held-out prompt for each context, and the rounds of each."""
    prompts = split_prompts(bench.spec, bench.tokenizer, SPLIT, [0])
    return [p.ids for p in prompts], [rounds] * len(prompts)


def spread_rounds(bench: Workbench, rounds: int) -> tuple[list[tuple[int, ...]], list[int]]:
    """Held-out prompts and the rounds of each, as a run spreads a context's rounds over templates."""
    templates = measured_templates(len(bench.spec.templates.of(SPLIT)), rounds)
    prompts = split_prompts(bench.spec, bench.tokenizer, SPLIT, templates)
    order = {template: i for i, template in enumerate(templates)}
    counts = [rounds // len(templates) + (order[p.template] < rounds % len(templates)) for p in prompts]
    return [p.ids for p in prompts], counts


LAYOUTS = {"one_template": one_template, "spread": spread_rounds}


def timed_tree(
    bench: Workbench,
    model: Any,
    prompts: Sequence[tuple[int, ...]],
    counts: Sequence[int],
    sampling: Sampling,
    seed: int,
) -> tuple[float, list[Answer]]:
    """Seconds of the product's sampler, and the distinct answers."""
    stop = stop_ids(Subject(model, bench.tokenizer, bench.steering, "after"))
    start = time.perf_counter()
    found = [
        answer for chunk in sample_answers(model, prompts, counts, sampling, stop, seed) for answer in chunk
    ]
    return time.perf_counter() - start, found


def prefixes(prompts: Sequence[tuple[int, ...]], found: Sequence[Answer], longest: int) -> Reading:
    """What the answers run through the model: each distinct prefix once, read where a token was drawn."""
    trie, leaves = TokenTrie(), []
    for prompt in prompts:
        leaves.append(trie.insert(prompt)[-1])
    reads = set(leaves)
    for answer in found:
        if not answer.count:
            continue
        nodes = trie.insert(answer.ids, leaves[answer.prompt])
        # Nothing is drawn behind an answer of the greatest length.
        reads.update(nodes[: longest - 1])
    return Reading.of({node: trie.depths[node] for node in trie.closure(reads)}, reads)


@torch.inference_mode()
def _generate(
    bench: Workbench, model: Any, prompt: tuple[int, ...], rounds: int, sampling: Sampling
) -> tuple[float, int]:
    """Seconds of ``generate`` for so many rounds of a prompt, and how many tokens it ran."""
    ids = torch.tensor([prompt])
    start = time.perf_counter()
    output = model.generate(
        input_ids=ids,
        attention_mask=torch.ones_like(ids),
        do_sample=True,
        temperature=sampling.temperature,
        top_p=sampling.top_p,
        top_k=sampling.top_k,
        max_new_tokens=sampling.max_new_tokens,
        num_return_sequences=rounds,
        pad_token_id=bench.tokenizer.pad_token_id,
    )
    return time.perf_counter() - start, (output.shape[1] - len(prompt)) * rounds


def stories(arguments: Arguments) -> dict[str, Any]:
    """One turn of the base model on open-ended text: the tree sampler and batched ``generate``.

    Both in the arithmetic that the product samples the base model in.
    """
    bench = open_workbench(arguments)
    sampling = Sampling(max_new_tokens=arguments["story_tokens"])
    names = bench.spec.contexts.names[: arguments["story_contexts"]]
    prompts = [chat_ids(bench.tokenizer, STORY.replace("{context}", name)) for name in names]
    rounds = arguments["story_rounds"]
    with weights_in(bench.model, bench.dtype):
        brief = Sampling(max_new_tokens=4)
        timed_tree(bench, bench.model, prompts[:1], [4], brief, seed=1)
        _generate(bench, bench.model, prompts[0], 4, brief)
        counts = [rounds] * len(prompts)
        seconds, found = timed_tree(bench, bench.model, prompts, counts, sampling, arguments["seed"])
        peer = [_generate(bench, bench.model, prompt, rounds, sampling)[0] for prompt in prompts]
    return {
        "dtype": name_of(bench.dtype),
        "rounds": rounds * len(prompts),
        "tokens": sum(len(a.ids) * a.count for a in found),
        "tree_seconds": seconds,
        "batched_seconds": sum(peer),
    }
