"""What a run will do, and roughly how long it takes on this machine. Needs no torch."""

from __future__ import annotations

import fcntl
import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path

from distalign.asked import UNSEEN, unseen_attributes
from distalign.folders import DataFolder, replace_file
from distalign.models import BUNDLED
from distalign.past import REMEMBERED, PastRun, seconds_a_unit
from distalign.spec import STEERED_METHODS, TRAINED_METHODS, RunSpec
from distalign.stated import STATED
from distalign.stated_prompts import targets_a_question
from distalign.templates import MEASURED_TEMPLATES, measured_templates
from distalign.training_config import MAX_ANSWERED, RETAINED_PROMPTS

# Tokens of a chat prompt besides its text, and letters a token.
CHAT_TOKENS, LETTERS_PER_TOKEN = 12, 4.5
# Tokens of a retained answer's beginning with its prompt, without what all chats begin with.
RETAINED_LENGTH = 26
# Letters of a statement, and those around each category in it; a digit is a token, so it counts as several.
STATEMENT_LETTERS, STATED_LETTERS = 30, 18
# Categories of a bundled attribute, about.
BUNDLED_CATEGORIES = 3
# Parameters in millions and layers, to scale the bundled model's speed to others.
SIZES: dict[str, tuple[float, int]] = {
    BUNDLED: (135, 30),
    "smollm2-360m": (360, 32),
    "qwen2.5-0.5b": (500, 24),
    "qwen2.5-1.5b": (1500, 28),
    "qwen2.5-7b": (7600, 28),
    "llama-3.2-1b": (1200, 16),
    "gemma-2-2b": (2600, 26),
}
# Tokens that a short answer takes on average, as distinct prefixes; stories that are written for training,
# and those that stand in every other step.
SHORT_TOKENS, WRITTEN, STORIES_A_STEP = 4, 180, 16
# Rounds a prompt of a context with 100 rounds.
USUAL_ROUNDS = 100 / MEASURED_TEMPLATES
# Answers of a tuned model that are as much work as so many categories, whatever it was tuned on.
OTHER_ANSWERS = 3
# The share of its time that a plan must have from earlier runs, to be taken for known.
FOLLOWED = 0.8
# The process itself, and bytes a parameter in float32.
PROCESS_MB, BYTES_PER_PARAMETER = 1400, 4


@dataclass(frozen=True)
class Speed:
    """Seconds a unit of work takes with the bundled model on this machine.

    The defaults are those of two cores with bfloat16 matrix units; a slower machine shows its pace early.

    ``train`` and ``cache``: per thousand token-layers of a step, and of the
    activations below; ``plain``: per thousand token-layers of TRL's own trainers, which
    run all layers; ``before`` and ``after``: per round of the base and of the tuned
    model; ``effects``: of measuring side effects; ``write``: per token of the stories that are written for
    training; ``start``: until the model is loaded. ``runs``: the newest finished runs, the
    oldest of them first; a stage that one of them is like takes as long as there.
    """

    start: float = 5.0
    write: float = 0.003
    cache: float = 0.0135
    train: float = 0.034
    plain: float = 0.03
    effects: float = 6.0
    before: float = 0.02
    after: float = 0.0075
    runs: tuple[PastRun, ...] = field(default=(), compare=False)


@dataclass(frozen=True)
class Plan:
    """Amounts of work, and the seconds each stage is expected to take.

    ``known`` says whether most of that time follows earlier runs that were like this one.
    """

    prompts: int
    examples: int
    steps: int
    rounds: int
    memory_mb: int
    stages: Mapping[str, float]
    units: Mapping[str, float]
    known: bool = False

    @property
    def seconds(self) -> float:
        return sum(self.stages.values())


def estimate(spec: RunSpec, speed: Speed | None = None) -> Plan:
    """The plan of a run; ``speed`` as this machine showed it, or the defaults."""
    speed = speed or Speed()
    config, trained = spec.training, spec.method in TRAINED_METHODS
    parameters, layers = SIZES.get(spec.base_model, SIZES[BUNDLED])
    scale = parameters / SIZES[BUNDLED][0]
    per_layer = scale * SIZES[BUNDLED][1] / layers
    units, names = _units(spec, layers), _speed_names(spec.method)
    shown = {name: _shown_speed(name, amount, spec, speed) for name, amount in units.items()}
    scales = dict.fromkeys(units, scale) | {"prepare": 1.0, "cache": per_layer, "train": per_layer}
    rounds = _rounds(spec, "before") + (_rounds(spec, "after") if "sample" in units else 0)
    stages = {
        name: amount * ((shown[name] or getattr(speed, names[name])) * scales[name])
        for name, amount in units.items()
    }
    followed = sum(seconds for name, seconds in stages.items() if shown[name])
    return Plan(
        prompts=_prompts(spec) if trained else 0,
        examples=config.steps * _examples(spec) if trained else 0,
        steps=config.steps if trained else 0,
        rounds=rounds,
        memory_mb=round(PROCESS_MB + parameters * BYTES_PER_PARAMETER),
        stages=stages,
        units=units,
        known=followed > FOLLOWED * sum(stages.values()),
    )


def _shown_speed(stage: str, amount: float, spec: RunSpec, speed: Speed) -> float | None:
    """Seconds a unit of a stage in the runs that are most like this one; None where none is like it."""
    name = _speed_names(spec.method)[stage]
    return seconds_a_unit(
        speed.runs,
        stage,
        spec.method,
        len(spec.attribute),
        amount,
        lambda run: _speed_names(run.method).get(stage) == name,
    )


def _units(spec: RunSpec, layers: int) -> dict[str, float]:
    """The amount of work of each stage, of a model with so many layers."""
    config, step_tokens = spec.training, _step_tokens(spec)
    adapted = min(layers, config.adapted_layers or layers)
    units = {"prepare": 1.0, "base": _rounds_of_work(spec, "before")}
    if spec.story.stories and spec.method in TRAINED_METHODS:
        units["write"] = float(WRITTEN * spec.story.story_tokens)
        step_tokens += STORIES_A_STEP * spec.story.story_tokens / 2
    if spec.method in STEERED_METHODS:
        units["cache"] = _prompts(spec) * _prompt_tokens(spec) * (layers - adapted) / 1000
        units["train"] = config.steps * step_tokens * adapted / 1000
    elif spec.method in TRAINED_METHODS:
        # In the second half of DPO the reference runs, too.
        passes = 1.5 if spec.method == "dpo" else 1
        units["train"] = passes * config.steps * step_tokens * layers / 1000
    if spec.method in TRAINED_METHODS:
        units["effects"] = 1.0
    if spec.method != "zero_shot":
        units["sample"] = _rounds_of_work(spec, "after")
    return units


def _prompts(spec: RunSpec) -> int:
    """Prompts that a training reads."""
    return min(_most_prompts(spec), spec.training.distinct_prompts)


def _answered(spec: RunSpec) -> int:
    """Tokens of the answers behind a prompt, about."""
    return min(MAX_ANSWERED, len(spec.attribute)) * 4 * 4


def _step_tokens(spec: RunSpec) -> float:
    """Tokens of a step of the hybrid, without stories."""
    config = spec.training
    retained = RETAINED_PROMPTS * RETAINED_LENGTH if config.retain_weight else 0
    prompts = config.prompts_per_step * _prompt_tokens(spec)
    return prompts + config.answers_per_step * _answered(spec) + retained


def _examples(spec: RunSpec) -> int:
    """Examples of a step; of a baseline as many as run the hybrid's tokens."""
    config = spec.training
    if spec.method in STEERED_METHODS:
        return config.prompts_per_step + config.answers_per_step * _answered(spec) // 4
    return max(1, round(_step_tokens(spec) / _prompt_tokens(spec)))


def _prompt_tokens(spec: RunSpec) -> float:
    """Tokens of a training prompt, roughly."""
    letters = _mean_length(spec.templates.seen) + _mean_length(spec.contexts.names)
    if spec.target.kind == STATED:
        categories = max(len(spec.attribute), BUNDLED_CATEGORIES if spec.any_attribute else 0)
        letters += STATEMENT_LETTERS + (STATED_LETTERS + _mean_length(spec.attribute.names)) * categories
    return CHAT_TOKENS + letters / LETTERS_PER_TOKEN


def _most_prompts(spec: RunSpec) -> int:
    """How many different prompts there are to train on."""
    if spec.any_attribute:
        return spec.training.distinct_prompts
    pairs = len(spec.templates.seen) * len(spec.contexts_of("seen_templates"))
    return pairs * (targets_a_question(spec) if spec.target.kind == STATED else 1)


def _measured_contexts(spec: RunSpec, split: str) -> int:
    if split == UNSEEN:
        return sum(len(asked.contexts) for asked in unseen_attributes(spec))
    return len(spec.contexts_of(split))


def rounds_of(spec: RunSpec, split: str, phase: str) -> int:
    """Rounds that a split is measured with, over all of its contexts."""
    return spec.rounds_of(split, phase) * _measured_contexts(spec, split)


def _rounds(spec: RunSpec, phase: str) -> int:
    return sum(rounds_of(spec, split, phase) for split in spec.splits)


def _rounds_of_work(spec: RunSpec, phase: str) -> float:
    return sum(rounds_of_work(spec, split, phase) for split in spec.splits)


def rounds_of_work(spec: RunSpec, split: str, phase: str) -> float:
    """Rounds of two categories, and of the usual number a prompt, that take as long as a split's.

    A story counts as several short answers.
    """
    # A tuned model's answers fan out over the categories; those of a base model do anyway.
    fanning = 1.0 if phase == "before" else (len(spec.attribute) + OTHER_ANSWERS) / (2 + OTHER_ANSWERS)
    templates = measured_templates(len(spec.templates.of(split)), spec.rounds_of(split, phase))
    prompts = _measured_contexts(spec, split) * len(templates)
    # Half of a prompt's work is the same for any number of rounds: reading it, and expanding its tree.
    spread = (rounds_of(spec, split, phase) + USUAL_ROUNDS * prompts) / 2
    return spread * fanning * (spec.story.story_tokens / SHORT_TOKENS if split == "stories" else 1)


def _speed_names(method: str) -> dict[str, str]:
    """Which figure of :class:`Speed` each stage of a method's plan shows."""
    return {
        "prepare": "start",
        "base": "before",
        "write": "write",
        "cache": "cache",
        "effects": "effects",
        "train": "train" if method in STEERED_METHODS else "plain",
        # With an instruction the base model's answers fan out as without.
        "sample": "before" if method == "prompt" else "after",
    }


def _mean_length(texts: tuple[str, ...]) -> float:
    return sum(map(len, texts)) / len(texts)


def _speed_file(data: DataFolder) -> Path:
    return data.root / "speed.json"


def read_speed(data: DataFolder) -> Speed | None:
    """The speed that earlier runs on this machine showed, or None before the first."""
    try:
        kept = json.loads(_speed_file(data).read_text("utf-8"))
        runs = tuple(PastRun(**run) for run in kept.pop("runs", []))
        return Speed(**kept, runs=runs)
    except (OSError, ValueError, TypeError, AttributeError):
        return None


def write_speed(data: DataFolder, spec: RunSpec, plan: Plan, taken: Mapping[str, float]) -> None:
    """Keep what a finished run of the bundled model showed; ``taken`` in seconds by stage.

    A full disk costs later plans some accuracy, and this run nothing.
    """
    if spec.base_model != BUNDLED:
        return
    names = _speed_names(spec.method)
    # Where two stages show the same figure, the first counts: the later one has longer prompts.
    shown = {
        names[stage]: seconds / plan.units[stage]
        for stage, seconds in reversed(taken.items())
        if plan.units.get(stage)
    }
    this = PastRun(spec.method, len(spec.attribute), dict(plan.units), dict(taken))
    with suppress(OSError), _speed_lock(data):
        before = read_speed(data) or Speed()
        speed = replace(before, **shown, runs=(*before.runs, this)[-REMEMBERED:])
        replace_file(_speed_file(data), json.dumps(asdict(speed)).encode())


@contextmanager
def _speed_lock(data: DataFolder) -> Iterator[None]:
    """Of two runs that end together, the second waits, and adds to what the first has written."""
    data.locks.mkdir(parents=True, exist_ok=True)
    with (data.locks / "speed.lock").open("ab") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield
