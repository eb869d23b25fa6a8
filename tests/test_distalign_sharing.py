"""A specification as a link and as a command: what comes back is what was shared."""

from __future__ import annotations

import base64
import json
import shlex
import zlib

import pytest

from distalign.errors import SpecError
from distalign.sharing import bundled, command, from_text, link, pack, packed_in, unpack
from distalign.spec import load_spec, parse_spec
from distalign.yaml_text import parse_text

CUSTOM = {
    "attribute": {"name": "über & <b>", "categories": ["a", {"name": "b", "synonyms": ["SPEC"]}]}
    | {"name": "mood & size"},
    "contexts": ["SPEC", "a 'quoted' $HOME `x`", "München"],
    "target": {"a": 1 / 3, "b": 2 / 3},
    "learning_rate": 1e-3,
}


@pytest.mark.parametrize("name", bundled())
def test_every_bundled_specification_fits_into_a_link(name: str) -> None:
    spec = load_spec(bundled()[name])

    assert parse_spec(unpack(pack(spec))) == spec
    assert from_text(link(spec, "https://example.org/app/?old=1")) == spec


def test_a_link_keeps_signs_and_letters() -> None:
    spec = parse_spec(CUSTOM)
    address = link(spec, "http://127.0.0.1:7860/")

    assert address.startswith("http://127.0.0.1:7860/?tab=train&spec=")
    assert parse_spec(unpack(packed_in(address))) == spec


def test_the_command_holds_the_specification_between_its_marks() -> None:
    spec = parse_spec(CUSTOM | {"name": "SPEC"})
    first, *lines, last = command(spec).splitlines()

    assert shlex.split(first.split("<<")[0]) == ["python", "-m", "jobs", "run", "-", "--json"]
    assert first.endswith(f"<<'{last}'") and last not in lines
    assert parse_spec(parse_text("\n".join(lines))) == spec


def packed(value: object) -> str:
    return base64.urlsafe_b64encode(zlib.compress(json.dumps(value).encode())).decode()


BAD = {
    "no letters of a link": "%%%",
    "cut off": packed({"attribute": "gender"})[:-8],
    "a list": packed(["gender"]),
    "deep": packed([]).replace("=", "") + "A",
    "too long": "A" * 9000,
    "a bomb": base64.urlsafe_b64encode(zlib.compress(b'{"a": "' + b"x" * 2_000_000 + b'"}')).decode(),
    "nested without end": base64.urlsafe_b64encode(zlib.compress(b"[" * 300_000)).decode(),
}


@pytest.mark.parametrize("text", BAD.values(), ids=list(BAD))
def test_a_damaged_link_is_refused_in_a_sentence(text: str) -> None:
    with pytest.raises(SpecError) as caught:
        unpack(text)

    assert caught.value.field == "spec" and len(str(caught.value)) < 300


def test_a_specification_too_long_for_an_address_says_to_share_the_file() -> None:
    contexts = [
        base64.b64encode(bytes([i % 251, i // 251, 7, i % 13] * 8)).decode() + str(i) for i in range(900)
    ]
    with pytest.raises(SpecError, match="Share the file"):
        pack(parse_spec({"attribute": "gender", "target": "even", "contexts": contexts}))


BAD_TEXT = {
    "an alias": "attribute: &a gender\nname: *a\n",
    "nested without end": "[" * 20_000,
    "nested in lines": "- " * 20_000,
    "nested JSON": '{"a":' * 20_000,
    "not YAML": "attribute: [",
    "half a letter": "attribute: \ud800",
    "a tag of another value": "stories: !!bool perhaps",
    "a list": "- gender",
    "a file of the server": "attribute: gender\ncontexts: /etc/passwd\n",
    "long": "x" * 400_001,
}


@pytest.mark.parametrize("text", BAD_TEXT.values(), ids=list(BAD_TEXT))
def test_a_strangers_file_can_neither_read_files_nor_grow(text: str) -> None:
    with pytest.raises(SpecError) as caught:
        from_text(text)

    assert len(str(caught.value)) < 400
