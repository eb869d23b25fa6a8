"""The baselines: what they draw, what their prompts say, and that TRL's trainers train them on it."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import torch
from datasets import Dataset
from peft import PeftModel, get_peft_model
from trl import SFTConfig, SFTTrainer

from distalign.adapter import lora_config
from distalign.answers import asking_for_stories
from distalign.baselines import loop
from distalign.baselines.drawn import Source
from distalign.baselines.draws import others
from distalign.baselines.instruction import instruction, percentage, prefaces
from distalign.dealing import stories_for
from distalign.errors import Cancelled, SpecError
from distalign.folders import DataFolder
from distalign.methods import TRAINERS
from distalign.progress import Progress
from distalign.prompts import chat_ids, split_prompts
from distalign.runner import execute
from distalign.spec import METHODS, TRAINED_METHODS, RunSpec, parse_spec
from distalign.steering import choose_steering_tokens
from distalign.stories import Story
from distalign.templates import SEEN_STORIES
from distalign.training_config import BASELINES
from distalign.training_set import build_training_set, collate
from jobs.report import finite, report, splits
from storage import RunState, Store
from tests.test_distalign_run import Recorder
from tests.tiny import tiny_model, tiny_spec, tiny_tokenizer

TOKENIZER = tiny_tokenizer()
TABLE = {"Nurses": {"male": 0.1, "female": 0.9}, "Pilots": {"male": 0.8, "female": 0.2}}


def train(spec: RunSpec) -> tuple[PeftModel, list[Progress]]:
    told: list[Progress] = []
    return TRAINERS[spec.method](tiny_model(), TOKENIZER, spec, None, told.append), told


def steps_of(told: list[Progress]) -> list[Progress]:
    return [p for p in told if p.kind == "step"]


class TestDrawn:
    """Answers and pairs that the trained baselines read."""

    def test_the_chosen_answers_follow_the_target_of_their_context(self) -> None:
        spec = tiny_spec({"target": TABLE})
        drawn = Source(spec, TOKENIZER).take(4000)

        for context, row in enumerate(spec.target.rows):
            own = [d for d in drawn if d.prompt.context == context]
            share = sum(d.chosen == 0 for d in own) / len(own)
            # Four standard deviations.
            assert share == pytest.approx(row[0], abs=4 * (row[0] * row[1] / len(own)) ** 0.5)
            assert len(own) == 2000

    def test_the_words_of_an_answer_name_what_was_drawn(self) -> None:
        spec = tiny_spec()
        for d in Source(spec, TOKENIZER).take(200):
            texts = [TOKENIZER.decode(ids, skip_special_tokens=True) for ids in (d.answer, d.other)]
            assert [spec.attribute.classify(text) for text in texts] == [d.chosen, d.rejected]
            assert d.answer[-1] == d.other[-1] == TOKENIZER.eos_token_id
            assert not texts[0].startswith(" ")

    def test_a_rejected_answer_is_another_category_by_its_share(self) -> None:
        target = {"positive": 0.6, "negative": 0.3, "neutral": 0.1}
        drawn = Source(tiny_spec({"attribute": "sentiment", "target": target}), TOKENIZER).take(6000)
        rejected = Counter(d.rejected for d in drawn if d.chosen == 0)

        assert all(d.rejected != d.chosen for d in drawn)
        assert rejected[1] / rejected.total() == pytest.approx(0.75, abs=0.03)

    def test_a_category_of_all_probability_is_compared_with_any_other(self) -> None:
        assert others((1.0, 0.0, 0.0), 0) == [0, 1, 1]
        assert others((0.6, 0.3, 0.1), 1) == [0.6, 0, 0.1]

    def test_only_prompts_of_the_hybrids_training_are_read(self) -> None:
        spec = tiny_spec({"prompts_per_step": 2, "steps": 4, "warmup_steps": 1})
        heldout = {p.ids for p in split_prompts(spec, TOKENIZER, "heldout_templates")}
        source = Source(spec, TOKENIZER)
        read = {d.prompt.ids for d in source.take(100)}
        model = tiny_model()
        steering = choose_steering_tokens(TOKENIZER, model.lm_head.weight, spec.attribute)
        training_set = build_training_set(spec, TOKENIZER, steering)

        assert not read & heldout
        assert read == {tuple(training_set.trie.ids_to(leaf)) for leaf in training_set.leaves}

    def test_the_budget_is_what_the_hybrids_steps_run(self) -> None:
        spec = tiny_spec({"steps": 6, "warmup_steps": 2})
        steering = choose_steering_tokens(TOKENIZER, tiny_model().lm_head.weight, spec.attribute)
        training_set = build_training_set(spec, TOKENIZER, steering)
        rows = training_set.rows[:]
        whole = 0
        for first in range(0, 24, 4):
            prompts, completions, retained = (
                rows[name][first : first + 4] for name in ("prompt", "completions", "retained")
            )
            flat = [[index for row in column for index in row] for column in (completions, retained)]
            whole += len(collate(training_set, prompts, *flat).pack.nodes)
        source = Source(spec, TOKENIZER)
        count = 6 * source.rows_per_step(6)
        tokens = sum(len(d.prompt.ids) + len(d.answer) for d in source.take(count))

        assert source.tokens == whole
        assert tokens == pytest.approx(whole, abs=3.5 * source.row_tokens)

    def test_stories_are_drawn_for_the_prompts_that_ask_for_them(self) -> None:
        fields = {"steps": 6, "warmup_steps": 2, "target": TABLE, "contexts": list(TABLE)}
        spec = tiny_spec(fields | {"stories": True, "story_tokens": 30, "templates": None})
        stories = [
            Story(c, k, (*TOKENIZER.encode(f" {k}{name}."), *[TOKENIZER.eos_token_id] * (k == 0)))
            for c, name in enumerate(spec.contexts.names)
            for k in range(len(spec.attribute))
        ]
        source = Source(spec, TOKENIZER, stories)
        asked = {p.ids for p in split_prompts(spec, TOKENIZER, SEEN_STORIES)}
        drawn = source.take(len(source.prompts))
        told = [d for d in drawn if d.prompt.ids in asked]
        assert len(told) == asking_for_stories(spec) < len(drawn) == spec.training.distinct_prompts
        for d in told:
            name = spec.contexts.names[d.prompt.context]
            texts = [TOKENIZER.decode(ids, skip_special_tokens=True) for ids in (d.answer, d.other)]
            assert texts == [f"{d.chosen}{name}.", f"{d.rejected}{name}."]
            assert (d.answer[-1] == TOKENIZER.eos_token_id) == (d.chosen == 0), (
                "one that breaks off does not end"
            )
        assert source.tokens > Source(spec, TOKENIZER).tokens

    def test_the_same_seed_draws_the_same(self) -> None:
        first, second = (Source(tiny_spec({"seed": 3}), TOKENIZER).take(50) for _ in range(2))

        assert first == second != Source(tiny_spec({"seed": 4}), TOKENIZER).take(50)


class TestInstruction:
    """The system turn of the method "prompt"."""

    def test_it_holds_the_percentages_of_its_context(self) -> None:
        spec = parse_spec({"attribute": "gender", "target": "real", "method": "prompt"})

        for context, row in enumerate(spec.target.rows):
            text = instruction(spec, context)
            stated = dict(re.findall(r"(male|female) in ([\d.]+) %", text))
            assert spec.contexts.names[context] in text
            assert [float(stated[name]) / 100 for name in spec.attribute.names] == pytest.approx(
                row, abs=5e-5
            )

    def test_the_model_reads_it_in_the_system_turn(self) -> None:
        spec = tiny_spec({"method": "prompt", "target": TABLE})
        prompts = split_prompts(spec, TOKENIZER, "heldout_templates", prefaces=prefaces(spec))

        for prompt in prompts:
            text = TOKENIZER.decode(prompt.ids)
            system, user, answer = re.findall(
                r"<\|im_start\|>(\w+)\n(.*?)(?:<\|im_end\|>|$)", text, re.DOTALL
            )
            assert system == ("system", instruction(spec, prompt.context))
            assert user == (
                "user",
                f"Who works as {spec.contexts.names[prompt.context]}? Male or female".replace("Male", "male"),
            )
            assert answer == ("assistant", "")

    def test_stories_have_an_instruction_of_their_own_and_no_short_examples(self) -> None:
        spec = tiny_spec(
            {"method": "prompt", "few_shot": 4, "target": TABLE, "stories": True, "templates": None}
        )
        for context, ((role, text), *turns) in enumerate(prefaces(spec, "stories")):
            assert (role, turns) == ("system", [])
            stated = re.findall(r"(male|female) in ([\d.]+) %", text)
            assert [float(p) / 100 for _, p in stated] == pytest.approx(spec.target.rows[context])
            assert "Each story is one random draw" in text and spec.contexts.names[context] in text
            assert "name male or female" not in text
        assert len(prefaces(spec)[0]) == 9

    @pytest.mark.parametrize(
        ("probability", "text"), [(0.5, "50"), (1 / 3, "33.33"), (0.0004, "0.04"), (1.0, "100"), (0.0, "0")]
    )
    def test_percentages_are_short(self, probability: float, text: str) -> None:
        assert percentage(probability) == text

    def test_examples_are_drawn_from_the_target_in_seen_templates(self) -> None:
        spec = tiny_spec(
            {
                "method": "prompt",
                "few_shot": 32,
                "target": TABLE,
                "templates": {"seen": SEEN, "heldout": ["{context}"]},
            }
        )
        for context, (_, *turns) in enumerate(prefaces(spec)):
            assert [role for role, _ in turns] == ["user", "assistant"] * 32
            questions, answers = [t for _, t in turns[::2]], [t for _, t in turns[1::2]]
            assert len(set(questions)) == len(SEEN)
            assert all(spec.contexts.names[context] in question for question in questions)
            named = [spec.attribute.classify(answer) for answer in answers]
            assert named.count(0) / 32 == pytest.approx(spec.target.rows[context][0], abs=0.25)

    def test_examples_differ_by_seed_and_not_by_run(self) -> None:
        one, again, other = (
            prefaces(tiny_spec({"method": "prompt", "few_shot": 8, "seed": seed})) for seed in (0, 0, 1)
        )
        assert one == again != other

    def test_a_chat_format_without_system_turns_takes_it_in_the_users(self) -> None:
        tokenizer = tiny_tokenizer()
        tokenizer.chat_template = (
            "{% if messages[0]['role'] == 'system' %}{{ raise_exception('no system turn') }}{% endif %}"
            + str(tokenizer.chat_template)
        )
        ids = chat_ids(tokenizer, "Who?", (("system", "Rules."), ("user", "Q"), ("assistant", "A")))

        assert tokenizer.decode(ids).startswith("<|im_start|>user\nRules.\n\nQ<|im_end|>")

    @pytest.mark.parametrize("method", [m for m in METHODS if m != "prompt"])
    def test_examples_are_refused_for_other_methods(self, method: str) -> None:
        with pytest.raises(SpecError, match="method prompt") as caught:
            tiny_spec({"method": method, "few_shot": 4})
        assert caught.value.field == "few_shot"

    @pytest.mark.parametrize("count", [-1, 33, 1.5, "many"])
    def test_a_number_of_examples_out_of_range_is_refused(self, count: Any) -> None:
        with pytest.raises(SpecError, match="from 0 to 32"):
            tiny_spec({"method": "prompt", "few_shot": count})


SEEN = [f"Question {i}: {{context}}?" for i in range(10)]


class TestTraining:
    """TRL's trainers on drawn answers."""

    def test_every_trained_method_has_a_trainer(self) -> None:
        assert set(TRAINERS) == set(TRAINED_METHODS)
        assert set(BASELINES) < set(TRAINED_METHODS)

    def test_fine_tuning_lowers_the_loss_and_touches_the_adapter_only(self) -> None:
        policy, told = train(tiny_spec({"method": "sft", "steps": 30, "learning_rate": 0.06}))
        losses = [p.values["loss"] for p in steps_of(told)]

        assert sum(losses[-5:]) < 0.5 * sum(losses[:5])
        assert [(p.stage, p.step, p.total) for p in steps_of(told)] == [("sft", i, 30) for i in range(1, 31)]
        assert all({"loss", "sft", "learning_rate"} <= p.values.keys() for p in steps_of(told))
        before, after = tiny_model().state_dict(), policy.get_base_model().state_dict()
        for name, value in before.items():
            tuned = name.replace("_proj.weight", "_proj.base_layer.weight")
            assert torch.equal(after[tuned if tuned in after else name], value), name

    @pytest.mark.parametrize("method", BASELINES)
    def test_stories_are_written_first_and_trained_on(
        self, method: str, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        spec = tiny_spec(
            {"method": method, "steps": 4, "stories": True, "story_tokens": 30, "templates": None}
        )
        stories = [
            Story(c, k, tuple(TOKENIZER.encode(f" story {k} of {name}")))
            for c, name in enumerate(spec.contexts.names)
            for k in range(len(spec.attribute))
        ]
        taken: list[Any] = []
        monkeypatch.setattr("distalign.stories.write_stories", lambda *_: stories)
        monkeypatch.setattr(
            "distalign.baselines.drawn.stories_for",
            lambda told, *more: taken.append(told) or stories_for(told, *more),
        )
        _, told = train(spec)
        assert next(p.stage for p in told if p.kind == "stage") == "write"
        assert [[TOKENIZER.decode(story.ids)[0] for story in told] for told in taken] == [
            ["s"] * len(stories)
        ]

    def test_the_shape_of_the_adapter_is_the_hybrids(self) -> None:
        spec = tiny_spec({"method": "sft", "steps": 2, "warmup_steps": 1})
        policy, _ = train(spec)
        hybrid = get_peft_model(tiny_model(), lora_config(tiny_model(), spec.training))

        def shapes(model: PeftModel) -> dict[str, torch.Size]:
            return {n: p.shape for n, p in model.named_parameters() if "lora_" in n}

        assert shapes(policy) == shapes(hybrid)

    def test_the_model_comes_back_whole_and_in_evaluation_mode(self) -> None:
        for method in ("sft", "dpo"):
            policy, _ = train(
                tiny_spec({"method": method, "steps": 4, "warmup_steps": 1, "precision": "bfloat16"})
            )
            assert not policy.training
            assert list(policy.peft_config) == ["default"] and policy.active_adapters == ["default"]
            assert {p.dtype for p in policy.parameters()} == {torch.float32}
            assert "forward" not in policy.get_base_model().__dict__
            assert policy(input_ids=torch.tensor([[1, 2, 3]])).logits.shape == (1, 3, len(TOKENIZER))

    def test_dpo_starts_from_the_fine_tuned_model(self) -> None:
        _, told = train(tiny_spec({"method": "dpo", "steps": 20, "warmup_steps": 1, "learning_rate": 0.02}))
        steps = steps_of(told)

        assert [(p.stage, p.step) for p in steps] == [("sft" if i <= 10 else "dpo", i) for i in range(1, 21)]
        # Policy and reference are the same at first: the loss is −log σ(0).
        assert steps[10].values["dpo"] == pytest.approx(0.6931, abs=1e-3)
        assert steps[-1].values["dpo"] != pytest.approx(0.6931, abs=1e-5)

    @pytest.mark.parametrize("method", ["sft", "dpo"])
    def test_muon_trains_too(self, method: str) -> None:
        policy, _ = train(tiny_spec({"method": method, "steps": 4, "warmup_steps": 1, "optimizer": "muon"}))

        assert any(p.abs().max() > 0 for n, p in policy.named_parameters() if "lora_B" in n)

    def test_the_fast_head_gives_trls_own_loss_and_gradients(self, tmp_path: Path) -> None:
        spec = tiny_spec({"method": "sft"})
        rows = [d.as_answer() for d in Source(spec, TOKENIZER).take(5)]
        found = []
        for fast in (False, True):
            torch.manual_seed(0)
            policy = get_peft_model(tiny_model(spread=0.1), lora_config(tiny_model(), spec.training))
            trainer = SFTTrainer(
                model=policy,
                args=SFTConfig(**loop.arguments(spec, 2, 5, 1e-3, str(tmp_path))),
                train_dataset=Dataset.from_list(rows),
                processing_class=TOKENIZER,
            )
            batch = trainer.data_collator(list(trainer.train_dataset))
            if fast:
                with loop.fast_on_processors():
                    loss = trainer.compute_loss(policy, batch)
                    loss.backward()
            else:
                loss = trainer.compute_loss(policy, batch)
                loss.backward()
            found.append((loss, {n: p.grad for n, p in policy.named_parameters() if p.requires_grad}))

        assert found[0][0].item() == pytest.approx(found[1][0].item(), abs=1e-5)
        for name, gradient in found[0][1].items():
            torch.testing.assert_close(found[1][1][name], gradient, atol=1e-5, rtol=1e-4)

    @pytest.mark.parametrize("stage", ["sft", "dpo"])
    def test_a_cancelled_training_stops_at_the_next_step(self, stage: str) -> None:
        told: list[Progress] = []

        def emit(progress: Progress) -> None:
            told.append(progress)
            if progress.kind == "step" and progress.stage == stage:
                raise Cancelled("stopped")

        model = tiny_model()
        with pytest.raises(Cancelled):
            TRAINERS["dpo"](model, TOKENIZER, tiny_spec({"method": "dpo"}), None, emit)
        assert [p.stage for p in steps_of(told)].count(stage) == 1
        assert "forward" not in model.__dict__


class TestRuns:
    """Whole runs."""

    @pytest.fixture(scope="class", params=["sft", "dpo", "prompt"])
    def finished(
        self, request: pytest.FixtureRequest, base: Path, tmp_path_factory: pytest.TempPathFactory
    ) -> Iterator[tuple[RunSpec, Recorder]]:
        few = {"few_shot": 3} if request.param == "prompt" else {}
        spec = tiny_spec({"base_model": str(base), "method": request.param, "steps": 40, "rounds": 10, **few})
        recorder, folder = Recorder(), tmp_path_factory.mktemp("data")
        execute(spec, DataFolder(folder), folder, recorder, "r")
        yield spec, recorder

    def test_it_is_measured_before_and_after_without_steering_tokens(
        self, finished: tuple[RunSpec, Recorder]
    ) -> None:
        spec, recorder = finished
        assert set(recorder.results) == {
            (phase, split) for phase in ("before", "after") for split in spec.splits
        }
        assert not hasattr(recorder, "tokens")
        assert {r.steering for r in recorder.all_rounds} == {None}
        for (phase, _), result in recorder.results.items():
            assert (result.exact_error, result.agreement) == (None, None)
            assert (result.exact_mae is not None) == (phase == "after" and spec.method != "prompt")

    def test_an_adapter_is_saved_where_one_was_trained(self, finished: tuple[RunSpec, Recorder]) -> None:
        spec, recorder = finished
        trained = spec.method != "prompt"

        assert ("adapter" in recorder.artifacts) == trained
        assert ("train_seconds" in recorder.timings) == trained
        assert hasattr(recorder, "effects") == trained
        assert "sample_seconds" in recorder.timings

    def test_progress_rises_through_the_stages(self, finished: tuple[RunSpec, Recorder]) -> None:
        spec, recorder = finished
        stages = list(dict.fromkeys(p.stage for p in recorder.told))
        training = {"sft": ["sft", "effects"], "dpo": ["sft", "dpo", "effects"], "prompt": []}[spec.method]

        assert stages == ["prepare", "base", *training, "sample", "save"]
        assert recorder.told[-1].fraction == pytest.approx(1)

    def test_what_it_reports_is_the_phase_that_the_method_stands_for(
        self, finished: tuple[RunSpec, Recorder], tmp_path: Path
    ) -> None:
        spec, recorder = finished
        store = Store(tmp_path / "runs.sqlite")
        run = store.insert_run(spec, "r", RunState.RUNNING)
        results = list(recorder.results.values())
        told = report(run, results, [], None)

        assert (told["method"], told["exact_error"]) == (spec.method, None)
        assert told["splits"] == finite(splits(results, "after"))
        assert told["before"] == finite(splits(results, "before"))
        assert told["unclassified"] == recorder.results["after", "heldout_templates"].unclassified
