"""What is typed as lines of text ↔ values: categories, parts, held-out contexts, numbers. Pure."""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Mapping, Sequence
from typing import Any

from distalign.attributes import BUILT_IN, Attribute
from distalign.contexts import split_pasted
from distalign.errors import SpecError, shown

# The head of a part: its name, and whether it is of a person.
HEAD = re.compile(r"#\s*(?P<name>.*?)(?P<person>\s*\(person\))?\s*$")


def parse_categories(text: str) -> list[dict[str, Any]]:
    """Categories typed one a line, with synonyms after a colon: ``male: man, men``."""
    categories = []
    for line in text.splitlines():
        if line.strip():
            name, _, rest = line.partition(":")
            synonyms = [word.strip() for word in rest.split(",") if word.strip()]
            categories.append({"name": name.strip(), "synonyms": synonyms})
    return categories


def categories_text(attribute: Attribute) -> str:
    """The categories as :func:`parse_categories` reads them."""
    return "\n".join(
        f"{c.name}: {', '.join(c.synonyms)}" if c.synonyms else c.name for c in attribute.categories
    )


def parse_parts(text: str) -> list[Any]:
    """Attributes to join: a line ``# name`` each, with its categories beneath, or a built-in's name alone.

    Raises:
        SpecError: for categories above the first name.
    """
    blocks: list[tuple[re.Match[str], list[str]]] = []
    for line in split_pasted(text):
        if found := HEAD.match(line):
            blocks.append((found, []))
        elif blocks:
            blocks[-1][1].append(line)
        else:
            raise SpecError("attribute", f"{shown(line)} stands above any name", "Begin with # and a name")
    return [_part(head, "\n".join(lines)) for head, lines in blocks]


def _part(head: re.Match[str], lines: str) -> Any:
    name = head["name"]
    if not lines and name.casefold() in BUILT_IN:
        return name
    return {
        "name": name,
        "kind": "person" if head["person"] else "general",
        "categories": parse_categories(lines),
    }


def parts_text(parts: Sequence[Attribute]) -> str:
    """The parts as :func:`parse_parts` reads them."""
    return "\n".join(
        f"# {part.name}"
        if BUILT_IN.get(part.name) == part
        else f"# {part.name}{' (person)' if part.kind == 'person' else ''}\n{categories_text(part)}"
        for part in parts
    )


def parse_heldout(text: str) -> int | float | list[str] | None:
    """Held-out contexts as they are typed: a number, or names, one a line; None where nothing is typed."""
    names = split_pasted(text)
    if len(names) == 1 and names[0].isdecimal():
        return number(names[0], "heldout_contexts")
    return names or None


def heldout_text(held: int | tuple[str, ...]) -> str:
    return "\n".join(held) if isinstance(held, tuple) else str(held or "")


def rows_text(names: Sequence[str], rows: Mapping[str, Mapping[str, object]]) -> str:
    """Contexts and their shares as a spreadsheet copies them, which ``read_sheet`` reads."""
    text = io.StringIO()
    writer = csv.writer(text, delimiter="\t", lineterminator="\n")
    writer.writerow(["context", *names])
    writer.writerows([context, *(row[name] for name in names)] for context, row in rows.items())
    return text.getvalue()


def parse_templates(text: str) -> list[str]:
    """Templates, one a line; a line break within one is typed as a backslash and n."""
    return [line.replace("\\n", "\n") for line in split_pasted(text)]


def templates_text(templates: Sequence[str]) -> str:
    """Templates as :func:`parse_templates` reads them."""
    return "\n".join(template.replace("\n", "\\n") for template in templates)


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
