"""Fixtures that several files of tests use."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest


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
