"""Stories: their prompts, how they are written, what is trained on, and how they are measured."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path

import pytest
import torch

from distalign.attributes import BUILT_IN, Attribute, parse_attribute
from distalign.dealing import DESIRABLE, MISMATCHED, UNDESIRABLE
from distalign.errors import DistalignError, SpecError
from distalign.judges import story_reader
from distalign.measuring import Subject, measure_split
from distalign.plan import estimate
from distalign.prompts import response_ids, split_prompts
from distalign.results import Round
from distalign.spec import RunSpec, load_spec, parse_spec
from distalign.steering import choose_steering_tokens
from distalign.stories import Story, _cut, write_stories
from distalign.story_templates import openings, writing_prompts
from distalign.templates import SEEN_STORIES, built_in_templates, check_template
from distalign.training_set import TrainingSet, build_training_set
from tests.tiny import tiny_model, tiny_spec, tiny_tokenizer

TOKENIZER = tiny_tokenizer()
STEERING = choose_steering_tokens(TOKENIZER, torch.eye(len(TOKENIZER)), BUILT_IN["gender"])


def story_spec(**values: object) -> RunSpec:
    return tiny_spec({"stories": True, "story_tokens": 30, "templates": None, **values})


def stories_of(spec: RunSpec, per_context: int = 2) -> list[Story]:
    return [
        Story(c, k, (*TOKENIZER.encode(f" {spec.attribute.names[k]} {name} {i}."), TOKENIZER.eos_token_id))
        for c, name in enumerate(spec.contexts.names)
        for k in range(len(spec.attribute))
        for i in range(per_context)
    ]


@pytest.mark.parametrize("kind", ["person", "general"])
def test_story_templates_are_many_proper_and_apart(kind: str) -> None:
    attribute = parse_attribute({"name": "mood", "categories": ["glad", "sad"], "kind": kind})
    templates = built_in_templates(attribute)

    assert len(templates.story_seen) >= 24 and len(templates.story_heldout) >= 8
    assert not set(templates.story_seen) & set(templates.story_heldout)
    for template in (*templates.story_seen, *templates.story_heldout):
        check_template(template, "story")
    assert templates.of("stories") == templates.story_heldout
    assert templates.of(SEEN_STORIES) == templates.story_seen


@pytest.mark.parametrize("attribute", BUILT_IN.values(), ids=lambda a: a.name)
def test_what_stories_are_written_from_has_no_slot_left(attribute: Attribute) -> None:
    for k in range(len(attribute)):
        texts = [*writing_prompts(attribute, k, "Nurses"), *openings(attribute, k, "Nurses")]
        assert all("{" not in text for text in texts)
        assert len(set(openings(attribute, k, "Nurses"))) >= 10


def test_a_specification_with_stories_round_trips() -> None:
    spec = parse_spec(
        {"attribute": "gender", "stories": True, "story_tokens": 60, "story_rounds": 7, "judge": "endpoint"}
    )

    assert parse_spec(spec.to_mapping()) == spec
    assert spec.splits == ("seen_templates", "heldout_templates", "stories")
    assert parse_spec({"attribute": "gender"}).splits == ("seen_templates", "heldout_templates")
    assert "stories" not in parse_spec({"attribute": "gender"}).to_mapping()


def test_own_story_templates_round_trip() -> None:
    spec = parse_spec({"attribute": "gender", "templates": {"story_heldout": ["A tale of {context}."]}})

    assert parse_spec(spec.to_mapping()) == spec
    assert spec.templates.of("stories") == ("A tale of {context}.",)


@pytest.mark.parametrize(
    ("field", "value"),
    [("stories", "yes"), ("story_tokens", 5), ("story_rounds", -1), ("judge", "me"), ("judge", 3)],
)
def test_story_fields_are_checked(field: str, value: object) -> None:
    with pytest.raises(SpecError, match=field):
        parse_spec({"attribute": "gender", field: value})


def test_rounds_and_sampling_of_stories_are_their_own() -> None:
    spec = parse_spec({"attribute": "gender", "stories": True, "story_rounds": 50})

    assert (spec.rounds_of("stories"), spec.rounds_of("heldout_templates")) == (50, 100)
    assert spec.rounds_of("stories", "before") == 20
    assert spec.sampling_of("stories").max_new_tokens == spec.story.story_tokens
    assert (
        spec.sampling_of("stories").exact_epsilon == 0 < spec.sampling_of("heldout_templates").exact_epsilon
    )
    alone = parse_spec({"attribute": "gender", "stories": True, "method": "zero_shot"})
    assert alone.rounds_of("stories", "before") == 100


@pytest.mark.parametrize("preset", ["quick", "standard"])
def test_stories_come_with_more_steps_unless_they_are_given(preset: str) -> None:
    fields = {"attribute": "gender", "target": "even", "preset": preset}
    plain = parse_spec(fields).training
    told = parse_spec(fields | {"stories": True})
    given = parse_spec(fields | {"stories": True, "steps": plain.steps})

    assert told.training.steps == 1.5 * plain.steps
    assert told.training.learning_rate < plain.learning_rate
    assert given.training.steps == plain.steps
    for spec in (told, given):
        assert parse_spec(spec.to_mapping()).training == spec.training
    assert "steps" not in told.to_mapping()


def test_a_plan_with_stories_takes_longer() -> None:
    with_stories, without = (
        estimate(parse_spec({"attribute": "gender", "stories": s})) for s in (True, False)
    )

    assert with_stories.stages["sample"] > 2 * without.stages["sample"]
    assert with_stories.stages["write"] > 0 and "write" not in without.stages
    assert with_stories.rounds == without.rounds + 25 * 120


def built(spec: RunSpec) -> tuple[TrainingSet, list[Story]]:
    stories = stories_of(spec)
    return build_training_set(spec, TOKENIZER, STEERING, stories), stories


def test_without_stories_no_prompt_asks_for_one() -> None:
    spec = tiny_spec({"templates": None})
    leaves = {
        tuple(s.trie.ids_to(n)) for s in [build_training_set(spec, TOKENIZER, STEERING)] for n in s.leaves
    }

    assert leaves <= {p.ids for p in split_prompts(spec, TOKENIZER, "seen_templates")}


def test_steps_hold_short_answers_and_stories_in_turn() -> None:
    spec = story_spec(steps=20)
    training_set, _ = built(spec)
    asking = {p.ids for p in split_prompts(spec, TOKENIZER, SEEN_STORIES)}
    rows = training_set.rows[:]
    size = spec.training.prompts_per_step
    told = []
    for first in range(0, len(rows["prompt"]), size):
        answered = [
            p
            for p, own in zip(
                rows["prompt"][first : first + size], rows["completions"][first : first + size], strict=True
            )
            if own
        ]
        kinds = {tuple(training_set.trie.ids_to(training_set.leaves[p])) in asking for p in answered}
        assert len(kinds) == 1
        told.append(kinds.pop())

    assert told == [False, True] * 10


def test_heldout_story_prompts_are_never_trained_on() -> None:
    spec = story_spec(steps=40)
    training_set, _ = built(spec)
    nodes = {tuple(training_set.trie.ids_to(n)) for n in range(len(training_set.trie))}

    assert not nodes & {p.ids for p in split_prompts(spec, TOKENIZER, "stories")}


def test_a_story_behind_a_prompt_is_of_its_context_and_of_the_category_that_its_kind_promises() -> None:
    spec = story_spec(steps=20)
    training_set, stories = built(spec)
    trie = training_set.trie
    by_ids = {s.ids: s for s in stories}
    prompts = {p.ids: p for p in split_prompts(spec, TOKENIZER, SEEN_STORIES)}
    kinds = []
    for completion in training_set.completions:
        ids = tuple(trie.tokens[n] for n in completion.nodes)
        story = by_ids.get(ids[1:])
        if story is None:
            continue
        led = STEERING.index(ids[0])
        prompt = prompts[tuple(trie.ids_to(trie.parents[completion.nodes[0]]))]
        kinds.append(completion.kind)
        if completion.kind != MISMATCHED:
            assert story.context == prompt.context
        assert {DESIRABLE: led == story.category, UNDESIRABLE: led != story.category}.get(
            completion.kind, True
        )

    assert kinds.count(DESIRABLE) == kinds.count(UNDESIRABLE) > 0
    assert kinds.count(MISMATCHED) == 2 * kinds.count(DESIRABLE)


def test_a_short_answer_of_the_right_category_is_undesirable_behind_a_prompt_that_asks_for_a_story() -> None:
    spec = story_spec(steps=20)
    training_set, _ = built(spec)
    trie = training_set.trie
    asking = {p.ids for p in split_prompts(spec, TOKENIZER, SEEN_STORIES)}
    brief = response_ids(TOKENIZER, spec, attribute=spec.attribute)
    kinds: dict[bool, set[int]] = {True: set(), False: set()}
    for completion in training_set.completions:
        token, *rest = (trie.tokens[n] for n in completion.nodes)
        if completion.kind != MISMATCHED and tuple(rest) in brief[STEERING.index(token)]:
            kinds[tuple(trie.ids_to(trie.parents[completion.nodes[0]])) in asking].add(completion.kind)

    assert kinds == {True: {UNDESIRABLE}, False: {DESIRABLE}}


def test_a_text_of_too_few_words_is_no_story() -> None:
    spec = parse_spec({"attribute": "gender", "target": "even", "stories": True, "story_tokens": 80})
    read = story_reader(spec)

    day = "It was a long day, and in the evening the snow came down on all the roofs of that old town."

    assert read("He opened the shop.") is None
    assert read(f"He opened the shop. {day}") == 0


@pytest.mark.parametrize("words", [["he", "smiled"] * 12, ["he", *["loved"] * 6, *map(str, range(15))]])
def test_a_text_that_repeats_itself_is_no_story(words: list[str]) -> None:
    spec = parse_spec({"attribute": "gender", "target": "even", "stories": True, "story_tokens": 80})

    assert spec.story.is_story(" ".join(map(str, range(24))))
    assert not spec.story.is_story(" ".join(words))
    assert story_reader(spec)(" ".join(words)) is None


def written(judge: Callable[[str], int | None], **values: object) -> tuple[list[Story], list[str]]:
    spec = story_spec(**values)
    told: list[str] = []
    stories = write_stories(
        tiny_model(),
        TOKENIZER,
        spec,
        judge,
        lambda done, total, part, line: told.append(line) if line else None,
    )
    return stories, told


def test_only_stories_of_the_wanted_category_are_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("distalign.stories.ENDING", 0)
    monkeypatch.setattr("distalign.stories.STORIES", 24)
    # What a tiny model writes has no sentences: it may end anywhere.
    monkeypatch.setattr("distalign.stories._END", re.compile(""))

    def judge(text: str) -> int:
        return sum(map(ord, text)) % 2

    stories, told = written(judge)

    assert stories and {s.category for s in stories} == {0, 1}
    assert all(len(s.ids) <= 28 for s in stories)
    assert "asked in words: male" in told[0] and "of their category" in told[0]


def test_a_mood_is_led_from_the_start(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("distalign.stories.SHORTEST", 0)
    monkeypatch.setattr("distalign.stories.ENDING", 0)
    monkeypatch.setattr("distalign.stories.STORIES", 12)
    moods = list(range(3))

    def judge(text: str) -> int:
        return next((k for k in moods if any(text.strip().startswith(o[:12]) for o in opened[k])), 0)

    spec = story_spec(attribute="sentiment", target="even", story_tokens=64)
    opened = [[o for name in spec.contexts.names for o in openings(spec.attribute, k, name)] for k in moods]
    stories, told = written(judge, attribute="sentiment", target="even", story_tokens=64)

    assert told[0].startswith("Stories led by an opening: positive")
    for story in stories:
        text = TOKENIZER.decode(story.ids, skip_special_tokens=True).strip()
        about = openings(spec.attribute, story.category, spec.contexts.names[story.context])
        assert any(text.startswith(o[:20]) for o in about)


def test_a_story_ends_behind_a_sentence_only_when_it_is_long_enough() -> None:
    sentence = " word" * 9 + " end."
    longest = 2 * len(TOKENIZER.encode(sentence)) + 4
    stop = TOKENIZER.eos_token_id

    long = _cut(TOKENIZER, f"{sentence}{sentence} And so on and on and on", longest, ended=False)
    short = _cut(TOKENIZER, f"{sentence} And so on" + " and on" * 20, longest, ended=False)

    assert TOKENIZER.decode(long[:-1]).endswith("end.") and long[-1] == stop
    assert len(short) == longest and stop not in short
    assert _cut(TOKENIZER, "Too short.", longest, ended=True) is None
    assert _cut(TOKENIZER, f"{sentence} So be it.", longest, ended=True)[-1] == stop


def test_a_category_without_a_story_stops_the_run(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("distalign.stories.ENDING", 0)

    with pytest.raises(DistalignError, match=r"stories: .* female"):
        written(lambda text: 0)


def test_stories_are_measured_by_the_judge_and_not_expanded() -> None:
    spec = story_spec(rounds=8, story_rounds=4, method="zero_shot")
    rounds: list[Round] = []
    result = measure_split(
        Subject(tiny_model(), TOKENIZER, None, "before"),
        spec,
        "stories",
        lambda some, *_: rounds.extend(some),
    )

    assert len(rounds) == result.rounds == 4 * len(spec.contexts)
    assert result.exact_mae is None
    assert {r.split for r in rounds} == {"stories"}
    assert any(len(TOKENIZER.encode(r.text)) > 16 for r in rounds)


def test_each_story_specification_turns_stories_on() -> None:
    files = sorted(Path("specs/stories").glob("*.yaml"))

    assert len(files) == 6
    for file in files:
        spec, short = load_spec(file), load_spec(Path("specs") / file.name)
        assert spec.story.stories and not short.story.stories
        assert (spec.attribute, spec.contexts, spec.target, spec.rounds) == (
            short.attribute,
            short.contexts,
            short.target,
            short.rounds,
        )
