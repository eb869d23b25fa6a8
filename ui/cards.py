"""Fragments of HTML for the Train and Runs tabs. Pure; every text is escaped."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import TYPE_CHECKING

from distalign.errors import DistalignError, SpecError
from distalign.spec import TRAINED_METHODS, RunSpec
from distalign.training_config import reads
from jobs.datasets import compared_as
from jobs.display import waited_for
from jobs.export import spec_file
from jobs.naming import METHODS_SHORT, STATES
from storage import ListedRun
from ui import labels
from ui.present import NONE, ago, clock, duration, esc, plural, rough_duration, stamp
from ui.tables import SumCheck

if TYPE_CHECKING:
    from distalign.plan import Plan
    from storage.records import Event, Line, Run

MARK = (
    '<svg viewBox="0 0 24 24" fill="currentColor" aria-hidden="true">'
    '<rect x="2" y="11" width="5" height="11" rx="1.5"/><rect x="9.5" y="2" width="5" height="20" rx="1.5"/>'
    '<rect x="17" y="7" width="5" height="15" rx="1.5"/></svg>'
)


# Tabs whose names are their ids.
TAB_NAMES = re.compile(r"the (Train|Runs|Results|Compare|Play|Gallery) tab\b")


def header() -> str:
    return (
        f'<header class="da-header"><h1 class="da-brand">{MARK}Distalign</h1>'
        '<p class="da-lede">Make a language model’s answers, over many rounds, follow a distribution '
        "you choose, and see how close they get.</p>"
        '<button type="button" class="da-plainlink" data-welcome="show">First steps</button></header>'
    )


def section(number: int, title: str, sub: str = "") -> str:
    note = f'<p class="da-sub">{esc(sub)}</p>' if sub else ""
    return f'<h2 class="da-step"><b>{number}</b>{esc(title)}</h2>{note}'


def heading(title: str, sub: str = "") -> str:
    note = f'<p class="da-sub">{esc(sub)}</p>' if sub else ""
    return f'<h2 class="da-h2">{esc(title)}</h2>{note}'


def section_heading(title: str, sub: str = "") -> str:
    """A heading within a card."""
    note = f'<p class="da-sub">{esc(sub)}</p>' if sub else ""
    return f'<h3 class="da-h2">{esc(title)}</h3>{note}'


def linked(text: str) -> str:
    """A text, escaped; "the Train tab" in it becomes a link to that tab."""
    return TAB_NAMES.sub(
        lambda m: (
            f'the <a class="da-inline" href="?tab={m[1].lower()}" data-go="{m[1].lower()}">{m[1]} tab</a>'
        ),
        esc(text),
    )


def empty(title: str, text: str) -> str:
    """What stands where there is nothing yet."""
    return f'<div class="da-empty"><h2 class="da-h2">{esc(title)}</h2><p>{linked(text)}</p></div>'


def error_note(error: DistalignError, tone: str = "bad") -> str:
    """What went wrong, with the field, what was given and what to do; ``tone`` is "bad" or "todo"."""
    if isinstance(error, SpecError):
        body = f"<strong>{esc(field_label(error.field))}:</strong> {esc(error.problem)}.<p>{esc(error.remedy)}.</p>"
    else:
        body = f"<strong>This did not work.</strong><p>{esc(error)}</p>"
    return f'<div class="da-note {tone}" role="{"alert" if tone == "bad" else "status"}">{body}</div>'


def field_label(field: str) -> str:
    """A field of the specification by the name that its control has."""
    named = {
        "attribute": "Attribute",
        "attribute.name": "Attribute’s name",
        "attribute.categories": "Categories",
        "base_model": "Base model",
        "templates.seen": "Training templates",
        "templates.heldout": "Held-out templates",
        "templates.phrasings": "Phrasings",
        "templates.story_seen": "Story templates",
        "templates.story_heldout": "Held-out story templates",
        "more": "Further fields",
        "gap": "Gap to see",
        "confidence": "Confidence",
        "power": "Power",
        "start": "Start from",
        "SPEC": "The file",
        "spec": "The link",
        "heldout_contexts": "Held-out contexts",
        "any_attribute": "For any attribute",
    }
    if field in named:
        return named[field]
    if field.startswith("target["):
        return "Target of " + field.removeprefix("target[").removesuffix("]").replace("][", ", ")
    return labels.knob(field)[0]


def plan_card(plan: Plan, spec: RunSpec) -> str:
    """What the run will do."""
    facts = [
        ("Time on this machine", rough_duration(plan.seconds)),
        ("Training steps", f"{plan.steps:,}" if plan.steps else "none"),
        ("Examples", f"{plan.examples:,}"),
        ("Rounds sampled", f"{plan.rounds:,}"),
        ("Contexts", contexts_line(spec)),
        ("Memory", f"{plan.memory_mb / 1024:.1f} GB"),
    ]
    body = "".join(f"<div><dt>{k}</dt><dd>{esc(v)}</dd></div>" for k, v in facts)
    return f'<dl class="da-plan">{body}</dl>'


def contexts_line(spec: RunSpec) -> str:
    """How many contexts there are, and how many of them are held out."""
    held = len(spec.heldout_indices)
    return f"{len(spec.contexts):,}" + (f", {held:,} held out" if held else "")


def sum_line(check: SumCheck) -> str:
    """Whether the rows of an edited table sum to 1."""
    if check.rows == 0:
        return ""
    if check.fine:
        text = "Sums to 1" if check.rows == 1 else f"All {check.rows} rows sum to 1"
        return f'<div class="da-sum ok">{text}</div>'
    total = "has a cell that is no probability" if check.total is None else f"sums to {check.total:.4g}"
    if check.rows == 1:
        return f'<div class="da-sum off">{esc(total[0].upper() + total[1:])}, not 1</div>'.replace(
            "probability, not 1", "probability"
        )
    return (
        f'<div class="da-sum off">{check.off} of {plural(check.rows, "row")} off: '
        f"{esc(check.first_off)} {esc(total)}</div>"
    )


def chip(state: str) -> str:
    return f'<span class="da-chip {esc(state)}">{esc(STATES.get(state, state))}</span>'


def method_of(run: Run | ListedRun) -> str:
    # A list knows the method only, and not how a prompt was worded.
    method = run.method if isinstance(run, ListedRun) else compared_as(run)
    return METHODS_SHORT.get(method, method)


def run_head(run: Run, last: Event | None, now: float, line: Line | None = None) -> str:
    """Title, state, progress bar and time left; ``line`` is what a queued run waits for."""
    fraction = 1.0 if run.state == "done" else (last.fraction if last else 0.0)
    stopped = "" if run.state in ("running", "queued", "done") else " stopped"
    share = f"{100 * fraction:.0f}"
    left, right = waiting(line) if run.state == "queued" else _status(run, last, now)
    return (
        f'<div class="da-title"><h2 class="da-h2">{esc(run.title)}</h2>{chip(run.state)}</div>'
        f'<p class="da-sub">{esc(method_of(run))} · {stamp(run.created_at)} · run {esc(run.id)}</p>'
        f'<div class="da-bar{stopped}" role="progressbar" aria-label="Progress" aria-valuemin="0" '
        f'aria-valuemax="100" aria-valuenow="{share}"><span style="width:{share}%"></span></div>'
        f'<div class="da-status"><span>{left}</span><span>{right}</span></div>{_why(run)}'
    )


def waiting(line: Line | None) -> tuple[str, str]:
    """What a queued run waits for, and that nothing is to be done."""
    return f"Waiting for {waited_for(line, lambda title: f'“{esc(title)}”')}", "Starts by itself"


def _status(run: Run, last: Event | None, now: float) -> tuple[str, str]:
    if run.state != "running":
        spent = (run.finished_at or now) - run.started_at if run.started_at else None
        return f"{STATES[run.state]} {ago(run.finished_at, now)}", f"Took {duration(spent)}"
    if run.cancel_requested:
        return "Stopping at the next safe point", ""
    if last is None:
        return "Starting", ""
    at = f" {last.step:,} of {last.total:,}" if last.total else ""
    stage = labels.STAGES.get(last.stage, last.stage)
    seconds = last.left(now)
    left = "Working out the time left" if seconds is None else f"{rough_duration(seconds)} left"
    return f"{esc(stage)}{at}", left


def _why(run: Run) -> str:
    if not run.error:
        return ""
    return f'<div class="da-note bad" style="margin-top:12px"><strong>Why it stopped.</strong><p>{esc(run.error)}</p></div>'


def run_facts(run: Run) -> str:
    """The settings of a run in a few lines."""
    try:
        spec = run.spec
    except SpecError as error:
        # Stored by a version that allowed what this one does not.
        return error_note(error)
    facts = [
        ("Attribute", spec.attribute.name),
        ("Categories", f"{len(spec.attribute)}"),
        ("Contexts", contexts_line(spec)),
        ("Method", method_of(run)),
        ("Base model", spec.base_model),
        ("Preset", spec.preset.capitalize() if reads(spec.method, "preset") else NONE),
        *_training_facts(spec),
        ("Rounds a context", f"{spec.rounds:,}"),
        ("Seed", str(spec.seed)),
        ("Attempt", str(run.attempt)),
        ("Training took", duration(run.train_seconds)),
        ("Sampling took", duration(run.sample_seconds)),
    ]
    body = "".join(f"<div><dt>{k}</dt><dd>{esc(v)}</dd></div>" for k, v in facts if v != NONE)
    again = f'<a class="da-inline" href="?tab=train&amp;from={esc(run.id)}" data-start="{esc(run.id)}">Set up a new run from these settings</a>'
    return f'<dl class="da-facts">{body}</dl><p class="da-quiet" style="margin-top:12px">{again}</p>'


def _training_facts(spec: RunSpec) -> list[tuple[str, str]]:
    if spec.method not in TRAINED_METHODS:
        return []
    return [("Steps", f"{spec.training.steps:,}"), ("Learning rate", f"{spec.training.learning_rate:g}")]


def all_settings(run: Run) -> str:
    """A run's specification as its YAML file has it; empty where this version cannot read it."""
    try:
        text = spec_file(run.spec, "yaml").decode()
    except SpecError:
        return ""
    return (
        f'<pre class="da-yaml" tabindex="0" role="region" aria-label="All settings">{esc(text)}</pre>'
        + quiet(
            "The specification, as its download has it. What it does not name is the preset’s, or the default."
        )
    )


def log_html(events: Sequence[Event]) -> str:
    """Log lines and stages, newest first."""
    lines = "".join(
        f"<div><time>{clock(e.at)}</time><pre>{esc(e.message or labels.STAGES.get(e.stage, e.stage))}</pre></div>"
        for e in reversed(events)
    )
    return f'<div class="da-log" tabindex="0" aria-label="Log">{lines or "Nothing yet."}</div>'


def quiet(text: str) -> str:
    return f'<p class="da-quiet">{esc(text)}</p>'
