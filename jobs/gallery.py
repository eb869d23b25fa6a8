"""The gallery: finished runs in files that ship with the app, and are put back into a database to be looked at.

A file is gzip of JSON lines: what the gallery shows of the run (:class:`Example`), then a line for each
table of the store with all of the run's rows, column by column. Beside it may lie the run's adapter, which takes
megabytes: with it an example can be played with and downloaded.
"""

from __future__ import annotations

import gzip
import hashlib
import json
import math
import shutil
import zlib
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import distalign
from distalign.errors import DiskError, shown
from distalign.results import SplitResult
from jobs.report import HEADLINE_SPLIT, finite
from storage import Run, Store, StoreError
from storage.packed import EXAMPLE, EXAMPLE_TITLE, Rows, is_example

FOLDER = Path(distalign.__file__).parent / "data" / "gallery"
ENDING, ADAPTER_ENDING = ".json.gz", ".adapter.zip"
# Of all that ship it says most at a glance.
PLAINEST = "gender-uk-real"


@dataclass(frozen=True)
class Phase:
    """A run's figures on held-out templates in one phase, as in :class:`~distalign.results.SplitResult`.

    Attributes:
        rounds: sampled for each context; a base model that is going to be trained is asked fewer.
        shares: of each context, in the order of the categories; None where no round was classified.
        lost: unclassified rounds of each context.
    """

    rounds: int
    mae: float
    noise_floor: float
    ratio: float
    unclassified: float
    shares: tuple[tuple[float | None, ...], ...]
    lost: tuple[int, ...]


@dataclass(frozen=True)
class Example:
    """What the gallery shows of a run without putting it back.

    Attributes:
        name: of its file, and of its specification's.
        about: one sentence.
        command: the command that made the file.
        target: q, a row a context.
        rounds: what the run was asked to sample for each context.
        train_seconds: None where it was not measured.
        adapter: whether its adapter lies beside it.
    """

    name: str
    title: str
    about: str
    command: str
    categories: tuple[str, ...]
    contexts: tuple[str, ...]
    target: tuple[tuple[float, ...], ...]
    rounds: int
    train_seconds: float | None
    before: Phase
    after: Phase
    adapter: bool = False

    @property
    def run_id(self) -> str:
        """The id that the run has wherever it is put back."""
        return EXAMPLE + hashlib.sha256(self.name.encode()).hexdigest()[:8]


def examples(folder: Path = FOLDER) -> tuple[Example, ...]:
    """All examples, the plainest one first, the others by name.

    Raises:
        StoreError: for a file that cannot be read.
    """
    return tuple(sorted(map(_header, folder.glob(f"*{ENDING}")), key=lambda e: (e.name != PLAINEST, e.name)))


def find(name_or_id: str, folder: Path = FOLDER) -> Example | None:
    """The example of this name, or whose run has this id."""
    return next((e for e in examples(folder) if name_or_id in (e.name, e.run_id)), None)


def open_example(store: Store, name_or_id: str, folder: Path = FOLDER) -> str:
    """See to it that an example is among the runs, also one that was deleted; its run's id.

    One that was opened from another version of its file is put back anew; its tags and its note stay.

    Raises:
        StoreError: for an unknown name, or a file that cannot be read.
    """
    found = find(name_or_id, folder)
    if found is None:
        known = ", ".join(example.name for example in examples(folder)) or "(there are none)"
        raise StoreError(f"gallery: {shown(name_or_id)} is not known. Take one of {known}")
    path = folder / (found.name + ENDING)
    lines = _lines(path)[1:]
    try:
        tables = {line["table"]: _rows(line) for line in lines}
        tables["runs"] = _titled(tables["runs"])
        put_back = store.put_run(found.run_id, tables)
        if not put_back and _is_other(store.run(found.run_id), tables["runs"]):
            before = store.run(found.run_id)
            store.delete_run(found.run_id)
            put_back = store.put_run(found.run_id, tables)
            store.describe(found.run_id, "", before.tags, before.note)
    except (KeyError, TypeError, ValueError, StoreError) as error:
        raise _unreadable(path, error) from error
    if not put_back and store.run(found.run_id).deleted_at is not None:
        store.restore_run(found.run_id)
    adapter = adapter_file(found.name, folder)
    # Noted again where the app lies in another folder than when the example was opened first.
    known = store.artifact(found.run_id, "adapter")
    if adapter.is_file() and (known is None or known.path != adapter.absolute()):
        store.add_artifact(found.run_id, "adapter", adapter)
    return found.run_id


def _is_other(run: Run, rows: Rows) -> bool:
    """Whether a run that was put back came from another run than the one of these rows."""
    (row,) = (dict(zip(rows.columns, values, strict=True)) for values in zip(*rows.values, strict=True))
    return (run.created_at, run.finished_at) != (row["created_at"], row["finished_at"])


def adapter_file(name: str, folder: Path = FOLDER) -> Path:
    """Where an example's adapter lies, if it ships."""
    return folder / (name + ADAPTER_ENDING)


def add(
    store: Store,
    run: Run,
    name: str,
    about: str,
    command: str,
    folder: Path = FOLDER,
    *,
    with_adapter: bool = False,
) -> Path:
    """Write a finished run into the gallery, in place of one of the same name.

    Raises:
        StoreError: for a run that was not measured before and after training, that named no category in one of them,
            that has no adapter where one is wanted, or that is itself an example.
        DiskError: when a file cannot be written.
    """
    if is_example(run.id):
        raise StoreError(f"run: {run.id} is itself from the gallery. Take a run that was made here")
    example = replace(_example(store, run, name, about, command), adapter=with_adapter)
    adapter = store.artifact(run.id, "adapter")
    if with_adapter and adapter is None:
        raise StoreError(f"run: {run.id} has no adapter. Build it without --with-adapter")
    lines = [finite(asdict(example))]
    lines += [{"table": table, **asdict(rows)} for table, rows in store.rows_of_run(run.id).items()]
    text = "".join(json.dumps(line, ensure_ascii=False, separators=(",", ":")) + "\n" for line in lines)
    path = folder / (name + ENDING)
    try:
        folder.mkdir(parents=True, exist_ok=True)
        # Without a time in it: the same run gives the same file.
        path.write_bytes(gzip.compress(text.encode(), mtime=0))
        beside = adapter_file(name, folder)
        beside.unlink(missing_ok=True)
        if with_adapter:
            shutil.copyfile(adapter.path, beside)
    except OSError as error:
        raise DiskError(f"{path} cannot be written ({error.strerror}). Name another folder") from error
    return path


def _example(store: Store, run: Run, name: str, about: str, command: str) -> Example:
    results = [result for result in store.results(run.id) if result.split == HEADLINE_SPLIT]
    phases = {result.phase: _phase(result) for result in results}
    if set(phases) != {"before", "after"}:
        raise StoreError(
            f"run: {run.id} has no measures of before and after. Take a method that changes the model's answers"
        )
    if nothing := [phase for phase in phases if not math.isfinite(phases[phase].mae)]:
        raise StoreError(f"run: {run.id} named no category {nothing[0]} its training. Take one that did")
    spec = run.spec
    indices = [context.context for context in results[0].contexts]
    return Example(
        name=name,
        title=run.title,
        about=about,
        command=command,
        categories=spec.attribute.names,
        contexts=tuple(spec.contexts.names[i] for i in indices),
        target=tuple(spec.target.rows[i] for i in indices),
        rounds=spec.rounds,
        train_seconds=run.train_seconds,
        **phases,
    )


def _phase(result: SplitResult) -> Phase:
    return Phase(
        rounds=max(context.rounds for context in result.contexts),
        mae=result.mae.value,
        noise_floor=result.noise_floor,
        ratio=result.ratio.value,
        unclassified=result.unclassified,
        shares=tuple(context.realized for context in result.contexts),
        lost=tuple(context.unclassified for context in result.contexts),
    )


def _header(path: Path) -> Example:
    (line,) = _lines(path, only_first=True)
    try:
        phases = {name: Phase(**_frozen(line.pop(name))) for name in ("before", "after")}
        return Example(**_frozen(line), **phases)
    except (AttributeError, KeyError, TypeError) as error:
        raise _unreadable(path, error) from error


def _frozen(value: Any) -> Any:
    """Lists as tuples, also those within."""
    if isinstance(value, dict):
        return {name: _frozen(item) for name, item in value.items()}
    return tuple(map(_frozen, value)) if isinstance(value, list) else value


def _lines(path: Path, only_first: bool = False) -> list[Any]:
    try:
        with gzip.open(path, "rt", encoding="utf-8") as stream:
            return [json.loads(line) for line in ([stream.readline()] if only_first else stream)]
    except (OSError, EOFError, zlib.error, ValueError) as error:
        raise _unreadable(path, error) from error


def _unreadable(path: Path, error: Exception) -> StoreError:
    return StoreError(
        f"gallery: {path.name} cannot be read ({error}). Make it again with: python -m jobs gallery build SPEC"
    )


def _rows(line: dict[str, Any]) -> Rows:
    return Rows(tuple(line["columns"]), tuple(map(tuple, line["values"])))


def _titled(runs: Rows) -> Rows:
    """The run's own row with a title that says what it is."""
    place = runs.columns.index("title")
    values: Sequence[tuple[Any, ...]] = [
        (EXAMPLE_TITLE + str(column[0]),) if i == place else column for i, column in enumerate(runs.values)
    ]
    return replace(runs, values=tuple(values))
