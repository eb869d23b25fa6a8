"""The tab How it works: the method in pictures, in plain language first, in formulas after."""

from __future__ import annotations

from collections.abc import Sequence

import gradio as gr

from distalign.noise import mean_absolute_deviation
from jobs.gallery import Example, Phase
from ui import diagrams
from ui.example_cards import link, moved_most
from ui.present import esc, percent
from ui.wiring import CHOOSE_JS

MAX_SQUARES = 100


def build(examples: Sequence[Example]) -> gr.HTML:
    """The whole tab; its event ``choose`` tells of an example, as those of the gallery do."""
    return gr.HTML(page(examples), js_on_load=CHOOSE_JS, apply_default_css=False, elem_id="how")


def page(examples: Sequence[Example]) -> str:
    """All sections."""
    parts = (_problem(examples), _tokens(), _losses(), _measuring(), _floor(), _limits(), _formulas())
    return f'<div class="da-how">{"".join(parts)}</div>'


def _section(title: str, text: str, *pictures: tuple[str, str]) -> str:
    """A title, paragraphs of HTML, and pictures with their captions."""
    figures = "".join(
        f"<figure>{svg}<figcaption>{caption}</figcaption></figure>" for svg, caption in pictures
    )
    return (
        f'<section class="da-card"><div class="da-how-text"><h2 class="da-h2">{title}</h2>{text}</div>'
        f'<div class="da-how-pictures">{figures}</div></section>'
    )


def _problem(examples: Sequence[Example]) -> str:
    text = (
        "<p>Ask a language model the same question a hundred times, each time in a new conversation. The answers "
        "are not a picture of the world: a model that is asked for the gender of a worker may say the same one "
        "nearly every time, or not answer at all.</p><p>That matters wherever many answers are used together: "
        "made-up customers for a test, survey respondents, support tickets, characters of a story. Distalign "
        "trains the model so that its answers, over many rounds, follow shares that you choose: half and half, "
        "the labour statistics of each occupation, or any other.</p>"
    )
    if not examples:
        return _section("What it is for", text)
    # The one with the fewest categories: two or three are seen at a glance.
    example = min(examples, key=lambda e: len(e.categories))
    k = moved_most(example)
    i = max(range(len(example.contexts)), key=lambda c: _gap(example, c, k))
    wanted = ", ".join(
        f"{esc(name)} {percent(share)}"
        for name, share in zip(example.categories, example.target[i], strict=True)
    )
    pictures = [
        _rounds_picture(example, phase, i, when)
        for phase, when in ((example.before, "Before training"), (example.after, "After training"))
    ]
    source = (
        f"<p>The squares are the real answers of a run, one a round, to questions about “{esc(example.contexts[i])}”; "
        "before training fewer are asked for. "
        f"The target there is {wanted}. {link(example, 'See all of that run')}.</p>"
    )
    return _section("What it is for", text + source, *pictures)


def _gap(example: Example, i: int, k: int) -> float:
    """How many answers of a context were out of place; few that name a category count little."""
    share, lost = example.before.shares[i][k], example.before.lost[i]
    return abs((share or 0.0) - example.target[i][k]) * (example.before.rounds - lost)


def _rounds_picture(example: Example, phase: Phase, i: int, when: str) -> tuple[str, str]:
    """The answers of a context as squares, with their key."""
    counts = counts_of(phase, i)
    names = [*example.categories, "names none of these"]
    key = "".join(
        f'<span><i class="square {"none" if k == len(counts) - 1 else f"k{k}"}"></i>{esc(name)} {count}</span>'
        for k, (name, count) in enumerate(zip(names, counts, strict=True))
    )
    label = f"{when}: " + ", ".join(f"{name} {count}" for name, count in zip(names, counts, strict=True))
    return diagrams.hundred(counts, label), f'<b>{when}</b><span class="da-legend">{key}</span>'


def counts_of(phase: Phase, i: int) -> list[int]:
    """Rounds of a context by category, and last those that name none; of long runs in proportion, 100 in all."""
    classified = phase.rounds - phase.lost[i]
    counts = [round((share or 0.0) * classified) for share in phase.shares[i]]
    if phase.rounds > MAX_SQUARES:
        counts = [round(count * MAX_SQUARES / phase.rounds) for count in counts]
    return [*counts, max(0, min(MAX_SQUARES, phase.rounds) - sum(counts))]


def _tokens() -> str:
    text = (
        "<p>Each category gets a <b>steering token</b>: one token of the model’s own vocabulary, such as the digit 1 "
        "for male and 2 for female. After training every answer opens with one of them, and what follows means "
        "what the token stands for.</p><p>So the choice among categories is made once, in the first token, where "
        "it can be set exactly. No second program is needed when the model is used: plain sampling, in any engine that "
        "loads the adapter, gives the shares. Where a person reads the answers, drop the first token.</p>"
    )
    return _section("One token decides", text, (diagrams.steering(), "A target of 30 % and 70 %."))


def _losses() -> str:
    text = (
        "<p>Training does two jobs at once, each with a loss of its own.</p><p><b>How often each token comes.</b> "
        "The first term compares the probabilities of the first token with the target, and moves them there. Other "
        "tokens count as well: what lies on them is missing from the target. It needs questions only, no "
        "answers.</p><p><b>What each token means.</b> The second term shows the model tokens with words that fit and "
        "with words that do not, and makes the first kind likelier than the second.</p><p>Only a small adapter in the "
        "upper layers learns; the model below stays as it is. A third term holds answers to unrelated questions "
        "where they were.</p>"
    )
    pictures = (
        (diagrams.calibration(), "The first term (KL) sets how often each token comes."),
        (diagrams.binding(), "The second term (KTO) sets what each token means."),
    )
    return _section("Two losses", text, *pictures)


def _measuring() -> str:
    text = (
        '<ol class="da-chain"><li><b>Ask.</b> Each context, such as an occupation, is asked about many times, in '
        "wordings that were never trained on (<i>held-out templates</i>) and, beside them, in those that were.</li>"
        "<li><b>Read.</b> Of a short answer the last category that it names counts. An answer that names none "
        "is <i>unclassified</i>; how many there are always stands beside the result.</li><li><b>Compare.</b> The "
        "distance between each share and its target, averaged over categories and contexts, is the <i>MAE</i>. Its "
        "interval says where its mean over many such measurements may lie.</li><li><b>Look at what it cost.</b> "
        "Before and after are shown side by side, and so is how far the model moved on unrelated prompts.</li></ol>"
    )
    return _section(
        "How it is measured", text, (diagrams.distance(), "One category of one context, in 100 rounds.")
    )


def _floor() -> str:
    floor = 100 * mean_absolute_deviation(0.5, diagrams.ROUNDS)
    text = (
        "<p>Toss a fair coin a hundred times and you will seldom see 50 heads: on average the count is "
        f"{floor:.1f} away. The coin is perfect all the same.</p><p>A perfect model shows such a distance as well, "
        "and it is known from the target and the number of rounds alone. It is the <b>noise floor</b>. Every "
        "distance here stands beside it, and their ratio says what is left to gain: at 1 nothing, the rest is chance. "
        "More rounds lower the floor, and so show smaller errors.</p>"
    )
    caption = f"The counts within {floor:.1f} of 50 are dark."
    return _section("The noise floor", text, (diagrams.coin(), caption))


def _limits() -> str:
    items = (
        "<b>Parity of shares is not fairness.</b> An adapter changes how often a category is named. It does not change "
        "how people of that category are described, nor how a decision about them is made.",
        "<b>Shares hold over many answers</b>, each in a conversation of its own. Within one conversation, or one long "
        "text, nothing is promised.",
        "<b>It holds for questions like those that were trained and measured.</b> Held-out templates test other wordings, "
        "not other tasks. Stories are measured by themselves, where a run trains them.",
        "<b>The target is your choice</b>, and so are the categories. Two genders or five groups of race are those of a "
        "statistic, not of all people; statistics describe how things are, not how they should be.",
        "<b>It has side effects.</b> Answers to other questions move a little. Results says how far.",
    )
    return _section("What it cannot do", f"<ul>{''.join(f'<li>{item}</li>' for item in items)}</ul>")


FORMULAS = (
    (
        "Calibration of the steering tokens",
        "L<sub>KL</sub> = Σ<sub>k</sub> q<sub>k</sub> · (log q<sub>k</sub> − log π(s<sub>k</sub> | x))",
        "KL(q ‖ π) in nats for a prompt x: q is the target, π the tuned model over its <i>whole</i> vocabulary, "
        "s<sub>k</sub> the steering token of category k.",
    ),
    (
        "Meaning of the steering tokens",
        "L<sub>KTO</sub> = 1 − σ(β (r − z<sub>0</sub>)) if desirable, 1 − σ(β (z<sub>0</sub> − r)) if not",
        "r is the log-ratio of the tuned model to the reference for the words after the steering token, "
        "z<sub>0</sub> their mean over mismatched pairs, at least 0, and β is 0.1. "
        '<a class="da-inline" href="https://arxiv.org/abs/2402.01306">KTO, arXiv:2402.01306</a>.',
    ),
    (
        "Together",
        "L = L<sub>KL</sub> + w · L<sub>KTO</sub> + w′ · L<sub>SFT</sub> + w″ · L<sub>retain</sub>",
        "after a warm-up without KTO. L<sub>SFT</sub> keeps answers well formed, L<sub>retain</sub> holds side effects "
        'down. <a class="da-inline" href="https://arxiv.org/abs/2604.05756">The method, arXiv:2604.05756</a>.',
    ),
    (
        "Distance",
        "MAE = mean over contexts and categories of |q<sub>k</sub> − p̂<sub>k</sub>|",
        "p̂ are the shares among the classified rounds.",
    ),
    (
        "Noise floor",
        "E|X/n − q| = 2 v · C(n, v) · q<sup>v</sup> (1 − q)<sup>n − v + 1</sup> / n, &nbsp;v = ⌊nq⌋ + 1",
        "X is binomial: the count of a category in n rounds of a perfect sampler; the mean over categories and "
        "contexts. Ratio = MAE ÷ noise floor.",
    ),
)  # fmt: skip


def _formulas() -> str:
    items = "".join(
        f'<div><dt>{name}</dt><dd class="da-formula">{formula}</dd><dd>{words}</dd></div>'
        for name, formula, words in FORMULAS
    )
    return _section("The same in formulas", f'<dl class="da-formulas">{items}</dl>')
