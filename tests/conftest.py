"""Fixtures that several files of tests use."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from _pytest.runner import runtestprotocol


@pytest.fixture(scope="session")
def base(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the tiny model and its tokenizer, which runs can name as their base model."""
    # Tests that need no model are not kept waiting for torch.
    from tests.tiny import save_base

    return save_base(tmp_path_factory.mktemp("models") / "tiny-llama")


# Not of the whole session: Playwright allows no second one beside it, and the benchmark's tests start their own.
@pytest.fixture(scope="module")
def chromium() -> Iterator[Any]:
    """A headless browser for all tests of a file; each opens windows of its own."""
    from browser_support import browser

    with browser() as found:
        yield found


@pytest.fixture
def commands(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[list[str]]]:
    """Notes the processes that would be started, and starts none."""
    noted: list[list[str]] = []

    class NoProcess:
        def __init__(self, command: list[str], **options: object) -> None:
            noted.append(command)

        def wait(self) -> int:
            return 0

    with monkeypatch.context() as patch:
        patch.setattr("jobs.worker.subprocess.Popen", NoProcess)
        yield noted


# Browser tests that waited in vain once and are run a second time; the summary names them.
REPEATED: list[str] = []


@pytest.hookimpl(tryfirst=True)
def pytest_runtest_protocol(item: pytest.Item, nextitem: pytest.Item | None) -> bool | None:
    """Run a browser test again, once, when a wait timed out.

    Gradio's client now and then loses the last of several changes that come while a handler works
    (``trigger_mode="always_last"``); the next change brings it in. Any other failure counts at once.
    """
    if "browser" not in item.keywords:
        return None
    where = {"nodeid": item.nodeid, "location": item.location}
    item.ihook.pytest_runtest_logstart(**where)
    reports = runtestprotocol(item, nextitem=nextitem, log=False)
    if any(report.failed and "TimeoutError" in str(report.longrepr) for report in reports):
        REPEATED.append(item.nodeid)
        item._initrequest()
        reports = runtestprotocol(item, nextitem=nextitem, log=False)
    for report in reports:
        item.ihook.pytest_runtest_logreport(report=report)
    item.ihook.pytest_runtest_logfinish(**where)
    return True


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    for name in REPEATED:
        terminalreporter.write_line(f"run twice, as a wait timed out: {name}")
