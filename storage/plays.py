"""Questions that were asked outside of runs, and what was answered: the newest ones."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from distalign.errors import shown
from storage.connection import Connections
from storage.records import StoreError, new_id

# Older ones are dropped as new ones come.
MOST_PLAYS = 200
COMPLETE, STOPPED = "complete", "stopped"
# What became of the run behind a voice: it can be asked again, has another adapter, or is gone.
THERE, CHANGED, DELETED = "there", "changed", "deleted"


class UnknownPlay(StoreError):
    """There is no play of this id."""

    def __init__(self, play_id: str) -> None:
        super().__init__(
            f"play: {shown(play_id)} is not known. The newest {MOST_PLAYS} are kept: take an id from their list "
            "(python -m jobs plays)"
        )


@dataclass(frozen=True)
class PlayVoice:
    """Who answered in a play.

    Attributes:
        run: the run's id; None for a base model, as are the next three.
        title, method: of the run; its title is that of now while it is there, else that of then.
        adapter: the SHA-256 of the adapter's zip.
        rounds: how many came.
        run_now: one of :data:`THERE`, :data:`CHANGED` and :data:`DELETED`.
    """

    base_model: str
    run: str | None = None
    title: str | None = None
    method: str | None = None
    adapter: str | None = None
    rounds: int = 0
    run_now: str | None = None


@dataclass(frozen=True)
class Play:
    """A question as it was asked, and who answered.

    Attributes:
        created_at: seconds since 1970-01-01 UTC.
        complete: whether every voice answered all of its rounds.
        rounds: how many were asked of each voice.
        tokens: the length of the longest answer.
        wanted: what the prompt wanted of the first run's adapter, as plain values; None without a run.
    """

    id: str
    created_at: float
    complete: bool
    prompt: str
    rounds: int
    seed: int
    tokens: int
    wanted: Mapping[str, Any] | None
    voices: tuple[PlayVoice, ...]


@dataclass(frozen=True)
class PlayAnswer:
    """One of the different answers of a voice; ``category`` is None for one that names none."""

    voice: int
    text: str
    count: int
    category: int | None


class Plays(Connections):
    """Methods on the tables ``plays``, ``play_voices`` and ``play_answers``."""

    def add_play(
        self,
        prompt: str,
        rounds: int,
        seed: int,
        tokens: int,
        wanted: Mapping[str, Any] | None,
        voices: Sequence[PlayVoice],
    ) -> Play:
        """Keep a question before its answers, in place of the oldest of more than :data:`MOST_PLAYS`."""
        play_id = new_id()
        row = {"prompt": prompt, "rounds": rounds, "seed": seed, "tokens": tokens}
        row |= {"wanted": None if wanted is None else json.dumps(wanted, ensure_ascii=False)}
        who = ("base_model", "title", "method", "adapter")
        with self._write() as db:
            db.table("plays").insert({"id": play_id, "created_at": self._clock()} | row)
            db.table("play_voices").insert_all(
                {"play_id": play_id, "voice": number, "run_id": voice.run}
                | {name: getattr(voice, name) for name in who}
                for number, voice in enumerate(voices)
            )
            db.execute(
                "DELETE FROM plays WHERE number <= "
                "(SELECT number FROM plays ORDER BY number DESC LIMIT 1 OFFSET ?)",
                [MOST_PLAYS],
            )
        return self.find_play(play_id)

    def add_play_answers(self, play_id: str, answers: Iterable[PlayAnswer]) -> None:
        """Count more answers; with the last round of the last voice the play is complete.

        Raises:
            UnknownPlay: for an unknown id, or a play that was dropped meanwhile.
        """
        given = list(answers)
        with self._write() as db:
            if not list(db.query("SELECT 1 FROM plays WHERE id = ?", [play_id])):
                raise UnknownPlay(play_id)
            db.conn.executemany(
                "INSERT INTO play_answers (play_id, voice, text, count, category) VALUES (?, ?, ?, ?, ?) "
                "ON CONFLICT DO UPDATE SET count = count + excluded.count",
                [(play_id, a.voice, a.text, a.count, a.category) for a in given],
            )
            db.conn.executemany(
                "UPDATE play_voices SET rounds = rounds + ? WHERE play_id = ? AND voice = ?",
                [(a.count, play_id, a.voice) for a in given],
            )
            db.execute(
                f"UPDATE plays SET state = '{COMPLETE}' WHERE id = ? AND NOT EXISTS "
                "(SELECT 1 FROM play_voices v WHERE v.play_id = plays.id AND v.rounds < plays.rounds)",
                [play_id],
            )

    def delete_play(self, play_id: str) -> None:
        """Delete a play and its answers; UnknownPlay for an unknown id."""
        with self._write() as db:
            if not db.execute("DELETE FROM plays WHERE id = ?", [play_id]).rowcount:
                raise UnknownPlay(play_id)

    def plays(self, limit: int = MOST_PLAYS) -> list[Play]:
        """Newest first."""
        return self._plays_from(self._rows("SELECT * FROM plays ORDER BY number DESC LIMIT ?", [limit]))

    def find_play(self, prefix: str) -> Play:
        """The play whose id begins with ``prefix``; UnknownPlay for none, StoreError for several."""
        row = self._named_by("plays", prefix)
        if row is None:
            raise UnknownPlay(prefix)
        return self._plays_from([row])[0]

    def play_answers(self, play_id: str) -> list[PlayAnswer]:
        """The different answers of each voice, the most frequent first."""
        rows = self._rows(
            "SELECT voice, text, count, category FROM play_answers WHERE play_id = ? "
            "ORDER BY voice, count DESC, text",
            [play_id],
        )
        return [PlayAnswer(**row) for row in rows]

    def _plays_from(self, rows: Sequence[Mapping[str, Any]]) -> list[Play]:
        voices: dict[str, list[PlayVoice]] = {}
        for row in self._rows(_VOICES, [json.dumps([row["id"] for row in rows])]):
            voices.setdefault(row.pop("play_id"), []).append(PlayVoice(**row))
        same = ("id", "created_at", "prompt", "rounds", "seed", "tokens")
        return [
            Play(
                **{name: row[name] for name in same},
                complete=row["state"] == COMPLETE,
                wanted=row["wanted"] and json.loads(row["wanted"]),
                voices=tuple(voices.get(row["id"], ())),
            )
            for row in rows
        ]


_VOICES = f"""
SELECT v.play_id, v.base_model, v.run_id AS run, coalesce(r.title, v.title) AS title, v.method, v.adapter,
    v.rounds, CASE
        WHEN v.run_id IS NULL THEN NULL
        WHEN r.id IS NULL OR r.deleted_at IS NOT NULL THEN '{DELETED}'
        WHEN a.sha256 IS NOT v.adapter THEN '{CHANGED}'
        ELSE '{THERE}' END AS run_now
FROM play_voices v LEFT JOIN runs r ON r.id = v.run_id
    LEFT JOIN artifacts a ON a.run_id = v.run_id AND a.kind = 'adapter'
WHERE v.play_id IN (SELECT value FROM json_each(?)) ORDER BY v.play_id, v.voice
"""
