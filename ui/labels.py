"""What a person reads for the names that specifications and the database use."""

from __future__ import annotations

from distalign.training_config import reads

METHODS: dict[str, str] = {
    "hybrid": "Hybrid: KL calibration and KTO (recommended)",
    "kl_only": "KL calibration only",
    "kto_only": "KTO only",
    "sft": "Supervised fine-tuning on answers drawn from the target",
    "dpo": "DPO after fine-tuning, on pairs drawn from the target",
    "prompt": "Instruction in the prompt, no training",
    "zero_shot": "Zero-shot: measure the base model as it is",
}
STAGES: dict[str, str] = {
    "prepare": "Preparing the model",
    "base": "Measuring the base model",
    "write": "Writing stories",
    "cache": "Caching the lower layers",
    "warmup": "Warm-up",
    "hybrid": "Training",
    "sft": "Fine-tuning",
    "dpo": "DPO",
    "effects": "Measuring side effects",
    "sample": "Sampling rounds",
    "save": "Saving the adapter",
}
SPLITS: dict[str, str] = {
    "heldout_templates": "Held-out templates",
    "seen_templates": "Seen templates",
    "heldout_contexts": "Held-out contexts",
    "stories": "Stories",
    "unseen_attributes": "Unseen attributes",
}
PHASES: dict[str, str] = {"before": "Before", "after": "After"}

# A label and a sentence for each knob; those without one show their own name.
KNOBS: dict[str, tuple[str, str]] = {
    "steps": ("Steps", "Optimizer steps, warm-up included"),
    "warmup_steps": ("Warm-up steps", "Supervised steps before KTO joins"),
    "prompts_per_step": ("Prompts a step", "Prompts calibrated in each step"),
    "answers_per_step": ("Answers a step", "Prompts whose answers are trained in each step"),
    "optimizer": ("Optimizer", "Muon reaches the target in fewer steps"),
    "learning_rate": ("Learning rate", "Peak of the cosine schedule; lower for more steps"),
    "lora_rank": ("LoRA rank", "Size of the adapter's matrices"),
    "adapted_layers": ("Adapted layers", "Uppermost layers with an adapter; 0 is all"),
    "beta": ("β of KTO and DPO", "Higher keeps answers closer to the reference"),
    "kl_weight": ("Weight of KL", "Pulls the shares to the target"),
    "kto_weight": ("Weight of KTO", "Binds each answer to its steering token"),
    "sft_weight": ("Weight of SFT", "In the warm-up: teaches well-formed answers"),
    "anchor_weight": ("Weight of the anchor", "After the warm-up: keeps answers well-formed"),
    "retain_weight": ("Weight of retaining", "Holds side effects on unrelated prompts down"),
    "kto_over": ("KTO over", "Response only, or the steering token too"),
    "precision": ("Precision", "Arithmetic of the base model's weights"),
    "temperature": ("Temperature", "1 is plain sampling"),
    "top_p": ("Top p", "1 keeps every token"),
    "top_k": ("Top k", "0 keeps every token"),
    "max_new_tokens": ("Longest answer", "Tokens"),
    "story_tokens": ("Longest story", "Tokens"),
    "story_rounds": ("Stories a context", "0 is as many as rounds"),
    "few_shot": ("Few-shot examples", "For the method prompt: questions with drawn answers"),
    "exact_epsilon": ("Exact ε", "Probability that exact figures may leave out; 0 is off"),
}
# Sentences that say it for one method, where the one above does not hold.
_BUDGET = "Sizes the budget of tokens, which is that of the hybrid’s steps"
_BASELINE = {
    "prompts_per_step": f"{_BUDGET}; the more, the more prompts are trained on",
    "answers_per_step": _BUDGET,
    "retain_weight": "0 leaves what retaining takes out of the budget of tokens; all else is alike",
}
KNOBS_OF: dict[str, dict[str, str]] = {
    "kl_only": {"warmup_steps": "Supervised steps before KL stands alone"},
    "sft": {**_BASELINE, "steps": "Optimizer steps"},
    "dpo": {**_BASELINE, "steps": "Optimizer steps: half of fine-tuning, half of DPO"},
}


def method(name: str) -> str:
    return METHODS.get(name, name)


def preset_line(name: str, steps: int) -> str:
    """One sentence on what a preset is for, with its number of steps."""
    purpose = {
        "quick": "a first look, minutes on a laptop",
        "standard": "the result to report",
        "paper": "the published recipe's shape: all layers, small steps, slow",
    }
    return f"{steps} steps: {purpose.get(name, 'a recipe of its own')}."


def knob(name: str, method: str = "") -> tuple[str, str]:
    """The label of a knob and the sentence beneath it, which says what it does for a method."""
    label, info = KNOBS.get(name, (name.replace("_", " ").capitalize(), ""))
    return label, KNOBS_OF.get(method, {}).get(name, info)


def stories(method: str) -> str:
    """The sentence beneath the tick for stories."""
    if reads(method, "story_seen"):
        return "Train on short stories beside short answers, and measure them; takes several times as long"
    return "Measure short stories, too; this method is not trained on any. Takes longer"
