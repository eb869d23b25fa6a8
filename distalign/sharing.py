"""A specification as a short text for an address, as a command, and back."""

from __future__ import annotations

import base64
import binascii
import json
import zlib
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, quote, urlsplit

import yaml

from distalign.errors import SpecError, shown
from distalign.spec import RunSpec, parse_spec
from distalign.yaml_text import UNREADABLE, not_yaml, parse_text

# Browsers and servers take addresses of this length; what is unpacked has a limit, too.
MAX_PACKED, MAX_UNPACKED = 8_000, 400_000
MAX_DEPTH = 10
FIELD = "spec"
# The parser in C, where there is one: the other takes minutes for some short texts.
_FAST = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
# Where bundled specifications lie, by name.
SPECS = Path(__file__).resolve().parent.parent / "specs"


def pack(spec: RunSpec) -> str:
    """The specification in letters that an address may hold.

    Raises:
        SpecError: when it is too long for an address.
    """
    data = json.dumps(spec.to_mapping(), ensure_ascii=False, separators=(",", ":")).encode()
    text = base64.urlsafe_b64encode(zlib.compress(data, 9)).decode().rstrip("=")
    if len(text) > MAX_PACKED:
        raise SpecError(
            FIELD, f"a link would have {len(text):,} letters, at most {MAX_PACKED:,} fit", "Share the file"
        )
    return text


def unpack(text: str) -> dict[str, Any]:
    """The fields in what :func:`pack` made, unchecked.

    Raises:
        SpecError: for anything else.
    """
    if len(text) > MAX_PACKED:
        raise SpecError(FIELD, f"the link has {len(text):,} letters", f"Use at most {MAX_PACKED:,}")
    try:
        data = base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))
        reader = zlib.decompressobj()
        plain = reader.decompress(data, MAX_UNPACKED)
        if not reader.eof:
            raise SpecError(FIELD, "the link holds no whole specification", "Copy it again, to its end")
        fields = json.loads(plain)
    except (binascii.Error, zlib.error, ValueError, RecursionError):
        fields = None
    if not isinstance(fields, dict):
        raise SpecError(FIELD, f"{shown(text)} is no specification", "Copy the link again")
    return fields


def link(spec: RunSpec, page: str) -> str:
    """The address that opens the page with the form filled in."""
    return f"{page.split('?')[0].rstrip('/')}/?tab=train&{FIELD}={quote(pack(spec))}"


def packed_in(address: str) -> str:
    """The packed specification in an address; empty where there is none."""
    return parse_qs(urlsplit(address).query).get(FIELD, [""])[0]


def command(spec: RunSpec) -> str:
    """The shell command that makes the same run."""
    text = spec.to_yaml()
    end = "SPEC"
    while end in text.splitlines():
        end += "_"
    return f"python -m jobs run - --json <<'{end}'\n{text}{end}\n"


def bundled() -> dict[str, Path]:
    """The specifications that come with the program, by name."""
    found = sorted(SPECS.rglob("*.yaml"), key=lambda path: (path.parent != SPECS, path.stem))
    return {path.relative_to(SPECS).with_suffix("").as_posix(): path for path in found}


def from_text(text: str) -> RunSpec:
    """The specification in a YAML or JSON text, or in a link, of a stranger: it may name no files.

    Raises:
        SpecError: naming the first field that cannot be used.
    """
    packed = packed_in(text.strip()) if is_link(text) else ""
    if packed:
        return parse_spec(unpack(packed))
    return parse_spec(fields_in(text))


def fields_in(text: str) -> dict[str, Any]:
    """The mapping in a stranger's YAML or JSON text, unchecked.

    Raises:
        SpecError: when it is none, or would take long to read.
    """
    if len(text) > MAX_UNPACKED:
        raise SpecError("SPEC", f"it has {len(text):,} letters", f"Use at most {MAX_UNPACKED:,}")
    try:
        _check_quick(text)
    except UNREADABLE as error:
        raise not_yaml(error) from None
    return parse_text(text)


def _check_quick(text: str) -> None:
    """Raise SpecError where reading a YAML text would take long on purpose, or UNREADABLE where it is none."""
    depth = 0
    for event in yaml.parse(text, _FAST):
        if isinstance(event, yaml.AliasEvent):
            # An alias repeats a part of the text, and a few of them repeat it without end.
            raise SpecError("SPEC", "it has an alias (*name)", "Write the part out")
        depth += isinstance(event, yaml.CollectionStartEvent) - isinstance(event, yaml.CollectionEndEvent)
        if depth > MAX_DEPTH:
            raise SpecError("SPEC", "it is nested too deeply", f"Use at most {MAX_DEPTH} levels")


def is_link(text: str) -> bool:
    return text.strip().startswith(("http://", "https://"))
