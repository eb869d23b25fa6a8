"""What readers call methods and states, on the page and in what the command line searches."""

from __future__ import annotations

from distalign.spec import METHODS

METHODS_SHORT: dict[str, str] = {
    "hybrid": "Hybrid",
    "kl_only": "KL only",
    "kto_only": "KTO only",
    "sft": "Fine-tuning",
    "dpo": "DPO",
    "prompt": "Prompt",
    "prompt_few_shot": "Few-shot prompt",
    "zero_shot": "Zero-shot",
}
STATES: dict[str, str] = {
    "queued": "Waiting",
    "running": "Running",
    "done": "Done",
    "failed": "Failed",
    "cancelled": "Cancelled",
    "interrupted": "Interrupted",
}
# A search for runs finds these words beside the names that the database has.
NAMES = {name: METHODS_SHORT[name] for name in METHODS} | STATES
