"""A whole run of a tiny model in a local folder: measured, trained, measured, saved, and loaded again."""

from __future__ import annotations

import json
import zipfile
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest
import torch
from peft import PeftModel
from transformers import AutoModelForCausalLM, AutoTokenizer

from distalign.errors import Cancelled, DiskError, ModelError
from distalign.folders import DataFolder
from distalign.models import load, require_known
from distalign.progress import STAGES, Progress
from distalign.prompts import split_prompts
from distalign.results import Round, SideEffects, SplitResult
from distalign.runner import execute
from distalign.spec import BASE_ROUNDS, RunSpec, load_spec
from distalign.steering import choose_steering_tokens
from tests.tiny import tiny_model, tiny_spec, tiny_tokenizer


class Recorder:
    """Keeps what a run finds."""

    def __init__(self, cancel_at: str = "") -> None:
        self.cancel_at = cancel_at
        self.told: list[Progress] = []
        self.all_rounds: list[Round] = []
        self.results: dict[tuple[str, str], SplitResult] = {}
        self.artifacts: dict[str, Path] = {}
        self.timings: dict[str, float] = {}

    def progress(self, progress: Progress) -> None:
        self.told.append(progress)
        if progress.kind == "step" and progress.stage == self.cancel_at:
            raise Cancelled("stopped")

    def rounds(self, rounds: list[Round]) -> None:
        self.all_rounds += rounds

    def result(self, result: SplitResult) -> None:
        self.results[result.phase, result.split] = result

    def side_effects(self, effects: SideEffects) -> None:
        self.effects = effects

    def artifact(self, kind: str, path: Path) -> None:
        self.artifacts[kind] = path

    def steering_tokens(self, texts: Sequence[str]) -> None:
        self.tokens = tuple(texts)

    def timing(self, name: str, seconds: float) -> None:
        self.timings[name] = seconds


def spec_for(base: Path, **values: object) -> RunSpec:
    return tiny_spec(
        {
            "base_model": str(base),
            "target": {"Nurses": {"male": 0.2, "female": 0.8}, "Pilots": {"male": 0.7, "female": 0.3}},
            "steps": 150,
            "warmup_steps": 120,
            "answers_per_step": 4,
            "learning_rate": 0.02,
            "lora_rank": 16,
            "rounds": 100,
            "max_new_tokens": 24,
            **values,
        }
    )


@pytest.fixture(scope="module")
def finished(base: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[RunSpec, Recorder]:
    recorder = Recorder()
    spec = spec_for(base)
    folder = tmp_path_factory.mktemp("data")
    execute(spec, DataFolder(folder), folder / "runs" / "r1", recorder, "r1")
    return spec, recorder


@pytest.fixture(scope="module")
def unpacked(finished: tuple[RunSpec, Recorder], tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("adapter")
    with zipfile.ZipFile(finished[1].artifacts["adapter"]) as archive:
        archive.extractall(folder)
    return folder


def test_every_split_is_measured_before_and_after(finished: tuple[RunSpec, Recorder]) -> None:
    spec, recorder = finished

    assert set(recorder.results) == {(p, s) for p in ("before", "after") for s in spec.splits}
    assert set(recorder.timings) == {"train_seconds", "sample_seconds"}
    for result in recorder.results.values():
        rounds = spec.rounds_of(result.split, result.phase)
        assert rounds == (BASE_ROUNDS if result.phase == "before" else spec.rounds)
        assert result.rounds == rounds * 2
        assert [c.rounds for c in result.contexts] == [rounds] * 2


def test_side_effects_of_a_trained_run_are_measured_and_on_its_card(
    finished: tuple[RunSpec, Recorder], unpacked: Path
) -> None:
    effects = finished[1].effects

    assert effects.prompts >= 64 and effects.kl.value > 0
    assert effects.sentence in (unpacked / "README.md").read_text()
    assert any(p.message == effects.sentence for p in finished[1].told)


def test_training_brings_the_realized_shares_to_the_target(finished: tuple[RunSpec, Recorder]) -> None:
    result = finished[1].results["after", "seen_templates"]

    # The tiny model's head cannot put all of its mass on two tokens.
    assert result.exact_error < 0.06
    assert result.restricted_error < 0.05
    assert result.steering_mass > 0.85
    assert result.unclassified < 0.2
    assert result.mae.value < 0.15
    assert result.agreement > 0.85


def test_every_round_is_kept_with_its_category(finished: tuple[RunSpec, Recorder]) -> None:
    spec, recorder = finished
    result = recorder.results["after", "seen_templates"]
    rounds = [r for r in recorder.all_rounds if (r.phase, r.split) == ("after", "seen_templates")]

    for context in result.contexts:
        own = [r for r in rounds if r.context == context.context]
        assert sorted(r.index for r in own) == list(range(spec.rounds))
        named = Counter(r.category for r in own)
        classified = spec.rounds - named[None]
        assert context.unclassified == named[None]
        assert context.realized == pytest.approx([named[k] / classified for k in range(2)])
        assert {r.template for r in own} == {0, 1}
    assert all(r.category == spec.attribute.classify(r.text) for r in rounds)
    named = [r for r in rounds if r.steering is not None and r.category is not None]
    assert named and not any(r.text[:1] in "12" for r in named)


def test_the_base_model_has_no_steering_tokens(finished: tuple[RunSpec, Recorder]) -> None:
    recorder = finished[1]

    assert recorder.results["before", "seen_templates"].exact_error is None
    assert {r.steering for r in recorder.all_rounds if r.phase == "before"} == {None}


def test_progress_goes_through_the_stages_and_ends_at_1(finished: tuple[RunSpec, Recorder]) -> None:
    told = finished[1].told
    order = [STAGES.index(p.stage) for p in told]

    assert order == sorted(order)
    assert {p.stage for p in told} == set(STAGES) - {"write", "sft", "dpo"}
    assert told[-1].fraction == pytest.approx(1)
    assert any("Steering tokens: 1 = male, 2 = female" in p.message for p in told)


def test_the_work_of_sampling_is_told_by_the_prompts_that_are_finished(
    finished: tuple[RunSpec, Recorder],
) -> None:
    steps = [p for p in finished[1].told if (p.kind, p.stage) == ("step", "sample")]
    parts = [p.part for p in steps]

    assert parts == sorted(parts) and parts[-1] == pytest.approx(1)
    # Rounds under way are told to be drawn, and their work is not done.
    assert any(p.part < p.step / p.total - 0.1 for p in steps)


def test_the_zip_holds_the_adapter_its_card_and_its_specification(
    finished: tuple[RunSpec, Recorder], unpacked: Path, base: Path
) -> None:
    assert {p.name for p in unpacked.iterdir()} == {
        "adapter_model.safetensors",
        "adapter_config.json",
        "README.md",
        "spec.yaml",
    }
    assert json.loads((unpacked / "adapter_config.json").read_text())["base_model_name_or_path"] == base.name
    assert str(base) not in (unpacked / "README.md").read_text()
    assert load_spec(unpacked / "spec.yaml").target == finished[0].target


def test_plain_peft_and_generate_give_the_distribution_that_was_measured(
    finished: tuple[RunSpec, Recorder], unpacked: Path, base: Path
) -> None:
    spec, recorder = finished
    tokenizer = AutoTokenizer.from_pretrained(base)
    model = PeftModel.from_pretrained(AutoModelForCausalLM.from_pretrained(base), unpacked).eval()
    steering = choose_steering_tokens(tokenizer, model.get_output_embeddings().weight, spec.attribute)
    exact = np.zeros((2, 2))
    torch.manual_seed(0)
    for prompt in split_prompts(spec, tokenizer, "seen_templates"):
        ids = torch.tensor([prompt.ids])
        with torch.no_grad():
            probs = model(input_ids=ids).logits[0, -1].softmax(-1)
        exact[prompt.context] += probs[list(steering.ids)].numpy() / 2
        rounds = model.generate(
            input_ids=ids,
            attention_mask=torch.ones_like(ids),
            do_sample=True,
            temperature=1.0,
            top_k=0,
            max_new_tokens=spec.sampling.max_new_tokens,
            num_return_sequences=150,
        )
        texts = tokenizer.batch_decode(rounds[:, ids.shape[1] + 1 :], skip_special_tokens=True)
        named = [k for text in texts if (k := spec.attribute.classify(text)) is not None]
        # Four standard deviations of a share of 150 rounds, and what responses may mismatch.
        assert np.mean(named) == pytest.approx(spec.target.rows[prompt.context][1], abs=0.2)
    for context in recorder.results["after", "seen_templates"].contexts:
        assert context.steering == pytest.approx(exact[context.context], abs=1e-3)


def test_a_run_with_stories_writes_trains_on_and_measures_them(base: Path, tmp_path: Path) -> None:
    recorder = Recorder()
    spec = spec_for(
        base, templates=None, stories=True, story_tokens=48, story_rounds=4, rounds=4, steps=6, warmup_steps=2
    )
    execute(spec, DataFolder(tmp_path), tmp_path, recorder, "r")

    assert set(recorder.results) == {(phase, s) for phase in ("before", "after") for s in spec.splits}
    assert "stories" in spec.splits
    log = [p.message for p in recorder.told if (p.stage, p.kind) == ("write", "log")]
    assert log[0].startswith("Stories asked in words: male")
    told = recorder.results["after", "stories"]
    assert told.rounds == 4 * len(spec.contexts) and told.exact_error is not None


def test_a_zero_shot_run_measures_the_base_model_only(base: Path, tmp_path: Path) -> None:
    recorder = Recorder()
    spec = spec_for(base, method="zero_shot", rounds=4)
    execute(spec, DataFolder(tmp_path), tmp_path, recorder, "r")

    assert set(recorder.results) == {("before", split) for split in spec.splits}
    assert set(recorder.timings) == {"sample_seconds"}
    assert not recorder.artifacts
    assert not hasattr(recorder, "effects")


def test_a_run_is_repeatable_from_its_seed(base: Path, tmp_path: Path) -> None:
    drawn = []
    for _ in range(2):
        recorder = Recorder()
        execute(spec_for(base, method="zero_shot", rounds=6), DataFolder(tmp_path), tmp_path, recorder, "r")
        drawn.append(recorder.all_rounds)

    assert drawn[0] == drawn[1]


@pytest.mark.parametrize("stage", ["base", "hybrid"])
def test_a_cancelled_run_stops_at_the_next_step(base: Path, tmp_path: Path, stage: str) -> None:
    recorder = Recorder(cancel_at=stage)
    with pytest.raises(Cancelled):
        execute(
            spec_for(base, rounds=4, steps=6, warmup_steps=3), DataFolder(tmp_path), tmp_path, recorder, "r"
        )

    assert recorder.told[-1].stage == stage
    assert "adapter" not in recorder.artifacts


def test_unknown_models_are_named_before_anything_is_loaded(tmp_path: Path) -> None:
    for name in ("gpt-17", str(tmp_path), "../etc"):
        with pytest.raises(ModelError, match="smollm2-135m"):
            require_known(name, folders=True)


def test_folders_are_only_read_where_they_are_allowed(base: Path) -> None:
    require_known(str(base), folders=True)
    with pytest.raises(ModelError, match="not known"):
        require_known(str(base), folders=False)


def test_a_folder_that_holds_no_usable_model_is_a_clear_error(base: Path, tmp_path: Path) -> None:
    (tmp_path / "config.json").write_text("{}")
    with pytest.raises(ModelError, match="could not be loaded"):
        load(str(tmp_path), DataFolder(tmp_path))


def test_a_model_without_a_chat_template_is_refused(base: Path, tmp_path: Path) -> None:
    tiny_model().save_pretrained(tmp_path)
    tokenizer = tiny_tokenizer()
    tokenizer.chat_template = None
    tokenizer.save_pretrained(tmp_path)
    with pytest.raises(ModelError, match="chat template"):
        load(str(tmp_path), DataFolder(tmp_path))


def test_a_disk_without_room_is_told_with_numbers(tmp_path: Path) -> None:
    with pytest.raises(DiskError, match="MB free"):
        DataFolder(tmp_path).require_room(2**60)


def test_a_data_folder_that_is_a_file_is_told(tmp_path: Path) -> None:
    (tmp_path / "data").write_text("")
    with pytest.raises(DiskError, match="DISTALIGN_DATA"):
        DataFolder(tmp_path / "data" / "inner").require_room()
