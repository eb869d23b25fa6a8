"""The gallery: its files hold real runs, and open as they were."""

from __future__ import annotations

import gzip
import json
from pathlib import Path

import pytest
import yaml

from bench.made_up import finished_run
from distalign.spec import load_spec
from jobs import gallery, queue
from jobs.cli import main
from jobs.foreground import overrides
from jobs.places import data_folder
from jobs.removal import remove
from jobs.report import finite
from storage import RunState, Store, StoreError
from tests.test_jobs_runners import SPEC

PROJECT = Path(__file__).parent.parent
SHIPPED = gallery.examples()
MAX_BYTES = 300_000


@pytest.fixture
def store(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Store:
    monkeypatch.setenv("DISTALIGN_DATA", str(tmp_path / "data"))
    return Store(data_folder().database)


@pytest.fixture
def folder(store: Store, tmp_path: Path) -> Path:
    """A gallery with one example."""
    run = finished_run(store, tmp_path, {"rounds": 8}, steps=4)
    gallery.add(store, run, "gender", "What it is.", "python -m jobs gallery build x", tmp_path / "gallery")
    store.delete_run(run.id)
    return tmp_path / "gallery"


def test_some_examples_ship_with_the_app_and_are_small() -> None:
    assert len(SHIPPED) >= 3
    assert all((gallery.FOLDER / f"{e.name}.json.gz").stat().st_size < MAX_BYTES for e in SHIPPED)
    assert len({example.run_id for example in SHIPPED}) == len(SHIPPED)


@pytest.mark.parametrize("example", SHIPPED, ids=lambda e: e.name)
def test_a_shipped_example_is_a_run_that_did_what_its_command_says(example, store: Store) -> None:
    assert gallery.open_example(store, example.name) == example.run_id
    run = store.run(example.run_id)
    assert run.state == RunState.DONE and run.title == f"Example: {example.title}"
    words = example.command.split()
    assert words[:5] == ["python", "-m", "jobs", "gallery", "build"]
    settings = overrides([word for word in words[6:] if "=" in word])
    spec = load_spec(PROJECT / words[5], settings)
    for name in ("attribute", "contexts", "target", "method", "preset", "rounds", "seed", "heldout_contexts"):
        assert getattr(run.spec, name) == getattr(spec, name), name
    shipped = gallery.adapter_file(example.name)
    assert example.adapter == shipped.exists()
    adapters = [artifact.path for artifact in store.artifacts(run.id)]
    assert adapters == ([shipped] if example.adapter else []) and not run.error
    assert str(Path.home()) not in json.dumps([event.message for event in store.events(run.id)])


@pytest.mark.parametrize("example", SHIPPED, ids=lambda e: e.name)
def test_every_figure_of_a_card_is_one_of_the_runs_own(example, store: Store) -> None:
    run_id = gallery.open_example(store, example.name)
    results = {r.phase: r for r in store.results(run_id) if r.split == "heldout_templates"}
    for phase in ("before", "after"):
        shown, stored = getattr(example, phase), results[phase]
        assert (shown.mae, shown.ratio, shown.noise_floor) == (
            stored.mae.value,
            stored.ratio.value,
            stored.noise_floor,
        )
        assert shown.shares == tuple(tuple(finite(c.realized)) for c in stored.contexts)
        rounds = [
            store.count_rounds(run_id, phase, stored.split, context=c.context, unclassified=True)
            for c in stored.contexts
        ]
        assert shown.lost == tuple(rounds)
        assert (
            {shown.rounds}
            == {c.rounds for c in stored.contexts}
            == {store.count_rounds(run_id, phase, stored.split, context=c.context) for c in stored.contexts}
        )
    assert example.train_seconds == store.run(run_id).train_seconds


def test_opening_twice_gives_one_run_and_its_address_works_anywhere(store: Store, folder: Path) -> None:
    (example,) = gallery.examples(folder)
    first = gallery.open_example(store, "gender", folder)
    assert gallery.open_example(store, example.run_id, folder) == first == example.run_id
    assert store.count_runs() == 1


def test_an_example_that_was_deleted_is_opened_again(store: Store, folder: Path) -> None:
    run_id = gallery.open_example(store, "gender", folder)
    store.mark_deleted(run_id)
    assert gallery.open_example(store, "gender", folder) == run_id
    assert store.run(run_id).deleted_at is None
    assert [run.id for run in store.runs_with_results()] == [run_id]


def test_an_example_whose_file_is_another_run_by_now_is_put_back_anew(
    store: Store, folder: Path, tmp_path: Path
) -> None:
    run_id = gallery.open_example(store, "gender", folder)
    store.set_tags(run_id, ["mine"])
    later = finished_run(store, tmp_path, {"rounds": 6, "seed": 3}, steps=4)
    gallery.add(store, later, "gender", "Newer.", "python -m jobs gallery build x", folder)
    assert gallery.open_example(store, "gender", folder) == run_id
    run = store.run(run_id)
    assert (run.spec.seed, run.tags, run.title) == (3, ("mine",), f"Example: {later.title}")
    assert store.count_rounds(run_id, "after", "heldout_templates") > 0
    gallery.open_example(store, "gender", folder)
    assert store.run(run_id) == run


def test_an_example_is_not_made_of_an_example(store: Store, folder: Path) -> None:
    run = store.run(gallery.open_example(store, "gender", folder))
    before = (folder / "gender.json.gz").read_bytes()
    with pytest.raises(StoreError, match="is itself from the gallery"):
        gallery.add(store, run, "gender", "", "python -m jobs gallery build x", folder)
    assert (folder / "gender.json.gz").read_bytes() == before


def test_an_example_that_was_archived_stays_so(store: Store, folder: Path) -> None:
    run_id = gallery.open_example(store, "gender", folder)
    store.archive_run(run_id)
    gallery.open_example(store, "gender", folder)
    assert store.run(run_id).archived_at is not None


def test_an_adapter_that_lies_beside_an_example_belongs_to_its_run(store: Store, tmp_path: Path) -> None:
    run = finished_run(store, tmp_path, {"rounds": 8}, steps=4)
    kept = store.artifact(run.id, "adapter").path.read_bytes()
    gallery.add(store, run, "gender", "", "x", tmp_path / "gallery", with_adapter=True)
    store.delete_run(run.id)
    run_id = gallery.open_example(store, "gender", tmp_path / "gallery")
    assert store.artifact(run_id, "adapter").path.read_bytes() == kept
    # The app was moved, and the example is opened again.
    (tmp_path / "gallery").rename(tmp_path / "moved")
    gallery.open_example(store, "gender", tmp_path / "moved")
    assert store.artifact(run_id, "adapter").path.read_bytes() == kept
    # Its files are the app's, not the run's.
    remove(store, data_folder(), run_id)
    assert (tmp_path / "moved" / "gender.adapter.zip").exists()
    # Built anew without it, it is gone.
    gallery.add(
        store, finished_run(store, tmp_path, {"rounds": 8}, steps=4), "gender", "", "x", tmp_path / "moved"
    )
    assert not (tmp_path / "moved" / "gender.adapter.zip").exists()


def test_an_example_that_is_renamed_gets_its_first_title_back(store: Store, folder: Path) -> None:
    run_id = gallery.open_example(store, "gender", folder)
    first = store.run(run_id).title
    assert store.rename(run_id, "Mine").title == "Mine"
    assert store.rename(run_id, "").title == first
    assert first.startswith("Example: ")


def test_an_example_cannot_be_started_again(store: Store, folder: Path) -> None:
    run_id = gallery.open_example(store, "gender", folder)
    with pytest.raises(StoreError, match="is an example"):
        queue.resume(store, data_folder(), run_id)
    assert store.run(run_id).state == RunState.DONE


def test_an_unknown_name_tells_the_known_ones(store: Store, folder: Path) -> None:
    with pytest.raises(StoreError, match=r"'zebra' is not known\. Take one of gender"):
        gallery.open_example(store, "zebra", folder)


@pytest.mark.parametrize("broken", [b"nonsense", gzip.compress(b"{}\n"), gzip.compress(b"[1]\n"), b""])
def test_a_broken_file_is_named(store: Store, folder: Path, broken: bytes) -> None:
    (folder / "gender.json.gz").write_bytes(broken)
    with pytest.raises(StoreError, match=r"gender\.json\.gz cannot be read"):
        gallery.open_example(store, "gender", folder)
    assert store.count_runs() == 0


def test_a_file_without_its_tables_puts_back_nothing(store: Store, folder: Path) -> None:
    path = folder / "gender.json.gz"
    head = gzip.decompress(path.read_bytes()).split(b"\n")[0]
    path.write_bytes(gzip.compress(head + b"\n"))
    with pytest.raises(StoreError, match="cannot be read"):
        gallery.open_example(store, "gender", folder)
    assert store.count_runs() == 0


def test_a_run_that_was_not_trained_is_no_example(store: Store, tmp_path: Path) -> None:
    run = store.insert_run(load_spec(PROJECT / "specs" / "weekday.yaml"))
    with pytest.raises(StoreError, match="before and after"):
        gallery.add(store, run, "weekday", "", "", tmp_path)


# --- the command line --------------------------------------------------------------


def test_the_command_line_lists_and_opens(store: Store, folder: Path, capsys) -> None:
    where = ["--folder", str(folder)]
    assert main(["gallery", "list", *where]) == 0
    assert "Gender, UK occupations" in capsys.readouterr().out
    assert main(["gallery", "list", "--json", *where]) == 0
    (listed,) = json.loads(capsys.readouterr().out)
    assert main(["gallery", "open", "gender", *where]) == 0
    assert capsys.readouterr().out.strip() == listed["run_id"]
    assert store.run(listed["run_id"]).state == RunState.DONE
    assert main(["gallery", "open", "zebra", *where]) == 2
    error = capsys.readouterr().err
    assert error.count("\n") == 1 and "'zebra' is not known" in error


def test_build_runs_a_specification_and_keeps_it_with_its_command(
    store: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("mine.yaml").write_text("# What mine is about.\n" + yaml.safe_dump(SPEC), "utf-8")
    where = ["--folder", str(tmp_path / "gallery")]
    command = ["gallery", "build", "mine.yaml", "--set", "seed=3"]
    assert main([*command, *where, "--runner", "tests.test_jobs_runners:complete"]) == 0
    (example,) = gallery.examples(tmp_path / "gallery")
    assert (example.name, example.about) == ("mine", "What mine is about.")
    assert example.command == "python -m jobs " + " ".join(command)
    run_id = gallery.open_example(store, "mine", tmp_path / "gallery")
    assert store.run(run_id).spec.seed == 3


def test_build_takes_a_run_that_is_done_if_it_is_of_the_same_specification(
    store: Store, tmp_path: Path, capsys
) -> None:
    spec = tmp_path / "mine.yaml"
    spec.write_text(yaml.safe_dump({"attribute": "gender", "rounds": 5}), "utf-8")
    run = finished_run(store, tmp_path, {"preset": "quick", "target": "even", "rounds": 5}, steps=2)
    settings = ["--set", "preset=quick", "--set", "target=even"]
    build = ["gallery", "build", str(spec), "--run", run.id, "--folder", str(tmp_path / "gallery")]
    assert main(build) == 2
    assert "--run" in capsys.readouterr().err
    assert main([*build, *settings]) == 0
    (example,) = gallery.examples(tmp_path / "gallery")
    assert example.command.endswith("--set preset=quick --set target=even")
    assert store.count_runs() == 1


@pytest.mark.parametrize("given", ["-", "http://127.0.0.1:7860/?spec=x", "missing.yaml", "f" * 5000, "."])
def test_only_a_file_is_built(store: Store, given: str, capsys) -> None:
    assert main(["gallery", "build", given]) == 2
    error = capsys.readouterr().err
    assert error.count("\n") == 1 and "is not a file" in error
    assert store.count_runs() == 0


def test_a_build_that_fails_writes_nothing(store: Store, tmp_path: Path, capsys) -> None:
    spec = tmp_path / "bad.yaml"
    spec.write_text("attribute: gender\ntarget: nonsense\n")
    assert main(["gallery", "build", str(spec), "--folder", str(tmp_path / "gallery")]) == 2
    assert capsys.readouterr().err.count("\n") == 1
    assert gallery.examples(tmp_path / "gallery") == ()
