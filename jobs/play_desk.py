"""The desk where questions are asked: one is answered at a time, the others wait in line.

A thread of its own talks to the process that answers, so that whoever asked can
stop listening at any moment, and nobody waits for ever.
"""

from __future__ import annotations

import itertools
import queue
import threading
import time
from collections import deque
from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass
from typing import Any

from distalign.errors import DistalignError
from distalign.folders import DataFolder
from distalign.play import Drawn, Question
from jobs.execution import text_of
from jobs.play import PlayError
from jobs.play_process import PlayProcess, text_of_end

LISTEN_SECONDS = 0.1
# A process that says nothing for so long is taken for hung. A model's download may take minutes.
SILENCE_SECONDS = 900.0


@dataclass(frozen=True)
class Waiting:
    """So many questions are answered before this one."""

    ahead: int


@dataclass(frozen=True)
class Status:
    """What is being done while no rounds come."""

    text: str


Told = Waiting | Status | Drawn


class Asking:
    """A question on its way. Iterate over what is told of it; it ends with the last round, or raises."""

    def __init__(self, number: int, message: dict[str, Any]) -> None:
        self.message = message | {"id": number, "kind": "ask"}
        self._told: queue.Queue[Told | DistalignError | None] = queue.Queue()
        self._stopped = threading.Event()

    @property
    def number(self) -> int:
        return self.message["id"]

    @property
    def stopped(self) -> bool:
        return self._stopped.is_set()

    def stop(self) -> None:
        """Want no more; whoever iterates comes to the end at once."""
        self._stopped.set()
        self._told.put(None)

    def tell(self, told: Told | DistalignError | None) -> None:
        """Hand on to whoever iterates; an error or None is the last."""
        self._told.put(told)

    def __iter__(self) -> Iterator[Told]:
        while (told := self._told.get()) is not None:
            if isinstance(told, DistalignError):
                raise told
            yield told


class Desk:
    """Takes questions on the runs of one data folder; safe from many threads."""

    def __init__(self, data: DataFolder, silence: float = SILENCE_SECONDS) -> None:
        self._data, self._silence = data, silence
        self._numbers = itertools.count(1)
        self._line: deque[Asking] = deque()
        self._changed = threading.Condition()
        self._thread: threading.Thread | None = None
        self._process: PlayProcess | None = None

    def ask(self, question: Question, runs: Sequence[str], *, base: bool, model: str | None = None) -> Asking:
        """Put a question at the end of the line; who answers is told as :func:`jobs.play.voices_of` has it."""
        asked = {"question": asdict(question), "runs": list(runs), "base": base, "model": model}
        with self._changed:
            asking = Asking(next(self._numbers), asked)
            self._line.append(asking)
            self._tell_places()
            if self._thread is None:
                self._thread = threading.Thread(target=self._serve, name="play-desk", daemon=True)
                self._thread.start()
            self._changed.notify()
        return asking

    @property
    def process(self) -> PlayProcess | None:
        """The process that answers, where one runs."""
        process = self._process
        return process if process is not None and process.exit_code is None else None

    def close(self) -> None:
        """End the process that answers; a question that it works on fails."""
        if self._process is not None:
            self._process.end()

    def _serve(self) -> None:
        while True:
            with self._changed:
                while not self._line:
                    self._changed.wait()
                asking = self._line[0]
            try:
                if not asking.stopped:
                    self._answer(asking)
                asking.tell(None)
            except DistalignError as error:
                asking.tell(error)
            except Exception as error:
                # Without this boundary whoever asked, and all behind them, would wait for ever.
                asking.tell(PlayError(f"play: {text_of(error)}"))
            with self._changed:
                self._line.popleft()
                self._tell_places()

    def _tell_places(self) -> None:
        """Tell everybody in line how many are before them; those who left do not count."""
        present = [asking for asking in self._line if not asking.stopped]
        for ahead, asking in enumerate(present[1:], 1):
            asking.tell(Waiting(ahead))

    def _answer(self, asking: Asking) -> None:
        # A process may end of idleness at the moment when it is asked; a fresh one does not.
        if not self._converse(asking) and not self._converse(asking):
            raise PlayError(text_of_end(0))

    def _converse(self, asking: Asking) -> bool:
        """Ask the process, and hand on what it tells; False when it had ended before it was asked."""
        if self.process is None:
            asking.tell(Status("Starting"))
            self._process = PlayProcess(self._data)
        process = self._process
        heard, heard_at = False, time.monotonic()
        try:
            process.send(asking.message)
            while True:
                message = process.receive(LISTEN_SECONDS)
                if asking.stopped:
                    with suppress(OSError):
                        process.send({"kind": "stop", "id": asking.number})
                    return True
                if message is not None and message["id"] == asking.number:
                    heard, heard_at = True, time.monotonic()
                    if _hand_on(message, asking):
                        return True
                elif time.monotonic() - heard_at > self._silence:
                    process.end()
                    raise PlayError(f"play: no word from the process that answers in {self._silence:.0f} s")
        except (EOFError, OSError):
            process.end()
            if heard or process.exit_code:
                raise PlayError(text_of_end(process.exit_code)) from None
            return False


def _hand_on(message: dict[str, Any], asking: Asking) -> bool:
    """Tell what a message says; True for the last one."""
    if message["kind"] == "error":
        raise PlayError(message["text"])
    if message["kind"] == "status":
        asking.tell(Status(message["text"]))
    elif message["kind"] == "drawn":
        asking.tell(Drawn(message["voice"], tuple((text, count) for text, count in message["answers"])))
    return message["kind"] == "end"
