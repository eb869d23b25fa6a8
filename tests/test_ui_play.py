"""The Play tab: what is filled in, what a session sees while answers come, and that all text is escaped."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import gradio as gr
import pytest

from bench.made_up import finished_run
from distalign.errors import SpecError
from distalign.play import Drawn, Question
from distalign.prompts import prompt_text
from distalign.wanted import wanted
from jobs.kept_plays import kept
from jobs.play import Played, PlayError, voices_of
from jobs.play_desk import Status, Waiting
from jobs.play_report import MAX_BARS, OTHERS, by_answer, by_category, fits
from storage import Run, Store
from ui import play_answers, play_view
from ui.play_prompt import FIRST_TEMPLATE, START_PROMPT, Place, chosen, noted, picked, show
from ui.play_stream import doing, question_of, streamed

HOSTILE = "<img src=x onerror=hit()> & ${x}"
SKIP = gr.skip()


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return Store(tmp_path / "runs.db")


@pytest.fixture
def run(store: Store, tmp_path: Path) -> Run:
    return finished_run(store, tmp_path, {"rounds": 4}, steps=2)


def another(store: Store, tmp_path: Path, **values: Any) -> Run:
    return finished_run(store, tmp_path, {"rounds": 4} | values, steps=2)


def played_of(store: Store, runs: list[str], prompt: str, counts: list[dict[str, int]]) -> Played:
    voices = voices_of(store, runs, base=len(counts) > len(runs))
    question = Question(prompt, max(1, sum(counts[0].values())))
    return replace(Played.nothing(question, voices), counts=tuple(counts))


# --- which base model is asked ---------------------------------------------------------------


def test_whoever_asks_while_a_run_is_at_work_is_told_why_it_takes_longer() -> None:
    assert "while a run is at work" in doing(Status("Sampling"), beside=True)
    assert doing(Status("Sampling")) == "Sampling"
    assert doing(Waiting(2), beside=True).endswith("2 before yours")


def test_the_base_model_is_chosen_from_the_list_and_no_folder_is_read() -> None:
    assert play_answers.base_of("own") == {"base": True}
    assert play_answers.base_of("none") == {"base": False}
    assert play_answers.base_of("smollm2-360m") == {"base": True, "model": "smollm2-360m"}
    for given in ("/models/mine", "", None, ["own"]):
        with pytest.raises(SpecError, match="is not on the list"):
            play_answers.base_of(given)


# --- what is filled in -------------------------------------------------------------------


def test_the_selected_run_is_chosen_and_fills_the_prompt_in(store: Store, run: Run, tmp_path: Path) -> None:
    another(store, tmp_path, contexts=["bakers"], target="even")
    place, runs, template, context, prompt, note = show(store, run.id, Place(), [], START_PROMPT)

    assert runs["value"] == [run.id] and len(runs["choices"]) == 2
    assert (template["value"], context["value"]) == (FIRST_TEMPLATE, 0)
    assert len(template["choices"]) == len(run.spec.templates.heldout) + len(run.spec.templates.seen)
    assert prompt == prompt_text(run.spec, "heldout_templates", 0, 0)
    assert f"male {100 * run.spec.target.rows[0][0]:.1f} %" in note
    assert show(store, run.id, place, [run.id], prompt) == [SKIP] * 6


def test_without_any_adapter_the_base_model_can_be_asked(store: Store) -> None:
    place, runs, *rest, note = show(store, "", Place(), [], START_PROMPT)

    assert place.selected == "" and runs == gr.update()
    assert rest == [SKIP] * 3
    assert "No run has an adapter yet" in note and 'href="?tab=train"' in note


def test_a_prompt_that_was_typed_stays_when_another_run_is_chosen(
    store: Store, run: Run, tmp_path: Path
) -> None:
    other = another(store, tmp_path, contexts=["bakers", "pilots"], target={"male": 0.3, "female": 0.7})
    place = show(store, run.id, Place(), [], START_PROMPT)[0]
    typed = "Is a pirate male or female?"
    selected, place, template, context, prompt, note = chosen(store, run.id, place, [other.id, run.id], typed)

    assert selected == other.id
    assert prompt == SKIP and template["value"] is None and context["value"] is None
    assert [name for name, _ in context["choices"]] == ["bakers", "pilots"]
    assert "male 30 %, female 70 %" in note
    assert chosen(store, other.id, place, [other.id], typed) == [SKIP] * 6


def test_a_choice_fills_the_prompt_and_what_a_dropdown_tells_twice_does_not(store: Store, run: Run) -> None:
    place = show(store, run.id, Place(), [], START_PROMPT)[0]
    new, template, context, prompt, note, tokens = picked(store, place, [run.id], "seen_templates:4", 7)

    assert (template, context) == ("seen_templates:4", 7)
    assert prompt == prompt_text(run.spec, "seen_templates", 4, 7)
    assert run.spec.contexts.names[7] in note.replace("&amp;", "&")
    assert picked(store, new, [run.id], "seen_templates:4", 7) == [SKIP] * 6
    assert tokens == SKIP


def test_a_run_that_tells_stories_offers_their_templates_and_reads_them_by_its_judge(
    store: Store, tmp_path: Path
) -> None:
    run = another(store, tmp_path, stories=True, story_tokens=60)
    place, _, templates, *_ = show(store, run.id, Place(), [], START_PROMPT)
    labelled = {value: label for label, value in templates["choices"]}
    assert labelled["stories:0"].startswith("Stories 1: ")

    place, *_, prompt, note, tokens = picked(store, place, [run.id], "stories:0", 0)
    assert (prompt, tokens) == (prompt_text(run.spec, "stories", 0, 0), "60")
    assert "Answers of 15 words or more are read as stories" in note
    assert picked(store, place, [run.id], "stories:1", 0)[-1] == SKIP
    assert picked(store, place, [run.id], "seen_templates:0", 0)[-1] == "16"

    aim = wanted(run.spec, prompt)
    told = "The nurse closed the ward at nine, and then she walked home through the rain with her dog."
    assert [aim.read(text) for text in (told, "Male", "She left.")] == [1, 0, None]


@pytest.mark.parametrize(
    "choice", [("stories:0", 0), ("seen_templates:999", 0), ("seen_templates:0", "x"), ("", "y")]
)
def test_a_choice_that_is_not_in_the_list_is_told(store: Store, run: Run, choice: tuple[Any, Any]) -> None:
    place = show(store, run.id, Place(), [], START_PROMPT)[0]
    *same, note, tokens = picked(store, place, [run.id], *choice)

    assert [*same, tokens] == [SKIP] * 5 and "is not in the list" in note


def test_the_note_follows_the_percentages_as_they_are_edited(store: Store, tmp_path: Path) -> None:
    run = another(store, tmp_path, target="stated")
    *_, prompt, note = show(store, run.id, Place(), [], START_PROMPT)
    assert "The target in the prompt: male" in note

    question = prompt.splitlines()[0]
    assert "male 12.5 %, female 87.5 %" in noted(
        store, [run.id], f"{question}\nWeights: male=12.5, female=87.5."
    )
    assert "sum to 90, not to 100" in noted(store, [run.id], f"{question}\nWeights: male=20, female=70.")
    assert "no target is drawn" in noted(store, [run.id], "Hello?")


@pytest.mark.parametrize(
    ("field", "given"), [("rounds", "many"), ("rounds", "1e3"), ("tokens", ""), ("seed", "2.5")]
)
def test_a_number_that_is_none_is_named(field: str, given: str) -> None:
    numbers = {"rounds": "1,000", "tokens": "16", "seed": "0"}
    assert question_of(" Who? ", **numbers) == Question("Who?", 1000)
    with pytest.raises(SpecError, match=f"{field}: '{given}' is not a whole number"):
        question_of("Who?", **numbers | {field: given})


# --- histograms ----------------------------------------------------------------------------


def test_categories_are_counted_with_the_rounds_that_name_none(store: Store, run: Run) -> None:
    name = run.spec.contexts.names[2]
    played = played_of(store, [run.id], f"{name}?", [{"Female.": 60, "a man": 20, "No idea": 20}] * 2)
    histogram = by_category(played, played.aim)

    assert histogram.labels == ("male", "female")
    assert histogram.counts == ((20, 60),) * 2 and histogram.unclassified == (20, 20)
    assert histogram.target == run.spec.target.rows[2]
    male = run.spec.target.rows[2][0]
    assert fits(played)[0].mae == pytest.approx(abs(0.25 - male))


def test_of_many_categories_and_answers_the_largest_have_bars(store: Store, tmp_path: Path) -> None:
    letters = [f"kind {i}" for i in range(30)]
    attribute = {"name": "kind", "categories": letters}
    run = another(store, tmp_path, attribute=attribute, contexts=["x"], target="even")
    counts = {name: i + 1 for i, name in enumerate(letters)}
    played = played_of(store, [run.id], "x", [counts])
    for histogram in (by_category(played, played.aim), by_answer(played)):
        assert len(histogram.labels) == MAX_BARS + 1 and histogram.labels[-1] == OTHERS
        assert sum(histogram.counts[0]) == sum(counts.values())
    assert sum(by_category(played, played.aim).target) == pytest.approx(1)


def test_without_a_run_the_distinct_answers_are_counted(store: Store) -> None:
    played = played_of(store, [], "A joke?", [{"Ha": 2, "": 1}])

    assert played.aim is None
    page = play_view.voices(played)
    assert 'data-by="category"' not in page and play_view.EMPTY_ANSWER in page


def test_what_models_wrote_and_people_named_is_escaped(store: Store, tmp_path: Path) -> None:
    run = another(store, tmp_path, name=HOSTILE, contexts=["a & b"], target="even")
    played = played_of(store, [run.id], HOSTILE, [{HOSTILE: 3}, {f"male {HOSTILE}": 3}])
    fragments = [
        play_view.voices(played),
        play_view.answers(played),
        noted(store, [run.id], HOSTILE),
        play_view.status(HOSTILE, HOSTILE),
    ]
    assert all("<img" not in fragment for fragment in fragments)
    assert "&lt;img" in fragments[0] and "&lt;img" in fragments[1]


# --- while answers come ----------------------------------------------------------------------


class Scripted:
    """What an Asking tells, from a list."""

    def __init__(self, *told: Any) -> None:
        self.told = told

    def __iter__(self) -> Iterator[Any]:
        for told in self.told:
            if isinstance(told, Exception):
                raise told
            yield told


def test_histograms_fill_while_rounds_come(store: Store, run: Run) -> None:
    played = Played.nothing(Question("Who?", 20), voices_of(store, [run.id], base=True))
    half = (("male", 10),)
    told = [Waiting(1), Status("Loading x"), Drawn(0, half), Drawn(1, half), Drawn(0, half), Drawn(1, half)]
    first, *sent = list(streamed(kept(store, played, Scripted(*told)), played, str))

    assert "0 rounds" in first[1] and first[-2:] == [
        gr.update(interactive=False),
        gr.update(interactive=True),
    ]
    assert "1 before yours" in sent[0][0] and sent[0][1] == SKIP
    assert "Loading x" in sent[1][0]
    assert "10 of 20 rounds each" in sent[3][0] and "width:50%" in sent[3][0]
    assert sent[3][1].count("10 rounds") == 4
    assert "20 rounds each" in sent[-1][0] and "Seed 0" in sent[-1][0]
    (play,) = store.plays()
    assert (first[5], sent[0][5], sent[2][5], sent[3][5]) == ("", SKIP, play.id, SKIP)
    assert f"Kept as play {play.id[:6]}" in sent[-1][0]
    assert [row[6] for row in (first, sent[2], sent[-1])] == [SKIP, SKIP, play.id]
    assert sent[-1][-2:] == [gr.update(interactive=True), gr.update(interactive=False)]


def test_a_stop_and_an_error_keep_what_came_and_free_the_button(store: Store, run: Run) -> None:
    played = Played.nothing(Question("Who?", 20), voices_of(store, [run.id], base=False))
    some = Drawn(0, (("male", 10),))
    stopped = list(streamed(kept(store, played, Scripted(some)), played, str))[-1]
    failed = list(streamed(kept(store, played, Scripted(some, PlayError("<b>gone</b>"))), played, str))[-1]

    assert "Stopped at 10 of 20 rounds each" in stopped[0]
    assert "&lt;b&gt;gone" in failed[0] and failed[1] == SKIP
    assert [
        f"Kept as play {play.id[:6]}" in last[0]
        for play, last in zip(store.plays(), (failed, stopped), strict=True)
    ] == [True, True]
    for last in (stopped, failed):
        assert last[-2:] == [gr.update(interactive=True), gr.update(interactive=False)]
