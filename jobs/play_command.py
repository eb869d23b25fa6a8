"""``python -m jobs play``: one prompt, asked many times, here; and ``plays``: what was played before."""

from __future__ import annotations

import argparse
import json
import sys
from contextlib import redirect_stdout

from distalign.errors import SpecError
from distalign.models import require_known
from distalign.play import MAX_ROUNDS, MAX_TOKENS, Question
from distalign.prompts import prompt_text
from distalign.wording import shortened
from jobs.display import figure, moment, plain, share, table
from jobs.exporting import context_of, template_of
from jobs.kept_plays import found, kept, listed, voice_of, write_csv_rows, write_json
from jobs.places import data_folder, store_of
from jobs.play import MAX_RUNS, TEMPLATES_OF, Played, longest_answer, templates_of, voices_of
from jobs.play_report import NO_CATEGORY, SINCE, Histogram, by_answer, by_category, fits
from storage import Store
from storage.plays import MOST_PLAYS

SHOWN_PROMPT = 60
DEFAULTS = Question("?")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("prompt", metavar="PROMPT", nargs="?", help="what is asked (else: --context)")
    parser.add_argument(
        "--run", metavar="RUN", action="append", default=[],
        help=f"a run whose adapter is asked; up to {MAX_RUNS} times",
    )  # fmt: skip
    parser.add_argument(
        "--base", action="store_true", help="ask the base model too (without --run: it alone)"
    )
    parser.add_argument(
        "--base-model",
        metavar="MODEL",
        help="ask this base model, in place of those that the adapters are for",
    )
    parser.add_argument("--context", metavar="NAME", help="ask a template of the first run about it")
    parser.add_argument("--split", choices=TEMPLATES_OF, help="whose template (default: held-out templates)")
    parser.add_argument("--template", type=int, metavar="N", help="of the split, from 1 (default: 1)")
    parser.add_argument(
        "--rounds", type=int, default=DEFAULTS.rounds, help=f"1 to {MAX_ROUNDS:,} (default: 100)"
    )
    parser.add_argument(
        "--seed", type=int, default=DEFAULTS.seed, help="same seed, same answers (default: 0)"
    )
    parser.add_argument(
        "--tokens",
        type=int,
        help=f"longest answer, 2 to {MAX_TOKENS} (default: {DEFAULTS.tokens}; of a story, as in its training)",
    )
    parser.add_argument("--json", action="store_true", help="one line of JSON on standard output")


def add_plays_arguments(parser: argparse.ArgumentParser) -> None:
    """The arguments of the verb ``plays``."""
    parser.add_argument(
        "play", metavar="PLAY", nargs="?", help="(the beginning of) an id: show this one again"
    )
    parser.add_argument(
        "--limit", type=int, metavar="N", help=f"list at most so many (default: {MOST_PLAYS})"
    )
    form = parser.add_mutually_exclusive_group()
    form.add_argument("--delete", action="store_true", help="with PLAY: delete it and its answers")
    form.add_argument("--json", action="store_true", help="one line of JSON on standard output")
    form.add_argument("--csv", action="store_true", help="with PLAY: a row a voice and different answer")


def play(args: argparse.Namespace) -> int:
    """Ask, keep what is answered, and print histograms and answers; the exit code."""
    data = data_folder(args.data, args.db)
    store = Store(data.database)
    question = _question(store, args)
    if args.base_model:
        require_known(args.base_model, folders=True)
    base = bool(args.base or args.base_model or not args.run)
    voices = voices_of(store, args.run, base=base, model=args.base_model)
    # Libraries print as they load; standard output is for the result alone.
    with redirect_stdout(sys.stderr):
        from distalign.player import Player

        played = Played.nothing(question, voices)
        for _, now in kept(store, played, Player(data).sample(voices, question, _say)):
            if not played.id:
                _say(f"Kept as play {now.id}")
            played = now
            done = sum(map(played.rounds, range(len(voices))))
            _say(f"{done:,} of {question.rounds * len(voices):,} rounds")
    _print(played, args)
    return 0


def plays(args: argparse.Namespace) -> int:
    """List what was played, or show one play again; the exit code."""
    store = store_of(args)
    if args.play is not None:
        if args.limit is not None:
            raise SpecError("--limit", "PLAY was given, too", "Give one of them")
        if args.delete:
            play_id = store.find_play(args.play).id
            store.delete_play(play_id)
            print(f"Deleted play {play_id}")
        else:
            _print(found(store, args.play), args)
        return 0
    for option in ("csv", "delete"):
        if getattr(args, option):
            raise SpecError(f"--{option}", "it is of one play, and none is given", "Add its id")
    limit = MOST_PLAYS if args.limit is None else args.limit
    if limit < 0:
        raise SpecError("--limit", f"{limit} is below 0", "Give 0 or more")
    there = store.plays(limit)
    if args.json:
        print(json.dumps([listed(one) for one in there], ensure_ascii=False))
        return 0
    rows = [
        [
            one.id,
            moment(one.created_at),
            f"{min(voice.rounds for voice in one.voices):,} of {one.rounds:,}",
            plain(shortened(one.prompt, SHOWN_PROMPT)),
            ", ".join(plain(voice_of(voice).name) for voice in one.voices),
        ]
        for one in there
    ]
    headers = ["play", "asked", "rounds each", "prompt", "who answered"]
    print(table(headers, rows) if rows else "Nothing was played. Ask with: python -m jobs play PROMPT")
    return 0


def _print(played: Played, args: argparse.Namespace) -> None:
    if args.json:
        write_json(played, sys.stdout)
    elif getattr(args, "csv", False):
        write_csv_rows(played, sys.stdout)
    else:
        print(_tables(played, again=args.verb == "plays"))


def _question(store: Store, args: argparse.Namespace) -> Question:
    """The prompt as it was given, or a template of the first run filled with a context."""
    prompt, longest = _prompt(store, args)
    return Question(prompt, args.rounds, args.seed, longest if args.tokens is None else args.tokens)


def _prompt(store: Store, args: argparse.Namespace) -> tuple[str, int]:
    """The prompt, and how many tokens an answer may have."""
    given = [name for name in ("context", "split", "template") if getattr(args, name) is not None]
    if args.prompt is not None:
        if given:
            raise SpecError(f"--{given[0]}", "PROMPT was given, too", "Give one of them")
        return args.prompt, DEFAULTS.tokens
    if args.context is None:
        raise SpecError("PROMPT", "there is none", "Write one, or give --run and --context")
    if not args.run:
        raise SpecError("--context", "it is of a run's templates, and no run was given", "Add --run RUN")
    spec = store.find_run(args.run[0]).spec
    split = args.split or TEMPLATES_OF[0]
    if split not in templates_of(spec):
        raise SpecError("--split", f"the run tells no {split}", f"Use {' or '.join(templates_of(spec))}")
    number = template_of(spec, split, 1 if args.template is None else args.template)
    return prompt_text(spec, split, number, context_of(spec, args.context)), longest_answer(spec, split)


def _say(text: str) -> None:
    print(plain(text), file=sys.stderr)


def _tables(played: Played, *, again: bool = False) -> str:
    """Histograms side by side, then the answers where the histogram is of categories; ``again``: under the question."""
    aim = played.aim
    above = [*_question_lines(played), ""] if again else []
    answers = _table(played, by_answer(played), "answer")
    if aim is None:
        return "\n".join([*above, answers])
    histogram = by_category(played, aim)
    notes = [f"{plain(aim.note)}." if aim.target else f"{plain(aim.note)}, so there is no target."]
    for voice, fit in zip(played.voices, fits(played), strict=True):
        if fit is not None:
            who = plain(voice.name)
            notes.append(f"{who}: MAE {figure(fit.mae)}, noise floor {figure(fit.noise_floor)}")
    return "\n".join([*above, _table(played, histogram, aim.attribute), "", *notes, "", answers])


def _question_lines(played: Played) -> list[str]:
    question = played.question
    asked = f"{played.rounds_of_all:,} of {question.rounds:,} rounds each, seed {question.seed}"
    lost = [
        f"{plain(voice.name)}: {SINCE[now]}"
        for voice, now in zip(played.voices, played.runs_now, strict=True)
        if now in SINCE
    ]
    return [
        plain(question.prompt),
        f"play {played.id}, {moment(played.created_at)}: {asked}, answers of at most {question.tokens} tokens",
        *lost,
    ]


def _table(played: Played, histogram: Histogram, what: str) -> str:
    headers = [what, *(plain(voice.name) for voice in played.voices)]
    whole = [max(1, played.rounds(v)) for v in range(len(played.voices))]
    rows = [
        [plain(label), *(share(counts[b] / n) for counts, n in zip(histogram.counts, whole, strict=True))]
        for b, label in enumerate(histogram.labels)
    ]
    if histogram.target:
        headers.append("target")
        rows = [[*row, share(q)] for row, q in zip(rows, histogram.target, strict=True)]
    if histogram.unclassified:
        none = [share(count / n) for count, n in zip(histogram.unclassified, whole, strict=True)]
        rows.append([NO_CATEGORY, *none, *([""] if histogram.target else [])])
    return table(headers, rows)
