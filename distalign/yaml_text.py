"""YAML and JSON as text: read into a mapping, and written."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any, ClassVar

import yaml

from distalign.errors import SpecError, shown

# What reading a text raises: a value that its tag does not fit, such as a 13th month, raises what Python makes of it.
UNREADABLE = (yaml.YAMLError, ValueError, LookupError, AttributeError, RecursionError)


INT, FLOAT = NUMBERS = ("tag:yaml.org,2002:int", "tag:yaml.org,2002:float")


class _Loader(yaml.SafeLoader):
    """A safe loader that reads numbers as YAML 1.2 does: 1e-3 is one, and 9:30, 010 and 1_000 are texts."""

    yaml_implicit_resolvers: ClassVar = {
        first: [(tag, pattern) for tag, pattern in found if tag not in NUMBERS]
        for first, found in yaml.SafeLoader.yaml_implicit_resolvers.items()
    }


class _Dumper(yaml.SafeDumper):
    """A safe dumper that quotes what :class:`_Loader` would read as a number."""


def _whole_number(loader: _Loader, node: yaml.ScalarNode) -> int:
    """The number; ValueError where it has more digits than Python writes, so that no message could quote it."""
    number = loader.construct_yaml_int(node)
    str(number)
    return number


_Loader.add_constructor(INT, _whole_number)
_Loader.add_implicit_resolver(INT, re.compile(r"[-+]?(?:0|[1-9]\d*)$"), list("-+0123456789"))
_FLOAT = re.compile(
    r"[-+]?(?:(?:\d+\.\d*|\.\d+)(?:[eE][-+]?\d+)?|\d+[eE][-+]?\d+|\.(?:inf|Inf|INF)|\.(?:nan|NaN|NAN))$"
)
for _side in (_Loader, _Dumper):
    _side.add_implicit_resolver(FLOAT, _FLOAT, list("-+.0123456789"))


def parse_text(text: str) -> dict[str, Any]:
    """The mapping in a YAML or JSON text (JSON is YAML).

    Raises:
        SpecError: when it is not valid YAML or holds no mapping.
    """
    try:
        value = yaml.load(text, _Loader)
    except UNREADABLE as error:
        raise not_yaml(error) from None
    if not isinstance(value, dict):
        raise SpecError("SPEC", f"it holds {shown(value)}, not a mapping", "Give fields and values")
    return value


def not_yaml(error: Exception) -> SpecError:
    """What to tell a person of one of :data:`UNREADABLE`."""
    problem = " ".join(str(error).split())[:200]
    return SpecError("SPEC", f"it is not valid YAML or JSON ({problem})", "Mend the text")


def yaml_of(mapping: Mapping[str, Any]) -> str:
    """A mapping as YAML that :func:`parse_text` reads back."""
    return yaml.dump(dict(mapping), Dumper=_Dumper, sort_keys=False, allow_unicode=True)
