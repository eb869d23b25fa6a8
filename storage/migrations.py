"""The schema, as an ordered list of migrations."""

from __future__ import annotations

from sqlite_utils import Migrations
from sqlite_utils.db import Database

from storage.records import StoreError


def runs_and_what_they_record(db: Database) -> None:
    db.executescript(_RUNS + _ROUNDS + _RESULTS)


def lists_without_specifications(db: Database) -> None:
    db.executescript(_LISTS)


def exact_distributions_of_answers(db: Database) -> None:
    db.executescript(_EXACT)


def side_effects_of_runs(db: Database) -> None:
    db.executescript(_SIDE_EFFECTS)


def marginals_of_joint_attributes(db: Database) -> None:
    db.executescript(_MARGINALS)


def runs_put_in_order(db: Database) -> None:
    db.executescript(_IN_ORDER)


def what_runs_used(db: Database) -> None:
    db.executescript(_USAGE)


def templates_of_runs(db: Database) -> None:
    db.executescript(_TEMPLATES)


def questions_that_were_played(db: Database) -> None:
    db.executescript(_PLAYS)


# In order; a released migration is never edited, renamed or moved.
STEPS = (
    runs_and_what_they_record,
    lists_without_specifications,
    exact_distributions_of_answers,
    side_effects_of_runs,
    marginals_of_joint_attributes,
    runs_put_in_order,
    what_runs_used,
    templates_of_runs,
    questions_that_were_played,
)


def migrate(db: Database) -> None:
    """Bring the schema up to date. Call it inside BEGIN IMMEDIATE, so that two starters take turns.

    Raises:
        StoreError: when the file is another program's, or of a newer version.
    """
    applied = _applied(db)
    if not applied and db.table_names():
        raise StoreError("it holds tables of another program")
    if unknown := applied - _names():
        raise StoreError(f"it was written by a newer version of Distalign (migration {min(unknown)})")
    _migrations().apply(db)


def up_to_date(db: Database) -> bool:
    return _applied(db) == _names()


def _migrations() -> Migrations:
    migrations = Migrations("distalign")
    for step in STEPS:
        migrations()(step)
    return migrations


def _names() -> set[str]:
    return {step.__name__ for step in STEPS}


def _applied(db: Database) -> set[str]:
    return {migration.name for migration in _migrations().applied(db)}


# Times are seconds since 1970-01-01 UTC. SQLite keeps NaN as NULL, so a measure may be NULL.
_RUNS = """
CREATE TABLE runs (
    number INTEGER PRIMARY KEY,
    id TEXT NOT NULL UNIQUE,
    state TEXT NOT NULL
        CHECK (state IN ('queued', 'running', 'done', 'failed', 'cancelled', 'interrupted')),
    title TEXT NOT NULL,
    spec TEXT NOT NULL,
    created_at REAL NOT NULL,
    queued_at REAL NOT NULL,
    started_at REAL,
    finished_at REAL,
    attempt INTEGER NOT NULL DEFAULT 1,
    cancel_requested INTEGER NOT NULL DEFAULT 0,
    error TEXT,
    train_seconds REAL,
    sample_seconds REAL,
    steering_tokens TEXT
) STRICT;
CREATE INDEX runs_queue ON runs (state, queued_at, number);

CREATE TABLE events (
    run_id TEXT NOT NULL REFERENCES runs (id) ON DELETE CASCADE,
    seq INTEGER NOT NULL,
    attempt INTEGER NOT NULL,
    at REAL NOT NULL,
    kind TEXT NOT NULL,
    stage TEXT NOT NULL,
    step INTEGER NOT NULL,
    total INTEGER NOT NULL,
    fraction REAL NOT NULL,
    eta REAL,
    "values" TEXT NOT NULL,
    message TEXT NOT NULL,
    PRIMARY KEY (run_id, seq)
) STRICT, WITHOUT ROWID;

CREATE TABLE artifacts (
    run_id TEXT NOT NULL REFERENCES runs (id) ON DELETE CASCADE,
    kind TEXT NOT NULL,
    path TEXT NOT NULL,
    bytes INTEGER NOT NULL,
    sha256 TEXT NOT NULL,
    created_at REAL NOT NULL,
    PRIMARY KEY (run_id, kind)
) STRICT, WITHOUT ROWID;
"""

# Without a rowid the rounds of a run, phase, split and context lie together, in the order
# in which a person reads them; the index serves the filters by category.
_ROUNDS = """
CREATE TABLE rounds (
    run_id TEXT NOT NULL REFERENCES runs (id) ON DELETE CASCADE,
    phase TEXT NOT NULL,
    split TEXT NOT NULL,
    context INTEGER NOT NULL,
    template INTEGER NOT NULL,
    round INTEGER NOT NULL,
    steering INTEGER,
    category INTEGER,
    text TEXT NOT NULL,
    PRIMARY KEY (run_id, phase, split, context, template, round)
) STRICT, WITHOUT ROWID;
CREATE INDEX rounds_by_category ON rounds (run_id, phase, split, category, context);
"""

_RESULTS = """
CREATE TABLE split_results (
    run_id TEXT NOT NULL REFERENCES runs (id) ON DELETE CASCADE,
    phase TEXT NOT NULL,
    split TEXT NOT NULL,
    rounds INTEGER NOT NULL,
    unclassified REAL,
    mae REAL, mae_low REAL, mae_high REAL,
    kl REAL, kl_low REAL, kl_high REAL,
    js_distance REAL, js_distance_low REAL, js_distance_high REAL,
    total_variation REAL, total_variation_low REAL, total_variation_high REAL,
    noise_floor REAL,
    ratio REAL, ratio_low REAL, ratio_high REAL,
    chi2_p REAL,
    exact_error REAL,
    restricted_error REAL,
    steering_mass REAL,
    agreement REAL,
    PRIMARY KEY (run_id, phase, split)
) STRICT, WITHOUT ROWID;

CREATE TABLE context_results (
    run_id TEXT NOT NULL,
    phase TEXT NOT NULL,
    split TEXT NOT NULL,
    context INTEGER NOT NULL,
    rounds INTEGER NOT NULL,
    unclassified INTEGER NOT NULL,
    target TEXT NOT NULL,
    realized TEXT NOT NULL,
    low TEXT NOT NULL,
    high TEXT NOT NULL,
    steering TEXT NOT NULL,
    mae REAL,
    noise_floor REAL,
    kl REAL,
    js_distance REAL,
    total_variation REAL,
    chi2_p REAL,
    PRIMARY KEY (run_id, phase, split, context),
    FOREIGN KEY (run_id, phase, split) REFERENCES split_results (run_id, phase, split) ON DELETE CASCADE
) STRICT, WITHOUT ROWID;
"""

# A specification may be 100 kB long: a list of runs must not read and parse one a line.
# Few events are no steps, so that the page finds the log of a long run without reading its steps.
_LISTS = """
ALTER TABLE runs ADD COLUMN method TEXT NOT NULL DEFAULT 'hybrid';
UPDATE runs SET method = json_extract(spec, '$.method')
    WHERE json_valid(spec) AND json_type(spec, '$.method') = 'text';
CREATE INDEX events_told ON events (run_id, attempt, seq) WHERE kind != 'step';
"""

# NULL: not measured.
_EXACT = """
ALTER TABLE split_results ADD COLUMN exact_mae REAL;
ALTER TABLE split_results ADD COLUMN exact_unclassified REAL;
ALTER TABLE split_results ADD COLUMN exact_bound REAL;
ALTER TABLE context_results ADD COLUMN exact TEXT;
ALTER TABLE context_results ADD COLUMN exact_bound REAL;
"""

# Of a run's present attempt.
_SIDE_EFFECTS = """
CREATE TABLE side_effects (
    run_id TEXT PRIMARY KEY REFERENCES runs (id) ON DELETE CASCADE,
    prompts INTEGER NOT NULL,
    tokens INTEGER NOT NULL,
    perplexity_before REAL,
    perplexity_after REAL,
    kl REAL, kl_low REAL, kl_high REAL,
    leak_before REAL,
    leak_after REAL,
    first_token_changed REAL
) STRICT, WITHOUT ROWID;
"""

# A JSON list, an object a part of the attribute; empty for an attribute without parts.
_MARGINALS = """
ALTER TABLE split_results ADD COLUMN marginals TEXT NOT NULL DEFAULT '[]';
"""

# ``tags`` is a JSON list. What a list of runs shows, and looks through, is all in its index: the
# columns behind a long specification are slow to read.
_IN_ORDER = """
ALTER TABLE runs ADD COLUMN attribute TEXT NOT NULL DEFAULT '';
ALTER TABLE runs ADD COLUMN tags TEXT NOT NULL DEFAULT '[]';
ALTER TABLE runs ADD COLUMN note TEXT NOT NULL DEFAULT '';
ALTER TABLE runs ADD COLUMN archived_at REAL;
ALTER TABLE runs ADD COLUMN deleted_at REAL;
UPDATE runs SET attribute = coalesce(
    CASE json_type(spec, '$.attribute')
        WHEN 'text' THEN json_extract(spec, '$.attribute')
        WHEN 'object' THEN json_extract(spec, '$.attribute.name')
        WHEN 'array' THEN (
            SELECT group_concat(CASE type WHEN 'text' THEN value ELSE json_extract(value, '$.name') END, ' and ')
            FROM json_each(spec, '$.attribute') WHERE type IN ('text', 'object'))
    END, '') WHERE json_valid(spec);
CREATE INDEX runs_listed ON runs (
    number, id, state, title, method, created_at, attribute, tags, note, archived_at, deleted_at);
CREATE INDEX runs_deleted ON runs (deleted_at) WHERE deleted_at IS NOT NULL;
"""

# Samples of what the process of an attempt used; memory in bytes, use in whole cores or whole GPUs.
_USAGE = """
CREATE TABLE usage (
    run_id TEXT NOT NULL REFERENCES runs (id) ON DELETE CASCADE,
    attempt INTEGER NOT NULL,
    at REAL NOT NULL,
    memory INTEGER NOT NULL,
    peak_memory INTEGER NOT NULL,
    seconds REAL NOT NULL,
    cpu REAL NOT NULL,
    cores INTEGER NOT NULL,
    gpu_memory INTEGER,
    gpu REAL,
    PRIMARY KEY (run_id, attempt, at)
) STRICT, WITHOUT ROWID;
"""

# The templates that a run uses, built-in ones as they were when it was submitted; NULL in runs of before.
_TEMPLATES = """
ALTER TABLE runs ADD COLUMN templates TEXT;
"""

# ``rounds`` is what was asked of each voice, and of a voice what came; ``wanted`` is JSON, NULL where only base
# models answer; ``category`` is a place in its list, NULL for an answer that names none. A voice does not refer
# to its run: what it answered outlives that.
_PLAYS = """
CREATE TABLE plays (
    number INTEGER PRIMARY KEY,
    id TEXT NOT NULL UNIQUE,
    created_at REAL NOT NULL,
    state TEXT NOT NULL DEFAULT 'stopped' CHECK (state IN ('complete', 'stopped')),
    prompt TEXT NOT NULL,
    rounds INTEGER NOT NULL,
    seed INTEGER NOT NULL,
    tokens INTEGER NOT NULL,
    wanted TEXT
) STRICT;

CREATE TABLE play_voices (
    play_id TEXT NOT NULL REFERENCES plays (id) ON DELETE CASCADE,
    voice INTEGER NOT NULL,
    base_model TEXT NOT NULL,
    run_id TEXT,
    title TEXT,
    method TEXT,
    adapter TEXT,
    rounds INTEGER NOT NULL DEFAULT 0,
    PRIMARY KEY (play_id, voice)
) STRICT, WITHOUT ROWID;

CREATE TABLE play_answers (
    play_id TEXT NOT NULL,
    voice INTEGER NOT NULL,
    text TEXT NOT NULL,
    count INTEGER NOT NULL,
    category INTEGER,
    PRIMARY KEY (play_id, voice, text),
    FOREIGN KEY (play_id, voice) REFERENCES play_voices (play_id, voice) ON DELETE CASCADE
) STRICT, WITHOUT ROWID;
"""
