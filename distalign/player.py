"""Asking base models and adapters one prompt many times, with the sampler that measures runs."""

from __future__ import annotations

import itertools
import json
import random
import tempfile
import zipfile
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING

from peft import PeftModel

from distalign.card import ADAPTER_FILES
from distalign.errors import Cancelled, ModelError, shown
from distalign.folders import DataFolder
from distalign.measuring import Subject, stop_ids
from distalign.memory import give_back
from distalign.models import load
from distalign.play import Drawn, Question, Voice, batch_sizes
from distalign.prompts import chat_ids
from distalign.sampling import sample_answers
from distalign.sampling_config import Sampling
from distalign.spec import STEERED_METHODS
from distalign.steering import SteeringTokens, choose_steering_tokens

if TYPE_CHECKING:
    from transformers import PreTrainedModel, PreTrainedTokenizerBase

# Adapters of a base model that are kept beside it; each takes a few MB.
MAX_ADAPTERS = 12


@dataclass
class _Base:
    """The base model that is loaded, and the adapters that were put on it, each with its steering tokens."""

    name: str
    model: PreTrainedModel
    tokenizer: PreTrainedTokenizerBase
    policy: PeftModel | None = None
    steering: dict[str, SteeringTokens | None] = field(default_factory=dict)

    def as_voice(self, voice: Voice) -> AbstractContextManager[object]:
        """Within the block the model answers as this voice."""
        if voice.adapter is None:
            return self.policy.disable_adapter() if self.policy else nullcontext()
        self.policy.set_adapter(_name_of(voice), inference_mode=True)
        return nullcontext()


class Player:
    """Holds one base model at a time, with adapters on it; a new base model takes the place of the old one."""

    def __init__(self, data: DataFolder) -> None:
        self._data = data
        self._base: _Base | None = None

    def sample(
        self,
        voices: Sequence[Voice],
        question: Question,
        on_status: Callable[[str], None],
        stopped: Callable[[], bool] = lambda: False,
    ) -> Iterator[Drawn]:
        """Draw the rounds of every voice, batch by batch; those on one base model take turns.

        What a voice draws depends on the question and on the voice alone.

        Args:
            voices: those of one base model stand together.
            on_status: called with what is being done while no rounds come.
            stopped: asked now and then.

        Raises:
            ModelError: for a base model or an adapter that cannot be used.
            Cancelled: when ``stopped`` says so.
        """
        numbered = itertools.groupby(enumerate(voices), key=lambda pair: pair[1].base_model)
        for name, group in numbered:
            base = self._loaded(name, on_status)
            members = list(group)
            wanted = {_name_of(voice) for _, voice in members}
            for _, voice in members:
                if voice.adapter is not None and _name_of(voice) not in base.steering:
                    on_status(f"Loading the adapter of {voice.title}")
                    self._put_on(base, voice, wanted)
            ids = chat_ids(base.tokenizer, question.prompt)
            on_status("Sampling")
            for number, size in enumerate(batch_sizes(question.rounds)):
                for index, voice in members:
                    yield Drawn(index, _draw(base, voice, question, ids, number, size, stopped))

    def _loaded(self, name: str, on_status: Callable[[str], None]) -> _Base:
        if self._base is None or self._base.name != name:
            # Before the next one is loaded: two might not fit into memory.
            self._base = None
            give_back()
            on_status(f"Loading the base model {Voice(name).base_name}, which then stays ready for a while")
            self._base = _Base(name, *load(name, self._data))
        return self._base

    def _put_on(self, base: _Base, voice: Voice, wanted: set[str]) -> None:
        name = _name_of(voice)
        for old in [kept for kept in base.steering if kept not in wanted][:-MAX_ADAPTERS]:
            base.policy.delete_adapter(old)
            del base.steering[old]
        steering = _steering_of(base, voice)
        with tempfile.TemporaryDirectory(prefix="distalign-adapter-") as folder:
            unpack(voice, Path(folder))
            if base.policy is None:
                base.policy = PeftModel.from_pretrained(base.model, folder, adapter_name=name).eval()
            else:
                base.policy.load_adapter(folder, adapter_name=name)
        base.policy.set_adapter(name, inference_mode=True)
        base.steering[name] = steering


def unpack(voice: Voice, folder: Path) -> None:
    """Put the files of a voice's adapter into a folder.

    Raises:
        ModelError: when the zip is gone or is no LoRA adapter.
    """
    try:
        with zipfile.ZipFile(voice.adapter) as archive:
            for name in ADAPTER_FILES[:2]:
                (folder / name).write_bytes(archive.read(name))
        kind = json.loads((folder / "adapter_config.json").read_text("utf-8"))["peft_type"]
    except (OSError, KeyError, ValueError, zipfile.BadZipFile) as error:
        why = getattr(error, "strerror", None) or error
        raise ModelError(
            f"run: the adapter of {shown(voice.title)} cannot be read ({why}). Start the run again"
        ) from error
    if kind != "LORA":
        raise ModelError(f"run: the adapter of {shown(voice.title)} is {shown(kind)}. Only LoRA can be used")


def _name_of(voice: Voice) -> str:
    """The name of a voice's adapter; another attempt of its run has another."""
    return f"run_{voice.run}_{voice.digest[:12]}"


def _steering_of(base: _Base, voice: Voice) -> SteeringTokens | None:
    """The tokens that open this voice's answers; chosen as the run did, which is always the same way."""
    spec = voice.spec
    if spec is None or spec.method not in STEERED_METHODS:
        return None
    rows = base.model.get_output_embeddings().weight
    return choose_steering_tokens(base.tokenizer, rows, spec.attribute, spec.steering, spec.least_tokens)


def _draw(
    base: _Base,
    voice: Voice,
    question: Question,
    ids: tuple[int, ...],
    number: int,
    size: int,
    stopped: Callable[[], bool],
) -> tuple[tuple[str, int], ...]:
    """One batch of a voice: distinct answers and how often each came, the most frequent first."""
    sampling = replace(voice.spec.sampling if voice.spec else Sampling(), max_new_tokens=question.tokens)
    seed = random.Random(f"{question.seed} {voice.run} {number}").getrandbits(31)
    steering = base.steering.get(_name_of(voice))
    stops = stop_ids(Subject(base.model, base.tokenizer, None, "after"))
    counts: Counter[str] = Counter()
    with base.as_voice(voice):
        for answers in sample_answers(base.model, [ids], [size], sampling, stops, seed):
            if stopped():
                raise Cancelled("play: stopped")
            for answer in answers:
                led = steering is not None and answer.ids and steering.index(answer.ids[0]) is not None
                rest = answer.ids[1:] if led else answer.ids
                text = base.tokenizer.decode(rest, skip_special_tokens=True).strip()
                counts[text] += answer.count
    return tuple(counts.most_common())
