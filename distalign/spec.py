"""The run specification: frozen, checked once, the same from YAML, JSON and the form."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, replace
from functools import cached_property
from pathlib import Path
from typing import Any

from distalign.attributes import Attribute, parse_attribute
from distalign.contexts import SOURCES, Contexts, parse_contexts
from distalign.errors import SpecError, shown
from distalign.heldout import check_heldout, choose_heldout, parse_heldout
from distalign.sampling_config import SAMPLING_FIELDS, Sampling
from distalign.sheets import read_csv
from distalign.stated import ANY_CATEGORIES, check_stated
from distalign.story_config import BASE_STORIES, STORY_FIELDS, StoryConfig
from distalign.targets import WORDS, Target, parse_target
from distalign.templates import (
    TEMPLATE_GROUPS,
    Templates,
    built_in_templates,
    check_phrasings,
    own_templates,
)
from distalign.training_config import (
    FIELD_TYPES,
    TrainingConfig,
    check_number,
    overrides_of,
    reads,
    training_from,
)
from distalign.wording import plural
from distalign.yaml_text import parse_text, yaml_of

# Methods whose answers open with a steering token, and all that train an adapter.
STEERED_METHODS = ("hybrid", "kl_only", "kto_only")
TRAINED_METHODS = (*STEERED_METHODS, "sft", "dpo")
METHODS = (*TRAINED_METHODS, "prompt", "zero_shot")
MAX_FEW_SHOT = 32
# Rounds a context by which a base model is measured before its training: its answers fan out, so each takes long.
BASE_ROUNDS = 40
DEFAULT_MODEL = "smollm2-135m"
STEERING_POOLS = ("visible", "special")


@dataclass(frozen=True)
class RunSpec:
    """Everything that decides a run's outcome. Build it with :func:`parse_spec`."""

    attribute: Attribute
    contexts: Contexts
    target: Target
    templates: Templates
    method: str = "hybrid"
    base_model: str = DEFAULT_MODEL
    preset: str = "standard"
    training: TrainingConfig = field(default_factory=TrainingConfig)
    sampling: Sampling = field(default_factory=Sampling)
    story: StoryConfig = field(default_factory=StoryConfig)
    steering: str = "visible"
    rounds: int = 100
    seed: int = 0
    name: str = ""
    heldout_contexts: int | tuple[str, ...] = 0
    few_shot: int = 0
    any_attribute: bool = False

    def __post_init__(self) -> None:
        if self.method not in METHODS:
            raise SpecError("method", f"{shown(self.method)} is not known", f"Use {', '.join(METHODS)}")
        if self.steering not in STEERING_POOLS:
            raise SpecError(
                "steering", f"{shown(self.steering)} is not known", f"Use {' or '.join(STEERING_POOLS)}"
            )
        check_number("rounds", self.rounds, 1, 100_000, whole=True)
        check_number("seed", self.seed, 0, 2**31 - 1, whole=True)
        check_number("few_shot", self.few_shot, 0, MAX_FEW_SHOT, whole=True)
        if self.few_shot and self.method != "prompt":
            raise SpecError(
                "few_shot",
                f"{self.few_shot} examples are given with the method {self.method}",
                "Use the method prompt, or leave the field out",
            )
        if self.method == "dpo" and self.training.steps < 2:
            raise SpecError(
                "steps",
                f"{self.training.steps} leaves none for the second half of the method dpo",
                "Give 2 or more",
            )
        if not isinstance(self.base_model, str) or not self.base_model.strip():
            raise SpecError("base_model", f"{shown(self.base_model)} is not a name", "Name a model")
        if not isinstance(self.name, str) or len(self.name) > 100:
            raise SpecError("name", f"{shown(self.name)} is not a short text", "Use at most 100 characters")
        check_heldout(self.heldout_contexts, self.contexts, self.target)
        check_stated(
            self.target.kind,
            self.any_attribute,
            joint=bool(self.attribute.parts),
            stories=self.story.stories,
            steered=self.method in (*STEERED_METHODS, "zero_shot"),
        )

    @property
    def splits(self) -> tuple[str, ...]:
        """The splits that the run is measured on, in order."""
        contexts = ("heldout_contexts",) if self.heldout_contexts else ()
        stories = ("stories",) if self.story.stories else ()
        unseen = ("unseen_attributes",) if self.any_attribute else ()
        return ("seen_templates", "heldout_templates", *contexts, *stories, *unseen)

    @property
    def least_tokens(self) -> int:
        """How many steering tokens there are at least; 0 for one a category."""
        return ANY_CATEGORIES if self.any_attribute else 0

    @cached_property
    def heldout_indices(self) -> tuple[int, ...]:
        """Indices of the contexts that are never trained on; a number of them is drawn from the seed."""
        return choose_heldout(self.heldout_contexts, self.contexts, self.seed)

    def contexts_of(self, split: str) -> tuple[int, ...]:
        """Indices of the contexts that a split is measured on; training uses those of the seen templates."""
        if split == "heldout_contexts":
            return self.heldout_indices
        return tuple(i for i in range(len(self.contexts)) if i not in self.heldout_indices)

    def rounds_of(self, split: str, phase: str = "after") -> int:
        """Rounds a context on a split; before a training fewer, which only show where it began."""
        stories = split == "stories"
        rounds = (stories and self.story.story_rounds) or self.rounds
        if phase == "before" and self.method in TRAINED_METHODS:
            return min(rounds, BASE_STORIES if stories else BASE_ROUNDS)
        return rounds

    def sampling_of(self, split: str) -> Sampling:
        """How rounds of a split are sampled. The tree of stories fans out: it is not expanded for probability."""
        if split != "stories":
            return self.sampling
        return replace(self.sampling, max_new_tokens=self.story.story_tokens, exact_epsilon=0)

    @property
    def title(self) -> str:
        """The given name, or one made of attribute, contexts and target."""
        if self.name:
            return self.name
        contexts = {"uk-occupations": "UK occupations", "us-occupations": "US occupations"}.get(
            self.contexts.source, plural(len(self.contexts), "context")
        )
        target = {"real": "real-world", "mapping": "custom"}.get(self.target.kind, self.target.kind)
        name = self.attribute.name
        return f"{name[:1].upper()}{name[1:]}, {contexts}, {target} target"

    def to_mapping(self) -> dict[str, Any]:
        """A plain mapping that :func:`parse_spec` turns back into an equal specification."""
        mapping: dict[str, Any] = {"name": self.name} if self.name else {}
        mapping |= {
            "attribute": self.attribute.to_mapping(),
            "contexts": self.contexts.to_mapping(),
            "target": self.target.to_mapping(self.attribute, self.contexts),
            "method": self.method,
            "base_model": self.base_model,
            "preset": self.preset,
            "rounds": self.rounds,
            "seed": self.seed,
        }
        if self.heldout_contexts:
            held = self.heldout_contexts
            mapping["heldout_contexts"] = held if isinstance(held, int) else list(held)
        if self.steering != "visible":
            mapping["steering"] = self.steering
        if self.few_shot:
            mapping["few_shot"] = self.few_shot
        if self.any_attribute:
            mapping["any_attribute"] = True
        if own := own_templates(self.templates, self.attribute):
            mapping["templates"] = own
        for given, names in ((self.story, STORY_FIELDS), (self.sampling, SAMPLING_FIELDS)):
            defaults = type(given)()
            mapping |= {
                name: getattr(given, name)
                for name in names
                if getattr(given, name) != getattr(defaults, name)
            }
        return mapping | overrides_of(
            self.preset, self.method, self.training, self.any_attribute, self.story.stories
        )

    def to_json(self, *, whole: bool = False) -> str:
        """The mapping as JSON; ``whole`` states the training in full, whatever its preset may mean one day."""
        mapping = self.to_mapping() | (asdict(self.training) if whole else {})
        return json.dumps(mapping, ensure_ascii=False)

    def to_yaml(self) -> str:
        return yaml_of(self.to_mapping())


SPEC_FIELDS = (
    "name", "attribute", "contexts", "target", "templates", "method", "base_model", "preset",
    "rounds", "seed", "few_shot", "steering", "heldout_contexts", "any_attribute",
    *STORY_FIELDS, *SAMPLING_FIELDS, *FIELD_TYPES,
)  # fmt: skip


def parse_spec(value: Mapping[str, Any], folder: Path | None = None) -> RunSpec:
    """Check a mapping and resolve it into a RunSpec.

    Args:
        value: the fields; ``attribute`` is the only one without a default.
        folder: where relative CSV paths are looked up; None allows no files
            (the page and the API must not read the server's disk).

    Returns:
        the specification; a field of the training that its method does not read, and the kind of
        steering tokens where there are none, are checked and have no effect on it.

    Raises:
        SpecError: naming the first field that cannot be used.
    """
    if not isinstance(value, Mapping):
        raise SpecError("spec", f"{shown(value)} is not a mapping", "Give fields and values")
    for name in value:
        if name not in SPEC_FIELDS:
            raise SpecError(str(shown(name)), "this is not a field", f"Use {', '.join(SPEC_FIELDS)}")
    # A field left empty takes its default; forms and JSON write 80 as 80.0.
    value = {name: _whole(given) for name, given in value.items() if given is not None}
    if "attribute" not in value:
        raise SpecError("attribute", "is missing", "Name gender, race, sentiment or one of your own")
    attribute = parse_attribute(value["attribute"])
    raw_contexts = value.get("contexts", "uk-occupations")
    raw_target = value.get("target", "even")
    if isinstance(raw_contexts, str) and raw_contexts not in SOURCES and folder is not None:
        raw_contexts, cells = _read_csv_file(raw_contexts, folder)
        if "target" not in value and any(cells):
            raw_target = dict(zip(raw_contexts, cells, strict=True))
    if isinstance(raw_target, str) and raw_target not in WORDS and folder is not None:
        names, cells = _read_csv_file(raw_target, folder, "target")
        raw_target = dict(zip(names, cells, strict=True))
    contexts = parse_contexts(raw_contexts)
    preset, method = value.get("preset", "standard"), value.get("method", "hybrid")
    plain = ("base_model", "steering", "rounds", "seed", "name", "few_shot", "any_attribute")
    spec = RunSpec(
        attribute=attribute,
        contexts=contexts,
        target=parse_target(raw_target, attribute, contexts),
        templates=_parse_templates(value.get("templates"), attribute),
        method=method,
        preset=preset,
        training=training_from(
            preset,
            method,
            {n: v for n, v in value.items() if n in FIELD_TYPES},
            value.get("any_attribute", False),
            value.get("stories", False),
        ),
        story=StoryConfig(**{n: v for n, v in value.items() if n in STORY_FIELDS}),
        sampling=Sampling(**{n: v for n, v in value.items() if n in SAMPLING_FIELDS}),
        heldout_contexts=parse_heldout(value.get("heldout_contexts", 0)),
        **{n: value[n] for n in plain if n in value},
    )
    return spec if reads(method, "steering") else replace(spec, steering="visible")


def _whole(value: object) -> object:
    return int(value) if isinstance(value, float) and value.is_integer() else value


def _parse_templates(value: object, attribute: Attribute) -> Templates:
    built_in = built_in_templates(attribute)
    if value is None:
        return built_in
    names = (*TEMPLATE_GROUPS, "phrasings")
    if not isinstance(value, Mapping) or set(value) - set(names):
        raise SpecError("templates", f"{shown(value)} is not usable", f"Give lists {', '.join(names)}")
    groups = {}
    for name in names:
        group = value.get(name, getattr(built_in, name))
        if isinstance(group, str) or not hasattr(group, "__iter__"):
            raise SpecError(f"templates.{name}", f"{shown(group)} is not a list", "Give a list of templates")
        groups[name] = tuple(group)
    templates = Templates(**groups)
    check_phrasings(templates.phrasings, attribute)
    return templates


def _read_csv_file(
    name: str, folder: Path, field: str = "contexts"
) -> tuple[list[str], list[dict[str, str]]]:
    path = folder / name
    try:
        data = path.read_bytes()
    except (OSError, ValueError) as error:
        options = f"{', '.join(SOURCES)}, a list, or" if field == "contexts" else "even, real, a mapping, or"
        raise SpecError(
            field,
            f"{shown(name)} cannot be read ({getattr(error, 'strerror', error)})",
            f"Use {options} the path of a CSV file",
        ) from None
    return read_csv(data, field)


def load_spec(path: Path, overrides: Mapping[str, Any] | None = None) -> RunSpec:
    """Read a YAML or JSON file into a specification, with some fields replaced.

    Raises:
        SpecError: when the file cannot be read or a field cannot be used.
    """
    try:
        text = path.read_text("utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise SpecError(
            "SPEC", f"{path} cannot be read ({error})", "Give the path of a YAML or JSON file"
        ) from None
    return parse_spec(parse_text(text) | dict(overrides or {}), path.parent)
