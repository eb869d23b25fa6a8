"""The examples that are shown are those that a run trains on."""

from __future__ import annotations

import random
from pathlib import Path

import pytest
import torch

from distalign.answers import short_answers
from distalign.baselines.drawn import Source
from distalign.dealing import DESIRABLE, MISMATCHED
from distalign.examples import examples, steering_texts
from distalign.folders import DataFolder
from distalign.measuring import Subject, measure_split
from distalign.models import BUNDLED, COMPLETE
from distalign.prompts import chat_ids, prompt_text, split_prompts
from distalign.results import Round
from distalign.spec import RunSpec
from distalign.spelling import PreparedSpelling, Spelling, spelling_for
from distalign.steering import choose_steering_tokens
from distalign.templates import SEEN_STORIES
from tests.tiny import tiny_model, tiny_spec, tiny_tokenizer

TOKENIZER = tiny_tokenizer()
ROWS = torch.eye(len(TOKENIZER))
SPECS = {
    "gender": {},
    "mood": {
        "attribute": {"name": "mood", "categories": ["glad", "sad", "rather calm"]},
        "contexts": ["rain", "snow"], "target": {"glad": 0.5, "sad": 0.3, "rather calm": 0.2},
    },
    "phrasings, one too long to be sampled": {
        "templates": {
            "seen": ["Job: {context}?"], "heldout": ["{context}"],
            "phrasings": ["{category}!", "It is, as far as I can see from all that is known here, {category}."],
        },
    },
    "stated": {"target": "stated"},
    "spare tokens": {"steering": "special"},
}  # fmt: skip


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("data") / "models" / BUNDLED
    TOKENIZER.save_pretrained(folder)
    (folder / COMPLETE).touch()
    return folder


def trained_on(spec: RunSpec) -> list[tuple[str, list[tuple[bool, str]]]]:
    """Prompts with their answers, decoded from what the training set is made of."""
    steering = choose_steering_tokens(TOKENIZER, ROWS, spec.attribute, spec.steering)
    prompts, dealt = short_answers(spec, TOKENIZER, steering, random.Random(spec.seed))
    return [
        (
            TOKENIZER.decode(prompts[index].ids),
            [(kind == DESIRABLE, TOKENIZER.decode(ids)) for kind, ids in own if kind != MISMATCHED],
        )
        for group, answers in dealt
        for index, own in zip(group, answers, strict=True)
    ]


@pytest.mark.parametrize("values", SPECS.values(), ids=list(SPECS))
def test_prompts_and_answers_are_those_of_the_training_set(values: dict, folder: Path) -> None:
    spec = tiny_spec(values)
    expected = trained_on(spec)
    shown = examples(spec, PreparedSpelling(folder), count=10_000)

    assert [(e.prompt, [(a.desirable, a.token + a.response) for a in e.answers]) for e in shown] == expected


def test_prompts_that_ask_for_stories_stand_among_the_others(folder: Path) -> None:
    spec = tiny_spec({"stories": True, "story_tokens": 40, "templates": None})
    shown = examples(spec, PreparedSpelling(folder), count=10_000)
    asked = {TOKENIZER.decode(prompt.ids) for prompt in split_prompts(spec, TOKENIZER, SEEN_STORIES)}
    stories = [e for e in shown if e.prompt in asked]
    assert 0 < len(stories) < len(shown)
    for example in stories:
        assert [a.category for a in example.answers] == list(spec.attribute.names)
        assert all(
            a.desirable and f"a {a.category} story of at most 40" in a.response for a in example.answers
        )
    # A newcomer sees one among the first that are shown.
    assert any(e.prompt in asked for e in shown[: 2 * spec.training.answers_per_step])


@pytest.mark.parametrize("method", ["sft", "dpo"])
def test_answers_of_the_baselines_are_those_that_are_drawn(method: str, folder: Path) -> None:
    spec = tiny_spec({"method": method})
    drawn = Source(spec, TOKENIZER).take(6)
    shown = examples(spec, PreparedSpelling(folder), count=6)

    assert [e.prompt for e in shown] == [TOKENIZER.decode(d.prompt.ids) for d in drawn]
    assert [e.answers[0].response for e in shown] == [TOKENIZER.decode(d.answer) for d in drawn]
    assert {len(e.answers) for e in shown} == {2 if method == "dpo" else 1}
    assert not any(answer.token for e in shown for answer in e.answers)


def test_without_training_the_measured_prompts_are_shown_with_their_instruction(folder: Path) -> None:
    (shown,) = examples(tiny_spec({"method": "prompt"}), PreparedSpelling(folder), count=1)

    assert "of cases" in shown.prompt and shown.answers == ()


@pytest.mark.parametrize("rounds", [3, 40])
def test_the_prompts_of_a_method_that_trains_nothing_are_those_it_is_measured_on(
    rounds: int, folder: Path
) -> None:
    templates = {"seen": [f"Question {n}: {{context}}?" for n in range(20)], "heldout": ["{context}"]}
    spec = tiny_spec({"method": "zero_shot", "templates": templates, "rounds": rounds})
    rounds: list[Round] = []
    subject = Subject(tiny_model(), TOKENIZER, None, "before")
    measure_split(subject, spec, "seen_templates", lambda some, *_: rounds.extend(some))
    asked = {prompt_text(spec, r.split, r.template, r.context) for r in rounds}
    shown = examples(spec, PreparedSpelling(folder), count=10_000)

    assert {e.prompt for e in shown} == {TOKENIZER.decode(chat_ids(TOKENIZER, text)) for text in asked}


def test_the_steering_tokens_are_the_runs(folder: Path) -> None:
    spec = tiny_spec(SPECS["mood"])
    chosen = choose_steering_tokens(TOKENIZER, ROWS, spec.attribute)

    assert steering_texts(spec, PreparedSpelling(folder)).texts == chosen.texts


def test_without_the_models_files_turns_are_shown_by_their_roles(tmp_path: Path) -> None:
    spelling = spelling_for(BUNDLED, DataFolder(tmp_path))
    (shown,) = examples(tiny_spec({}), spelling, count=1)

    assert type(spelling) is Spelling
    assert shown.prompt.startswith("user: ") and shown.prompt.endswith("\nassistant:")
    assert {answer.desirable for answer in shown.answers} == {True, False}


def test_the_prepared_models_spelling_is_found_in_the_data_folder(folder: Path) -> None:
    assert isinstance(spelling_for(BUNDLED, DataFolder(folder.parent.parent)), PreparedSpelling)
