"""Datasets: the specifications in ``specs/``, the runs that belong to one, and those that it lacks."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

from distalign import published
from distalign.errors import SpecError, shown
from distalign.folders import DataFolder
from distalign.plan import estimate, read_speed
from distalign.spec import TRAINED_METHODS, RunSpec, load_spec, parse_spec
from distalign.training_config import FIELD_TYPES
from jobs import queue
from storage import ComparableRun, Run, RunState, Store, StoreError

FOLDER = Path(__file__).resolve().parent.parent / "specs"
# What is compared, from the model as it is to all of it at once: the order of tables and charts.
METHODS = ("zero_shot", "prompt", "prompt_few_shot", "sft", "dpo", "kl_only", "kto_only", "hybrid")
# Examples in the prompt of the compared method "prompt_few_shot", where a specification says none.
FEW_SHOT = 8
# Fields that say how a run is made. All others say what it is measured on: the dataset.
HOW = ("name", "method", "seed", "preset", "few_shot", "steering", *FIELD_TYPES)
# Those of them that make one method several of the compared ones.
APART = ("few_shot",)


@cache
def datasets(folder: Path = FOLDER) -> Mapping[str, RunSpec]:
    """The specifications of a folder by name ("race-even", "stories/race-even"), the paper's first; of several of one dataset the first."""
    first = list(published.ANSWERS)
    found: dict[str, RunSpec] = {}
    for path in sorted(folder.rglob("*.yaml"), key=lambda p: (len(p.parts), p)):
        try:
            spec = load_spec(path)
        except SpecError:
            # It is told to whoever runs it; the others can be compared none the less.
            continue
        # One that differs in its method alone is no dataset of its own.
        if all(identity(other) != identity(spec) for other in found.values()):
            found[path.relative_to(folder).with_suffix("").as_posix()] = spec
    return {name: found[name] for name in (*first, *(n for n in found if n not in first)) if name in found}


def spec_of(store: Store, name: str) -> RunSpec:
    """The specification that a dataset's name, or (the beginning of) a run's id stands for.

    Raises:
        StoreError: where there is neither.
    """
    if name in (known := datasets()):
        return known[name]
    try:
        run = store.find_run(name)
    except StoreError as error:
        raise StoreError(
            f"dataset: {shown(name)} is not known. Take a name of specs/ (such as {next(iter(known), '')}) "
            "or a run's id"
        ) from error
    return run.spec


def identity(spec: RunSpec) -> dict[str, Any]:
    """The fields that make a dataset: attribute, contexts, target, templates, rounds, base model and the like."""
    return {name: value for name, value in spec.to_mapping().items() if name not in HOW}


def name_of(spec: RunSpec) -> str:
    """The name of the dataset in ``specs/`` that a specification belongs to; empty for none."""
    wanted = identity(spec)
    return next((name for name, one in datasets().items() if identity(one) == wanted), "")


def published_mae(spec: RunSpec, split: str) -> float | None:
    """The best published MAE for a specification's attribute, contexts and target; None where there is none."""
    kind = {"seen_templates": "answers", "heldout_templates": "answers", "stories": "stories"}.get(split)
    for name in published.ANSWERS if kind else ():
        one = datasets().get(name)
        if one and (one.attribute, one.contexts, one.target) == (spec.attribute, spec.contexts, spec.target):
            return published.best(str(kind), name)
    return None


def compared_as(one: RunSpec | Run | ComparableRun) -> str:
    """Which of :data:`METHODS` a specification, or a run, is."""
    return "prompt_few_shot" if one.method == "prompt" and one.few_shot else one.method


def in_method(spec: RunSpec, method: str, preset: str = "") -> RunSpec:
    """The same dataset by another of :data:`METHODS`; by another preset, too, then without the training's own fields.

    Raises:
        SpecError: where the method cannot do it.
    """
    fields = spec.to_mapping()
    if preset and preset != spec.preset:
        fields = {name: value for name, value in fields.items() if name not in FIELD_TYPES}
        fields["preset"] = preset
    fields.pop("few_shot", None)
    if method == "prompt_few_shot":
        return parse_spec(fields | {"method": "prompt", "few_shot": spec.few_shot or FEW_SHOT})
    return parse_spec(fields | {"method": method})


@dataclass(frozen=True)
class Standing:
    """How far a dataset is with one method.

    Attributes:
        done: the newest run that is done.
        latest: the run that is under way, else the newest; None where there was never one.
        base: for zero-shot only: a run of another method that measured the base model in
            passing, which is the same measurement, maybe with fewer rounds.
        problem: why the method cannot be run on this dataset; empty where it can.
    """

    method: str
    done: Run | None = None
    latest: Run | None = None
    base: Run | None = None
    problem: str = ""

    @property
    def waiting(self) -> Run | None:
        """The run that will bring what is missing or borrowed; None where nothing is, or none is under way."""
        under_way = self.latest is not None and not self.latest.state.ended
        return self.latest if under_way and not self.done else None

    @property
    def measured(self) -> Run | None:
        return self.done or self.base

    @property
    def missing(self) -> bool:
        """Whether it can be queued, and needs to be."""
        return not (self.measured or self.waiting or self.problem)

    @property
    def borrowed_rounds(self) -> tuple[int, int] | None:
        """Rounds a context of what is borrowed, and of a run of its own; None where these are no more."""
        if self.done or not self.base:
            return None
        spec = self.base.spec
        pairs = [(spec.rounds_of(split, "before"), spec.rounds_of(split)) for split in spec.splits]
        return next(((taken, whole) for taken, whole in pairs if taken < whole), None)

    @property
    def improvable(self) -> bool:
        """Whether a run of its own can be queued that has more rounds than what is borrowed."""
        return self.borrowed_rounds is not None and not (self.waiting or self.problem)


def standings(store: Store, spec: RunSpec, methods: Sequence[str] = METHODS) -> list[Standing]:
    """Where a dataset stands with each of some methods.

    A run belongs to it if its specification is the same but for :data:`HOW`.
    """
    members = store.runs_alike(spec, HOW, APART)
    others = [run for run in members if run.state == RunState.DONE and run.method != "zero_shot"]
    # Only before a training is the base model measured with fewer rounds.
    base = min(others, key=lambda run: run.method in TRAINED_METHODS, default=None)
    found = []
    for method in methods:
        own = [run for run in members if compared_as(run) == method]
        done = next((run for run in own if run.state == RunState.DONE), None)
        latest = next((run for run in own if not run.state.ended), own[0] if own else None)
        problem = "" if own else _problem(spec, method)
        borrowed = base if method == "zero_shot" and not done else None
        found.append(Standing(method, done, latest, borrowed, problem))
    return found


def in_passing(run: Run) -> str:
    """How a run of another method measured the base model, to be followed by the run."""
    return "before the training of" if run.method in TRAINED_METHODS else "without the instruction of"


def _problem(spec: RunSpec, method: str) -> str:
    try:
        in_method(spec, method)
    except SpecError as error:
        return str(error)
    return ""


def lacking_of(found: Sequence[Standing]) -> list[str]:
    """The methods of which a run can be queued."""
    return [s.method for s in found if s.missing or s.improvable]


def seconds_of(data: DataFolder, spec: RunSpec, methods: Sequence[str], preset: str = "") -> float:
    """How long runs of some methods of a dataset would take here, one after another."""
    speed = read_speed(data)
    return sum(estimate(in_method(spec, method, preset), speed).seconds for method in methods)


def queue_missing(
    store: Store,
    data: DataFolder,
    spec: RunSpec,
    methods: Sequence[str],
    preset: str = "",
    submit: Callable[[Store, DataFolder, RunSpec], Run] = queue.submit,
) -> list[Run]:
    """Queue a run for each of the methods that a dataset lacks, or borrows with fewer rounds.

    Returns:
        those that were queued.

    Raises:
        DistalignError: when the data folder has no room for a run.
    """
    lacking = lacking_of(standings(store, spec, methods))
    return [submit(store, data, in_method(spec, method, preset)) for method in lacking]
