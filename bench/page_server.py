"""The server's part of what a person does on the page: the same requests as a browser's, without one."""

from __future__ import annotations

import multiprocessing
import statistics
import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from functools import partial
from pathlib import Path
from typing import Any

from bench.errors import BenchError
from bench.page_app import App
from bench.page_data import Made
from bench.page_session import Answer, Session
from distalign.progress import Progress
from distalign.results import Round
from storage import Store

WRITE_SECONDS = 0.2
POLL_SECONDS = 0.4
ROUNDS_A_WRITE = 500
# How many runs each press of "Show older runs" adds.
PAGE_OF_RUNS = 50
LATEST, HELD_OUT = "after", "heldout_templates"
ALL, UNCLASSIFIED = -1, -2


def poll(app: App, made: Made, repeats: int) -> dict[str, float]:
    """Milliseconds of one poll of the Runs tab, for a live run that another process writes to."""
    with closing(Session(app.url)) as session, _writer(app.store, made.live):
        tick = session.handler("tick", kind="timer")
        asked = [made.live, *session.initial(tick)[1:]]
        first = session.call(tick, asked)
        later: list[Answer] = []
        for _ in range(4 * repeats):
            time.sleep(POLL_SECONDS)
            later.append(session.call(tick, asked))
    seconds = [answer.seconds for answer in later]
    return {
        "first_ms": 1000 * first.seconds,
        "median_ms": 1000 * statistics.median(seconds),
        "slowest_ms": 1000 * max(seconds),
        "kilobytes": statistics.median(answer.characters for answer in later) / 1000,
    }


@contextmanager
def _writer(store: Store, run_id: str) -> Iterator[None]:
    """A process that writes to a run as the process of a run does, only more.

    Raises:
        BenchError: when it ended before it was needed: without it the polls would have nothing to tell.
    """
    context = multiprocessing.get_context("spawn")
    process = context.Process(target=write_on, args=(store.path, run_id), daemon=True)
    told = store.last_event(run_id).seq
    process.start()
    try:
        # Its own start, with all its imports, is no part of a poll.
        while process.is_alive() and store.last_event(run_id).seq == told:
            time.sleep(WRITE_SECONDS)
        if not process.is_alive():
            raise BenchError(
                f"page: the process that writes to run {run_id} ended with exit code {process.exitcode}. "
                "What it printed says why"
            )
        yield
    finally:
        process.kill()
        process.join()


def write_on(database: Path, run_id: str) -> None:
    """An event and a batch of rounds every :data:`WRITE_SECONDS` seconds, until it is ended."""
    store = Store(database)
    run = store.run(run_id)
    step = store.last_event(run_id).step
    made = store.count_rounds(run_id, "after", "seen_templates")
    while True:
        step += 1
        values = {"loss": 1 / step, "kl": 0.5 / step, "kto": 0.3, "sft": 0.2, "mass": 0.9, "error": 0.05}
        store.add_event(run_id, run.attempt, Progress("step", "hybrid", step, 2 * step, 0.5, 90.0, values))
        rounds = range(made, made + ROUNDS_A_WRITE)
        store.add_rounds(
            run_id, [Round("after", "seen_templates", 0, 0, i, 0, 0, "The gender is male.") for i in rounds]
        )
        made += ROUNDS_A_WRITE
        time.sleep(WRITE_SECONDS)


def train(app: App, repeats: int) -> dict[str, float]:
    """Milliseconds of the request behind a click on Train: the run is queued, and shown."""
    answered = []
    for _ in range(repeats):
        with closing(Session(app.url)) as session:
            click = session.handler("click", "train")
            answer = session.call(click, session.initial(click))
            answered.append(answer.seconds)
            app.store.request_cancel(answer.data[0])
    return {"median_ms": _median_ms(answered), "slowest_ms": 1000 * max(answered)}


def results(app: App, made: Made, repeats: int) -> dict[str, dict[str, float]]:
    """Milliseconds (and kilobytes of the answer) of each thing that a person does on the Results tab."""
    measured: dict[str, dict[str, float]] = {}
    with closing(Session(app.url)) as session:
        for name, call in _requests(session, made).items():
            # A session that has seen nothing yet: what is on the page already is not sent again.
            answers = [call(session.reopened()) for _ in range(repeats)]
            measured[name] = {
                "median_ms": _median_ms([answer.seconds for answer in answers]),
                "kilobytes": answers[-1].characters / 1000,
            }
    return measured


def _requests(session: Session, made: Made) -> dict[str, Callable[[Session], Answer]]:
    show = session.handler("input", "result-run")
    split = session.handler("input", "split")
    context = session.handler("input", "convergence-context")
    forward = session.handler("click", "rounds-next")
    return {
        "list of all runs": _whole_list(made.runs),
        "show an ordinary run": lambda s: s.call(show, [made.ordinary, None]),
        "show the long run": lambda s: s.call(show, [made.long, None]),
        "another category of the long run": lambda s: s.call(
            split, [made.long, None, HELD_OUT, 1, "gap", ALL]
        ),
        "convergence of one context": lambda s: s.call(context, [made.long, None, HELD_OUT, 0, "gap", 500]),
        "rounds: next page": lambda s: s.call(forward, [None, made.long, None, *_filters()]),
        **_filtered(session, made.long),
    }


def _whole_list(runs: int) -> Callable[[Session], Answer]:
    """The last press of "Show older runs", after which the Runs tab lists all."""

    def call(session: Session) -> Answer:
        older = session.handler("click", "older-runs")
        for _ in range((runs - 1) // PAGE_OF_RUNS - 1):
            session.call(older, ["", None, None])
        return session.call(older, ["", None, None])

    return call


def _filtered(session: Session, run_id: str) -> dict[str, Callable[[Session], Answer]]:
    """Every way to look for rounds of the long run."""
    changed, typed = session.handler("input", "rounds-category"), session.handler("change", "rounds-query")
    chosen: dict[str, tuple[dict[str, Any], dict[str, Any]]] = {
        "all of a split": (changed, {}),
        "one category": (changed, {"category": 1}),
        "unclassified": (changed, {"category": UNCLASSIFIED}),
        "one context": (changed, {"context": 500}),
        "a common word": (typed, {"query": "female"}),
        "a word that is nowhere": (typed, {"query": "zebra"}),
        "one template": (changed, {"template": 1}),
        "sorted by answer": (changed, {"order": "answer"}),
        "different answers": (changed, {"show": "grouped"}),
        "different unclassified answers": (changed, {"category": UNCLASSIFIED, "show": "grouped"}),
    }
    return {
        f"rounds: {name}": partial(_send, handler, [None, run_id, None, *_filters(**filters)])
        for name, (handler, filters) in chosen.items()
    }


def _send(handler: dict[str, Any], data: list[Any], session: Session) -> Answer:
    return session.call(handler, data)


def _filters(**chosen: Any) -> list[Any]:
    """What the controls of the rounds hold, in their order."""
    filters = {"phase": LATEST, "split": HELD_OUT, "context": ALL, "category": ALL, "query": ""}
    filters |= {"template": ALL, "order": "context", "show": "each"}
    return list((filters | chosen).values())


def _median_ms(seconds: list[float]) -> float:
    return 1000 * statistics.median(seconds)
