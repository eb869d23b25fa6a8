"""The page as a process of its own, and the browser that looks at it."""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from distalign.folders import DataFolder
from jobs.liveness import hold, worker_lock
from storage import Store

PROJECT = Path(__file__).resolve().parent.parent
CHROMIUM_NAMES = ("chromium", "chromium-browser", "google-chrome")
CHROMIUM_ARGS = ["--headless", "--no-sandbox", "--disable-gpu", "--disable-background-networking"]
START_SECONDS = 120
KNOCK_SECONDS = 0.02


@dataclass(frozen=True)
class App:
    """A running page: where it answers, its process, and the folder it keeps its data in.

    ``started`` is the moment of its start on ``time.monotonic``'s clock;
    ``answered`` the seconds from then to the first answer.
    """

    url: str
    data: DataFolder
    pid: int
    started: float
    answered: float

    @property
    def store(self) -> Store:
        return Store(self.data.database)


@contextmanager
def start_app(folder: Path, env: Mapping[str, str] | None = None) -> Iterator[App]:
    """``python app.py`` as a process of its own on a free port, with its data in ``folder``.

    Raises:
        RuntimeError: with its log, when it ends or does not answer in :data:`START_SECONDS`.
    """
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    settings = {
        "DISTALIGN_DATA": str(folder),
        "DISTALIGN_DEFAULT_RUN": "0",
        "GRADIO_SERVER_PORT": str(port),
        "GRADIO_ANALYTICS_ENABLED": "False",
    }
    environment = os.environ | settings | dict(env or {})
    environment.pop("SPACE_ID", None)
    folder.mkdir(parents=True, exist_ok=True)
    log = folder / "app.log"
    with log.open("w") as output:
        started = time.monotonic()
        process = subprocess.Popen(
            [sys.executable, "app.py"], cwd=PROJECT, env=environment, stdout=output, stderr=output
        )
        url = f"http://127.0.0.1:{port}/"
        try:
            _await_answer(url, process, log)
            yield App(url, DataFolder(folder), process.pid, started, time.monotonic() - started)
        finally:
            process.terminate()
            try:
                process.wait(15)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()


def _await_answer(url: str, process: subprocess.Popen, log: Path) -> None:
    deadline = time.monotonic() + START_SECONDS
    while time.monotonic() < deadline:
        if process.poll() is not None:
            raise RuntimeError(f"app.py ended with {process.returncode}:\n{log.read_text()}")
        try:
            with urllib.request.urlopen(url, timeout=5):
                return
        except OSError:
            time.sleep(KNOCK_SECONDS)
    raise RuntimeError(f"app.py did not answer in {START_SECONDS} s:\n{log.read_text()}")


@contextmanager
def without_worker(folder: Path) -> Iterator[None]:
    """Runs stay queued: this process takes the lock that a worker would hold."""
    data = DataFolder(folder)
    data.locks.mkdir(parents=True, exist_ok=True)
    lock = hold(worker_lock(data), 5.0)
    if lock is None:
        raise RuntimeError(f"a worker serves {folder}. End it, or name another folder")
    with lock:
        yield


class NoBrowser(RuntimeError):
    """There is no Chromium, or no Playwright to drive it."""


@contextmanager
def chromium() -> Iterator[Any]:
    """A headless Chromium: the system's, else the one that Playwright downloaded.

    Raises:
        NoBrowser: when there is none.
    """
    try:
        from playwright.sync_api import sync_playwright
    except ImportError as error:
        raise NoBrowser("playwright is not installed") from error
    with sync_playwright() as playwright:
        installed = next(filter(None, map(shutil.which, CHROMIUM_NAMES)), None)
        path = installed or playwright.chromium.executable_path
        if not Path(path).exists():
            raise NoBrowser("no Chromium is installed")
        browser = playwright.chromium.launch(executable_path=path, args=CHROMIUM_ARGS)
        try:
            yield browser
        finally:
            browser.close()
