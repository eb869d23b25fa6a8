"""The benchmark of the penalty on side effects."""

from __future__ import annotations

from pathlib import Path

import pytest

from bench.effects import effects_table, unit
from bench.kept import KEPT, split_templates
from distalign.spec import parse_spec
from tests.tiny import save_base, tiny_spec


def test_the_error_is_measured_on_seen_templates_that_are_not_trained_on() -> None:
    spec = parse_spec({"attribute": "gender"})
    found = split_templates(spec.templates.seen)

    assert len(found["heldout"]) == KEPT
    assert set(found["heldout"]) | set(found["seen"]) == set(spec.templates.seen)
    assert not set(found["heldout"]) & set(found["seen"])
    assert not set(found["heldout"]) & set(spec.templates.heldout)
    assert found == split_templates(spec.templates.seen)


def test_the_table_has_a_row_a_weight_with_the_means_over_its_seeds() -> None:
    effects = {
        "kl": {"value": 0.5},
        "perplexity_before": 10.0,
        "perplexity_after": 12.0,
        "leak_before": 0.03,
        "leak_after": 0.05,
        "first_token_changed": 0.25,
    }
    units = [
        {"weight": weight, "seed": seed, "error": error, "train_seconds": 40.0, "effects": effects}
        for weight, seed, error in ((0.0, 0, 0.01), (0.0, 1, 0.02), (0.3, 0, 0.03))
    ]
    lines = effects_table(units).splitlines()[2:]

    assert [line.split()[:2] for line in lines] == [["0", "0.0150"], ["0.3", "0.0300"]]
    assert "10.0 → 12.0" in lines[0] and "0.030 → 0.050" in lines[0] and "25%" in lines[0]


@pytest.mark.parametrize("weight", [0, 1])
def test_a_unit_trains_and_measures(tmp_path: Path, weight: int) -> None:
    base = save_base(tmp_path / "tiny-llama")
    file = tmp_path / "spec.yaml"
    file.write_text(tiny_spec({"base_model": str(base), "steps": 8}).to_yaml(), "utf-8")
    found = unit({"spec": str(file), "data": str(tmp_path), "set": {"retain_weight": weight}})

    assert 0 < found["error"] < 1 and found["train_seconds"] > 0
    assert found["effects"]["kl"]["value"] > 0 and found["effects"]["prompts"] >= 64
