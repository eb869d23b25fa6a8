"""Form values ↔ specification. Pure; every rule of what is valid lives in ``distalign``."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, fields
from typing import Any

from distalign.attributes import Attribute, parse_attribute
from distalign.contexts import SOURCES, Contexts, parse_contexts, read_csv, split_pasted
from distalign.errors import SpecError, shown
from distalign.models import ALLOWED
from distalign.spec import DEFAULT_MODEL, SAMPLING_FIELDS, RunSpec, Sampling, parse_spec
from distalign.stated import STATED
from distalign.story_config import StoryConfig
from distalign.targets import parse_target
from distalign.training_config import CHOICES, FIELD_TYPES

CUSTOM, JOINT = "custom", "joint"
PASTED, UPLOADED = "list", "csv"
STORY_KNOBS = ("story_tokens", "story_rounds")
ADVANCED = (*FIELD_TYPES, *SAMPLING_FIELDS, *STORY_KNOBS, "few_shot")
AS_PRESET = "as the preset"

Cells = Mapping[str, object]


@dataclass(frozen=True)
class Form:
    """What the controls of the Train tab hold, as they hold it.

    ``row`` maps categories to cells, ``table`` contexts to such rows; cells are
    whatever was typed. ``advanced`` maps the knobs of training and sampling to
    values, None or "" for "as the preset". ``joint`` names the built-in attributes that are
    joined. ``kept`` holds fields of a specification that no control shows: parts of one's own,
    and a product of their targets.
    """

    attribute: str = "gender"
    joint: Sequence[str] = ("gender", "race")
    custom_name: str = ""
    custom_categories: str = ""
    custom_kind: str = "person"
    contexts: str = "uk-occupations"
    pasted: str = ""
    csv: bytes | None = None
    target: str = "real"
    row: Cells = field(default_factory=dict)
    table: Mapping[str, Cells] = field(default_factory=dict)
    method: str = "hybrid"
    preset: str = "quick"
    rounds: object = 100
    seed: object = 0
    base_model: str = DEFAULT_MODEL
    name: str = ""
    steering: str = "visible"
    stories: bool = False
    templates_seen: str = ""
    templates_heldout: str = ""
    heldout_contexts: str = ""
    any_attribute: bool = False
    advanced: Cells = field(default_factory=dict)
    kept: Mapping[str, Any] = field(default_factory=dict)


# The order in which the page hands the controls' values to its handlers.
FORM_FIELDS = tuple(f.name for f in fields(Form) if f.name not in ("advanced", "kept"))
ALL_FIELDS = (*FORM_FIELDS, *ADVANCED)
TEXT_FIELDS = (
    "custom_name",
    "custom_categories",
    "pasted",
    "name",
    "templates_seen",
    "templates_heldout",
    "heldout_contexts",
)


def parse_categories(text: str) -> list[dict[str, Any]]:
    """Categories typed one a line, with synonyms after a colon: ``male: man, men``."""
    categories = []
    for line in text.splitlines():
        if line.strip():
            name, _, rest = line.partition(":")
            synonyms = [word.strip() for word in rest.split(",") if word.strip()]
            categories.append({"name": name.strip(), "synonyms": synonyms})
    return categories


def attribute_of(form: Form) -> Attribute:
    """The attribute that the form describes.

    Raises:
        SpecError: when a custom one cannot be used.
    """
    if "attribute" in form.kept:
        return parse_attribute(form.kept["attribute"])
    if form.attribute == JOINT:
        return parse_attribute(list(form.joint or ()))
    if form.attribute != CUSTOM:
        return parse_attribute(form.attribute)
    categories = parse_categories(form.custom_categories)
    return parse_attribute(
        {"name": form.custom_name.strip(), "kind": form.custom_kind, "categories": categories}
    )


def contexts_of(form: Form) -> Contexts:
    """The contexts that the form describes.

    Raises:
        SpecError: for an empty, repeated or unreadable list.
    """
    return parse_contexts(_raw_contexts(form)[0])


def uploaded_rows(form: Form) -> dict[str, Cells]:
    """The probabilities in an uploaded CSV by context; empty where it has none.

    Raises:
        SpecError: when the file cannot be read.
    """
    names, cells = _raw_contexts(form)
    return dict(zip(names, cells, strict=True)) if any(cells) else {}


def _raw_contexts(form: Form) -> tuple[Any, list[dict[str, str]]]:
    if form.contexts == PASTED:
        return split_pasted(form.pasted), []
    if form.contexts != UPLOADED:
        return form.contexts, []
    if form.csv is None:
        raise SpecError("contexts", "no CSV file is uploaded", "Upload one with a column 'context'")
    return read_csv(form.csv)


def has_statistics(form: Form) -> bool:
    """Whether the real-world target exists for this attribute and these contexts."""
    try:
        parse_target("real", attribute_of(form), contexts_of(form))
    except SpecError:
        return False
    return True


def to_mapping(form: Form) -> dict[str, Any]:
    """The specification that the form describes, as a plain mapping.

    Raises:
        SpecError: for what cannot even be read (categories, contexts, numbers).
    """
    attribute = attribute_of(form)
    contexts = contexts_of(form)
    mapping: dict[str, Any] = {
        "name": form.name.strip(),
        "attribute": attribute.to_mapping(),
        "contexts": contexts.to_mapping(),
        "target": _target(form, contexts),
        "method": form.method,
        "base_model": form.base_model,
        "preset": form.preset,
        "rounds": whole(form.rounds, "rounds"),
        "seed": whole(form.seed, "seed"),
        "steering": form.steering,
        "stories": form.stories,
    }
    if templates := _templates(form):
        mapping["templates"] = templates
    if (held := heldout_of(form.heldout_contexts)) is not None:
        mapping["heldout_contexts"] = held
    if form.target == STATED and form.any_attribute:
        mapping["any_attribute"] = True
    return {k: v for k, v in mapping.items() if v != ""} | advanced_of(form.advanced) | form.kept


def heldout_of(text: str) -> int | float | list[str] | None:
    """Held-out contexts as they are typed: a number, or names, one a line; None where nothing is typed."""
    names = split_pasted(text)
    if len(names) == 1 and names[0].isdecimal():
        return number(names[0], "heldout_contexts")
    return names or None


def _target(form: Form, contexts: Contexts) -> Any:
    if form.target == "mapping":
        return dict(form.row)
    if form.target == "table":
        # Rows typed for contexts that are gone are kept in the form, and left out here.
        return {name: dict(form.table[name]) for name in contexts.names if name in form.table}
    return form.target


def _templates(form: Form) -> dict[str, list[str]]:
    groups = {"seen": form.templates_seen, "heldout": form.templates_heldout}
    return {name: split_pasted(text) for name, text in groups.items() if text.strip()}


def advanced_of(values: Cells) -> dict[str, Any]:
    """The knobs that were filled in, as numbers or choices.

    Raises:
        SpecError: for text where a number is due.
    """
    return {
        name: value if name in CHOICES else number(value, name)
        for name, value in values.items()
        if value not in (None, "", AS_PRESET)
    }


def number(value: object, name: str) -> int | float:
    """A number from what was typed; whole ones become int.

    Raises:
        SpecError: where it is none.
    """
    try:
        parsed = float(str(value).strip())
    except ValueError:
        raise SpecError(name, f"{shown(value)} is not a number", "Give a number") from None
    return int(parsed) if parsed.is_integer() else parsed


def whole(value: object, name: str) -> int | float:
    """Like :func:`number`, and an empty control is an error."""
    if value is None or value == "":
        raise SpecError(name, "nothing is given", "Give a whole number")
    return number(value, name)


def spec_of(form: Form) -> RunSpec:
    """The checked specification.

    Raises:
        SpecError: naming the first field that cannot be used.
    """
    require_listed(form.base_model)
    return parse_spec(to_mapping(form))


def require_listed(base_model: object) -> None:
    """The page and the API name models of the list only, never folders of the server.

    Raises:
        SpecError: for any other model.
    """
    if base_model not in ALLOWED:
        raise SpecError("base_model", f"{shown(base_model)} is not on the list", f"Use {', '.join(ALLOWED)}")


def from_spec(spec: RunSpec) -> Form:
    """The form that describes ``spec``; the way back from :func:`spec_of`."""
    mapping = spec.to_mapping()
    templates = mapping.get("templates", {})
    return Form(
        **_attribute_fields(spec),
        contexts=spec.contexts.source if spec.contexts.source in SOURCES else PASTED,
        pasted="" if spec.contexts.source in SOURCES else "\n".join(spec.contexts.names),
        target=spec.target.kind if "target" not in _not_shown(mapping, spec) else "even",
        row=mapping["target"] if spec.target.kind == "mapping" else {},
        table=mapping["target"] if spec.target.kind == "table" else {},
        method=spec.method,
        preset=spec.preset,
        rounds=spec.rounds,
        seed=spec.seed,
        base_model=spec.base_model,
        name=spec.name,
        steering=spec.steering,
        stories=spec.story.stories,
        templates_seen="\n".join(templates.get("seen", [])),
        templates_heldout="\n".join(templates.get("heldout", [])),
        heldout_contexts=_heldout_text(spec),
        any_attribute=spec.any_attribute,
        advanced={n: mapping[n] for n in ADVANCED if n in mapping},
        kept=_not_shown(mapping, spec),
    )


def _attribute_fields(spec: RunSpec) -> dict[str, Any]:
    """The controls that hold the attribute."""
    attribute, given = spec.attribute, spec.attribute.to_mapping()
    if isinstance(given, list):
        built_in = all(isinstance(part, str) for part in given)
        return {"attribute": JOINT} | ({"joint": tuple(given)} if built_in else {})
    if isinstance(given, str):
        return {"attribute": given, "custom_kind": attribute.kind}
    return {
        "attribute": CUSTOM,
        "custom_name": attribute.name,
        "custom_categories": categories_text(attribute),
        "custom_kind": attribute.kind,
    }


def _not_shown(mapping: Mapping[str, Any], spec: RunSpec) -> dict[str, Any]:
    """The fields that no control can hold."""
    given, kept = mapping["attribute"], {}
    if isinstance(given, list) and not all(isinstance(part, str) for part in given):
        kept["attribute"] = given
    if spec.target.kind == "product":
        kept["target"] = mapping["target"]
    if spec.heldout_contexts and heldout_of(_heldout_text(spec)) != mapping["heldout_contexts"]:
        # The one context that is held out is called by a number.
        kept["heldout_contexts"] = mapping["heldout_contexts"]
    return kept


def _heldout_text(spec: RunSpec) -> str:
    held = spec.heldout_contexts
    return "\n".join(held) if isinstance(held, tuple) else str(held or "")


def categories_text(attribute: Attribute) -> str:
    """The categories as :func:`parse_categories` reads them."""
    return "\n".join(
        f"{c.name}: {', '.join(c.synonyms)}" if c.synonyms else c.name for c in attribute.categories
    )


def default_of(name: str) -> str:
    """The value that a knob has in every preset."""
    owner = next(o for o in (Sampling, StoryConfig, RunSpec) if hasattr(o, name))
    return f"{getattr(owner, name):g}"
