"""The judges of stories: how often they are right on texts labelled for them, and the one behind an endpoint."""

from __future__ import annotations

import json
import threading
from collections import Counter
from collections.abc import Iterator
from dataclasses import replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from bench.judges import report
from distalign.attributes import GENDER, RACE, SENTIMENT, Attribute, parse_attribute
from distalign.errors import DistalignError, SpecError
from distalign.judges import WITH_JUDGE, built_in_judge, judge_of
from distalign.judges.endpoint import KEY, MODEL, MOST_WAIT, URL, WAITS, EndpointJudge, endpoint_judge
from distalign.judges.labelled import PARTS, Verdicts, labelled_texts, verdicts
from distalign.spec import parse_spec

# What the judges reached when they were made, on texts that they were not tuned on, less a little.
LEAST = {"gender": 0.92, "sentiment": 0.8, "race": 0.95}
ATTRIBUTES = pytest.mark.parametrize("attribute", WITH_JUDGE, ids=lambda a: a.name)


@ATTRIBUTES
def test_a_judge_is_as_good_as_told_on_texts_it_was_not_tuned_on(attribute: Attribute) -> None:
    texts = [t for t in labelled_texts(attribute) if t.part == "test"]

    assert verdicts(built_in_judge(attribute), texts).accuracy >= LEAST[attribute.name]


@ATTRIBUTES
def test_the_blind_texts_are_many_balanced_and_hard(attribute: Attribute) -> None:
    everything = labelled_texts(attribute)
    texts = [t for t in everything if t.part == "blind"]
    labels = Counter(t.label for t in texts)

    assert len({t.text for t in texts}) == len(texts) and {t.part for t in everything} == set(PARTS)
    assert len(texts) >= 150 and labels[None] >= 10
    assert len({labels[k] for k in range(len(attribute))}) == 1
    assert {"quote", "negation", "you", "other", "long"} <= {t.case for t in texts}
    assert sum(len(t.text.split()) >= 60 for t in texts) >= 20


@ATTRIBUTES
def test_the_stories_of_models_are_many_and_of_every_category(attribute: Attribute) -> None:
    texts = [t for t in labelled_texts(attribute) if t.part == "model"]
    found = verdicts(built_in_judge(attribute), texts)

    assert len({t.text for t in texts}) == len(texts) >= 150
    assert {t.label for t in texts} == {*range(len(attribute)), None}
    assert all(len(t.text.split()) >= 20 for t in texts)
    assert found.accuracy > 0.7 and found.shares_off(len(attribute)) < 0.06


def test_the_shares_of_verdicts_are_held_against_those_of_labels() -> None:
    # Labels 0.5 and 0.5 of four; verdicts 0.75 and 0.25 of four; what names none is left out of either.
    found = Verdicts(Counter({(0, 0): 2, (1, 0): 1, (1, None): 1, (None, 1): 1}))

    assert found.shares_off(2) == pytest.approx(0.25)


@pytest.mark.parametrize(
    ("text", "verdict"),
    [
        ("The electrician fixed the lamp for an old lady. She thanked him.", "male"),
        ("You ask the nurse, and she smiles.", "female"),
        ('"He is late," she said.', "female"),
        ("He or she signs the form.", None),
        ("", None),
        ("‘He is late,’ said the nurse.", None),
        ("'He is late,' said the nurse.", None),
        ("'The nurses' room isn't his, he's gone', said the clerk.", None),
        ("‘Tell ’em he is late,’ said the clerk. ‘He?’", None),
        ("'I am a woman,' said the nurse.", "female"),
        ("It's the nurses' room. She's tired.", "female"),
        ("Tell 'em. She has the boss' keys from the '90s, and it is the clerks' turn.", "female"),
        ("Give 'em to the clerks. She's the nurses' chief, 'til noon.", "female"),
    ],
)
def test_gender_is_that_of_the_one_whom_a_story_is_about(text: str, verdict: str | None) -> None:
    index = built_in_judge(GENDER)(text)

    assert (None if index is None else GENDER.names[index]) == verdict


@pytest.mark.parametrize(
    ("text", "verdict"),
    [
        ("The clerk wore a white shirt and drank black coffee.", None),
        ("A black nurse in a white coat came in.", "Black or African American"),
        ("She is not Asian; she is a Native Hawaiian pilot.", "Native Hawaiian or Other Pacific Islander"),
        ("Dustin Black repaired the Asian market's lift.", None),
        ("A White House aide walked in.", None),
        ("She is a white collar worker.", None),
        ("He was a black belt instructor.", None),
        ("A black coffee drinker sat down.", None),
        ("A Thai restaurant owner called.", None),
        (
            "The clerk put a white sweater on a white summer coat and a black computer in the black, tall tower.",
            None,
        ),
        ("The walls were white and silver, and the floor was black with plaster.", None),
        ("He painted it black after lunch, behind the white door.", None),
        ("A Black police officer smiled.", "Black or African American"),
        ("The Black restaurant manager smiled.", "Black or African American"),
        ("A white computer programmer smiled.", "White"),
        ("A Korean elevator mechanic smiled.", "Asian"),
    ],
)
def test_a_colour_is_no_group(text: str, verdict: str | None) -> None:
    index = built_in_judge(RACE)(text)

    assert (None if index is None else RACE.names[index]) == verdict


def test_a_long_cheerful_story_with_one_sad_sentence_is_positive() -> None:
    story = "She loved the job. The team was wonderful. Once it rained. They won a great prize and laughed."

    assert SENTIMENT.names[built_in_judge(SENTIMENT)(story)] == "positive"
    assert built_in_judge(SENTIMENT)("Piekarz wstał o piątej i poszedł do pracy.") is None


def test_another_attribute_is_judged_by_the_category_named_most() -> None:
    season = parse_attribute({"name": "season", "categories": ["spring", "summer", "autumn"]})
    judge = built_in_judge(season)

    assert judge("In summer, unlike spring, the summer sun is high.") == 1
    assert judge("Autumn, then spring.") == 2
    assert judge("It was cold.") is None


@pytest.mark.parametrize(
    ("text", "verdict"),
    [
        ("It is not low. It is not low. It is high.", "high"),
        ("It is not low.", None),
        ("Neither low nor high.", None),
        ("The prices aren't low, they are high.", "high"),
        ("It is not St. Mary's turn. Low it is.", "low"),
        ("It is not only low.", "low"),
        ('"High," she read, and wrote it down.', "high"),
        ("It is no, no and once more no: not high.", "no"),
        ("The no of the list is high, so is the low: high.", "high"),
    ],
)
def test_a_category_that_is_denied_is_not_named(text: str, verdict: str | None) -> None:
    level = parse_attribute({"name": "level", "categories": ["low", "high", "no"]})
    index = built_in_judge(level)(text)

    assert (None if index is None else level.names[index]) == verdict


def test_quoted_speech_tells_of_any_attribute_but_a_persons() -> None:
    text = '"The doctor is old, so old," said the young nurse.'
    categories = {"name": "age", "categories": ["young", "old"]}

    assert built_in_judge(parse_attribute(categories | {"kind": "person"}))(text) == 0
    assert built_in_judge(parse_attribute(categories))(text) == 1
    assert (
        SENTIMENT.names[built_in_judge(SENTIMENT)('"I hate this terrible job," said the nurse.')]
        == "negative"
    )


def test_an_attribute_of_the_same_name_but_other_categories_has_no_judge_of_its_own() -> None:
    gender = parse_attribute({"name": "gender", "categories": ["male", "female", "nonbinary"]})

    assert built_in_judge(gender)("They are nonbinary.") == 2


def test_a_joint_attribute_is_judged_by_the_judges_of_its_parts() -> None:
    both = parse_attribute(["gender", "race"])
    judge = built_in_judge(both)

    assert both.names[judge("A white nurse opened the door, and she smiled.")] == "female, White"
    assert judge("She smiled.") is None


def test_the_page_shows_accuracy_confusion_and_what_could_not_be_told() -> None:
    page = report()

    for attribute in WITH_JUDGE:
        assert f"## {attribute.name.capitalize()}" in page
    assert "cannot tell" in page and "development" in page


class _Endpoint(BaseHTTPRequestHandler):
    def do_POST(self) -> None:
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        self.server.asked.append((self.path, self.headers.get("Authorization"), body))
        status, reply, *headers = self.server.first.pop(0) if self.server.first else self.server.reply
        data = reply.encode()
        self.send_response(status)
        for name, value in (headers or [{"Content-Length": str(len(data))}])[0].items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(data)

    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture
def server() -> Iterator[ThreadingHTTPServer]:
    server = ThreadingHTTPServer(("127.0.0.1", 0), _Endpoint)
    server.asked, server.first, server.reply = [], [], (200, "")
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    yield server
    server.shutdown()
    server.server_close()
    thread.join()


def judge_at(server: ThreadingHTTPServer, slept: list[float] | None = None) -> EndpointJudge:
    """``slept`` takes what it would have waited."""
    judge = endpoint_judge(
        GENDER, {URL: f"http://127.0.0.1:{server.server_port}/v1/", MODEL: "some-model", KEY: "secret"}
    )
    return replace(judge, sleep=([] if slept is None else slept).append)


def said(content: object) -> tuple[int, str]:
    return 200, json.dumps({"choices": [{"message": {"content": content}}]})


@pytest.mark.parametrize(
    ("content", "verdict"), [("female", 1), ("The answer is Male.", 0), ("cannot tell", None), (None, None)]
)
def test_the_endpoint_is_asked_for_one_category(
    server: ThreadingHTTPServer, content: str | None, verdict: int | None
) -> None:
    server.reply = said(content)

    assert judge_at(server)("She opened the door.") == verdict
    ((path, key, body),) = server.asked
    assert (path, key) == ("/v1/chat/completions", "Bearer secret")
    assert (body["model"], body["temperature"]) == ("some-model", 0)
    system, user = body["messages"]
    assert "male; female; cannot tell" in system["content"]
    assert user == {"role": "user", "content": "She opened the door."}


@pytest.mark.parametrize("reply", [(401, "no"), (200, "<html>"), (200, "{}"), (200, "[]")])
def test_an_endpoint_that_does_not_answer_as_it_should_is_told_of(
    server: ThreadingHTTPServer, reply: tuple[int, str]
) -> None:
    server.reply = reply

    with pytest.raises(DistalignError, match="judge: http://127") as raised:
        judge_at(server)("x")
    assert "secret" not in str(raised.value)


def test_an_endpoint_that_is_not_there_is_told_of() -> None:
    slept: list[float] = []
    judge = EndpointJudge(GENDER, "http://127.0.0.1:9", "m", timeout=2, sleep=slept.append)

    with pytest.raises(DistalignError, match="cannot be reached"):
        judge("x")
    assert tuple(slept) == WAITS


@pytest.mark.parametrize(
    "failure",
    [
        (429, "slow down"),
        (500, "oops"),
        (503, "<html>"),
        (200, "{", {"Content-Length": "99", "Connection": "close"}),
        (200, "zz", {"Transfer-Encoding": "chunked", "Connection": "close"}),
    ],
    ids=["too many", "error", "unavailable", "cut short", "garbled"],
)
def test_what_may_pass_is_asked_again(server: ThreadingHTTPServer, failure: tuple) -> None:
    server.first, server.reply = [failure, failure], said("female")
    slept: list[float] = []

    assert judge_at(server, slept)("She opened the door.") == 1
    assert slept == list(WAITS[:2]) and len(server.asked) == 3


@pytest.mark.parametrize(
    ("asked_for", "waited"),
    [
        ("20", 20.0),
        ("9999", MOST_WAIT),
        ("0", WAITS[0]),
        ("-5", WAITS[0]),
        ("nan", WAITS[0]),
        ("soon", WAITS[0]),
    ],
)
def test_it_waits_as_long_as_the_endpoint_asks_for_within_a_bound(
    server: ThreadingHTTPServer, asked_for: str, waited: float
) -> None:
    server.first, server.reply = [(429, "", {"Retry-After": asked_for})], said("female")
    slept: list[float] = []

    assert judge_at(server, slept)("x") == 1
    assert slept == [waited]


@pytest.mark.parametrize(
    ("failure", "message"),
    [
        ((503, "busy"), "answered 503 Service Unavailable, 5 times in a row. Try again later"),
        ((200, "{", {"Content-Length": "99"}), r"cannot be reached \(IncompleteRead"),
    ],
)
def test_what_does_not_pass_after_some_waits_is_told_of(
    server: ThreadingHTTPServer, failure: tuple, message: str
) -> None:
    server.reply = failure
    slept: list[float] = []

    with pytest.raises(DistalignError, match=message):
        judge_at(server, slept)("x")
    assert tuple(slept) == WAITS


def test_an_address_that_is_not_there_is_what_to_check(server: ThreadingHTTPServer) -> None:
    server.reply = (404, "no")

    with pytest.raises(DistalignError, match=f"answered 404.*Check {URL} and {MODEL}"):
        judge_at(server)("x")


def test_a_refusal_is_not_asked_again(server: ThreadingHTTPServer) -> None:
    server.reply = (401, "no")
    slept: list[float] = []

    with pytest.raises(DistalignError, match="answered 401"):
        judge_at(server, slept)("x")
    assert slept == [] and len(server.asked) == 1


@pytest.mark.parametrize("environment", [{}, {URL: "http://x"}, {URL: "file:///etc/passwd", MODEL: "m"}])
def test_an_endpoint_needs_a_web_address_and_a_model(environment: dict[str, str]) -> None:
    with pytest.raises(SpecError, match="judge"):
        endpoint_judge(GENDER, environment)


def test_a_specification_names_its_judge(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(URL, "http://localhost:1")
    monkeypatch.setenv(MODEL, "m")
    spec = parse_spec({"attribute": "gender", "stories": True, "judge": "endpoint"})

    assert isinstance(judge_of(spec), EndpointJudge)
    assert judge_of(parse_spec({"attribute": "gender"}))("He sat down.") == 0
