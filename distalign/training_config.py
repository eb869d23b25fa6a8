"""How a run is trained: the knobs, their ranges, and the presets."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields, replace
from typing import Any, Literal

from distalign.errors import SpecError, shown


@dataclass(frozen=True)
class TrainingConfig:
    """The knobs of the trainer.

    Attributes:
        steps: optimizer steps, warm-up included.
        warmup_steps: supervised steps before KTO joins and the reference is taken.
        prompts_per_step: prompts whose steering distribution is calibrated in a step.
        answers_per_step: prompts whose answers (desirable, undesirable and
            mismatched) are packed behind them in a step.
        optimizer: "muon" (orthogonalised momentum) or "adamw".
        learning_rate: peak of the cosine schedule; that of "muon" is scaled to the
            size of AdamW's updates.
        lora_rank: rank of each adapter matrix; alpha is twice the rank.
        adapted_layers: how many of the uppermost layers carry an adapter; 0 means all.
        beta: KTO's β.
        kl_weight, kto_weight: weights of the hybrid loss's terms.
        sft_weight: weight of the supervised term in the warm-up.
        anchor_weight: weight of the same term after it; the paper has none.
        retain_weight: weight of the penalty that holds side effects down, KL(base‖policy)
            on answers to unrelated prompts; in the warm-up, too.
        kto_over: "response" conditions KTO's log-ratio on the steering token,
            "completion" includes the token (as in the paper).
        precision: of the frozen weights' arithmetic in training, and of the base model's
            where it is sampled: "bfloat16", "float32", or "auto" (bfloat16 where the
            processor multiplies it in hardware).
    """

    steps: int = 160
    warmup_steps: int = 40
    prompts_per_step: int = 16
    answers_per_step: int = 4
    optimizer: Literal["muon", "adamw"] = "muon"
    learning_rate: float = 0.01
    lora_rank: int = 16
    adapted_layers: int = 8
    beta: float = 0.1
    kl_weight: float = 1.0
    kto_weight: float = 0.1
    sft_weight: float = 0.1
    anchor_weight: float = 0.05
    retain_weight: float = 0.06
    kto_over: Literal["response", "completion"] = "response"
    precision: Literal["auto", "float32", "bfloat16"] = "auto"

    def __post_init__(self) -> None:
        for name in (*RANGES, *CHOICES):
            check_field(name, getattr(self, name))
        if self.warmup_steps >= self.steps:
            raise SpecError(
                "warmup_steps",
                f"{self.warmup_steps} of {self.steps} steps leaves none to train",
                "Make it smaller than steps",
            )

    @property
    def distinct_prompts(self) -> int:
        """How many prompts, at most, a training reads."""
        return max(self.prompts_per_step, self.steps * self.prompts_per_step // REUSE)


# A short training chooses so few prompts that each comes about so often: caching a prompt takes time, too.
REUSE = 4
# Categories whose answers stand behind one prompt; more would crowd out other prompts.
MAX_ANSWERED = 8
# Unrelated prompts that a step retains, and how many tokens of an answer, its beginning, are read.
RETAINED_PROMPTS, RETAINED_TOKENS = 2, 8
FIELD_TYPES: dict[str, str] = {f.name: str(f.type) for f in fields(TrainingConfig)}
# Inclusive ranges, wide enough for research and narrow enough to stop a slip of the keyboard.
RANGES: dict[str, tuple[float, float]] = {
    "steps": (1, 10_000),
    "warmup_steps": (0, 5_000),
    "prompts_per_step": (2, 512),
    "answers_per_step": (2, 128),
    "learning_rate": (1e-6, 0.1),
    "lora_rank": (1, 256),
    "adapted_layers": (0, 200),
    "beta": (0.001, 10),
    "kl_weight": (0, 100),
    "kto_weight": (0, 100),
    "sft_weight": (0, 100),
    "anchor_weight": (0, 100),
    "retain_weight": (0, 100),
}
CHOICES = {
    "optimizer": ("muon", "adamw"),
    "kto_over": ("response", "completion"),
    "precision": ("auto", "float32", "bfloat16"),
}


def check_number(field: str, value: object, low: float, high: float, *, whole: bool) -> None:
    """Raise SpecError unless ``value`` is a number (an int if ``whole``) from low to high."""
    kinds = int if whole else int | float
    if isinstance(value, bool) or not isinstance(value, kinds) or not low <= value <= high:
        raise SpecError(
            field,
            f"{shown(value)} is out of range",
            f"Give a {'whole ' if whole else ''}number from {low:g} to {high:,.15g}",
        )


def check_field(name: str, value: object) -> None:
    """Raise SpecError unless a field of :class:`TrainingConfig` may have ``value``."""
    if name in RANGES:
        check_number(name, value, *RANGES[name], whole=FIELD_TYPES[name] == "int")
    elif value not in CHOICES[name]:
        raise SpecError(name, f"{shown(value)} is not known", f"Use {' or '.join(CHOICES[name])}")


PRESETS: dict[str, TrainingConfig] = {
    "quick": TrainingConfig(steps=120, warmup_steps=20, learning_rate=7e-3),
    "standard": TrainingConfig(steps=260, warmup_steps=30, learning_rate=5e-3),
    # The published recipe's shape: all layers, KTO over the whole completion, small steps.
    "paper": TrainingConfig(
        steps=400,
        warmup_steps=160,
        prompts_per_step=16,
        answers_per_step=8,
        optimizer="adamw",
        learning_rate=5e-5,
        adapted_layers=0,
        kto_over="completion",
        kto_weight=1.0,
        sft_weight=1.0,
        anchor_weight=0.0,
        retain_weight=0.0,
    ),
}


# The ablations drop a term of the hybrid loss; the supervised warm-up stays.
ABLATIONS: dict[str, dict[str, float]] = {
    "kl_only": {"kto_weight": 0.0, "anchor_weight": 0.0},
    "kto_only": {"kl_weight": 0.0, "anchor_weight": 0.0},
}

# What each method reads of the fields that not all methods read: of a specification, and the
# groups of its templates. tests/test_distalign_reads.py holds the table to the code.
_ADAPTER = (
    "preset", "steps", "prompts_per_step", "answers_per_step", "optimizer", "learning_rate", "lora_rank",
    "adapted_layers", "retain_weight", "precision", "exact_epsilon", "phrasings", "story_seen",
)  # fmt: skip
_STEERED = (*_ADAPTER, "steering", "warmup_steps", "sft_weight")
READS: dict[str, tuple[str, ...]] = {
    "hybrid": (*_STEERED, "kl_weight", "kto_weight", "beta", "kto_over", "anchor_weight"),
    "kl_only": (*_STEERED, "kl_weight"),
    "kto_only": (*_STEERED, "kto_weight", "beta", "kto_over"),
    "sft": _ADAPTER,
    "dpo": (*_ADAPTER, "beta"),
    "prompt": ("few_shot", "phrasings", "precision"),
    "zero_shot": ("precision",),
}
_OF_SOME = frozenset().union(*READS.values())
# Of these a baseline reads only whether they are 0: what is retained counts in its budget of tokens.
SWITCHES: dict[str, tuple[str, ...]] = {"sft": ("retain_weight",), "dpo": ("retain_weight",)}


def reads(method: object, field: str) -> bool:
    """Whether a field of a specification, or a group of its templates, changes what a method does."""
    return field not in _OF_SOME or field in READS.get(str(method), _OF_SOME)


# The baselines learn by another loss, at rates of their own, chosen as the presets' were (docs/method.md).
BASELINES = ("sft", "dpo")
BASELINE_RATES: dict[str, float] = {"quick": 5e-3, "standard": 3e-3}


# An adapter for any attribute reads shares and words at their places in the prompt, which takes more layers,
# more prompts and more weight on the answers' words (docs/method.md).
ANY_LAYERS, ANY_ANCHOR, ANY_PROMPTS = 14, 0.15, 24
# Stories take half of the steps, and are harder to bind than a word: a run with them has more (docs/method.md).
STORY_STEPS = 1.5


def recipe(
    preset: str, method: object, any_attribute: object = False, stories: object = False
) -> TrainingConfig:
    """What a preset means for a method, for any attribute and with stories; the preset "paper" is the same for all."""
    config = PRESETS[preset]
    if preset == "paper":
        return config
    if method in BASELINES:
        config = replace(config, learning_rate=BASELINE_RATES[preset])
    if stories:
        steps = round(STORY_STEPS * config.steps)
        config = replace(config, steps=steps, learning_rate=slower(config, steps))
    if not any_attribute:
        return config
    return replace(config, adapted_layers=ANY_LAYERS, anchor_weight=ANY_ANCHOR, prompts_per_step=ANY_PROMPTS)


def training_from(
    preset: object,
    method: object,
    overrides: Mapping[str, Any],
    any_attribute: object = False,
    stories: object = False,
) -> TrainingConfig:
    """A preset, as a method takes it, with some fields replaced. What the method does not read stays as it was.

    With more steps than the preset has, its rate falls: Muon's updates have the size of the
    rate however small the gradient is, so a rate that suits some hundred steps is too coarse
    for the end of a thousand. With no more steps than its warm-up has, the warm-up takes
    its share of them.

    Raises:
        SpecError: for a preset that is not known, and for a value out of range, read or not.
    """
    if not isinstance(preset, str) or preset not in PRESETS:
        raise SpecError("preset", f"{shown(preset)} is not known", f"Use {', '.join(PRESETS)}")
    base = recipe(preset, method, any_attribute, stories)
    given = _as_read(method, overrides, base)
    steps = given.get("steps", base.steps)
    if "warmup_steps" not in given and steps <= base.warmup_steps:
        given["warmup_steps"] = base.warmup_steps * steps // base.steps
    config = replace(base, **given)
    if "learning_rate" in given or config.optimizer != "muon":
        return config
    return replace(config, learning_rate=slower(base, config.steps))


def slower(config: TrainingConfig, steps: int) -> float:
    """The rate of ``config`` for so many steps: with more than it has, it falls with their cube root."""
    longer = steps / config.steps
    return config.learning_rate if longer <= 1 else round(config.learning_rate / longer ** (1 / 3), 5)


def _as_read(method: object, overrides: Mapping[str, Any], base: TrainingConfig) -> dict[str, Any]:
    """The fields that a method reads, as it reads them: of a switch all values but 0 are one."""
    for name, value in overrides.items():
        check_field(name, value)
    given = {name: value for name, value in overrides.items() if reads(method, name)}
    for name in SWITCHES.get(str(method), ()):
        if given.get(name):
            given[name] = getattr(base, name) or getattr(TrainingConfig, name)
    return given


def overrides_of(
    preset: str, method: str, training: TrainingConfig, any_attribute: bool = False, stories: bool = False
) -> dict[str, Any]:
    """The fields that the method reads, and in which ``training`` differs from what its preset means for it."""
    own = recipe(preset, method, any_attribute, stories)
    # Warm-up and rate follow from these two.
    given = {"steps": training.steps, "optimizer": training.optimizer}
    base = asdict(training_from(preset, method, given, any_attribute, stories))
    base |= {name: getattr(own, name) for name in given}
    return {
        name: value for name, value in asdict(training).items() if reads(method, name) and value != base[name]
    }
