"""What is compared, as a person chose it, and as the page's address keeps it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from urllib.parse import parse_qs, urlencode

from distalign.errors import DistalignError
from distalign.results import SPLITS
from distalign.spec import RunSpec
from jobs.compare import MAX_ENTRIES, Entry, entries_of, known_runs
from jobs.datasets import METHODS, Standing, compared_as, identity, name_of, spec_of, standings
from storage import Run, RunState, Store

HEADLINE = "heldout_templates"
# Ticked beside what is there already where nobody chose: quick to have, and what a method has to beat.
FIRST = ("zero_shot", "prompt", "hybrid")
MAX_TEXT = 200


@dataclass(frozen=True)
class Choice:
    """What is compared.

    Attributes:
        dataset: a dataset's name, or the id of a run whose dataset it is; empty for none.
        methods: those that are ticked.
        pinned: runs that stand for their method where a newer one might; of the dataset.
        others: runs beside those of the dataset.
        split: the split that is looked at.
        category, context, prompt: what the details show; the first where empty, 0, or not known.
        every: all contexts are drawn, not only those with the largest errors.
    """

    dataset: str = ""
    methods: tuple[str, ...] = ()
    pinned: tuple[str, ...] = ()
    others: tuple[str, ...] = ()
    split: str = HEADLINE
    category: str = ""
    context: str = ""
    prompt: int = 0
    every: bool = False


@dataclass(frozen=True)
class Resolved:
    """A choice with the runs that it stands for.

    Attributes:
        left_out: how many more there are than can be compared.
        doubled: runs that were chosen beside the dataset's, and stand for their method there already.
    """

    choice: Choice
    spec: RunSpec | None
    standings: tuple[Standing, ...]
    entries: tuple[Entry, ...]
    left_out: int = 0
    doubled: tuple[Run, ...] = ()

    @property
    def waiting(self) -> tuple[Run, ...]:
        return tuple(s.waiting for s in self.standings if s.waiting)

    @property
    def missing(self) -> tuple[str, ...]:
        return tuple(s.method for s in self.standings if s.missing)

    @property
    def improvable(self) -> tuple[str, ...]:
        return tuple(s.method for s in self.standings if s.improvable)


def resolve(store: Store, choice: Choice) -> Resolved:
    """The runs of a choice as the database has them now; what is not known falls away."""
    spec, found = None, []
    try:
        if choice.dataset:
            spec = spec_of(store, choice.dataset)
            found = standings(store, spec, [m for m in METHODS if m in choice.methods])
    except DistalignError:
        choice = replace(choice, dataset="")
    found = _pin(store, found, choice.pinned)
    own = {standing.done.id for standing in found if standing.done}
    chosen = known_runs(store, choice.others)
    others = [run for run in chosen if run.id not in own]
    entries = entries_of(found, others)
    kept = replace(
        choice,
        methods=tuple(standing.method for standing in found),
        pinned=tuple(standing.done.id for standing in found if standing.done),
        others=tuple(run.id for run in others),
    )
    left_out = max(0, len(entries) - MAX_ENTRIES)
    doubled = tuple(run for run in chosen if run.id in own)
    return Resolved(kept, spec, tuple(found), tuple(entries[:MAX_ENTRIES]), left_out, doubled)


def _pin(store: Store, found: Sequence[Standing], pinned: Sequence[str]) -> list[Standing]:
    """Standings with the pinned runs in place of newer ones, so that what was shared stays as it was."""
    chosen = {
        compared_as(run): run for run in reversed(known_runs(store, pinned)) if run.state == RunState.DONE
    }
    return [replace(s, done=chosen.get(s.method, s.done)) for s in found]


def of_dataset(store: Store, dataset: str, methods: Sequence[str] = ()) -> Choice:
    """A dataset with some methods ticked; else with those that it has, and :data:`FIRST`.

    A run in place of a dataset's name stands for its own method.
    """
    choice = Choice(dataset, tuple(methods))
    for run in known_runs(store, [dataset]):
        ticked = (*methods, compared_as(run)) if methods else ()
        choice = replace(choice, pinned=(run.id,), methods=ticked)
    if choice.methods:
        return choice
    try:
        found = standings(store, spec_of(store, dataset))
    except DistalignError:
        return replace(choice, methods=FIRST)
    return replace(choice, methods=tuple(s.method for s in found if s.measured or s.method in FIRST))


def of_runs(store: Store, ids: Sequence[str], dataset: str = "", methods: Sequence[str] = ()) -> Choice:
    """Runs, those of the dataset under its methods; without a name it is that of the first run."""
    runs = known_runs(store, ids)
    if not dataset and runs:
        dataset = name_of(runs[0].spec) or runs[0].id
    try:
        members = identity(spec_of(store, dataset)) if dataset else None
    except DistalignError:
        dataset, members = "", None
    pinned: dict[str, str] = {}
    for run in runs:
        # A run that is not done stands for no method.
        if run.state != RunState.DONE or identity(run.spec) != members:
            continue
        pinned.setdefault(compared_as(run), run.id)
    if methods:
        pinned = {method: run_id for method, run_id in pinned.items() if method in methods}
    others = tuple(run.id for run in runs if run.id not in pinned.values())
    return Choice(dataset, tuple(methods or pinned), tuple(pinned.values()), others)


def read_address(store: Store, query: str) -> Choice | None:
    """The choice that an address names; None where it names none."""
    fields = {name: values[-1] for name, values in parse_qs(query.lstrip("?")).items()}
    dataset = fields.get("dataset", "")[:MAX_TEXT]
    ids = [text[:MAX_TEXT] for text in fields.get("runs", "").split(",") if text][:MAX_ENTRIES]
    methods = [method for method in METHODS if method in fields.get("methods", "").split(",")]
    if not dataset and not ids:
        return None
    choice = of_runs(store, ids, dataset, methods) if ids else of_dataset(store, dataset, methods)
    split, prompt = fields.get("split", ""), fields.get("prompt", "")
    return replace(
        choice,
        split=split if split in SPLITS else HEADLINE,
        category=fields.get("category", "")[:MAX_TEXT],
        context=fields.get("context", "")[:MAX_TEXT],
        prompt=int(prompt) - 1 if prompt.isdecimal() and len(prompt) < 4 else 0,
        every=fields.get("contexts") == "all",
    )


def write_address(resolved: Resolved) -> str:
    """The address that names a choice: dataset, methods, runs and split, and what the details show.

    It stands behind ``?tab=compare&``; :func:`read_address` reads it.
    """
    choice = resolved.choice
    ids = dict.fromkeys(entry.run.id for entry in resolved.entries if not entry.borrowed)
    fields = {
        "dataset": choice.dataset,
        "methods": ",".join(choice.methods),
        "runs": ",".join(ids),
        "split": choice.split,
        "category": choice.category,
        "context": choice.context,
        "prompt": str(choice.prompt + 1) if choice.prompt else "",
        "contexts": "all" if choice.every else "",
    }
    return urlencode({name: value for name, value in fields.items() if value}, safe=",")
