"""Specification → form values; the way back from :func:`ui.forms.spec_of`. Pure."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import yaml

from distalign.attributes import Attribute
from distalign.contexts import SOURCES
from distalign.errors import SpecError
from distalign.sampling_config import Sampling
from distalign.spec import RunSpec
from distalign.story_config import StoryConfig
from distalign.targets import Target
from ui.form_text import (
    categories_text,
    heldout_text,
    parse_heldout,
    parse_templates,
    parts_text,
    rows_text,
    templates_text,
)
from ui.forms import (
    ADVANCED,
    CUSTOM,
    JOINT,
    PARTS,
    PASTED,
    TEMPLATE_BOXES,
    Form,
    attribute_of,
    contexts_of,
    is_large,
    knobs_in_use,
    pasted_rows,
)

PRODUCT = "product"


def from_spec(spec: RunSpec) -> Form:
    """The form that describes ``spec``."""
    mapping = spec.to_mapping()
    templates = mapping.get("templates", {})
    more = _not_shown(mapping, spec)
    return Form(
        **_attribute_fields(spec),
        **_contexts_fields(spec),
        target="even" if "target" in more else PARTS if spec.target.kind == PRODUCT else spec.target.kind,
        row=mapping["target"] if spec.target.kind == "mapping" else {},
        parts=mapping["target"] if spec.target.kind == PRODUCT and "target" not in more else {},
        table=mapping["target"] if spec.target.kind == "table" and not _is_large(spec) else {},
        method=spec.method,
        preset=spec.preset,
        rounds=spec.rounds,
        seed=spec.seed,
        base_model=spec.base_model,
        name=spec.name,
        steering=spec.steering,
        stories=spec.story.stories,
        judge=spec.story.judge,
        **{box: templates_text(templates.get(group, [])) for box, group in TEMPLATE_BOXES.items()},
        heldout_contexts="" if "heldout_contexts" in more else heldout_text(spec.heldout_contexts),
        any_attribute=spec.any_attribute,
        advanced={n: mapping[n] for n in ADVANCED if n in mapping},
        more=yaml.safe_dump(more, sort_keys=False, allow_unicode=True) if more else "",
    )


def _contexts_fields(spec: RunSpec) -> dict[str, Any]:
    """The controls that hold the contexts."""
    if spec.contexts.source in SOURCES:
        return {"contexts": spec.contexts.source}
    if _is_large(spec):
        rows = spec.target.to_mapping(spec.attribute, spec.contexts)
        return {"contexts": PASTED, "pasted": rows_text(spec.attribute.names, rows)}
    return {"contexts": PASTED, "pasted": "\n".join(spec.contexts.names)}


def _is_large(spec: RunSpec) -> bool:
    """Whether the rows of the target are in the box of contexts, as they are too many to be edited."""
    return spec.target.kind == "table" and not spec.target.given and is_large(spec.attribute, spec.contexts)


def _attribute_fields(spec: RunSpec) -> dict[str, Any]:
    """The controls that hold the attribute."""
    attribute, given = spec.attribute, spec.attribute.to_mapping()
    if attribute.parts:
        return {"attribute": JOINT, **_joint_fields(attribute)}
    if isinstance(given, str):
        return {"attribute": given, "custom_kind": attribute.kind}
    return {
        "attribute": CUSTOM,
        "custom_name": attribute.name,
        "custom_categories": categories_text(attribute),
        "custom_kind": attribute.kind,
    }


def _joint_fields(attribute: Attribute) -> dict[str, Any]:
    """Built-in parts are ticked, others written out; all are where a built-in one is behind another."""
    given = [part.to_mapping() for part in attribute.parts]
    ticked = next((i for i, part in enumerate(given) if not isinstance(part, str)), len(given))
    if any(isinstance(part, str) for part in given[ticked:]):
        ticked = 0
    return {"joint": tuple(given[:ticked]), "joint_own": parts_text(attribute.parts[ticked:])}


def _not_shown(mapping: Mapping[str, Any], spec: RunSpec) -> dict[str, Any]:
    """The fields that no control but the YAML can hold."""
    more: dict[str, Any] = {}
    # A colon parts a category from its synonyms there, a comma one of these from the next, and so on.
    if not _reads_as(attribute_of, _attribute_fields(spec), spec.attribute):
        more["attribute"] = mapping["attribute"]
    if not _reads_as(contexts_of, _contexts_fields(spec), spec.contexts):
        more["contexts"] = mapping["contexts"]
    # The table of the form has a row for each context, and no rules.
    unread = _is_large(spec) and not _reads_as(pasted_rows, _contexts_fields(spec), _texts(mapping["target"]))
    if unread or spec.target.given or not all(map(_is_simple, spec.target.factors)):
        more["target"] = mapping["target"]
    if spec.heldout_contexts:
        held = mapping["heldout_contexts"]
        if parse_heldout(heldout_text(spec.heldout_contexts)) != held:
            # The one context that is held out is called by a number.
            more["heldout_contexts"] = held
    templates = mapping.get("templates", {})
    if any(parse_templates(templates_text(group)) != group for group in templates.values()):
        more["templates"] = templates
    used = knobs_in_use(spec.method, spec.story.stories)
    names = [*ADVANCED, *([] if spec.story.stories else ["judge"])]
    return more | {n: mapping[n] for n in names if n in mapping and n not in used}


def _texts(rows: Mapping[str, Mapping[str, object]]) -> dict[str, dict[str, str]]:
    return {context: {name: str(cell) for name, cell in row.items()} for context, row in rows.items()}


def _reads_as(read: Callable[[Form], Any], fields: Mapping[str, Any], wanted: Any) -> bool:
    """Whether controls that hold these fields say what is wanted when they are read."""
    try:
        return read(Form(**fields)) == wanted
    except SpecError:
        return False


def _is_simple(factor: Target) -> bool:
    return factor.kind in ("even", "real", "mapping")


def default_of(name: str) -> str:
    """The value that a knob has in every preset."""
    owner = next(o for o in (Sampling, StoryConfig, RunSpec) if hasattr(o, name))
    return f"{getattr(owner, name):g}"
