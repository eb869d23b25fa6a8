"""What imports what: the packages' direction, and nothing heavy behind the page."""

from __future__ import annotations

import ast
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

PROJECT = Path(__file__).parent.parent
# Each may import itself and those before it.
ORDER = ("distalign", "storage", "jobs", "ui", "app")
FORBIDDEN_IN_METHOD = {"gradio", "altair", "sqlite3", "sqlite_utils", "pysqlite3", "ray"}
HEAVY = {"torch", "ray", "transformers", "trl", "peft"}


def files_of(package: str) -> list[Path]:
    if package == "app":
        return [PROJECT / "app.py"]
    return sorted((PROJECT / package).rglob("*.py"))


def imported_by(path: Path) -> Iterator[str]:
    """Top-level names of all modules that a file imports, also within functions and by name."""
    inside = path.relative_to(PROJECT).parts[0].removesuffix(".py")
    for node in ast.walk(ast.parse(path.read_text("utf-8"))):
        if isinstance(node, ast.Import):
            yield from (alias.name.split(".")[0] for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            yield inside if node.level else str(node.module).split(".")[0]
        elif isinstance(node, ast.Call) and node.args and isinstance(node.args[0], ast.Constant):
            name = getattr(node.func, "attr", getattr(node.func, "id", ""))
            if name in ("import_module", "__import__"):
                yield str(node.args[0].value).split(".")[0]


@pytest.mark.parametrize("package", ORDER)
def test_imports_go_one_way(package: str) -> None:
    files = files_of(package)
    assert files, f"{package} has no files"
    later = set(ORDER[ORDER.index(package) + 1 :]) | {"tests", "bench"}
    wrong = [(path.name, name) for path in files for name in imported_by(path) if name in later]

    assert not wrong


def test_the_benchmark_imports_what_it_measures_and_is_imported_by_nobody() -> None:
    wrong = [
        (path.name, name)
        for path in files_of("bench")
        for name in imported_by(path)
        if name in ("ui", "app", "tests")
    ]

    assert not wrong


def test_the_method_knows_no_page_database_or_cluster() -> None:
    wrong = [
        (path.name, name)
        for path in files_of("distalign")
        for name in imported_by(path)
        if name in FORBIDDEN_IN_METHOD
    ]

    assert not wrong


def test_the_checks_above_see_imports() -> None:
    path = PROJECT / "distalign" / "plan.py"

    assert {"json", "distalign", "dataclasses"} <= set(imported_by(path))


@pytest.mark.parametrize("module", ["app", "ui.page", "jobs.cli", "bench.cli", "storage"])
def test_importing_the_page_or_the_command_line_loads_nothing_heavy(module: str) -> None:
    if module == "app" and not (PROJECT / "app.py").exists():
        pytest.skip("app.py is missing")
    code = f"import sys, {module}; print(sorted({HEAVY!r} & set(sys.modules)))"
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=PROJECT, capture_output=True, text=True, timeout=100
    )

    assert done.stdout.strip() == "[]", done.stderr
