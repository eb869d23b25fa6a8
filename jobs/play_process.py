"""The page's end of the process that answers: started, written to, listened to, ended."""

from __future__ import annotations

import json
import math
import os
import queue
import subprocess
import threading
from contextlib import suppress
from pathlib import Path
from typing import Any

from distalign.errors import SpecError, shown
from distalign.folders import DataFolder
from jobs.executor import CALM, PROJECT, python_command, signal_name
from jobs.places import play_log
from jobs.play import PlayError

IDLE_VARIABLE, IDLE_MINUTES = "DISTALIGN_PLAY_IDLE_MINUTES", 10.0
END_SECONDS = 5.0


def idle_minutes() -> float:
    """Minutes without a question after which the models are let go of.

    Raises:
        SpecError: when the environment says something else than a positive number.
    """
    given = os.environ.get(IDLE_VARIABLE) or IDLE_MINUTES
    try:
        minutes = float(given)
    except ValueError:
        minutes = math.nan
    if not 0 < minutes < 1e6:
        raise SpecError(IDLE_VARIABLE, f"{shown(given)} is no number of minutes", "Set it to 10, for example")
    return minutes


class PlayProcess:
    """A running ``python -m jobs.play_child``. It ends with this process, whose pipe it reads.

    Raises:
        PlayError: when it cannot be started.
    """

    def __init__(self, data: DataFolder) -> None:
        log = play_log(data)
        command = python_command("jobs.play_child", data, "--idle", str(60 * idle_minutes()))
        try:
            log.parent.mkdir(parents=True, exist_ok=True)
            self._process = _started(command, log)
        except OSError as error:
            raise PlayError(f"play: its process cannot be started ({error.strerror})") from error
        self._messages: queue.Queue[dict[str, Any] | None] = queue.Queue()
        threading.Thread(target=self._listen, name="play-listener", daemon=True).start()

    @property
    def pid(self) -> int:
        return self._process.pid

    @property
    def exit_code(self) -> int | None:
        """None while it runs; −signal if it was killed."""
        return self._process.poll()

    def send(self, message: dict[str, Any]) -> None:
        """Raises OSError when it has ended."""
        self._process.stdin.write(json.dumps(message).encode() + b"\n")
        self._process.stdin.flush()

    def receive(self, patience: float) -> dict[str, Any] | None:
        """Its next message; None if none comes in so many seconds.

        Raises:
            EOFError: when it has ended, and told all that it had to tell.
        """
        try:
            message = self._messages.get(timeout=patience)
        except queue.Empty:
            return None
        if message is None:
            # Whoever asks again is told again.
            self._messages.put(None)
            raise EOFError
        return message

    def end(self) -> None:
        """End it now."""
        with suppress(OSError):
            self._process.stdin.close()
        try:
            self._process.wait(END_SECONDS)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()

    def _listen(self) -> None:
        with self._process.stdout as lines:
            for line in lines:
                self._messages.put(json.loads(line))
        self._process.wait()
        self._messages.put(None)


def _started(command: list[str], log: Path) -> subprocess.Popen[bytes]:
    with log.open("wb") as errors:
        # Its own session: Ctrl-C at the page in a terminal ends the page, whose pipe then ends this one.
        return subprocess.Popen(
            command,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=errors,
            cwd=PROJECT,
            env=CALM | os.environ,
            start_new_session=True,
        )


def text_of_end(code: int) -> str:
    """What to tell a person of a process that ended while it was needed."""
    if code >= 0:
        return (
            f"play: the process that answers ended with exit code {code}. Its log file says more; try again"
        )
    name = signal_name(-code)
    hint = ". Perhaps the memory was not enough" if name == "SIGKILL" else ""
    return f"play: the process that answers was ended by {name}{hint}; try again"
