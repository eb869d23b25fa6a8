"""Form values → specification. Pure; every rule of what is valid lives in ``distalign``."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, fields
from typing import Any

from distalign.attributes import Attribute, parse_attribute
from distalign.contexts import Contexts, parse_contexts, split_pasted
from distalign.errors import SpecError, shown
from distalign.models import ALLOWED
from distalign.sampling_config import SAMPLING_FIELDS
from distalign.sharing import fields_in
from distalign.sheets import is_sheet, read_sheet
from distalign.spec import DEFAULT_MODEL, RunSpec, parse_spec
from distalign.stated import STATED
from distalign.targets import parse_target
from distalign.training_config import CHOICES, FIELD_TYPES, reads
from ui.form_text import number, parse_categories, parse_heldout, parse_parts, parse_templates, whole

CUSTOM, JOINT = "custom", "joint"
PASTED = "list"
PARTS = "parts"
STORY_KNOBS = ("story_tokens", "story_rounds")
ADVANCED = (*FIELD_TYPES, *SAMPLING_FIELDS, *STORY_KNOBS, "few_shot")
AS_PRESET = "as the preset"
# A table with more cells than this is not edited on the page: its rows are those pasted with the contexts.
MAX_CELLS = 6000
# What a custom attribute without a name is called in its prompts.
UNNAMED = "category"

Cells = Mapping[str, object]


@dataclass(frozen=True)
class Form:
    """What the controls of the Train tab hold, as they hold it.

    ``row`` maps categories to cells, ``table`` contexts to such rows, and ``parts`` the parts of
    a joint attribute to "even", "real" or such a row; cells are whatever was typed. ``advanced``
    maps the knobs of training and sampling to values, None or "" for "as the preset". ``joint``
    names the built-in attributes that are joined, ``joint_own`` writes others out. ``more`` is
    YAML: fields of a specification that replace what the other controls say.
    """

    attribute: str = "gender"
    joint: Sequence[str] = ("gender", "race")
    joint_own: str = ""
    custom_name: str = ""
    custom_categories: str = ""
    custom_kind: str = "person"
    contexts: str = "uk-occupations"
    pasted: str = ""
    target: str = "real"
    row: Cells = field(default_factory=dict)
    parts: Mapping[str, str | Cells] = field(default_factory=dict)
    table: Mapping[str, Cells] = field(default_factory=dict)
    method: str = "hybrid"
    preset: str = "quick"
    rounds: object = 100
    seed: object = 0
    base_model: str = DEFAULT_MODEL
    name: str = ""
    steering: str = "visible"
    stories: bool = False
    judge: str = "words"
    templates_seen: str = ""
    templates_heldout: str = ""
    phrasings: str = ""
    story_seen: str = ""
    story_heldout: str = ""
    heldout_contexts: str = ""
    any_attribute: bool = False
    more: str = ""
    advanced: Cells = field(default_factory=dict)


# The order in which the page hands the controls' values to its handlers.
FORM_FIELDS = tuple(f.name for f in fields(Form) if f.name != "advanced")
ALL_FIELDS = (*FORM_FIELDS, *ADVANCED)
# The controls of templates by the group that they hold.
TEMPLATE_BOXES = {
    "templates_seen": "seen",
    "templates_heldout": "heldout",
    "phrasings": "phrasings",
    "story_seen": "story_seen",
    "story_heldout": "story_heldout",
}
TEXT_FIELDS = (
    "joint_own", "custom_name", "custom_categories", "pasted", "name", *TEMPLATE_BOXES,
    "heldout_contexts", "more",
)  # fmt: skip


def attribute_of(form: Form) -> Attribute:
    """The attribute that the form describes.

    Raises:
        SpecError: when a custom one cannot be used.
    """
    return parse_attribute(more_of(form).get("attribute") or _attribute(form))


def _attribute(form: Form) -> Any:
    if form.attribute == JOINT:
        return [*(form.joint or ()), *parse_parts(form.joint_own)]
    if form.attribute != CUSTOM:
        return form.attribute
    return {
        "name": form.custom_name.strip() or UNNAMED,
        "kind": form.custom_kind,
        "categories": parse_categories(form.custom_categories),
    }


def contexts_of(form: Form) -> Contexts:
    """The contexts that the form describes.

    Raises:
        SpecError: for an empty, repeated or unreadable list.
    """
    return parse_contexts(more_of(form).get("contexts") or _raw_contexts(form)[0])


def pasted_rows(form: Form) -> dict[str, Cells]:
    """The probabilities in a pasted table by context; empty where it has none.

    Raises:
        SpecError: when it cannot be read.
    """
    names, cells = _raw_contexts(form)
    return dict(zip(names, cells, strict=True)) if any(cells) else {}


def _raw_contexts(form: Form) -> tuple[Any, list[Cells]]:
    if form.contexts != PASTED:
        return form.contexts, []
    if not is_sheet(form.pasted):
        return split_pasted(form.pasted), []
    sheet = read_sheet(form.pasted)
    if sheet.problems:
        first = sheet.problems[0]
        raise SpecError("contexts", f"row {first.row}: {first.problem}", first.remedy)
    return [row.context for row in sheet.rows], [row.cells for row in sheet.rows]


def real_exists(attribute: Attribute, contexts: Contexts) -> bool:
    """Whether the real-world target exists for this attribute and these contexts."""
    try:
        parse_target("real", attribute, contexts)
    except SpecError:
        return False
    return True


def more_of(form: Form) -> dict[str, Any]:
    """The further fields, typed as YAML.

    Raises:
        SpecError: when they are none.
    """
    if not form.more.strip():
        return {}
    try:
        return fields_in(form.more)
    except SpecError as error:
        raise SpecError("more", error.problem, error.remedy) from None


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
        "target": _target(form, attribute, contexts),
        "method": form.method,
        "base_model": form.base_model,
        "preset": form.preset,
        "rounds": whole(form.rounds, "rounds"),
        "seed": whole(form.seed, "seed"),
        "steering": form.steering,
        "stories": form.stories,
    }
    if form.stories:
        mapping["judge"] = form.judge
    if templates := _templates(form):
        mapping["templates"] = templates
    if (held := parse_heldout(form.heldout_contexts)) is not None:
        mapping["heldout_contexts"] = held
    if form.target == STATED and form.any_attribute:
        mapping["any_attribute"] = True
    return {k: v for k, v in mapping.items() if v != ""} | advanced_of(form) | more_of(form)


def _target(form: Form, attribute: Attribute, contexts: Contexts) -> Any:
    if form.target == "mapping":
        return dict(form.row)
    if form.target == PARTS:
        return {part.name: form.parts.get(part.name, "even") for part in attribute.parts}
    if form.target == "table":
        return _table(form, attribute, contexts)
    return form.target


def _table(form: Form, attribute: Attribute, contexts: Contexts) -> dict[str, Cells]:
    large = is_large(attribute, contexts)
    rows = pasted_rows(form) if large else form.table
    if large and not rows:
        raise SpecError(
            "target",
            f"{cells_of(attribute, contexts)} are too many cells to edit here, and no shares are pasted with the contexts",
            "Paste the contexts as a table with a column for each category",
        )
    # Rows typed for contexts that are gone are kept in the form, and left out here.
    return {name: dict(rows[name]) for name in contexts.names if name in rows}


def is_large(attribute: Attribute, contexts: Contexts) -> bool:
    """Whether a table of these has more cells than are edited on the page."""
    return len(contexts) * len(attribute) > MAX_CELLS


def cells_of(attribute: Attribute, contexts: Contexts) -> str:
    """The size of a table in words."""
    return f"{len(contexts):,} contexts × {len(attribute)} categories"


def _templates(form: Form) -> dict[str, list[str]]:
    typed = {group: getattr(form, box) for box, group in TEMPLATE_BOXES.items()}
    return {group: parse_templates(text) for group, text in typed.items() if text.strip()}


def knobs_in_use(method: object, stories: object) -> tuple[str, ...]:
    """The knobs that change anything for a method."""
    return tuple(name for name in ADVANCED if reads(method, name) and (stories or name not in STORY_KNOBS))


def advanced_of(form: Form) -> dict[str, Any]:
    """The knobs that were filled in and count, as numbers or choices.

    Raises:
        SpecError: for text where a number is due.
    """
    return {
        name: value if name in CHOICES else number(value, name)
        for name in knobs_in_use(form.method, form.stories)
        if (value := form.advanced.get(name)) not in (None, "", AS_PRESET)
    }


def spec_of(form: Form) -> RunSpec:
    """The checked specification.

    Raises:
        SpecError: naming the first field that cannot be used.
    """
    mapping = to_mapping(form)
    require_listed(mapping["base_model"])
    return parse_spec(mapping)


def require_listed(base_model: object) -> None:
    """The page and the API name models of the list only, never folders of the server.

    Raises:
        SpecError: for any other model.
    """
    if base_model not in ALLOWED:
        raise SpecError("base_model", f"{shown(base_model)} is not on the list", f"Use {', '.join(ALLOWED)}")
