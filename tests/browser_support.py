"""What tests that drive the real page share: the app as a process, a browser, and data to look at."""

from __future__ import annotations

import math
import os
import random
import shutil
import socket
import subprocess
import sys
import time
import urllib.request
import zipfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import NoReturn

import pytest

from distalign.folders import DataFolder
from distalign.noise import noise_floor
from distalign.progress import Progress
from distalign.results import ContextResult, Interval, Round, SplitResult
from distalign.spec import RunSpec, parse_spec
from jobs.liveness import hold, worker_lock
from storage import Run, RunState, Store

PROJECT = Path(__file__).resolve().parent.parent
CHROMIUM_NAMES = ("chromium", "chromium-browser", "google-chrome")
CHROMIUM_ARGS = [
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-background-networking",
]
# Gradio's client ends its event stream so when its page is left or reloaded.
LEAVING = "AbortError: signal is aborted without reason"
START_SECONDS = 120
PAGE_MS = 30_000


# --- the app and the browser -------------------------------------------------


@dataclass(frozen=True)
class App:
    """A running page: where it answers, and the folder it keeps its data in."""

    url: str
    data: DataFolder

    @property
    def store(self) -> Store:
        return Store(self.data.database)


@contextmanager
def start_app(folder: Path, env: Mapping[str, str] | None = None) -> Iterator[App]:
    """``python app.py`` as a process of its own on a free port, with its data in ``folder``."""
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
        process = subprocess.Popen(
            [sys.executable, "app.py"], cwd=PROJECT, env=environment, stdout=output, stderr=output
        )
        try:
            _await_answer(f"http://127.0.0.1:{port}/", process, log)
            yield App(f"http://127.0.0.1:{port}/", DataFolder(folder))
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
            time.sleep(0.3)
    raise RuntimeError(f"app.py did not answer in {START_SECONDS} s:\n{log.read_text()}")


@contextmanager
def without_worker(folder: Path) -> Iterator[None]:
    """Runs stay queued: this process takes the lock that a worker would hold."""
    data = DataFolder(folder)
    data.locks.mkdir(parents=True, exist_ok=True)
    lock = hold(worker_lock(data), 5.0)
    assert lock is not None
    with lock:
        yield


@contextmanager
def browser():
    """A headless Chromium; skips the test where there is none, except in CI."""
    try:
        from playwright.sync_api import sync_playwright
    except ImportError:
        _no_browser("playwright is not installed")
    with sync_playwright() as playwright:
        # The system's Chromium, else the one that Playwright downloaded.
        installed = next(filter(None, map(shutil.which, CHROMIUM_NAMES)), None)
        path = installed or playwright.chromium.executable_path
        if not Path(path).exists():
            _no_browser("no Chromium is installed")
        chromium = playwright.chromium.launch(executable_path=path, args=CHROMIUM_ARGS)
        try:
            yield chromium
        finally:
            chromium.close()


def _no_browser(problem: str) -> NoReturn:
    if os.environ.get("CI"):
        pytest.fail(f"browser tests cannot run: {problem}")
    pytest.skip(f"browser tests cannot run: {problem} (make test installs it where it may)")


@contextmanager
def opened(chromium, url: str, width: int = 1440, height: int = 1000):
    """A page at an address; on leaving, fails if the console showed an error."""
    context = chromium.new_context(viewport={"width": width, "height": height}, accept_downloads=True)
    page = context.new_page()
    page.set_default_timeout(PAGE_MS)
    problems: list[str] = []
    page.on("console", lambda m: problems.append(m.text) if m.type == "error" else None)
    page.on("pageerror", lambda e: problems.append(str(e)))
    try:
        page.goto(url)
        page.wait_for_selector("#tabs button[role=tab]")
        yield page
        told = [problem for problem in problems if LEAVING not in problem]
        assert told == [], f"the console shows errors: {told}"
    finally:
        context.close()


# --- driving the page ----------------------------------------------------------


def go_to(page, tab: str) -> None:
    page.get_by_role("tab", name=tab, exact=True).click()


def choose(page, elem_id: str, label: str) -> None:
    """Tick a radio button."""
    page.locator(f"#{elem_id}").get_by_text(label, exact=True).click()


def fill_custom_attribute(page, name: str, shares: Mapping[str, str], contexts: list[str]) -> None:
    """A custom attribute on pasted contexts, with one target for all of them."""
    choose(page, "attribute", "Custom")
    page.locator("#custom-name textarea, #custom-name input").first.fill(name)
    page.locator("#custom-categories textarea").fill("\n".join(shares))
    choose(page, "custom-kind", "Anything")
    choose(page, "contexts", "Your list")
    page.locator("#pasted textarea").fill("\n".join(contexts))
    choose(page, "target", "One for all contexts")
    for row, (category, share) in enumerate(shares.items()):
        cell(page, "target-row", row, 0).get_by_text(category).wait_for()
        type_in_cell(page, "target-row", row, 1, share)


def paste(page, selector: str, text: str) -> None:
    """Put a long text into a box at once; Playwright's fill types it, line by line."""
    page.locator(selector).evaluate(
        "(box, text) => { box.value = text; box.dispatchEvent(new Event('input', {bubbles: true})) }", text
    )


def cell(page, elem_id: str, row: int, column: int):
    return page.locator(f"#{elem_id} [data-row='{row}'][data-col='{column}']").last


def type_in_cell(page, elem_id: str, row: int, column: int, text: str) -> None:
    """Replace what a cell of an editable table holds, as a person does."""
    cell(page, elem_id, row, column).dblclick()
    editor = cell(page, elem_id, row, column).locator("input, textarea").first
    editor.fill(text)
    editor.press("Enter")


def press_train(page) -> str:
    """Press Train and follow the page to the run; returns the run's id from the address."""
    page.wait_for_selector("#preview .da-plan")
    page.locator("#train").click()
    page.wait_for_url("**tab=runs**")
    page.wait_for_selector("#run-head .da-chip")
    return page.evaluate("new URLSearchParams(window.location.search).get('run')")


def wait_for_state(page, state: str, seconds: float = 60) -> None:
    """Until the chosen run shows a state, by its label ("Done")."""
    page.locator("#run-head .da-chip", has_text=state).wait_for(timeout=seconds * 1000)


def show_results(page) -> None:
    """From a run that is done to its results."""
    page.locator("#show-results").click()
    page.locator("#tiles .da-tile").first.wait_for()


def download(page, kind: str, folder: Path) -> Path:
    """Press a download button of the Results tab; returns the file."""
    with page.expect_download() as caught:
        page.locator(f"#download-{kind}").click()
    path = folder / caught.value.suggested_filename
    caught.value.save_as(path)
    return path


def download_adapter(page, folder: Path) -> Path:
    """The adapter of the run on the Results tab, unpacked into a folder."""
    archive = download(page, "adapter", folder)
    unpacked = folder / "adapter"
    with zipfile.ZipFile(archive) as file:
        file.extractall(unpacked)
    return unpacked


# --- data ------------------------------------------------------------------------


def finished_run(
    store: Store,
    folder: Path,
    mapping: Mapping[str, object] | None = None,
    error: float = 0.02,
    seed: int = 0,
) -> Run:
    """A run that is done, with events, rounds, results and an adapter, made up but consistent."""
    spec = parse_spec({"attribute": "gender", "target": "real", "preset": "quick"} | dict(mapping or {}))
    run = store.insert_run(spec, state=RunState.RUNNING)
    draw = random.Random(seed)
    add_steps(store, run, spec.training.steps)
    for phase in ("before", "after"):
        for split in ("seen_templates", "heldout_templates"):
            skew = 0.0 if phase == "before" else error * (0.6 if split == "seen_templates" else 1)
            contexts = []
            for i in range(len(spec.contexts)):
                result, rounds = _measured(spec, phase, split, i, skew, draw)
                contexts.append(result)
                store.add_rounds(run.id, rounds)
            store.put_result(run.id, _split_result(spec, phase, split, contexts))
    archive = folder / "adapter.zip"
    with zipfile.ZipFile(archive, "w") as file:
        file.writestr("adapter_config.json", "{}")
    store.add_artifact(run.id, "adapter", archive)
    store.set_steering_tokens(run.id, [str(k + 1) for k in range(len(spec.attribute))])
    store.set_timing(run.id, "train_seconds", 87.0)
    store.set_timing(run.id, "sample_seconds", 64.0)
    return store.finish(run.id, RunState.DONE)


def add_steps(store: Store, run: Run, count: int, of: int | None = None) -> None:
    """Events of a run up to a step, falling as a good run's losses fall."""
    total, draw = of or count, random.Random(7)
    for stage, message in (
        ("prepare", "Base model ready"),
        ("base", "Base model: MAE 0.412 on held-out templates"),
    ):
        store.add_event(run.id, run.attempt, Progress("stage", stage, message=message))
    warmup = max(1, total // 4)
    for step in range(1, count + 1):
        x = step / total
        kl = 4.2 * math.exp(-9 * x) + 0.02 * draw.random() + 0.012
        kto, sft = 0.5 * math.exp(-4 * x) + 0.03, 2.4 * math.exp(-12 * x) + 0.02
        stage = "warmup" if step <= warmup else "hybrid"
        store.add_event(
            run.id,
            run.attempt,
            Progress(
                "step",
                stage,
                step,
                total,
                fraction=0.15 + 0.6 * x,
                eta=150 * (1.25 - x),
                values={
                    "loss": kl + kto + sft,
                    "kl": kl,
                    "kto": kto,
                    "sft": sft,
                    "mass": 1 - math.exp(-14 * x),
                    "error": 0.42 * math.exp(-7 * x) + 0.012 + 0.01 * draw.random(),
                },
            ),
        )


def _measured(
    spec: RunSpec, phase: str, split: str, i: int, skew: float, draw: random.Random
) -> tuple[ContextResult, list[Round]]:
    target, k, n = spec.target.rows[i], len(spec.attribute), spec.rounds
    if phase == "before":
        shares = [0.93 if j == (i % 5 == 0) % k else 0.07 / (k - 1) for j in range(k)]
    else:
        raw = [max(0.002, q + draw.gauss(0, skew)) for q in target]
        shares = [v / sum(raw) for v in raw]
    templates = spec.templates.of(split)
    drawn = draw.choices(range(k), shares, k=n)
    lost = {j for j in range(n) if draw.random() < (0.12 if phase == "before" else 0.002)}
    rounds = [
        Round(
            phase, split, i, j % len(templates), j,
            None if phase == "before" else drawn[j],
            None if j in lost else drawn[j],
            "I cannot say." if j in lost else f"The {spec.attribute.name} is {spec.attribute.names[drawn[j]]}.",
        )
        for j in range(n)
    ]  # fmt: skip
    m = n - len(lost)
    realized = tuple(sum(drawn[j] == c for j in range(n) if j not in lost) / m for c in range(k))
    half = [1.96 * math.sqrt(max(p * (1 - p), 0.002) / m) for p in realized]
    mae = sum(abs(q - p) for q, p in zip(target, realized, strict=True)) / k
    return ContextResult(
        i, n, len(lost), target, realized,
        tuple(max(0.0, p - h) for p, h in zip(realized, half, strict=True)),
        tuple(min(1.0, p + h) for p, h in zip(realized, half, strict=True)),
        tuple(shares), mae, noise_floor(target, m), mae * 1.2, mae * 0.9, mae, 0.4 if mae < 0.06 else 1e-6,
    ), rounds  # fmt: skip


def _split_result(spec: RunSpec, phase: str, split: str, contexts: list[ContextResult]) -> SplitResult:
    def mean(name: str) -> float:
        return sum(getattr(c, name) for c in contexts) / len(contexts)

    def around(value: float, share: float = 0.12) -> Interval:
        return Interval(value, value * (1 - share), value * (1 + share))

    mae, floor, trained = mean("mae"), mean("noise_floor"), phase == "after"
    rounds = sum(c.rounds for c in contexts)
    return SplitResult(
        phase, split, rounds, sum(c.unclassified for c in contexts) / rounds,
        around(mae), around(mean("kl")), around(mean("js_distance")), around(mean("total_variation")),
        floor, around(mae / floor), mean("chi2_p"),
        exact_error=0.021 if trained else None, restricted_error=0.02 if trained else None,
        steering_mass=0.998 if trained else None, agreement=0.997 if trained else None,
        contexts=tuple(contexts),
    )  # fmt: skip
