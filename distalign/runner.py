"""One run from start to end: measure the base model, train, measure again, save."""

from __future__ import annotations

import time
from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from distalign.asked import UNSEEN
from distalign.errors import DistalignError
from distalign.folders import DataFolder
from distalign.judges import require_judge
from distalign.memory import give_back, share_one_heap
from distalign.plan import estimate, read_speed, rounds_of, rounds_of_work, write_speed
from distalign.progress import Progress
from distalign.results import Recorder, Round, SideEffects, SplitResult, split_name
from distalign.spec import STEERED_METHODS, TRAINED_METHODS, RunSpec
from distalign.timeline import Timeline
from distalign.wording import listed

if TYPE_CHECKING:
    from distalign.kept_answers import KeptAnswers
    from distalign.measuring import OnSampled, Subject
    from distalign.prompts import Preface
    from distalign.steering import SteeringTokens

STAGE_OF_PHASE = {"before": "base", "after": "sample"}


def execute(
    spec: RunSpec,
    data: DataFolder,
    folder: Path,
    recorder: Recorder,
    run_id: str,
    clock: Callable[[], float] = time.monotonic,
) -> None:
    """Do what a specification says, telling ``recorder`` of everything as it happens.

    Args:
        spec: the run.
        data: where base models lie.
        folder: where this run's files go.
        recorder: takes progress, rounds, results, artifacts and timings.
        run_id: for messages.
        clock: seconds, monotonic.

    Raises:
        DistalignError: for a model, disk or specification that cannot be used, and
            ``Cancelled`` when the recorder says so.
    """
    share_one_heap()
    require_judge(spec)
    plan = estimate(spec, read_speed(data))
    timeline = Timeline(plan.stages, recorder.progress, clock, plan.known)
    timeline(Progress("stage", "prepare", message=f"Run {run_id}: loading {spec.base_model}"))
    data.require_room()
    folder.mkdir(parents=True, exist_ok=True)
    run = _Run(spec, data, recorder, timeline, clock)
    run.measure("before")
    if spec.method in TRAINED_METHODS:
        run.train()
        run.measure_side_effects()
    if spec.method != "zero_shot":
        run.measure("after")
    if spec.method in TRAINED_METHODS:
        run.save(folder)
    timeline(Progress("stage", "save", message="Done"))
    write_speed(data, spec, plan, timeline.taken)


class _Run:
    """The state that the stages of a run share: the model as it stands, and results so far."""

    def __init__(
        self,
        spec: RunSpec,
        data: DataFolder,
        recorder: Recorder,
        timeline: Timeline,
        clock: Callable[[], float],
    ) -> None:
        from distalign.models import load
        from distalign.steering import choose_steering_tokens

        self.spec = spec
        self.recorder = recorder
        self.timeline = timeline
        self.clock = clock
        self.results: dict[tuple[str, str], SplitResult] = {}
        self.effects: SideEffects | None = None
        self.model, self.tokenizer = load(spec.base_model, data)
        self.kept = self._kept_answers(data)
        self.steering: SteeringTokens | None = None
        if spec.method in STEERED_METHODS:
            rows = self.model.get_output_embeddings().weight
            self.steering = choose_steering_tokens(
                self.tokenizer, rows, spec.attribute, spec.steering, spec.least_tokens
            )
            own = self.steering.first(len(spec.attribute)).texts
            recorder.steering_tokens(own)
            pairs = zip(own, spec.attribute.names, strict=True)
            self._log("prepare", "Steering tokens: " + ", ".join(f"{t} = {name}" for t, name in pairs))

    def _kept_answers(self, data: DataFolder) -> KeptAnswers | None:
        """None where the base model's own run is asked for: how long it takes is then a figure, too."""
        from distalign.kept_answers import KeptAnswers, fingerprint
        from distalign.precision import training_dtype

        if self.spec.method == "zero_shot":
            return None
        precision = str(training_dtype(self.spec.training))
        return KeptAnswers(data.answers, fingerprint(self.spec.base_model, self.model, precision))

    def _log(self, stage: str, message: str) -> None:
        self.timeline(Progress("log", stage, message=message))

    def _measure_split(self, phase: str, split: str, on_sampled: OnSampled) -> SplitResult:
        from distalign.measuring import measure_split
        from distalign.unseen import measure_unseen

        subject = self._subject(phase)
        if split == UNSEEN:
            return measure_unseen(subject, self.spec, on_sampled)
        steering = subject.steering and subject.steering.first(len(self.spec.attribute))
        asked = replace(subject, steering=steering, prefaces=self._prefaces(phase, split))
        return measure_split(asked, self.spec, split, on_sampled)

    def _prefaces(self, phase: str, split: str) -> tuple[Preface, ...]:
        from distalign.baselines.instruction import prefaces

        instructed = phase == "after" and self.spec.method == "prompt"
        return prefaces(self.spec, split) if instructed else ()

    def _subject(self, phase: str) -> Subject:
        from distalign.measuring import Subject

        if phase == "before":
            return Subject(self.model, self.tokenizer, None, phase, kept=self.kept)
        return Subject(
            self.model,
            self.tokenizer,
            self.steering,
            phase,
            tuned=self.spec.method in TRAINED_METHODS,
        )

    def measure(self, phase: str) -> None:
        """Measure the model as it stands on every split."""
        stage = STAGE_OF_PHASE[phase]
        what = "base model" if phase == "before" else "tuned model"
        if phase == "after" and self.spec.method == "prompt":
            what = "base model with the instruction"
        self.timeline(Progress("stage", stage, message=f"Sampling the {what}"))
        began = self.clock()
        with self._precision(phase):
            kept = self._measure_splits(phase, stage, what)
        if kept:
            self._leave_out(stage, kept)
        if phase == "after" or self.spec.method == "zero_shot":
            self.recorder.timing("sample_seconds", self.clock() - began)

    def _precision(self, phase: str) -> AbstractContextManager[None]:
        """The tuned model is sampled in float32; the base model, whose answers fan out, in the fast type."""
        from distalign.adapter import merged
        from distalign.precision import training_dtype, weights_in

        if phase == "after" and self.spec.method in TRAINED_METHODS:
            return merged(self.model)
        return weights_in(self.model, training_dtype(self.spec.training))

    def _leave_out(self, stage: str, kept: list[str]) -> None:
        """Say which splits' rounds were not drawn anew, and keep their time out of what the stage shows."""
        work = {split: rounds_of_work(self.spec, split, "before") for split in self.spec.splits}
        self.timeline.forget(stage, sum(work[split] for split in kept) / sum(work.values()))
        which = "" if len(kept) == len(work) else f" on {listed([split_name(split) for split in kept])}"
        self._log(stage, f"The base model's rounds{which} are those of an earlier run with the same prompts")

    def _measure_splits(self, phase: str, stage: str, what: str) -> list[str]:
        """Measure on every split; those whose rounds are an earlier run's."""
        splits, kept = self.spec.splits, []
        sizes = [rounds_of(self.spec, split, phase) for split in splits]
        work = [rounds_of_work(self.spec, split, phase) for split in splits]
        for index, split in enumerate(splits):
            # Most rounds of some prompts are drawn early, and the last few take most of the time: the work
            # that is done is told by the rounds of prompts that are finished.
            finished = 0

            def on_sampled(rounds: list[Round], done: int, total: int, index: int = index) -> None:
                nonlocal finished
                self.recorder.rounds(rounds)
                finished += len(rounds)
                at = sum(sizes[:index]) + sizes[index] * done // total
                part = (sum(work[:index]) + work[index] * finished / total) / sum(work)
                self.timeline(Progress("step", stage, step=at, total=sum(sizes), part=part))

            found = self.kept.found if self.kept else 0
            result = self._measure_split(phase, split, on_sampled)
            if self.kept and self.kept.found > found:
                kept.append(split)
            give_back()
            self.results[phase, split] = result
            self.recorder.result(result)
            self._log(
                stage,
                f"{what.capitalize()}, {split.replace('_', ' ')}: MAE {result.mae.value:.3f} "
                f"(noise floor {result.noise_floor:.3f}), {result.unclassified:.1%} unclassified",
            )
        return kept

    def train(self) -> None:
        from distalign.methods import TRAINERS

        began = self.clock()
        train = TRAINERS[self.spec.method]
        self.model = train(self.model, self.tokenizer, self.spec, self.steering, self.timeline)
        give_back()
        self.recorder.timing("train_seconds", self.clock() - began)

    def measure_side_effects(self) -> None:
        """Compare the tuned model with the base model on unrelated prompts."""
        from distalign.side_effects import measure_side_effects

        self.timeline(Progress("stage", "effects", message="Measuring side effects"))
        self.effects = measure_side_effects(
            self.model, self.tokenizer, self.steering, self.spec.training, self.spec.seed
        )
        give_back()
        self.recorder.side_effects(self.effects)
        self._log("effects", self.effects.sentence)

    def save(self, folder: Path) -> None:
        from distalign.card import save_adapter

        self.timeline(Progress("stage", "save", message="Saving the adapter"))
        try:
            path = save_adapter(self.model, self.spec, self.steering, self.results, self.effects, folder)
        except OSError as error:
            raise DistalignError(
                f"the adapter cannot be written to {folder} ({error.strerror}). Free some room and resume"
            ) from error
        self.recorder.artifact("adapter", path)
