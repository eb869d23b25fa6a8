"""The process that answers what the page asks: ``python -m jobs.play_child``, started by the page's process.

It reads questions as lines of JSON from standard input, and writes lines of JSON
to standard output: ``status``, ``drawn``, and ``end`` or ``error``, each with the
question's ``id``. The models stay loaded until no question came for a while; then,
or when its standard input ends, so does the process.
"""

from __future__ import annotations

import argparse
import json
import os
import queue
import sys
import threading
import traceback
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any, TextIO

from distalign.errors import Cancelled
from distalign.folders import DataFolder
from distalign.memory import give_back, share_one_heap
from distalign.play import Question, Voice
from jobs.execution import text_of
from jobs.places import data_folder
from jobs.play import voices_of
from storage import Store

if TYPE_CHECKING:
    from distalign.player import Player

ORPHANED = 70


class Inbox:
    """Questions as they come, and which of them were stopped; ends the process when the pipe ends."""

    def __init__(self, descriptor: int) -> None:
        self._descriptor = descriptor
        self._questions: queue.Queue[dict[str, Any]] = queue.Queue()
        self._stopped: set[int] = set()
        threading.Thread(target=self._read, name="inbox", daemon=True).start()

    def next(self, patience: float) -> dict[str, Any] | None:
        """The next question, or None if none comes in so many seconds."""
        try:
            return self._questions.get(timeout=patience)
        except queue.Empty:
            return None

    def is_stopped(self, question: int) -> bool:
        return question in self._stopped

    def _read(self) -> None:
        with os.fdopen(self._descriptor, encoding="utf-8") as lines:
            for line in lines:
                message = json.loads(line)
                if message["kind"] == "stop":
                    self._stopped.add(message["id"])
                else:
                    self._questions.put(message)
        os._exit(ORPHANED)


def own_output() -> TextIO:
    """Standard output for messages alone: what libraries print goes to standard error from now on."""
    output = os.fdopen(os.dup(sys.stdout.fileno()), "w", encoding="utf-8")
    os.dup2(sys.stderr.fileno(), sys.stdout.fileno())
    return output


def serve(inbox: Inbox, output: TextIO, data: DataFolder, idle: float) -> None:
    """Answer questions until none came for ``idle`` seconds."""
    store = Store(data.database)
    player: Player | None = None
    while (message := inbox.next(idle)) is not None:

        def tell(kind: str, number: int = message["id"], **values: Any) -> None:
            output.write(json.dumps({"id": number, "kind": kind, **values}) + "\n")
            output.flush()

        try:
            voices = voices_of(store, message["runs"], base=message["base"], model=message["model"])
            if player is None:
                tell("status", text="Starting")
                player = new_player(data)
            answer(player, voices, message, tell, inbox)
        except Cancelled:
            tell("end")
        except Exception as error:
            traceback.print_exc()
            tell("error", text=text_of(error))
            # What failed may have left the model half changed.
            player = None
        else:
            tell("end")
        give_back()


def new_player(data: DataFolder) -> Player:
    # Imported late: it loads torch, which takes seconds.
    from distalign.player import Player

    return Player(data)


def answer(
    player: Player,
    voices: Sequence[Voice],
    message: dict[str, Any],
    tell: Callable[..., None],
    inbox: Inbox,
) -> None:
    """Draw what one message asks for, telling of each batch."""
    batches = player.sample(
        voices,
        Question(**message["question"]),
        lambda text: tell("status", text=text),
        lambda: inbox.is_stopped(message["id"]),
    )
    for drawn in batches:
        tell("drawn", voice=drawn.voice, answers=drawn.answers)


def main(argv: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="python -m jobs.play_child")
    parser.add_argument("--data", required=True)
    parser.add_argument("--db")
    parser.add_argument("--idle", type=float, required=True, metavar="SECONDS")
    args = parser.parse_args(argv)
    inbox, output = Inbox(sys.stdin.fileno()), own_output()
    # Before torch starts its threads.
    share_one_heap()
    serve(inbox, output, data_folder(args.data, args.db), args.idle)
    return 0


if __name__ == "__main__":
    sys.exit(main())
