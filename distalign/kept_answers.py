"""Answers of untouched base models, kept in the data folder: the same rounds are not drawn twice.

What a base model answers depends on its prompts and on how many rounds are drawn how, not on whether or
how it is trained afterwards. So runs that differ in their method, preset, target or seed share its rounds.
"""

from __future__ import annotations

import gzip
import hashlib
import json
import zlib
from collections.abc import Iterable, Iterator
from contextlib import suppress
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch

from distalign.folders import replace_file
from distalign.tree import Answer

if TYPE_CHECKING:
    from transformers import PreTrainedModel

    from distalign.sampling_config import Sampling

# Of a draw with more rounds nothing is kept; of the files the newest stay.
MOST_ROUNDS, MOST_FILES = 100_000, 200
# Is counted up when the sampler draws other rounds from the same seed.
FORMAT = 1


@dataclass(frozen=True)
class Draw:
    """All that a draw of rounds depends on, but for the model.

    ``prompts`` are token ids, ``counts`` the rounds of each, ``stops`` the tokens that end an answer.
    """

    prompts: tuple[tuple[int, ...], ...]
    counts: tuple[int, ...]
    sampling: Sampling
    stops: frozenset[int]
    seed: int


class KeptAnswers:
    """The answers of one base model.

    Args:
        folder: of the files; need not be there.
        model: what :func:`fingerprint` says of it.

    Attributes:
        found: how many draws were found.
    """

    def __init__(self, folder: Path, model: str) -> None:
        self.folder, self.model, self.found = folder, model, 0

    def answers(self, draw: Draw) -> list[Answer] | None:
        """The answers of a draw in the order of its prompts, or None where none are kept; a damaged file is removed."""
        path = self._path(draw)
        try:
            found = _read(path, sum(draw.counts))
        except (gzip.BadGzipFile, EOFError, zlib.error, ValueError, TypeError):
            with suppress(OSError):
                path.unlink()
            return None
        except OSError:
            # Also where there is none; what cannot be read now may be well.
            return None
        self.found += 1
        return found

    def keeping(self, draw: Draw, chunks: Iterable[list[Answer]]) -> Iterator[list[Answer]]:
        """The same chunks; when the last has passed, what they held is kept."""
        if sum(draw.counts) > MOST_ROUNDS:
            yield from chunks
            return
        rows: list[list[Any]] = []
        for answers in chunks:
            rows += [[answer.prompt, list(answer.ids), answer.count] for answer in answers if answer.count]
            yield answers
        self._write(self._path(draw), rows)

    def _path(self, draw: Draw) -> Path:
        told = asdict(draw) | {"stops": sorted(draw.stops), "model": self.model, "format": FORMAT}
        return self.folder / f"{hashlib.sha256(json.dumps(told).encode()).hexdigest()[:32]}.json.gz"

    def _write(self, path: Path, rows: list[list[Any]]) -> None:
        """A full disk costs the next run its time, and this one nothing."""
        content = json.dumps(rows, separators=(",", ":")).encode()
        if not replace_file(path, gzip.compress(content)):
            return
        with suppress(OSError):
            kept = sorted(self.folder.glob("*.json.gz"), key=lambda file: file.stat().st_mtime)
            for old in kept[:-MOST_FILES]:
                old.unlink(missing_ok=True)


def _read(path: Path, rounds: int) -> list[Answer]:
    """The answers in a file; one of many errors where it is damaged, or has not as many rounds."""
    with gzip.open(path, "rt", encoding="utf-8") as file:
        found = [Answer(prompt, tuple(ids), count, 0.0) for prompt, ids, count in json.load(file)]
    if sum(answer.count for answer in found) != rounds:
        raise ValueError(f"{path} does not hold {rounds} rounds")
    return found


def fingerprint(name: str, model: PreTrainedModel, precision: str) -> str:
    """What tells a base model from every other: its name, its shape and sums of its weights.

    Args:
        precision: of the arithmetic that it is sampled in.
    """
    sums = [float(p.detach().sum(dtype=torch.float64)) for p in model.parameters()]
    told = json.dumps([name, precision, model.config.to_json_string(use_diff=False), sums])
    return hashlib.sha256(told.encode()).hexdigest()
