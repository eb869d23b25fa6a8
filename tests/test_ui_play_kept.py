"""Kept plays on the Play tab: the list, one opened again with its settings, and its files."""

from __future__ import annotations

import csv
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import gradio as gr
import pytest

from bench.made_up import finished_run
from distalign.play import Drawn, Question
from jobs.kept_plays import kept
from jobs.play import Played, voices_of
from jobs.play_report import as_json
from storage import Run, Store
from ui import play_answers, play_kept
from ui.downloads import Folder
from ui.play_prompt import START_PROMPT, Place
from ui.play_view import voices

HOSTILE = "<img src=x onerror=hit()> & ${x}"
SKIP = gr.skip()
FORM_NAMES = (
    "place",
    "runs",
    "template",
    "context",
    "prompt",
    "note",
    "base",
    "rounds",
    "tokens",
    "seed",
)


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return Store(tmp_path / "runs.db")


@pytest.fixture
def run(store: Store, tmp_path: Path) -> Run:
    return finished_run(store, tmp_path, {"rounds": 4, "contexts": ["nurse"], "target": "even"}, steps=2)


def kept_play(
    store: Store,
    runs: Sequence[str],
    prompt: str = "A nurse?",
    answer: str = "male",
    rounds: int = 6,
    model: str | None = None,
    base: bool = True,
) -> Played:
    """A play whose voices all gave one answer, except the last, which stopped half way."""
    question = Question(prompt, rounds, seed=5, tokens=24)
    played = Played.nothing(question, voices_of(store, runs, base=base, model=model))
    last = len(played.voices) - 1
    told = [Drawn(v, ((answer, rounds // 2 if v == last else rounds),)) for v in range(last + 1)]
    return list(kept(store, played, told))[-1][1]


def opened(store: Store, play_id: str, selected: str = "") -> tuple[dict[str, Any], list[Any]]:
    """What the form becomes by name, and what shows the play."""
    sent = play_answers.show(store, f"?tab=play&play={play_id}", selected, Place(), [], START_PROMPT, "")
    assert len(sent) == play_answers.FORM + play_answers.RESULTS
    return dict(zip(FORM_NAMES, sent[: play_answers.FORM], strict=True)), sent[play_answers.FORM :]


# --- opened again ------------------------------------------------------------------------


def test_an_address_opens_a_play_with_its_settings_and_its_answers(store: Store, run: Run) -> None:
    played = kept_play(store, [run.id])
    form, (status, histograms, answers, by, card, kept_id, earlier, sample, stop) = opened(store, played.id)

    assert (form["prompt"], form["rounds"], form["tokens"], form["seed"]) == ("A nurse?", "6", "24", "5")
    assert form["runs"]["value"] == [run.id] and form["base"] == "own"
    assert [form[name]["value"] for name in ("template", "context")] == [None, None]
    assert form["template"]["choices"] and "male 50 %, female 50 %" in form["note"]
    assert (form["place"].lead, form["place"].choices[0][1]) == (run.id, run.id)
    assert "Stopped at 3 of 6 rounds each" in status and f"Kept as play {played.id[:6]}" in status
    assert (histograms, kept_id) == (voices(played), played.id)
    assert "read as male" in answers and by == card == gr.update(visible=True)
    assert (sample, stop) == (gr.update(interactive=True), gr.update(interactive=False))
    assert earlier == SKIP


def test_a_play_that_is_there_already_is_not_opened_again(store: Store, run: Run) -> None:
    played = kept_play(store, [run.id])
    sent = play_answers.show(store, f"?play={played.id}", "", Place(), [], START_PROMPT, played.id)
    assert sent[6:] == [SKIP] * (play_answers.FORM - 6 + play_answers.RESULTS)


def test_an_address_that_names_no_play_says_so_and_the_rest_is_as_ever(store: Store, run: Run) -> None:
    form, (status, *rest) = opened(store, "<b>")
    assert "is not known" in status and "<b>" not in status
    assert rest == [SKIP] * (play_answers.RESULTS - 1)
    assert form["runs"]["value"] == [run.id] and form["rounds"] == SKIP


def test_a_play_of_a_run_that_is_gone_still_shows(store: Store, run: Run) -> None:
    played = kept_play(store, [run.id])
    store.delete_run(run.id)
    form, (_, histograms, answers, by, *_) = opened(store, played.id)

    assert form["runs"] == gr.update(choices=[], value=[]) and form["template"]["choices"] == []
    assert "the run was deleted since" in histograms and f"run {run.id[:6]}" in histograms
    assert histograms.count("target 50 %") == 4
    assert "read as male" in answers and by == gr.update(visible=True)


@pytest.mark.parametrize(
    ("asked", "choice"),
    [
        ({}, "own"),
        ({"base": False}, "none"),
        ({"model": "smollm2-360m"}, "smollm2-360m"),
        ({"model": "/models/of-the-command-line"}, "own"),
    ],
)
def test_the_base_model_is_chosen_as_it_was(
    store: Store, run: Run, asked: dict[str, Any], choice: str
) -> None:
    assert opened(store, kept_play(store, [run.id], **asked).id)[0]["base"] == choice


def test_a_base_model_alone_is_chosen_as_it_was(store: Store) -> None:
    for asked, choice in (({}, "own"), ({"model": "smollm2-360m"}, "smollm2-360m")):
        form, (_, histograms, *_) = opened(store, kept_play(store, [], **asked).id)
        assert (form["base"], form["note"]) == (choice, "") and 'data-by="category"' not in histograms


# --- the list ----------------------------------------------------------------------------


def test_earlier_questions_are_listed_newest_first_as_links(store: Store, run: Run) -> None:
    assert "Nothing was asked yet" in play_kept.earlier(store, "")
    first, second = kept_play(store, [run.id]), kept_play(store, [], prompt="A joke?\nA short one.")
    page = play_kept.earlier(store, first.id)

    assert page.index(second.id) < page.index(first.id)
    assert f'href="?tab=play&amp;play={first.id}" data-play="{first.id}" aria-current="true"' in page
    assert "A joke? A short one." in page and f"Base model, {run.title}" in page
    assert page.count("just now") == 2 and page.count("3 of 6 rounds") == 2


def test_what_was_asked_and_answered_is_escaped_again(store: Store, run: Run) -> None:
    store.rename(run.id, HOSTILE)
    played = kept_play(store, [run.id], HOSTILE, HOSTILE)
    _, shown = opened(store, played.id)
    for fragment in (play_kept.earlier(store, ""), *shown[:3]):
        assert "<img" not in fragment


# --- files -------------------------------------------------------------------------------


def test_a_play_is_handed_out_as_the_command_line_prints_it(store: Store, run: Run, tmp_path: Path) -> None:
    played, folder = kept_play(store, [run.id]), Folder(tmp_path / "out")
    path, note = play_kept.make_file(store, folder, "json", played.id)
    assert note == "" and Path(path).name == f"distalign-play-{played.id}.json"
    assert json.loads(Path(path).read_text()) == as_json(played)
    path, _ = play_kept.make_file(store, folder, "csv", played.id)
    with Path(path).open(newline="") as file:
        assert [row["count"] for row in csv.DictReader(file)] == ["6", "3"]


@pytest.mark.parametrize(("given", "told"), [("", "no answer is kept yet"), ("nowhere", "is not known")])
def test_without_a_play_there_is_no_file(store: Store, tmp_path: Path, given: str, told: str) -> None:
    path, note = play_kept.make_file(store, Folder(tmp_path / "out"), "json", given)
    assert path is None and told in note
