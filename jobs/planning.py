"""The verbs that look ahead: what a specification trains on, the rounds it needs, a link to it."""

from __future__ import annotations

import argparse
import json
from collections.abc import Sequence
from typing import Any

from distalign.errors import SpecError, shown
from distalign.examples import Example, examples
from distalign.plan import Plan, estimate, read_speed
from distalign.planner import rounds_needed, visible_gaps
from distalign.sharing import bundled, command, link
from distalign.spec import RunSpec
from distalign.spelling import spelling_for
from distalign.yaml_text import yaml_of
from jobs.display import duration, plain
from jobs.foreground import spec_of
from jobs.places import data_folder

PAGE = "http://127.0.0.1:7860"


def preview(args: argparse.Namespace) -> int:
    """Print the plan, and training examples as the model sees them; with ``--templates`` what they are made of."""
    spec = spec_of(args)
    data = data_folder(args.data, args.db)
    for name in ("first", "count"):
        if getattr(args, name) < 0:
            raise SpecError(f"--{name}", f"{getattr(args, name)} is out of range", "Give a number from 0")
    if args.templates:
        templates = spec.templates.to_mapping(stories=spec.story.stories)
        print(
            yaml_of({"templates": templates}) if not args.json else json.dumps(templates, ensure_ascii=False)
        )
        return 0
    found = examples(spec, spelling_for(spec.base_model, data), args.first, args.count)
    plan = estimate(spec, read_speed(data))
    if args.json:
        print(json.dumps({"plan": _plan_object(plan), "examples": _objects(found)}, ensure_ascii=False))
        return 0
    print(
        f"{plain(spec.title)}: {duration(plan.seconds)}, {plan.steps:,} steps, {plan.examples:,} examples, "
        f"{plan.rounds:,} rounds, {plan.memory_mb / 1024:.1f} GB"
    )
    for number, example in enumerate(found, args.first + 1):
        print(f"\n--- example {number} ---\n{plain(example.prompt)}")
        for answer in example.answers:
            mark = "desirable  " if answer.desirable else "undesirable"
            print(f"  {mark}  {plain(answer.token + answer.response)}")
    return 0


def _plan_object(plan: Plan) -> dict[str, float]:
    return {
        "seconds": round(plan.seconds, 1), "steps": plan.steps, "examples": plan.examples, "rounds": plan.rounds,
        "memory_gb": round(plan.memory_mb / 1024, 2),
    }  # fmt: skip


def _objects(found: Sequence[Example]) -> list[dict[str, Any]]:
    return [
        {
            "prompt": example.prompt,
            "target": dict(example.target),
            "answers": [vars(answer) for answer in example.answers],
        }
        for example in found
    ]


def needed(args: argparse.Namespace) -> int:
    """Print how many rounds show a gap, and what gap the specification's rounds show."""
    rows, rounds = _rows(args)
    gap, confidence, power = args.gap / 100, args.confidence / 100, args.power / 100
    found = rounds_needed(rows, gap, confidence, power)
    seen = visible_gaps(rows, rounds, confidence, power)
    if args.json:
        answer = {
            "gap": gap, "confidence": confidence, "power": power, "contexts": len(rows),
            "rounds_per_context": found.per_context, "rounds_overall": found.overall,
            "rounds": rounds, "visible_per_context": seen.per_context, "visible_overall": seen.overall,
        }  # fmt: skip
        print(json.dumps(answer))
        return 0
    print(f"To see a gap of {args.gap:g} points ({args.confidence:g} % confidence, {args.power:g} % power):")
    print(f"  {found.per_context:,} rounds a context for any one context by itself")
    print(f"  {found.overall:,} rounds a context for the mean over {len(rows):,} contexts")
    print(
        f"{rounds:,} rounds a context show {100 * seen.per_context:.1f} points in one context, "
        f"{100 * seen.overall:.1f} over all"
    )
    return 0


def _rows(args: argparse.Namespace) -> tuple[list[tuple[float, ...]], int]:
    """The target's rows, and the rounds to judge: a specification's, or even ones of the size given."""
    if args.spec is not None:
        spec: RunSpec = spec_of(args)
        return list(spec.target.rows), spec.rounds
    for name, low, high in (("categories", 2, 50), ("contexts", 1, 1000)):
        value = getattr(args, name)
        if not low <= value <= high:
            raise SpecError(f"--{name}", f"{value} is out of range", f"Give a number from {low} to {high}")
    return [(1 / args.categories,) * args.categories] * args.contexts, 100


def share(args: argparse.Namespace) -> int:
    """Print the address that opens the page with the form filled in, or the command that makes the run."""
    spec = spec_of(args)
    print(command(spec) if args.command else link(spec, args.page), end="" if args.command else "\n")
    return 0


def list_bundled(args: argparse.Namespace) -> int:
    """Print the names of the bundled specifications, or one of them."""
    known = bundled()
    if args.name is None:
        print("\n".join(known))
    elif args.name in known:
        print(known[args.name].read_text("utf-8"), end="")
    else:
        raise SpecError("NAME", f"{shown(args.name)} is not bundled", f"Use {', '.join(known)}")
    return 0
