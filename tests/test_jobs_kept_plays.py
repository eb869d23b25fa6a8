"""What is played is kept as it comes, read again as it was, and shown by the verb ``plays``."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Iterable, Iterator
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from bench.made_up import finished_run
from distalign.play import Drawn, Question
from jobs import kept_plays, removal
from jobs.cli import main
from jobs.kept_plays import COLUMNS, found, kept, write_csv_rows
from jobs.places import data_folder
from jobs.play import Played, PlayError, voices_of
from jobs.play_report import as_json
from storage import Run, Store

MALE = Drawn(0, (("He is male", 3), ("=1+1", 1)))
FEMALE = Drawn(1, (("female", 2), ("male", 2)))


@pytest.fixture
def data(tmp_path: Path) -> Any:
    return data_folder(tmp_path)


@pytest.fixture
def store(data: Any) -> Store:
    return Store(data.database)


@pytest.fixture
def run(store: Store, tmp_path: Path) -> Run:
    target = {"male": 0.25, "female": 0.75}
    return finished_run(store, tmp_path, {"rounds": 4, "contexts": ["nurse"], "target": target}, steps=2)


def asked(store: Store, run: Run, rounds: int = 4) -> Played:
    return Played.nothing(Question("A nurse?", rounds, seed=3), voices_of(store, [run.id], base=True))


def played_with(store: Store, run: Run, *told: Any, rounds: int = 4) -> Played:
    return last(kept(store, asked(store, run, rounds), told))


def last(coming: Iterable[tuple[Any, Played]]) -> Played:
    """What was played when nothing more comes, or it fails."""
    seen: list[Played] = []
    with suppress(PlayError):
        seen.extend(now for _, now in coming)
    return seen[-1]


def failing(*told: Drawn) -> Iterator[Drawn]:
    yield from told
    raise PlayError("play: gone")


# --- keeping ---------------------------------------------------------------------------


def test_every_batch_is_kept_before_it_is_handed_on(store: Store, run: Run) -> None:
    coming = kept(store, asked(store, run), ["Starting", MALE, FEMALE])
    told, before = next(coming)
    assert (told, before.id) == ("Starting", "") and store.plays() == []

    _, now = next(coming)
    (play,) = store.plays()
    assert (play.id, play.complete) == (now.id, False)
    assert [voice.rounds for voice in play.voices] == [4, 0]
    _, end = next(coming)
    assert (end.id, store.find_play(now.id).complete) == (now.id, True)


def test_what_came_before_an_error_or_a_stop_is_kept(store: Store, run: Run) -> None:
    for told in (failing(MALE), iter([MALE])):
        again = found(store, last(kept(store, asked(store, run), told)).id)
        assert again.counts == ({"He is male": 3, "=1+1": 1}, {})
        assert not again.complete and as_json(again)["state"] == "stopped"
    assert len(store.plays()) == 2


def test_where_nothing_came_nothing_is_kept(store: Store, run: Run) -> None:
    with pytest.raises(PlayError):
        list(kept(store, asked(store, run), failing()))
    assert store.plays() == []


def test_a_play_is_read_again_as_it_was(store: Store, run: Run) -> None:
    played = played_with(store, run, MALE, FEMALE)
    again = found(store, played.id[:6])

    assert as_json(again) == as_json(played)
    whole = as_json(played)
    assert (whole["play_id"], whole["state"], whole["tokens"]) == (played.id, "complete", 16)
    assert whole["target"] == {"male": 0.25, "female": 0.75}
    base, tuned = whole["voices"]
    assert (base["counts"], base["unclassified"]) == ({"male": 3, "female": 0}, 1)
    assert tuned["adapter"] == store.artifact(run.id, "adapter").sha256 and tuned["run_now"] == "there"
    assert [answer["text"] for answer in tuned["answers"]] == ["female", "male"]


def test_answers_stay_read_as_they_were_when_the_way_of_reading_changes(
    store: Store, run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    played = played_with(store, run, MALE, FEMALE)
    monkeypatch.setattr("distalign.attributes.Attribute.classify", lambda self, text: None)
    assert as_json(found(store, played.id)) == as_json(played)


def test_a_play_outlives_its_run(store: Store, run: Run, data: Any, capsys: pytest.CaptureFixture) -> None:
    played = played_with(store, run, MALE, FEMALE)
    removal.remove(store, data, run.id)
    again = as_json(found(store, played.id))

    then = as_json(played)
    then["voices"][1]["run_now"] = "deleted"
    assert again == then
    assert main(["plays", played.id, "--data", str(data.root)]) == 0
    shown = capsys.readouterr().out
    assert f"{run.title} ({run.id[:6]}): the run was deleted since" in shown and "75.0%" in shown


def test_without_a_run_there_is_no_category(store: Store) -> None:
    alone = Played.nothing(Question("A joke?", 4), voices_of(store, [], base=True))
    base = last(kept(store, alone, [MALE]))
    again = found(store, base.id)
    assert again.aim is None and as_json(again) == as_json(base)
    assert [row["category"] for row in store._rows("SELECT category FROM play_answers")] == [None, None]


# --- files and the verb ---------------------------------------------------------------


def test_the_csv_file_says_what_the_json_does(store: Store, run: Run) -> None:
    whole = as_json(played_with(store, run, MALE))
    text = io.StringIO()
    write_csv_rows(found(store, whole["play_id"]), text)
    rows = list(csv.DictReader(io.StringIO(text.getvalue())))

    assert tuple(rows[0]) == COLUMNS
    assert [(row["voice"], row["text"], row["count"], row["category"]) for row in rows] == [
        ("1", "He is male", "3", "male"),
        # A spreadsheet would work the text out.
        ("1", "'=1+1", "1", ""),
        ("2", "", "0", ""),
    ]
    first, *_, last = rows
    assert (first["play_id"], first["state"], first["rounds_asked"]) == (whole["play_id"], "stopped", "4")
    assert (first["category_target"], first["category_count"], first["unclassified"]) == ("0.25", "3", "1")
    assert float(first["mae"]) == whole["voices"][0]["mae"]
    assert (last["run_id"], last["rounds"], last["mae"]) == (run.id, "0", "")


def test_the_verb_lists_the_newest_first(
    store: Store, run: Run, data: Any, capsys: pytest.CaptureFixture
) -> None:
    at = ["--data", str(data.root)]
    assert main(["plays", *at]) == 0
    assert "Nothing was played. Ask with: python -m jobs play" in capsys.readouterr().out
    older, newer = played_with(store, run, MALE), played_with(store, run, MALE, FEMALE)

    assert main(["plays", *at]) == 0
    _, _, first, second = capsys.readouterr().out.splitlines()
    assert first.startswith(newer.id) and "4 of 4" in first and "A nurse?" in first
    assert second.startswith(older.id) and "0 of 4" in second and run.title in second
    assert main(["plays", "--json", "--limit", "1", *at]) == 0
    (listed,) = json.loads(capsys.readouterr().out)
    assert (listed["play_id"], listed["state"], listed["prompt"]) == (newer.id, "complete", "A nurse?")
    assert [voice["rounds"] for voice in listed["voices"]] == [4, 4]


def test_the_verb_shows_one_again_in_every_form(
    store: Store, run: Run, data: Any, capsys: pytest.CaptureFixture
) -> None:
    played, at = played_with(store, run, MALE, FEMALE), ["--data", str(data.root)]
    assert main(["plays", played.id[:5], "--json", *at]) == 0
    assert json.loads(capsys.readouterr().out) == as_json(played)
    assert main(["plays", played.id, "--csv", *at]) == 0
    assert len(list(csv.DictReader(io.StringIO(capsys.readouterr().out)))) == 4
    assert main(["plays", played.id, *at]) == 0
    shown = capsys.readouterr().out
    assert "A nurse?" in shown and f"play {played.id}" in shown and "names no category" in shown
    assert "4 of 4 rounds each, seed 3, answers of at most 16 tokens" in shown


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (["nowhere"], "play: 'nowhere' is not known"),
        (["PLAY", "--limit", "3"], "--limit: PLAY was given, too"),
        (["--csv"], "--csv: it is of one play"),
        (["--delete"], "--delete: it is of one play"),
        (["--limit", "-1"], "--limit: -1 is below 0"),
    ],
)
def test_the_verb_tells_a_mistake_in_one_line(
    store: Store, run: Run, data: Any, arguments: list[str], told: str, capsys: pytest.CaptureFixture
) -> None:
    played = played_with(store, run, MALE)
    given = [played.id if word == "PLAY" else word for word in arguments]
    assert main(["plays", *given, "--data", str(data.root)]) == 2
    assert told in capsys.readouterr().err


def test_the_verb_deletes_one(store: Store, run: Run, data: Any, capsys: pytest.CaptureFixture) -> None:
    stays, gone = played_with(store, run, MALE), played_with(store, run, FEMALE)
    assert main(["plays", gone.id, "--delete", "--data", str(data.root)]) == 0
    assert capsys.readouterr().out == f"Deleted play {gone.id}\n"
    assert [play.id for play in store.plays()] == [stays.id]


def test_an_opened_play_is_only_for_looking_at(store: Store, run: Run) -> None:
    again = found(store, played_with(store, run, MALE).id)
    assert all(voice.spec is None and voice.adapter is None for voice in again.voices)
    assert kept_plays.voice_of(store.find_play(again.id).voices[1]) == again.voices[1]
    assert replace(again.voices[1], method="", digest="").name == f"{run.title} ({run.id[:6]})"
