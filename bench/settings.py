"""What a run's figures depend on, and whether it is still the same."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import asdict
from typing import Any

from distalign.spec import RunSpec
from distalign.story_config import DISTINCT, FREQUENT, STORY_FIELDS, TOKENS_A_WORD
from distalign.training_config import FIELD_TYPES, reads


def settings_of(spec: RunSpec, *, stories: bool = False) -> dict[str, Any]:
    """All that a run's figures depend on, its templates as digests.

    Args:
        stories: whether its templates of stories count, too, and what is taken for one.
    """
    # Training is told in full, not by what replaces a preset's fields.
    apart = {"templates", "name", *FIELD_TYPES, *(STORY_FIELDS if stories else ())}
    mapping = {name: value for name, value in spec.to_mapping().items() if name not in apart}
    groups = asdict(spec.templates)
    digests = {name: _digest(group) for name, group in groups.items() if stories or "story" not in name}
    training = {name: v for name, v in asdict(spec.training).items() if reads(spec.method, name)}
    whole = {"training": training, "sampling": asdict(spec.sampling), "templates": digests}
    if stories:
        whole["story"] = asdict(spec.story) | {"is_story": (TOKENS_A_WORD, DISTINCT, FREQUENT)}
    # As it comes back from a file: lists for tuples.
    return json.loads(json.dumps(mapping | whole))


def _digest(texts: object) -> str:
    return hashlib.sha256(json.dumps(texts).encode()).hexdigest()[:12]


def differences(then: Mapping[str, Any], now: Mapping[str, Any]) -> list[str]:
    """Names of settings that are others now. One that was not there then is none as long as it is off.

    Of the groups of settings only what is read now counts.
    """
    found = []
    for name in dict.fromkeys((*then, *now)):
        a, b = then.get(name), now.get(name)
        if isinstance(a, Mapping) and isinstance(b, Mapping):
            found += [f"{name}.{inner}" for inner in differences({n: a.get(n) for n in b}, b)]
        elif a != b and (a or b):
            found.append(name)
    return found
