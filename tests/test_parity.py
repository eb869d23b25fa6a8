"""What the page can do, the command line can do, and the reverse; read from both of them."""

from __future__ import annotations

import argparse
import inspect
from dataclasses import fields

import pytest

from distalign.results import SPLITS
from distalign.spec import SPEC_FIELDS
from jobs import exporting, kept_plays, queue
from jobs.cli import build_parser
from jobs.compare_files import FORMATS
from jobs.datasets import METHODS
from storage import RunState, Store
from storage.plays import MOST_PLAYS
from storage.rounds import ORDERS
from ui import compare_downloads, downloads, history, overlay, play, play_kept, round_filters
from ui.compare_charts import STYLES
from ui.compare_view import Controls as CompareControls
from ui.forms import ADVANCED, Form

# Fields of a specification that a part of the form of its own sets, or that follow from another.
BY_PARTS = {"attribute", "contexts", "target", "templates", "heldout_contexts", "any_attribute"}
# What looks after the queue's process or this machine, and what the page does by itself.
OF_THE_MACHINE = {"worker", "prepare", "timeleft"}


def verbs() -> dict[str, argparse.ArgumentParser]:
    (found,) = (a for a in build_parser()._actions if isinstance(a, argparse._SubParsersAction))
    return dict(found.choices)


def options(verb: str) -> dict[str, argparse.Action]:
    return {action.option_strings[-1]: action for action in verbs()[verb]._actions if action.option_strings}


def test_the_page_offers_every_file_that_the_command_line_writes() -> None:
    by_command = {(what, ending) for what, endings in exporting.FORMATS.items() for ending in endings}
    plain = {"adapter": "zip", "spec": "yaml"}
    kinds = [kind for group in downloads.GROUPS.values() for kind in group]
    by_page = {(k.partition("-")[0], k.partition("-")[2] or plain[k]) for k in kinds}
    assert by_page == by_command


@pytest.mark.parametrize("act", ["cancel", "resume", "archive", "restore", "delete"])
def test_what_is_done_to_a_run_is_a_verb(act: str) -> None:
    assert act in verbs() and callable(getattr(queue, act))


def test_curves_show_the_same_values() -> None:
    drawn = {value for _, value in overlay.CHOICES} - {overlay.BOTH} | set(overlay.PANELS)
    assert drawn == set(options("curves")["--value"].choices)


def test_runs_are_listed_alike() -> None:
    taken = options("list")
    assert set(history.SHELVES.values()) == {"current", "archived", "deleted"}
    assert {"--search", "--archived", "--deleted"} <= set(taken)
    assert set(taken["--state"].choices) == {str(state) for state in RunState}


def test_each_split_has_its_summary() -> None:
    assert set(options("show")["--split"].choices) == set(SPLITS)


def test_rounds_are_looked_through_alike() -> None:
    taken = options("rounds")
    assert {value for _, value in round_filters.ORDER_CHOICES} == set(taken["--sort"].choices) == set(ORDERS)
    filters = {field.name for field in fields(round_filters.Filters)}
    assert {"context", "template", "category", "order"} <= filters
    assert {"--context", "--template", "--category", "--unclassified", "--contains", "--grouped"} <= set(
        taken
    )


def test_every_field_of_a_specification_has_its_place_in_the_form() -> None:
    by_form = {field.name for field in fields(Form)} | set(ADVANCED) | BY_PARTS
    assert set(SPEC_FIELDS) <= by_form


def test_play_asks_alike() -> None:
    asked = {
        "--context",
        "--template",
        "--split",
        "--run",
        "--base",
        "--base-model",
        "--rounds",
        "--seed",
        "--tokens",
    }
    assert asked <= set(options("play"))
    assert {"runs", "base", "prompt", "template", "context", "rounds", "seed", "tokens"} <= {
        f.name for f in fields(play.Controls)
    }


def test_plays_are_listed_shown_and_written_alike() -> None:
    taken = options("plays")
    # A download of the page is what the verb prints.
    assert {f"--{kind}" for kind in play_kept.FILES} == {"--json", "--csv"} <= set(taken)
    assert play_kept.FILES["json"][1] is kept_plays.write_json
    assert play_kept.FILES["csv"][1] is kept_plays.write_csv_rows
    # Both list all that are kept, unless fewer are asked for.
    assert taken["--limit"].default is None
    assert inspect.signature(Store.plays).parameters["limit"].default == MOST_PLAYS


def test_compare_chooses_alike() -> None:
    assert {"dataset", "methods", "others", "split", "preset"} <= {f.name for f in fields(CompareControls)}
    taken = options("compare")
    assert {"--dataset", "--methods", "--split", "--queue-missing", "--out", "--summary"} <= set(taken)
    # What the page's details show, and its address.
    assert {"--context", "--prompt", "--link"} <= set(taken)
    # Every file that --out writes, and the summary.
    assert set(compare_downloads.FILES) == {ending.removeprefix(".") for ending in FORMATS} | {"summary"}
    assert set(taken["--methods"].choices) == set(METHODS) == set(STYLES)
    assert set(taken["--split"].choices) <= set(SPLITS)


def test_every_other_verb_has_its_control() -> None:
    with_control = {
        "run", "submit", "preview", "link", "rounds-needed", "specs", "list", "show", "tag", "note", "rename",
        "archive", "delete", "restore", "usage", "curves", "cancel", "resume", "export", "rounds", "compare",
        "play", "plays", "gallery",
    }  # fmt: skip
    assert set(verbs()) == with_control | OF_THE_MACHINE
