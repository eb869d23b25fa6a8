"""The cells of the table (dataset × method × seed), the most wanted first."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from bench.quality import third_set
from distalign.errors import SpecError, shown
from distalign.spec import RunSpec, load_spec
from distalign.stated import STATED
from distalign.wording import listed
from jobs.datasets import FEW_SHOT

PAPER = (
    "gender-uk-real", "gender-us-real", "gender-uk-even", "gender-us-even", "race-even", "sentiment-even",
)  # fmt: skip
# Measured beside the six, with hybrid alone unless they are asked for by name.
EXTRA = ("gender-race", "gender-sentiment", "gender-any-target", "any-attribute")
# Each method as fields of a specification, in the order of the tables.
METHODS: dict[str, dict[str, Any]] = {
    "zero_shot": {"method": "zero_shot"},
    "prompt": {"method": "prompt"},
    "prompt_few_shot": {"method": "prompt", "few_shot": FEW_SHOT},
    "sft": {"method": "sft"},
    "dpo": {"method": "dpo"},
    "kl_only": {"method": "kl_only"},
    "kto_only": {"method": "kto_only"},
    "hybrid": {"method": "hybrid"},
}
HYBRID_SEEDS, OTHER_SEEDS = (0, 1, 2), (0,)
# Short answers; contexts that are kept out of training; stories.
ANSWERS, CONTEXTS, STORIES = KINDS = ("answers", "contexts", "stories")
USUAL_KINDS = (ANSWERS, CONTEXTS)
SPECS = Path("specs")
# One context of so many is held out.
ONE_CONTEXT_OF = 4
STAGES = (
    (ANSWERS, "hybrid"),
    (ANSWERS, "zero_shot"),
    (ANSWERS, "prompt"),
    (CONTEXTS, "hybrid"),
    (ANSWERS, "prompt_few_shot"),
    (ANSWERS, "sft"),
    (ANSWERS, "dpo"),
    (ANSWERS, "kl_only"),
    (ANSWERS, "kto_only"),
)


@dataclass(frozen=True)
class Cell:
    """One run: ``spec`` is the file that its dataset is read from."""

    kind: str
    dataset: str
    method: str
    seed: int
    spec: Path

    @property
    def key(self) -> str:
        return f"{self.kind}/{self.dataset}/{self.method}/{self.seed}"

    def resolved(self, overrides: dict[str, Any]) -> RunSpec:
        """The run's whole specification.

        Raises:
            SpecError: where the product cannot run it (yet).
        """
        own = load_spec(self.spec, overrides)
        fields = METHODS[self.method] | {"seed": self.seed} | overrides
        with_stories = own.story.stories or self.kind == STORIES
        if templates := third_set.in_place_of_heldout(own, with_stories=with_stories):
            fields["templates"] = templates
        if self.kind == CONTEXTS:
            fields["heldout_contexts"] = max(1, len(own.contexts) // ONE_CONTEXT_OF)
        if self.kind == STORIES:
            fields["stories"] = True
        return load_spec(self.spec, fields)


@dataclass(frozen=True)
class Selection:
    """What the command line asked for; None where it did not say. ``stories`` come on top of the kinds."""

    datasets: Sequence[str] | None = None
    methods: Sequence[str] | None = None
    seeds: Sequence[int] | None = None
    kinds: Sequence[str] | None = None
    stories: bool = False


def cells(selection: Selection) -> list[Cell]:
    """The cells that are asked for, the most wanted first.

    Raises:
        SpecError: for a dataset that is neither in specs/ nor a file, and where no cell is asked for.
    """
    files = dataset_files(selection.datasets or (*PAPER, *EXTRA))
    wanted = {*(selection.kinds or USUAL_KINDS), *([STORIES] if selection.stories else [])}
    every = [cell for dataset, path in files.items() for cell in _of_dataset(selection, dataset, path)]
    if not (found := [cell for cell in every if cell.kind in wanted]):
        raise SpecError(
            "--kinds",
            f"there are no {listed(sorted(wanted))} of these datasets and methods",
            "Held-out contexts need the method hybrid and a target that is a rule, such as even",
        )
    order = {dataset: i for i, dataset in enumerate(files)}
    return sorted(found, key=lambda cell: (_stage(cell), order[cell.dataset]))


def dataset_files(given: Sequence[str]) -> dict[str, Path]:
    """The specification of each dataset, by its name: ``specs/stories/x.yaml`` is "stories-x"."""
    known = {_name(path): path for path in sorted(SPECS.rglob("*.yaml"))}
    files: dict[str, Path] = {}
    for text in given:
        path = _file(text, known)
        name = _name(path)
        other = files.get(name) or known.get(name) or path
        if other.resolve() != path.resolve():
            raise SpecError("--datasets", f"{other} and {path} would both be {shown(name)}", "Rename one")
        files.setdefault(name, path)
    return files


def _file(text: str, known: Mapping[str, Path]) -> Path:
    named = SPECS / f"{text}.yaml"
    if text in (*PAPER, *EXTRA) or named.is_file():
        return named
    if not (path := known.get(text, Path(text))).is_file():
        raise SpecError("--datasets", f"{shown(text)} is not known", f"Use {', '.join(PAPER)}, or a file")
    return path


def _name(path: Path) -> str:
    """What a file's dataset is called: its path below specs/, or its own name."""
    specs, whole = SPECS.resolve(), path.resolve()
    return "-".join(whole.relative_to(specs).with_suffix("").parts) if specs in whole.parents else path.stem


def _of_dataset(selection: Selection, dataset: str, path: Path) -> Iterator[Cell]:
    """The cells of a dataset, of all kinds."""
    alone = dataset in EXTRA and not selection.datasets
    methods = selection.methods or (("hybrid",) if alone else tuple(METHODS))
    for method in methods:
        default = HYBRID_SEEDS if method == "hybrid" and not alone else OTHER_SEEDS
        for seed in selection.seeds or default:
            yield Cell(ANSWERS, dataset, method, seed, path)
    # These take a training of their own, so they come with hybrid alone unless other methods are named.
    others = selection.methods or ("hybrid",)
    kinds = {
        CONTEXTS: [m for m in others if m == "hybrid" and not alone and _is_rule(path)],
        STORIES: [m for m in others if not alone],
    }
    for kind, methods in kinds.items():
        for method in methods:
            for seed in selection.seeds or OTHER_SEEDS:
                yield Cell(kind, dataset, method, seed, path)


def _is_rule(path: Path) -> bool:
    """Whether a target says what a context that is not trained on shall get."""
    try:
        target = load_spec(path).target
        # What is stated in a prompt says it of every context, and leaves nothing to learn.
        return target.is_rule and target.kind != STATED
    except SpecError:
        return False


def _stage(cell: Cell) -> tuple[int, int]:
    if cell.kind == STORIES:
        return len(STAGES) + 1, cell.seed
    if cell.seed == 0:
        return STAGES.index((cell.kind, cell.method)), 0
    return len(STAGES), cell.seed
