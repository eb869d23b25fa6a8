"""Fixtures that several files of tests use."""

from __future__ import annotations

from pathlib import Path

import pytest


@pytest.fixture(scope="session")
def base(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the tiny model and its tokenizer, which runs can name as their base model."""
    # Tests that need no model are not kept waiting for torch.
    from tests.tiny import save_base

    return save_base(tmp_path_factory.mktemp("models") / "tiny-llama")
