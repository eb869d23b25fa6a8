"""Plays in the store: what came is counted, old ones are dropped, and runs come and go beneath them."""

from __future__ import annotations

from pathlib import Path

import pytest

from bench.made_up import finished_run
from distalign.spec import parse_spec
from storage import Run, Store, StoreError
from storage import migrations as schema
from storage.plays import CHANGED, DELETED, MOST_PLAYS, THERE, Play, PlayAnswer, PlayVoice, UnknownPlay
from tests.test_jobs_runners import SPEC

WANTED = {"attribute": "gender", "categories": ["male", "female"], "target": [0.2, 0.8], "note": "Its target"}


class Clock:
    now = 1000.0

    def __call__(self) -> float:
        self.now += 1
        return self.now


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return Store(tmp_path / "runs.db", clock=Clock())


@pytest.fixture
def run(store: Store, tmp_path: Path) -> Run:
    return finished_run(store, tmp_path, {"rounds": 4, "target": "even"}, steps=2)


def voice_of(store: Store, run: Run) -> PlayVoice:
    adapter = store.artifact(run.id, "adapter").sha256
    return PlayVoice(run.spec.base_model, run.id, run.title, run.method, adapter)


def added(store: Store, *voices: PlayVoice, prompt: str = "Who?", rounds: int = 3) -> Play:
    return store.add_play(prompt, rounds, 7, 16, WANTED, voices or (PlayVoice("tiny"),))


def test_a_play_has_its_question_its_voices_and_its_answers(store: Store, run: Run) -> None:
    play = added(store, PlayVoice("tiny"), voice_of(store, run))
    store.add_play_answers(play.id, [PlayAnswer(0, "male", 2, 0), PlayAnswer(1, "She is", 1, None)])
    store.add_play_answers(play.id, [PlayAnswer(0, "male", 1, 0), PlayAnswer(1, "female", 1, 1)])

    (found,) = store.plays()
    assert found == store.find_play(play.id[:4])
    assert (found.prompt, found.rounds, found.seed, found.tokens, found.wanted) == ("Who?", 3, 7, 16, WANTED)
    assert [(v.run, v.rounds, v.run_now) for v in found.voices] == [(None, 3, None), (run.id, 2, THERE)]
    assert (found.voices[1].title, found.voices[1].method) == (run.title, run.method)
    assert store.play_answers(play.id) == [
        PlayAnswer(0, "male", 3, 0),
        PlayAnswer(1, "She is", 1, None),
        PlayAnswer(1, "female", 1, 1),
    ]


def test_a_play_is_complete_with_the_last_round_of_the_last_voice(store: Store) -> None:
    play = added(store, PlayVoice("tiny"), PlayVoice("other"))
    for voice, complete in ((0, False), (1, True)):
        store.add_play_answers(play.id, [PlayAnswer(voice, "Ha", 3, None)])
        assert store.find_play(play.id).complete == complete
    states = store._rows("SELECT state FROM plays")
    assert [row["state"] for row in states] == ["complete"]


def test_of_many_plays_the_newest_are_kept_with_their_answers(store: Store) -> None:
    first = added(store, prompt="The first")
    store.add_play_answers(first.id, [PlayAnswer(0, "Ha", 3, None)])
    for number in range(MOST_PLAYS):
        added(store, prompt=f"Question {number}")

    listed = store.plays()
    assert len(listed) == MOST_PLAYS
    assert (listed[0].prompt, listed[-1].prompt) == (f"Question {MOST_PLAYS - 1}", "Question 0")
    assert store.plays(limit=2) == listed[:2]
    assert store.play_answers(first.id) == []
    assert store._rows("SELECT count(*) AS n FROM play_voices")[0]["n"] == MOST_PLAYS
    with pytest.raises(UnknownPlay, match=r"is not known\. The newest 200 are kept"):
        store.find_play(first.id)
    with pytest.raises(UnknownPlay):
        store.add_play_answers(first.id, [PlayAnswer(0, "Ha", 3, None)])


def test_a_run_that_is_deleted_leaves_what_it_answered(store: Store, run: Run) -> None:
    play = added(store, voice_of(store, run))
    store.add_play_answers(play.id, [PlayAnswer(0, "male", 3, 0)])
    store.rename(run.id, "Renamed")
    assert store.find_play(play.id).voices[0].title == "Renamed"

    store.mark_deleted(run.id)
    assert store.find_play(play.id).voices[0].run_now == DELETED
    store.restore_run(run.id)
    assert store.find_play(play.id).voices[0].run_now == THERE
    store.delete_run(run.id)
    (voice,) = store.find_play(play.id).voices
    assert (voice.run, voice.title, voice.run_now, voice.rounds) == (run.id, run.title, DELETED, 3)
    assert store.play_answers(play.id) == [PlayAnswer(0, "male", 3, 0)]


def test_a_run_that_was_purged_leaves_it_too(store: Store, run: Run) -> None:
    play = added(store, voice_of(store, run))
    store.add_play_answers(play.id, [PlayAnswer(0, "male", 3, 0)])
    store.mark_deleted(run.id)
    assert store.purge_deleted(0) == [run.id]
    assert store.play_answers(play.id) and store.find_play(play.id).voices[0].run_now == DELETED


def test_a_run_that_is_started_again_has_another_adapter(store: Store, run: Run, tmp_path: Path) -> None:
    play = added(store, voice_of(store, run))
    store.requeue(run.id)
    assert store.find_play(play.id).voices[0].run_now == CHANGED
    other = tmp_path / "other.zip"
    other.write_bytes(b"another")
    store.add_artifact(run.id, "adapter", other)
    assert store.find_play(play.id).voices[0].run_now == CHANGED


def test_a_play_is_deleted_with_its_answers_and_no_other(store: Store) -> None:
    gone, stays = added(store), added(store)
    for play in (gone, stays):
        store.add_play_answers(play.id, [PlayAnswer(0, "male", 2, 0)])
    store.delete_play(gone.id)

    assert [play.id for play in store.plays()] == [stays.id]
    assert (len(store.play_answers(gone.id)), len(store.play_answers(stays.id))) == (0, 1)
    # What was still answering is told, and leaves no rows.
    for again in (
        lambda: store.delete_play(gone.id),
        lambda: store.add_play_answers(gone.id, [PlayAnswer(0, "male", 1, 0)]),
    ):
        with pytest.raises(UnknownPlay):
            again()
    assert store.play_answers(gone.id) == []


def test_an_id_must_begin_one_play(store: Store) -> None:
    ids = [added(store).id for _ in range(17)]
    digits = [play_id[0] for play_id in ids]
    twice = next(d for d in digits if digits.count(d) > 1)
    with pytest.raises(StoreError, match=f"play: '{twice}' begins the ids of several plays"):
        store.find_play(twice)
    with pytest.raises(UnknownPlay, match="play: 'nowhere' is not known"):
        store.find_play("nowhere")


def test_a_file_without_plays_takes_them_from_now_on(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    at = schema.STEPS.index(schema.questions_that_were_played)
    with monkeypatch.context() as older:
        older.setattr(schema, "STEPS", schema.STEPS[:at])
        store = Store(tmp_path / "runs.db")
        run = store.insert_run(parse_spec(SPEC))
        store.close()

    store = Store(tmp_path / "runs.db")
    assert store.run(run.id) == run and store.plays() == []
    assert added(store).voices == (PlayVoice("tiny"),)
