"""The stories that a run trains on: the base model writes them, a judge reads them, few are kept.

A category's stories are asked for in words first. Where too few of them are
of that category, a written opening leads, and the model goes on from there. A
mood is led from the start: of stories that are asked for, few have it to their end.
"""

from __future__ import annotations

import math
import random
import re
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

from distalign.errors import DistalignError
from distalign.judges import Judge, judge_of
from distalign.measuring import Subject, stop_ids
from distalign.precision import training_dtype, weights_in
from distalign.prefixes import Ids
from distalign.progress import Emit, Progress
from distalign.prompts import chat_ids
from distalign.sampling import sample_answers
from distalign.sampling_config import Sampling
from distalign.spec import RunSpec
from distalign.story_templates import always_led, openings, writing_prompts

if TYPE_CHECKING:
    from transformers import PreTrainedModel, PreTrainedTokenizerBase

# Stories in all, and the fewest of a category.
STORIES, LEAST = 240, 12
# Contexts that stories are written for.
CONTEXTS = 25
# Candidates for each story that is wanted, at each go.
CANDIDATES = 1.5
# The share of the writing that the first of two goes is, where the second makes up for what it did not bring.
FIRST_GO = 0.7
# Cooler than the rounds that are measured: the model learns from its better sentences.
WRITING_TEMPERATURE, WRITING_TOP_K = 0.8, 40
# A story must be this long, and may end behind a sentence if it is so long, as shares of the longest.
SHORTEST, ENDING = 0.6, 0.75
# Its first words. Stories whose category the judge does not know by then are used last: each word before
# it is one at which a round may go astray.
EARLY_LETTERS = 50
_END = re.compile(r"[.!?][\"”’')]*(?=\s|$)")

OnRead = Callable[[int, int, float, str], None]


@dataclass(frozen=True)
class Story:
    """A story of a category about a context; ``ids`` begin with a space; most end the turn."""

    context: int
    category: int
    ids: Ids


@dataclass(frozen=True)
class Draft:
    """A prompt to write from: ``opening`` are the story's first words, if they are given."""

    context: int
    category: int
    prompt: str
    opening: str


def stories_for_training(
    model: PreTrainedModel, tokenizer: PreTrainedTokenizerBase, spec: RunSpec, emit: Emit
) -> list[Story]:
    """The stories that a run trains on, whatever its method; none where it tells none.

    Raises:
        DistalignError: when a category has no story at all.
    """
    if not spec.story.stories:
        return []
    emit(Progress("stage", "write", message="The base model writes stories to train on"))

    def told(done: int, total: int, part: float, message: str) -> None:
        emit(Progress("log" if message else "step", "write", done, total, message=message, part=part))

    with weights_in(model, training_dtype(spec.training)):
        return write_stories(model, tokenizer, spec, judge_of(spec), told)


def write_stories(
    model: PreTrainedModel,
    tokenizer: PreTrainedTokenizerBase,
    spec: RunSpec,
    judge: Judge,
    on_read: OnRead,
) -> list[Story]:
    """Let the model write stories of every category, over the contexts.

    Args:
        model: the base model, in evaluation mode.
        on_read: called with candidates read and candidates in all, both of the present go, the share of the
            writing that is done, and a line for the log ("" for none).

    Raises:
        DistalignError: when a category has no story at all.
    """
    rng = random.Random(f"{spec.seed} stories")
    count = len(spec.attribute)
    trained = spec.contexts_of("seen_templates")
    contexts = rng.sample(trained, min(CONTEXTS, len(trained)))
    each = max(LEAST, STORIES // count)
    missing = Counter(dict.fromkeys(range(count), each))
    stories: list[Story] = []
    late: list[Story] = []
    asked, led = ("asked in words", _asked), ("led by an opening", _led)
    first = led if always_led(spec.attribute) else asked
    for (name, drafts), before, share in ((first, 0.0, FIRST_GO), (led, FIRST_GO, 1 - FIRST_GO)):
        if not missing.total():
            break
        several = list(drafts(spec, missing, contexts, rng))
        written = Counter(d.category for d in several)

        def told(
            done: int, total: int, message: str = "", before: float = before, share: float = share
        ) -> None:
            on_read(done, total, before + share * done / total, message)

        read = _read(model, tokenizer, spec, judge, several, rng.getrandbits(31), told)
        early = [story for clear, story in read if clear]
        late += [story for clear, story in read if not clear]
        stories += _spread(early, missing)
        shares = ", ".join(
            f"{spec.attribute.names[k]} {sum(s.category == k for _, s in read)} of {written[k]}"
            for k in written
        )
        told(len(several), len(several), f"Stories {name}: {shares} were of their category")
    stories += _spread(late, missing)
    without = [spec.attribute.names[k] for k in range(count) if missing[k] == each]
    if without:
        raise DistalignError(
            f"stories: the base model wrote none that the judge reads as {', '.join(without)}. "
            "Use a larger base model or another judge, or turn stories off"
        )
    return stories


def _asked(spec: RunSpec, missing: Counter[int], contexts: list[int], rng: random.Random) -> Iterator[Draft]:
    for category, number in missing.items():
        for i in range(math.ceil(number * CANDIDATES)):
            context = contexts[i % len(contexts)]
            prompts = writing_prompts(spec.attribute, category, spec.contexts.names[context])
            yield Draft(context, category, rng.choice(prompts), "")


def _led(spec: RunSpec, missing: Counter[int], contexts: list[int], rng: random.Random) -> Iterator[Draft]:
    for draft in _asked(spec, missing, contexts, rng):
        found = openings(spec.attribute, draft.category, spec.contexts.names[draft.context])
        yield Draft(draft.context, draft.category, draft.prompt, rng.choice(found))


def _read(
    model: PreTrainedModel,
    tokenizer: PreTrainedTokenizerBase,
    spec: RunSpec,
    judge: Judge,
    drafts: list[Draft],
    seed: int,
    on_read: Callable[[int, int], None],
) -> list[tuple[int, Story]]:
    """The stories of some drafts that the judge reads as what was wanted, the clearest first.

    Each has 2 where its first words say it and its rest does, too; 1 where only
    the first words do, and else 0: a model learns best what shows early and lasts.
    """
    prompts = [
        (*chat_ids(tokenizer, d.prompt), *tokenizer.encode(d.opening, add_special_tokens=False))
        for d in drafts
    ]
    # Room for the steering token, the space and the end of the turn.
    longest = spec.story.story_tokens - 3
    sampling = Sampling(
        temperature=WRITING_TEMPERATURE, top_k=WRITING_TOP_K, max_new_tokens=longest, exact_epsilon=0
    )
    kept: list[tuple[int, Story]] = []
    done = 0
    stops = stop_ids(Subject(model, tokenizer, None, "before"))
    for answers in sample_answers(model, prompts, [1] * len(prompts), sampling, stops, seed):
        for answer in answers:
            draft = drafts[answer.prompt]
            text = draft.opening + tokenizer.decode(answer.ids, skip_special_tokens=True)
            ids = _cut(tokenizer, text, longest, ended=len(answer.ids) < longest)
            if ids is None:
                continue
            story = tokenizer.decode(ids, skip_special_tokens=True)
            if judge(story) != draft.category:
                continue
            early, rest = (judge(s) == draft.category for s in (story[:EARLY_LETTERS], story[EARLY_LETTERS:]))
            clear = early + (early and rest)
            kept.append((clear, Story(draft.context, draft.category, ids)))
        done += len(answers)
        on_read(done, len(drafts))
    return sorted(kept, key=lambda pair: -pair[0])


def _cut(tokenizer: PreTrainedTokenizerBase, text: str, longest: int, *, ended: bool) -> Ids | None:
    """Token ids of a story, or None if it is too short.

    It ends behind its last whole sentence if that is long enough, and else breaks off: a model
    that saw short stories end would end after any sentence.
    """
    text = " ".join(text.split())
    whole = tokenizer.encode(f" {text}", add_special_tokens=False)
    if ended and SHORTEST * longest <= len(whole) <= longest:
        return (*whole, tokenizer.eos_token_id)
    for end in reversed([match.end() for match in _END.finditer(text)]):
        ids = tokenizer.encode(f" {text[:end]}", add_special_tokens=False)
        if len(ids) <= longest:
            if len(ids) < ENDING * longest:
                break
            return (*ids, tokenizer.eos_token_id)
    return tuple(whole[:longest]) if len(whole) >= ENDING * longest else None


def _spread(kept: list[Story], missing: Counter[int]) -> list[Story]:
    """As many as are missing of each category, contexts in turn; ``missing`` is brought up to date."""
    chosen: list[Story] = []
    seen: Counter[tuple[int, int]] = Counter()
    turns = []
    for story in kept:
        turns.append(seen[story.category, story.context])
        seen[story.category, story.context] += 1
    for _, story in sorted(zip(turns, kept, strict=True), key=lambda pair: pair[0]):
        if missing[story.category] > 0:
            missing[story.category] -= 1
            chosen.append(story)
    return chosen
