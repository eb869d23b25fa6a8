"""What an untouched base model answered is kept, found again only where nothing differs, and the same."""

from __future__ import annotations

import gzip
from dataclasses import replace
from pathlib import Path

import pytest
import torch

from distalign import kept_answers, measuring
from distalign.folders import DataFolder
from distalign.kept_answers import Draw, KeptAnswers, fingerprint
from distalign.measuring import Subject, measure_split
from distalign.results import Round, SplitResult
from distalign.runner import execute
from distalign.spec import RunSpec
from distalign.tree import Answer
from tests.test_distalign_run import Recorder
from tests.tiny import tiny_model, tiny_spec, tiny_tokenizer

SPEC = tiny_spec({"rounds": 30, "max_new_tokens": 3})
Measured = tuple[list[Round], SplitResult]


def measured(kept: KeptAnswers | None, spec: RunSpec = SPEC) -> Measured:
    rounds: list[Round] = []
    subject = Subject(tiny_model(), tiny_tokenizer(), None, "before", kept=kept)
    result = measure_split(subject, spec, "heldout_templates", lambda some, *_: rounds.extend(some))
    return rounds, result


def same(one: Measured, other: Measured) -> bool:
    """Whether rounds and results are alike; figures that could not be measured (NaN) are."""
    return one[0] == other[0] and repr(one[1]) == repr(other[1])


@pytest.fixture
def kept(tmp_path: Path) -> KeptAnswers:
    return KeptAnswers(tmp_path / "answers", fingerprint("tiny", tiny_model(), "float32"))


def test_kept_answers_are_those_of_a_new_draw(kept: KeptAnswers, monkeypatch: pytest.MonkeyPatch) -> None:
    drawn = measured(None)
    assert same(measured(kept), drawn)
    assert kept.found == 0

    monkeypatch.setattr(measuring, "sample_answers", None)

    assert same(measured(kept), drawn)
    assert kept.found == 1


@pytest.mark.parametrize("change", [{"rounds": 31}, {"temperature": 0.9}, {"max_new_tokens": 2}])
def test_another_draw_is_drawn(kept: KeptAnswers, change: dict[str, object]) -> None:
    measured(kept)
    other = tiny_spec({"rounds": 30, "max_new_tokens": 3} | change)

    assert same(measured(kept, other), measured(None, other))
    assert kept.found == 0


def test_another_seed_shares_the_answers_and_draws_its_own_where_none_are_kept(kept: KeptAnswers) -> None:
    other = replace(SPEC, seed=1)
    first = measured(kept)

    assert measured(kept, other)[0] == first[0]
    assert kept.found == 1
    assert measured(None, other)[0] != first[0]


def test_another_target_shares_the_answers(kept: KeptAnswers) -> None:
    _, before = measured(kept)
    _, after = measured(
        kept, tiny_spec({"rounds": 30, "max_new_tokens": 3, "target": {"male": 1, "female": 0}})
    )

    assert kept.found == 1
    # Figures that could not be measured are NaN, which equals nothing.
    assert repr([c.realized for c in after.contexts]) == repr([c.realized for c in before.contexts])
    assert [c.target for c in after.contexts] != [c.target for c in before.contexts]


def test_a_model_with_one_other_weight_is_another_model() -> None:
    model = tiny_model()
    one = fingerprint("tiny", model, "float32")
    assert one == fingerprint("tiny", tiny_model(), "float32")
    with torch.no_grad():
        next(model.parameters())[0, 0] += 0.01

    assert (
        len({one, fingerprint("tiny", model, "float32"), fingerprint("tiny", tiny_model(), "bfloat16")}) == 3
    )


DAMAGED = {
    "empty": b"",
    "no archive": b"no archive",
    "cut off": b"\x1f\x8b\x08\x00",
    "no blocks": b"\x1f\x8b\x08" + bytes(7) + b"\xff" * 20,
    "no JSON": gzip.compress(b"["),
    "no rows": gzip.compress(b"[1]"),
    "no number": gzip.compress(b'[[0, [1], "two"]]'),
    "too few rounds": gzip.compress(b"[[0, [1], 1]]"),
}


@pytest.mark.parametrize("content", DAMAGED.values(), ids=list(DAMAGED))
def test_a_damaged_file_is_drawn_anew(kept: KeptAnswers, content: bytes) -> None:
    first = measured(kept)
    (file,) = kept.folder.iterdir()
    file.write_bytes(content)

    assert same(measured(kept), first)
    assert kept.found == 0
    assert same(measured(kept), first)
    assert kept.found == 1


@pytest.mark.parametrize("content", DAMAGED.values(), ids=list(DAMAGED))
def test_a_damaged_file_is_removed(kept: KeptAnswers, content: bytes) -> None:
    draw = Draw(((1,),), (2,), SPEC.sampling, frozenset(), 0)
    list(kept.keeping(draw, [[Answer(0, (1,), 2, 0.0)]]))
    assert kept.answers(draw) == [Answer(0, (1,), 2, 0.0)]
    (file,) = kept.folder.iterdir()
    file.write_bytes(content)

    assert kept.answers(draw) is None
    assert not file.exists()


def test_few_files_stay_and_no_huge_draw_is_kept(kept: KeptAnswers, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(kept_answers, "MOST_FILES", 2)
    for rounds in (6, 7, 8, 9):
        measured(kept, replace(SPEC, rounds=rounds))
    assert len(list(kept.folder.iterdir())) == 2

    monkeypatch.setattr(kept_answers, "MOST_ROUNDS", 59)
    measured(kept)
    measured(kept)
    assert kept.found == 0


def test_a_folder_that_cannot_be_written_costs_nothing(tmp_path: Path) -> None:
    (tmp_path / "answers").write_text("no folder")

    assert same(measured(KeptAnswers(tmp_path / "answers", "tiny")), measured(None))


def test_runs_of_other_methods_share_the_base_models_rounds(base: Path, tmp_path: Path) -> None:
    data = DataFolder(tmp_path)
    fields = {"base_model": str(base), "rounds": 20, "max_new_tokens": 3, "steps": 4, "warmup_steps": 1}
    found = {}
    for method in ("zero_shot", "kl_only", "hybrid", "zero_shot"):
        recorder = Recorder()
        execute(tiny_spec(fields | {"method": method}), data, tmp_path / method, recorder, method)
        rounds = [r for r in recorder.all_rounds if r.phase == "before"]
        shared = any("earlier run" in p.message for p in recorder.told)
        assert found.setdefault("rounds", rounds) == rounds
        found.setdefault("shared", []).append(shared)

    # A run of the base model alone draws its own rounds, because its seconds are a figure, too.
    assert found["shared"] == [False, False, True, False]


def test_a_run_tells_which_rounds_are_an_earlier_runs(base: Path, tmp_path: Path) -> None:
    data, told = DataFolder(tmp_path), []
    fields = {"base_model": str(base), "rounds": 20, "max_new_tokens": 3, "steps": 4, "warmup_steps": 1}

    def run(**more: object) -> None:
        recorder = Recorder()
        execute(tiny_spec(fields | {"method": "kl_only"} | more), data, tmp_path / "run", recorder, "run")
        told.append([p.message for p in recorder.told if "earlier run" in p.message])

    run()
    run(templates={"seen": ["Job: {context}?"], "heldout": list(SPEC.templates.heldout)})
    run()

    assert told == [
        [],
        ["The base model's rounds on held-out templates are those of an earlier run with the same prompts"],
        ["The base model's rounds are those of an earlier run with the same prompts"],
    ]
