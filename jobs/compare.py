"""Runs side by side: what is compared, its figures, which of them is best, and where the runs differ."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

from distalign import noise
from distalign.errors import SpecError
from distalign.prompts import prompt_text
from distalign.results import SPLITS, ContextResult, Interval, SideEffects, SplitResult
from distalign.spec import TRAINED_METHODS, RunSpec
from distalign.training_config import FIELD_TYPES, reads
from jobs.datasets import METHODS, Standing, compared_as, identity, published_mae
from storage import Answer, Run, Store, StoreError
from storage.packed import EXAMPLE_TITLE

# As many as can be told apart by colour and shape.
MAX_ENTRIES = 8
# Different answers to one prompt that a person is shown.
SHOWN_ANSWERS = 20
# What may differ between runs whose figures are held against each other; none of these is an exact one.
FREE = ("base_model", "exact_epsilon")


@dataclass(frozen=True)
class Entry:
    """One line of a comparison: what a run measured in one phase.

    ``method`` is one of the compared ones: "zero_shot" for what a run of another method measured
    before it trained.
    """

    run: Run
    phase: str
    method: str

    @property
    def borrowed(self) -> bool:
        """Whether it is the base model, as a run of another method measured it in passing."""
        return self.phase == "before" and self.run.method != "zero_shot"

    @property
    def key(self) -> tuple[Any, ...]:
        """Tells what was measured from what an earlier attempt of the run measured."""
        return self.run.id, self.run.attempt, str(self.run.state), self.phase

    @property
    def trained(self) -> bool:
        return self.method in TRAINED_METHODS

    def reads(self, field: str) -> bool:
        """Whether a field of the specification changes what was measured."""
        if field == "few_shot":
            return self.method == "prompt_few_shot"
        return reads("zero_shot" if self.phase == "before" else self.run.method, field)


def entry_of(run: Run) -> Entry:
    """What a run is compared by: the model that it made, or the base model where it made none."""
    return Entry(run, "before" if run.method == "zero_shot" else "after", compared_as(run))


def entries_of(found: Sequence[Standing], others: Sequence[Run] = ()) -> list[Entry]:
    """The entries of a dataset in the order of the methods, then other runs; each once."""
    entries = []
    for standing in sorted(found, key=lambda s: METHODS.index(s.method)):
        if standing.done:
            entries.append(entry_of(standing.done))
        elif standing.base:
            entries.append(Entry(standing.base, "before", "zero_shot"))
    entries += map(entry_of, others)
    return list({entry.key: entry for entry in entries}.values())


@dataclass(frozen=True)
class Line:
    """An entry with its name among the others and its figures; None where they were not measured."""

    entry: Entry
    name: str
    result: SplitResult | None
    effects: SideEffects | None

    @property
    def rounds_per_context(self) -> int | None:
        """None where nothing was measured."""
        if self.result is None:
            return None
        # On unseen attributes a result has no contexts.
        asked = self.entry.run.spec.rounds_of(self.result.split, self.result.phase)
        return self.result.contexts[0].rounds if self.result.contexts else asked

    @property
    def unclassified(self) -> Interval | None:
        """The rate of unclassified rounds with its 95 % Wilson interval."""
        return wilson(self.result.unclassified, self.result.rounds) if self.result else None

    @property
    def seconds(self) -> tuple[float | None, float | None]:
        """Of training and of sampling. A base model that a run measured in passing has none of its own."""
        if self.entry.borrowed:
            return None, None
        return self.entry.run.train_seconds, self.entry.run.sample_seconds


def _measured(name: str) -> Callable[[Line], Interval | None]:
    return lambda line: getattr(line.result, name) if line.result else None


# Figures among which a best one is looked for, the lowest; side effects only where something was trained.
MEASURES: dict[str, Callable[[Line], Interval | None]] = {
    "mae": _measured("mae"),
    "ratio": _measured("ratio"),
    "kl": _measured("kl"),
    "unclassified": lambda line: line.unclassified,
    "side_effects": lambda line: line.effects.kl if line.effects else None,
}


@dataclass(frozen=True)
class Comparison:
    """Entries on one split.

    Attributes:
        published: the best published MAE for what all are measured on.
        differ: fields of the specifications in which the runs differ, the method aside.
        same_data: whether all are measured on the same; only then is one better than another.
    """

    split: str
    lines: tuple[Line, ...]
    published: float | None
    differ: tuple[str, ...]
    same_data: bool

    @property
    def best(self) -> dict[str, int | None]:
        """For each measure the place of the best line; None where no line is better than all others."""
        if not self.same_data:
            return dict.fromkeys(MEASURES)
        return {name: best_of([read(line) for line in self.lines]) for name, read in MEASURES.items()}


def compare(store: Store, entries: Sequence[Entry], split: str, words: Mapping[str, str]) -> Comparison:
    """Read what the entries measured on a split.

    Args:
        words: what the methods are called in the lines' names.

    Raises:
        SpecError: when a run was stored by a version that allowed what this one does not.
    """
    lines = tuple(
        Line(
            entry,
            name,
            store.result(entry.run.id, entry.phase, split),
            store.side_effects(entry.run.id) if entry.trained else None,
        )
        for entry, name in zip(entries, names_of(entries, words), strict=True)
    )
    specs = [entry.run.spec for entry in entries]
    data = [{n: v for n, v in identity(spec).items() if n not in FREE} for spec in specs]
    same_data = all(one == data[0] for one in data)
    reference = published_mae(specs[0], split) if specs and same_data else None
    return Comparison(split, lines, reference, differing(entries), same_data)


def splits_of(store: Store, entries: Sequence[Entry]) -> list[str]:
    """The splits that any of the entries was measured on: held-out templates first."""
    measured = store.measured_splits(entry.run.id for entry in entries)
    found = {
        split for entry in entries for phase, split in measured.get(entry.run.id, ()) if phase == entry.phase
    }
    order = ("heldout_templates", *SPLITS)
    return sorted(found, key=order.index)


def best_of(values: Sequence[Interval | None]) -> int | None:
    """The place of the lowest value, if its interval lies below all others; None where they overlap."""
    measured = [(i, v) for i, v in enumerate(values) if v is not None and math.isfinite(v.value)]
    if len(measured) < 2:
        return None
    lowest, best = min(measured, key=lambda pair: pair[1].value)
    return lowest if all(best.high < v.low for i, v in measured if i != lowest) else None


def wilson(rate: float, n: int) -> Interval:
    """A rate among n rounds with its 95 % Wilson score interval."""
    if n < 1 or not math.isfinite(rate):
        return Interval(rate, math.nan, math.nan)
    low, high = noise.wilson(rate, n)
    return Interval(rate, min(rate, max(0.0, low)), max(rate, min(1.0, high)))


def differing(entries: Sequence[Entry]) -> tuple[str, ...]:
    """Names of the fields in which specifications differ, their names and methods aside.

    A field is compared among the entries that read it.
    """
    fields = [(entry, entry.run.spec.to_mapping()) for entry in entries]
    names = dict.fromkeys(name for _, one in fields for name in one if name not in ("name", "method"))

    def differs(name: str) -> bool:
        values = [one.get(name) for entry, one in fields if entry.reads(name)]
        return any(value != values[0] for value in values)

    return tuple(filter(differs, names))


def _knob(name: str) -> Callable[[Entry], str]:
    """A field of the training with its value ("learning rate 0.005"); empty where it is not read."""
    words = name.replace("_", " ")

    def mark(entry: Entry) -> str:
        value = getattr(entry.run.spec.training, name)
        told = f"{value:g}" if isinstance(value, float) else value
        return f"{words} {told}" if entry.reads(name) else ""

    return mark


# What tells entries of one method apart, the plainest first.
_MARKS: tuple[Callable[[Entry], str], ...] = (
    lambda entry: entry.run.title.removeprefix(EXAMPLE_TITLE),
    lambda entry: entry.run.spec.base_model,
    lambda entry: entry.run.spec.preset if entry.reads("preset") else "",
    lambda entry: f"{entry.run.few_shot} examples" if entry.method == "prompt_few_shot" else "",
    lambda entry: f"{entry.run.spec.steering} steering tokens" if entry.reads("steering") else "",
    *map(_knob, FIELD_TYPES),
    lambda entry: f"seed {entry.run.spec.seed}",
    lambda entry: f"{entry.run.spec.rounds} rounds",
)


def names_of(entries: Sequence[Entry], words: Mapping[str, str]) -> list[str]:
    """A name for each entry: its method and, where several have that, as much as tells them apart."""
    marks: dict[Any, tuple[str, ...]] = {e.key: (words.get(e.method, e.method),) for e in entries}
    for method in {entry.method for entry in entries}:
        rivals = [entry for entry in entries if entry.method == method]
        for mark in _MARKS:
            named = [(*marks[entry.key], mark(entry)) for entry in rivals]
            if len(set(named)) > len({name[:-1] for name in named}):
                marks |= {entry.key: name for entry, name in zip(rivals, named, strict=True)}
    names = [", ".join(marks[entry.key]) for entry in entries]
    return [
        f"{name}, run {entry.run.id[:6]}" if names.count(name) > 1 else name
        for name, entry in zip(names, entries, strict=True)
    ]


def prompts_of(spec: RunSpec, split: str, context: int) -> list[str]:
    """What a run asked about a context, in the order of its templates."""
    return [prompt_text(spec, split, t, context) for t in range(len(spec.templates.of(split)))]


def answers_of(
    store: Store, line: Line, split: str, context: str, prompt: str, most: int = SHOWN_ANSWERS
) -> list[Answer] | None:
    """The commonest ``most`` answers to a prompt by its wording; None where the run was not asked that."""
    spec, entry = line.entry.run.spec, line.entry
    if context not in spec.contexts.names:
        return None
    place = spec.contexts.names.index(context)
    asked = prompts_of(spec, split, place)
    if prompt not in asked:
        return None
    return store.answers(entry.run.id, entry.phase, split, place, asked.index(prompt), most) or None


def by_context(comparison: Comparison) -> dict[str, list[Any]]:
    """For each context the ContextResult of every line, None where it has none.

    Those that all lines have stand first, then by the largest error.
    """
    found: dict[str, list[Any]] = {}
    for place, line in enumerate(comparison.lines):
        names = line.entry.run.spec.contexts.names
        for result in line.result.contexts if line.result else ():
            row = found.setdefault(names[result.context], [None] * len(comparison.lines))
            row[place] = result
    return dict(
        sorted(found.items(), key=lambda item: (item[1].count(None), -_mean(r.mae for r in item[1] if r)))
    )


def times_floor(result: ContextResult) -> float:
    """A context's error by its noise floor; infinite where it has none."""
    return result.mae / result.noise_floor if result.noise_floor > 0 else math.inf


def _mean(values: Iterable[float]) -> float:
    finite = [value for value in values if math.isfinite(value)]
    return sum(finite) / len(finite) if finite else 1.0


def known_runs(store: Store, ids: Iterable[str]) -> list[Run]:
    """The runs of some ids, without those that are gone or that this version cannot read."""
    found = []
    for run_id in dict.fromkeys(ids):
        with suppress(StoreError, SpecError):
            run = store.run(run_id)
            # Parsed here, so that nothing behind this has to expect a specification of another version.
            if run.spec:
                found.append(run)
    return found
