"""docs/numbers.md: what it names is there, and kept figures follow from the rows that it says they do."""

from __future__ import annotations

import json
import math
import re
from pathlib import Path

import numpy as np
import pytest

from distalign.convergence import running_error
from distalign.metrics import SPARSE, measure
from distalign.noise import noise_floor
from distalign.play import Drawn, Question
from distalign.results import of_split
from jobs.gallery import open_example
from jobs.kept_plays import kept
from jobs.play import Played, voices_of
from jobs.play_report import by_category, fits
from storage import Run, Store

PAGE = (Path(__file__).parent.parent / "docs" / "numbers.md").read_text("utf-8")
EXAMPLE = "gender-uk-real"
SPLIT = "heldout_templates"
# Keys of other tables, what no number on the page is made of, and what other columns of the page say.
UNSAID = {
    "phase",
    "split",
    "run_id",
    "play_id",
    "context",
    "stage",
    "kind",
    "voice",
    "number",
    "id",
    "attempt",
}


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Store:
    return Store(tmp_path_factory.mktemp("numbers") / "runs.db")


@pytest.fixture(scope="module")
def run(store: Store) -> Run:
    """A real run, with every sampled answer."""
    return store.run(open_example(store, EXAMPLE))


def columns(store: Store) -> dict[str, set[str]]:
    tables = [row["name"] for row in store._rows("SELECT name FROM sqlite_schema WHERE type = 'table'")]
    return {
        table: {row["name"] for row in store._rows("SELECT name FROM pragma_table_info(?)", [table])}
        for table in tables
        if not table.startswith(("_", "sqlite"))
    }


def counts_of(store: Store, run: Run, phase: str) -> np.ndarray:
    """Classified rounds [contexts, categories], counted from the rows."""
    counts = np.zeros((len(run.spec.contexts), len(run.spec.attribute)))
    for row in store._rows(
        "SELECT context, category, count(*) AS n FROM rounds WHERE run_id = ? AND phase = ? AND split = ? "
        "AND category IS NOT NULL GROUP BY context, category",
        [run.id, phase, SPLIT],
    ):
        counts[row["context"], row["category"]] = row["n"]
    return counts


def test_every_column_that_it_names_is_there(store: Store) -> None:
    known = columns(store)
    named = set(re.findall(rf"`({'|'.join(known)})\.(\w+)`", PAGE))
    assert len(named) > 80
    assert {f"{table}.{column}" for table, column in named if column not in known[table]} == set()
    # A name that looks like a column is one.
    looks = {word for word in re.findall(r"`(\w+)\.\w+`", PAGE) if word not in known}
    assert looks <= {"table", "distalign", "speed"}


@pytest.mark.parametrize(
    "table", ["split_results", "context_results", "side_effects", "usage", "rounds", "plays", "play_voices", "play_answers"]
)  # fmt: skip
def test_no_column_of_figures_is_left_out(store: Store, table: str) -> None:
    named = set(re.findall(rf"`{table}\.(\w+)`", PAGE))
    assert columns(store)[table] - named - UNSAID == set()


def test_every_file_that_it_names_is_there() -> None:
    root = Path(__file__).parent.parent
    paths = re.findall(r"`((?:distalign|tests)/[\w./]+)`", PAGE)
    assert len(paths) >= 5
    assert [path for path in paths if not (root / path).exists()] == []


@pytest.mark.parametrize("phase", ["before", "after"])
def test_the_measures_of_a_real_run_follow_from_its_rounds(store: Store, run: Run, phase: str) -> None:
    result = store.result(run.id, phase, SPLIT)
    target, counts = np.array(run.spec.target.rows), counts_of(store, run, phase)
    again = measure(target, counts, run.spec.seed)
    for name in ("mae", "kl", "js_distance", "total_variation", "ratio"):
        kept_as, now = getattr(result, name), again.intervals[name]
        assert kept_as.value == pytest.approx(now.value)
        # The ends are those of resamples, as the version that made the run drew them.
        assert (kept_as.low, kept_as.high) == pytest.approx((now.low, now.high), rel=0.1, abs=0.002)
    assert result.noise_floor == pytest.approx(again.noise_floor)
    for place, context in enumerate(result.contexts):
        assert context.target == pytest.approx(target[place])
        if counts[place].sum():
            assert context.realized == pytest.approx(counts[place] / counts[place].sum())
            assert context.low == pytest.approx(again.low[place])
            assert context.noise_floor == pytest.approx(noise_floor(target[place], int(counts[place].sum())))
            assert context.mae == pytest.approx(np.abs(target[place] - context.realized).mean())
        if (target[place] * counts[place].sum() >= SPARSE).all():
            assert context.chi2_p == pytest.approx(again.chi2_p[place])


@pytest.mark.parametrize("phase", ["before", "after"])
def test_unclassified_rounds_and_agreement_are_counted_from_the_rounds(
    store: Store, run: Run, phase: str
) -> None:
    result = store.result(run.id, phase, SPLIT)
    (row,) = store._rows(
        "SELECT count(*) AS n, sum(category IS NULL) AS lost, sum(steering IS NOT NULL) AS led, "
        "sum(steering = category) AS agreeing FROM rounds WHERE run_id = ? AND phase = ? AND split = ?",
        [run.id, phase, SPLIT],
    )
    assert (result.rounds, result.unclassified) == (row["n"], pytest.approx(row["lost"] / row["n"]))
    assert result.rounds == sum(context.rounds for context in result.contexts)
    assert row["lost"] == sum(context.unclassified for context in result.contexts)
    if phase == "after":
        assert result.agreement == pytest.approx(row["agreeing"] / row["led"])


def test_convergence_ends_where_the_result_is(store: Store, run: Run) -> None:
    _, after = of_split(store.results(run.id), SPLIT)
    running = running_error(after.contexts, "any order")
    assert running.mae[-1] == pytest.approx(after.mae.value)
    assert math.isfinite(running.floor[-1])


def test_what_is_played_is_counted_in_its_rows(store: Store, run: Run) -> None:
    question = Question(f"{run.spec.contexts.names[3]}: male or female?", 20)
    played = Played.nothing(question, voices_of(store, [run.id], base=True))
    told = [Drawn(0, (("Male", 14), ("No idea", 6))), Drawn(1, (("female", 15), ("male", 5)))]
    for _, now in kept(store, played, told):
        last = now
    (statement,) = [s for s in statements() if ":play" in s]
    rows = store._rows(statement, {"play": last.id})
    counted = {(row["voice"], row["category"]): row["rounds"] for row in rows}
    histogram = by_category(last, last.aim)
    assert counted == {(0, 0): 14, (0, None): 6, (1, 0): 5, (1, 1): 15}
    assert histogram.counts == ((14, 0), (5, 15)) and histogram.unclassified == (6, 0)
    (row,) = store._rows("SELECT wanted FROM plays WHERE id = ?", [last.id])
    target = json.loads(row["wanted"])["target"]
    assert target == pytest.approx(run.spec.target.rows[3])
    assert fits(last)[1].mae == pytest.approx(np.abs(np.array(target) - (0.25, 0.75)).mean())


def statements() -> list[str]:
    return re.findall(r"```sql\n(.*?)```", PAGE, re.S)


def test_the_statements_at_its_end_say_what_it_says_they_do(store: Store, run: Run) -> None:
    counted, kept_as, _ = statements()
    shares = store._rows(counted, {"run": run.id, "context": 2})
    (result,) = store._rows(kept_as, {"run": run.id, "context": 2})
    assert [row["share"] for row in shares] == pytest.approx(json.loads(result["realized"]))
    assert sum(row["rounds"] for row in shares) == result["rounds"] - result["unclassified"]
