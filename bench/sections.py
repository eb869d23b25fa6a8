"""What docs/speed.md says of each part. A section is a list of Markdown blocks; empty when nothing was measured."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from statistics import median
from typing import Any

from bench.charts import growth_rows
from bench.figures import PEERS, Figures, flattened, rounds_per_second
from bench.goals import with_spread
from bench.spread import spread

GIGA = 1e9


def markdown_table(headers: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """A table in Markdown; the first column to the left, the others to the right."""
    lines = ["| " + " | ".join(headers) + " |", "|---" + "|---:" * (len(headers) - 1) + "|"]
    lines += ["| " + " | ".join(cell.replace("|", "\\|") for cell in row) + " |" for row in rows]
    return "\n".join(lines)


def floor(figures: Figures) -> list[str]:
    value = figures.records.get("floor")
    if value is None:
        return []
    rows = []
    for product, sizes in value["products"].items():
        cells = [f"{product} {'×'.join(f'{n:,}' for n in sizes)}"]
        for dtype in value["rates"]:
            found = spread([rate / GIGA for rate in value["rates"][dtype][product]])
            cells.append(with_spread(found, ""))
        rows.append(cells)
    return [
        "GFLOP/s of matrix products through torch, as the product makes them (oneDNN): a large square one, "
        "which stands for the machine in the shares below, and those of a training step (tokens × inputs × "
        "outputs).",
        markdown_table(["product", *value["rates"]], rows),
    ]


def training(figures: Figures) -> list[str]:
    sides = {"product": "Distalign", "product-float32": "Distalign in float32"} | PEERS
    rows = []
    for side, name in sides.items():
        seconds = spread(figures.step_seconds(side))
        if seconds is None:
            continue
        against = figures.training_ratio(side) if side in PEERS else None
        rows.append(
            [
                name,
                with_spread(seconds, "s"),
                with_spread(spread(figures.per_second(side)), ""),
                with_spread(spread(figures.per_second(side, "calibrated")), ""),
                with_spread(against, "x"),
            ]
        )
    if not rows:
        return []
    headers = [
        "",
        "seconds a step",
        "examples a second",
        "prompts calibrated a second",
        "Distalign is faster",
    ]
    blocks = [
        "An example is a prompt with a completion and its mismatched pair, as TRL counts. The peer is TRL's "
        "`KTOTrainer` as it is (rows not packed, batches padded, its own KL pairs, the base model as the "
        "reference), with KL(q‖π) read at the prompts' last tokens in the same pass. Same base model, rank, "
        "number type, prompts and completions; the rows of its batch are counted as prompts calibrated, "
        "though several share a prompt.",
        markdown_table(headers, rows),
    ]
    once = figures.records.get("training/once")
    if once:
        blocks.append(
            f"Once in a training of {once['steps']} steps, and in none of the rates above: "
            f"{once['before_seconds']:.1f} s before the first step (the training set, the cache) and "
            f"{once['reference_seconds']:.1f} s for the reference. With these spread over the steps Distalign "
            f"is {with_spread(figures.whole_training_ratio(), 'x')} faster."
        )
    return [*blocks, _parts_table(figures), *_shares(figures)]


def _parts_table(figures: Figures) -> str:
    found = {side: figures.records.several(f"training/{side}") for side in ("product", "peer")}
    names = [n for n in (found["product"] or found["peer"])[0]["parts"] if n != "step"]
    rows = [
        [name]
        + [with_spread(spread([v["parts"].get(name, 0.0) for v in values]), "s") for values in found.values()]
        for name in names
    ]
    return markdown_table(["seconds a step by part", "Distalign", "plain TRL + KL"], rows)


def _shares(figures: Figures) -> list[str]:
    products = figures.records.several("training/product")
    dtype = figures.training_dtype()
    if not products or figures.floor("float32") is None:
        return []
    rows = [
        [
            name,
            f"{median(v[f'{counted}_operations'] for v in products) / GIGA:,.0f}",
            *(with_spread(figures.training_share(d, counted), "%") for d in (dtype, "float32")),
        ]
        for name, counted in (("what the loss needs", "needed"), ("the layout, simply counted", "laid_out"))
    ]
    return [
        "Operations of a step against the floor. What the loss needs: each distinct prefix once, forward and "
        "back through the adapted layers and their adapters (mismatched completions forward only, the "
        "uppermost layer in full at the read places only, no gradient for cached inputs), attention, and the "
        "head at the read places. The simple count runs every token of the layout through every adapted "
        "layer, forward and back.",
        markdown_table(["operations of a step", "GFLOP", f"share of {dtype}", "share of float32"], rows),
    ]


def convergence(figures: Figures) -> list[str]:
    rows = []
    for key, name in (("quick", "preset quick"), ("budget", "preset standard, steps to fill the budget")):
        if curve := figures.curve(key):
            rows.append([f"Distalign, {name} ({curve['steps']} steps)", *_curve_cells(curve)])
    peer = figures.curve("peer")
    if peer:
        name = f"plain TRL + KL, all layers, rate {peer['rate']:g}, {peer['batch']} rows a step"
        rows.append([f"{name} ({peer['steps']} steps, at most {peer['cap']:,.0f} s)", *_curve_cells(peer)])
    if not rows:
        return []
    headers = ["", f"seconds to {figures.budget.threshold:g}", "seconds in all", "error at its end", "lowest"]
    return [
        "The held-out exact error E is the mean over held-out templates, contexts and categories of "
        "|q_k − π(s_k|x)|, the softmax over the whole vocabulary, in float32. Seconds count from the start of "
        "the process (imports, loading, the training set, the cache, training); measuring E is left out. The "
        "threshold is reached when no later error lies above it (the peer stops at its first error below it). The "
        "peer's learning rate falls as a cosine that ends at its cap; each of its rows has another prompt.",
        markdown_table(headers, rows),
    ]


def _curve_cells(curve: Mapping[str, Any]) -> list[str]:
    reached = curve["reached_seconds"]
    return [
        "never" if reached is None else f"{reached:,.0f}",
        f"{curve['seconds']:,.0f}",
        f"{curve['error']:.4f}",
        f"{curve['best_error']:.4f}",
    ]


SAMPLING_LAYOUTS = {"one_template": "one template", "spread": "spread over templates"}


def sampling(figures: Figures) -> list[str]:
    found = figures.records.several("sampling/answers")
    budget, blocks = figures.budget, []
    if found:
        rows = [
            [
                f"Distalign, {n:,} rounds a context, {name}",
                with_spread(spread([v["seconds"] for v in figures.samplings(layout, n)]), "s"),
                with_spread(spread(rounds_per_second(figures.samplings(layout, n))), ""),
                with_spread(figures.sampling_ratio(n, "batched", layout), "x"),
                with_spread(figures.sampling_ratio(n, "single", layout), "x"),
                with_spread(figures.sampling_share(layout, n), "%"),
            ]
            for layout, name in SAMPLING_LAYOUTS.items()
            for n in budget.rounds
        ]
        peers = (
            ("batched", f"`generate`, {budget.generate_batch} at once"),
            ("single", "`generate`, one call a round"),
        )
        for side, name in peers:
            turns = figures.peer_samplings(side)
            seconds = spread([v["seconds"] for v in turns])
            rate = with_spread(spread(rounds_per_second(turns)), "")
            rows.append(
                [f"{name} ({turns[0]['rounds']} rounds)", with_spread(seconds, "s"), rate, "", "", ""]
            )
        headers = ["", "seconds", "rounds a second", "by batches", "by single calls", "share of the floor"]
        blocks = [
            f"Answers of the tuned model (preset standard) in {found[0]['dtype']}, its adapter merged, on held-out "
            "templates. Distalign draws for all contexts, from one template each as `generate` does, and spread "
            "over 8 templates as a run spreads its rounds (8 times the prompts). The slow peers are measured on "
            f"{found[0]['batched']['contexts']} of the contexts, and compared by rounds a second. The "
            "share is that of the operations which the distinct prefixes need.",
            markdown_table(headers, rows),
        ]
    return [*blocks, *_stories(figures)]


def _stories(figures: Figures) -> list[str]:
    found = figures.records.several("sampling/stories")
    if not found:
        return []
    first = found[0]
    rows = [
        [
            name,
            with_spread(spread([v[key] for v in found]), "s"),
            with_spread(spread([v["rounds"] / v[key] for v in found]), ""),
        ]
        for name, key in (("Distalign", "tree_seconds"), ("`generate`, in batches", "batched_seconds"))
    ]
    return [
        f"Stories of the base model in {first['dtype']}: {first['rounds']} rounds of at most "
        f"{figures.budget.story_tokens} tokens. Distalign is {with_spread(figures.stories_ratio(), 'x')} as fast.",
        markdown_table(["stories", "seconds", "rounds a second"], rows),
    ]


def growth(figures: Figures) -> list[str]:
    rows = [
        [axis, f"{row['size']:,}", row["what"], f"{row['seconds']:.3f}"]
        for axis in ("rounds", "contexts", "categories")
        for row in growth_rows(figures, axis)
    ]
    if not rows:
        return []
    return [
        "Seconds of sampling, and of a training step, as one size grows: rounds a context over the "
        f"specification's contexts; contexts, and categories, at {figures.budget.growth_sampled} rounds a context. "
        "Models of several categories are trained with the preset quick before they are sampled.",
        markdown_table(["grows", "size", "what", "seconds"], rows),
    ]


def memory(figures: Figures) -> list[str]:
    rows = [
        [
            preset,
            f"{value['peak_gb']:.2f}",
            f"{value['group_gb']:.2f}",
            f"{value['seconds']:,.0f}",
            *(
                "–" if (found := value["report"].get(name)) is None else f"{found:.3f}"
                for name in ("mae", "noise_floor", "exact_error")
            ),
        ]
        for preset in ("quick", "standard")
        if (value := figures.records.get(f"memory/{preset}"))
    ]
    if not rows:
        return []
    headers = [
        "preset",
        "process, GB",
        "all processes, GB",
        "whole run, s",
        "held-out MAE",
        "its noise floor",
        "held-out exact error",
    ]
    return [
        "`python -m jobs run` from its start to the saved adapter. GB are 2³⁰ bytes: VmHWM of the process that "
        "computes, and the highest sum of VmRSS over it and all processes under it.",
        markdown_table(headers, rows),
    ]


def page(figures: Figures) -> list[str]:
    value = figures.records.get("page")
    if value is None:
        return []
    rows = [
        [f"{part}: {name.replace('.', ', ')}", f"{number:,.0f}"]
        for part in ("data", "start", "train", "poll", "results")
        for name, number in flattened(value.get(part) or {})
    ]
    seen = (
        "in a browser and by the server"
        if not value.get("browser")
        else f"without a browser ({value['browser']})"
    )
    return [
        f"Milliseconds where the name says so, {seen}, on a large database (`data`). The goals above take the "
        "slowest median of each kind. By itself: `python -m bench.page`.",
        markdown_table(["what was timed", "value"], rows),
    ]


SECTIONS: dict[str, Callable[[Figures], list[str]]] = {
    "floor": floor,
    "training": training,
    "convergence": convergence,
    "sampling": sampling,
    "growth": growth,
    "memory": memory,
    "page": page,
}
