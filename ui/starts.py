"""What a form may be started from: the default, earlier runs, and the bundled specifications."""

from __future__ import annotations

from collections.abc import Mapping

from distalign.errors import SpecError, shown
from distalign.sharing import FIELD, bundled, from_text, unpack
from distalign.sheets import decoded
from distalign.spec import RunSpec, load_spec, parse_spec
from storage import Store
from ui.form_from_spec import from_spec
from ui.forms import Form, require_listed

DEFAULT, RUN, SPEC = "default", "run:", "spec:"
LISTED_RUNS = 30
MAX_FILE = 400_000


def choices(store: Store) -> list[tuple[str, str]]:
    """Labels and values, the newest runs first."""
    runs = [(f"Run: {run.title} · {run.id[:6]}", RUN + run.id) for run in store.listed_runs(LISTED_RUNS)]
    specs = [(f"Example: {name.replace('-', ' ').replace('/', ': ')}", SPEC + name) for name in bundled()]
    return [("The default settings", DEFAULT), *runs, *specs]


def start(store: Store, chosen: str) -> tuple[Form, str]:
    """The form of what was chosen, and what to call it.

    Raises:
        DistalignError: for a run that is gone, or whose specification cannot be used any more.
    """
    if chosen.startswith(RUN):
        run = store.run(chosen.removeprefix(RUN))
        return listed(run.spec), run.title
    if chosen.startswith(SPEC):
        name = chosen.removeprefix(SPEC)
        if name not in bundled():
            raise SpecError("SPEC", f"{shown(name)} is not bundled", "Choose another")
        return listed(load_spec(bundled()[name])), name
    if chosen != DEFAULT:
        raise _not_listed(chosen)
    return Form(), "the default settings"


def require_choice(store: Store, chosen: str) -> None:
    """What is typed must be one of :func:`choices`.

    Raises:
        SpecError: where it is not.
    """
    if chosen not in [value for _, value in choices(store)]:
        raise _not_listed(chosen)


def _not_listed(chosen: str) -> SpecError:
    return SpecError("start", f"{shown(chosen)} is not in the list", "Choose from the list")


def from_file(data: bytes) -> Form:
    """The form of an uploaded specification.

    Raises:
        SpecError: naming the first field that cannot be used.
    """
    if len(data) > MAX_FILE:
        raise SpecError("SPEC", f"the file has {len(data):,} bytes", f"Use at most {MAX_FILE:,}")
    return listed(from_text(decoded(data, "SPEC", "the file")))


def from_address(store: Store, query: Mapping[str, str]) -> tuple[Form, str] | None:
    """The form that an address asks for: ``?spec=`` holds one, ``?from=`` names a run; None for neither.

    Raises:
        DistalignError: for a link that is damaged, or a run that is gone.
    """
    if packed := query.get(FIELD):
        return listed(parse_spec(unpack(str(packed)))), "the link"
    if run := query.get("from"):
        return start(store, RUN + str(run)[:100])
    return None


def listed(spec: RunSpec) -> Form:
    require_listed(spec.base_model)
    return from_spec(spec)
