"""Starting the app: what it imports, and where it listens."""

from __future__ import annotations

import subprocess
import sys

import gradio as gr
import pytest
from browser_support import PROJECT

import app
from distalign.folders import DataFolder
from storage import Store
from ui import page, theme


@pytest.mark.parametrize("module", ["app", "ui.page"])
def test_importing_the_page_loads_neither_torch_nor_ray(module):
    code = f"import sys, {module}; print(sorted({{'torch', 'ray', 'transformers'}} & set(sys.modules)))"
    found = subprocess.run(
        [sys.executable, "-c", code], cwd=PROJECT, capture_output=True, text=True, check=True
    )
    assert found.stdout.strip() == "[]"


@pytest.mark.parametrize(
    ("settings", "expected"),
    [
        ({}, "127.0.0.1"),
        ({"SPACE_ID": "me/distalign"}, "0.0.0.0"),
        ({"DISTALIGN_HOST": "10.0.0.1"}, "10.0.0.1"),
        ({"DISTALIGN_HOST": "127.0.0.1", "SPACE_ID": "me/distalign"}, "127.0.0.1"),
    ],
)
def test_it_listens_on_loopback_unless_told_otherwise(settings, expected, monkeypatch):
    for name in ("SPACE_ID", "DISTALIGN_HOST"):
        monkeypatch.delenv(name, raising=False)
    for name, value in settings.items():
        monkeypatch.setenv(name, value)
    assert app.host() == expected


# What these are is said by the heading above them, or they are shown once they hold something.
HEADED = {"attribute", "contexts", "target", "shared"}
ASKING = (gr.Textbox, gr.Radio, gr.Dropdown, gr.Checkbox, gr.CheckboxGroup, gr.Number, gr.Slider)


def test_every_control_has_a_sentence_of_explanation(tmp_path):
    data = DataFolder(tmp_path)
    built = page.build(Store(data.database), data)
    asking = [b for b in built.blocks.values() if isinstance(b, ASKING) and b.label and b.visible != "hidden"]
    silent = {b.label for b in asking if not b.info and b.elem_id not in HEADED}

    assert len(asking) > 60 and silent == set()


@pytest.mark.parametrize("path", theme.STYLE, ids=lambda path: path.name)
def test_braces_of_a_style_sheet_match(path):
    # A browser drops the rule behind a stray brace without a word.
    depth = 0
    for number, line in enumerate(path.read_text("utf-8").splitlines(), 1):
        for letter in line:
            depth += (letter == "{") - (letter == "}")
            assert depth >= 0, f"{path.name}:{number}"
    assert depth == 0
