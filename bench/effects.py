"""``python -m bench effects``: what holding side effects down costs, by the weight of its penalty.

A training with each weight and seed, in a process of its own. The error is measured on
some of the seen templates that are kept out of training for it, never on the
held-out ones, so that the table may choose a default.
"""

from __future__ import annotations

import argparse
import json
import sys
import time
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from statistics import mean
from typing import Any

from bench.children import measured
from bench.errors import BenchError
from bench.kept import split_templates
from bench.machine import commit, describe_machine, machine_text
from distalign.spec import load_spec
from jobs.display import table
from jobs.places import data_folder

WEIGHTS, SEEDS = (0.0, 0.03, 0.06, 0.1, 0.3, 1.0), (0, 1)


def unit(arguments: dict[str, Any]) -> dict[str, Any]:
    """One training: its seconds, the error on the templates kept apart, and its side effects."""
    from bench.heldout import HeldOut
    from bench.workbench import open_workbench
    from distalign.adapter import lowest_adapted
    from distalign.memory import give_back, share_one_heap
    from distalign.side_effects import measure_side_effects
    from distalign.training import train_adapter

    share_one_heap()
    bench = open_workbench(arguments)
    config, start = bench.spec.training, time.monotonic()
    model = train_adapter(bench.model, bench.tokenizer, bench.spec, bench.steering, lambda _: None)
    seconds = time.monotonic() - start
    give_back()
    start = time.monotonic()
    effects = measure_side_effects(model, bench.tokenizer, bench.steering, config, bench.spec.seed)
    measuring = time.monotonic() - start
    return {
        "train_seconds": seconds,
        "measure_seconds": measuring,
        "error": HeldOut(bench, lowest_adapted(bench.model, config)).error(),
        "effects": asdict(effects),
    }


def effects(args: argparse.Namespace) -> int:
    """Train with every weight and seed, print the table and write the numbers.

    Raises:
        DistalignError: for arguments that cannot be used, or a training that fails.
    """
    data = data_folder(args.data)
    data.require_room()
    spec = load_spec(Path(args.spec), {"preset": args.preset})
    fields = {"preset": args.preset, "templates": split_templates(spec.templates.seen)}
    units = []
    for weight in args.weights:
        for seed in args.seeds:
            print(f"retain_weight {weight:g}, seed {seed} …", file=sys.stderr, flush=True)
            changes = fields | {"retain_weight": weight, "seed": seed}
            arguments = {"spec": args.spec, "data": str(data.root.absolute()), "set": changes}
            log = data.root / "bench" / "logs" / f"effects-{weight:g}-{seed}.log"
            units.append({"weight": weight, "seed": seed} | measured("bench.effects:unit", arguments, log))
    out = data.root / "bench" / "effects.json"
    _write(out, {"preset": args.preset, "machine": describe_machine(), "commit": commit(), "units": units})
    print(effects_table(units))
    print(f"\n{machine_text(describe_machine())}\n{out}")
    return 0


def effects_table(units: Sequence[dict[str, Any]]) -> str:
    """A row a weight, the means over its seeds."""
    rows = []
    for weight in dict.fromkeys(unit["weight"] for unit in units):
        own = [unit for unit in units if unit["weight"] == weight]
        found = [unit["effects"] for unit in own]
        rows.append(
            [
                f"{weight:g}",
                f"{mean(u['error'] for u in own):.4f}",
                f"{mean(e['kl']['value'] for e in found):.3f}",
                f"{found[0]['perplexity_before']:.1f} → {mean(e['perplexity_after'] for e in found):.1f}",
                f"{found[0]['leak_before']:.3f} → {mean(e['leak_after'] for e in found):.3f}",
                f"{mean(e['first_token_changed'] for e in found):.0%}",
                f"{mean(u['train_seconds'] for u in own):.0f}",
            ]
        )
    headers = [
        "retain_weight",
        "exact error",
        "KL, nats a token",
        "perplexity",
        "leak",
        "first token changed",
    ]
    return table([*headers, "training, s"], rows)


def _write(path: Path, value: dict[str, Any]) -> None:
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(json.dumps(value, indent=1) + "\n", "utf-8")
    except OSError as error:
        raise BenchError(f"--data: {path} cannot be written ({error.strerror}). Name another") from error


def add_effects(verbs: argparse._SubParsersAction, parents: Sequence[argparse.ArgumentParser]) -> None:
    """The verb and its arguments."""
    text = "Measure what holding side effects down costs. Begins anew each time."
    verb = verbs.add_parser("effects", help=text, description=text, parents=list(parents), allow_abbrev=False)
    verb.set_defaults(handler=effects)
    verb.add_argument("--spec", metavar="FILE", default="specs/gender-uk-real.yaml", help="what is trained")
    verb.add_argument("--preset", default="quick", help="default: quick")
    verb.add_argument("--weights", nargs="+", type=float, metavar="WEIGHT", default=WEIGHTS)
    verb.add_argument("--seeds", nargs="+", type=int, metavar="SEED", default=SEEDS)
