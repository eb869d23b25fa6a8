"""The goals, and whether what was measured meets them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from bench.budget import Budget
from bench.figures import Figures
from bench.records import Records
from bench.spread import Spread
from jobs.display import table

Measured = Spread | float | None


@dataclass(frozen=True)
class Goal:
    """One goal: ``least`` says whether the limit is the least or the most that meets it."""

    part: str
    measure: str
    least: bool
    limit: float
    unit: str
    value: Callable[[Figures], Measured]
    note: Callable[[Figures], str] = lambda _: ""

    def row(self, figures: Figures) -> list[str]:
        """measure, goal, measured, met or missed."""
        goal = f"{'≥' if self.least else '≤'} {shown(self.limit, self.unit)}"
        value = self.value(figures)
        note = self.note(figures)
        if value is None:
            return [self.measure, goal, note or "–", "missed" if note else "not measured"]
        middle = value.median if isinstance(value, Spread) else value
        met = middle >= self.limit if self.least else middle <= self.limit
        return [self.measure, goal, note or with_spread(value, self.unit), "met" if met else "missed"]


def shown(value: float, unit: str) -> str:
    """A figure with its unit: "x" (times), "%" (of a share), "E" (an error), "s", "ms", "GB"."""
    if unit == "%":
        return f"{100 * value:.0f} %"
    if unit == "E":
        return f"{value:.3f}"
    digits = 0 if abs(value) >= 100 or value == int(value) else 1 if abs(value) >= 10 else 2
    return f"{value:,.{digits}f}{'×' if unit == 'x' else f' {unit}' if unit else ''}"


def with_spread(value: Measured, unit: str) -> str:
    """A median, with its lowest and highest in brackets where there were repeats."""
    if value is None:
        return "–"
    if not isinstance(value, Spread):
        return shown(value, unit)
    if value.count == 1:
        return shown(value.median, unit)
    return f"{shown(value.median, unit)} [{shown(value.low, unit)}, {shown(value.high, unit)}]"


def _reached_note(figures: Figures) -> str:
    curve = figures.curve("quick")
    if curve is None or figures.product_reached() is not None:
        return ""
    best = min(c["best_error"] for n in ("quick", "budget") if (c := figures.curve(n)))
    return f"never (best {best:.3f})"


def _convergence_note(figures: Figures) -> str:
    found = figures.convergence_ratio()
    if found is None:
        return _reached_note(figures) and "the product did not reach it"
    times, reached = found
    if reached:
        return ""
    return f"> {times:.1f}× (stopped at {figures.curve('peer')['error']:.3f})"


def _convergence_value(figures: Figures) -> Measured:
    found = figures.convergence_ratio()
    return None if found is None else found[0]


def _budget_error(figures: Figures) -> Measured:
    curve = figures.curve("budget")
    return curve["error"] if curve else None


def _page_goal(measure: str, limit: float, part: str, kind: str = "median_ms") -> Goal:
    """A goal in milliseconds for a figure of bench.page; one that it does not tell is no silent gap."""

    def note(figures: Figures) -> str:
        absent = "page" in figures.records and figures.page(part, kind) is None
        return f"bench.page told no {kind} of {part}" if absent else ""

    return Goal("page", measure, False, limit, "ms", lambda figures: figures.page(part, kind), note)


def goals(budget: Budget) -> list[Goal]:
    """All goals of the benchmark, in the order of its parts."""
    few, some, many = budget.rounds[0], budget.rounds[1], budget.rounds[-1]
    threshold = budget.threshold
    below = f"held-out error below {threshold:g}"
    return [
        Goal("training", "Training examples a second, by plain TRL + KL", True, 8, "x",
             lambda f: f.training_ratio()),
        Goal("training", "the same, the cache and the reference spread over the steps", True, 8, "x",
             lambda f: f.whole_training_ratio()),
        Goal("training", "Training: share of the machine's FLOP/s (its own type)", True, 0.5, "%",
             lambda f: f.training_share(f.training_dtype()) if f.training_dtype() else None),
        Goal("training", "the same, training in float32 by that of float32", True, 0.5, "%",
             lambda f: f.training_share("float32", side="product-float32")),
        Goal("convergence", f"Seconds to a {below}, from the process's start", False, 60, "s",
             Figures.product_reached, _reached_note),
        Goal("convergence", f"Time to a {below}: plain TRL + KL by the product", True, 20, "x",
             _convergence_value, _convergence_note),
        Goal("convergence", f"Held-out error after {budget.budget_seconds:g} s", False, 0.012, "E",
             _budget_error),
        Goal("sampling", f"Rounds a second ({few} a context), by batched generate", True, 25, "x",
             lambda f: f.sampling_ratio(few, "batched")),
        Goal("sampling", f"Rounds a second ({some:,} a context), by batched generate", True, 150, "x",
             lambda f: f.sampling_ratio(some, "batched")),
        Goal("sampling", f"Time of {many:,} rounds a context, by that of {few}, as a run spreads them", False,
             2.5, "x", lambda f: f.more_rounds_ratio("spread")),
        Goal("sampling", "the same on one template", False, 2.5, "x",
             lambda f: f.more_rounds_ratio("one_template")),
        Goal("sampling", "Stories: rounds a second, by batched generate", True, 1, "x",
             Figures.stories_ratio),
        Goal("memory", "Peak memory of a whole run", False, 2, "GB", Figures.peak_memory),
        _page_goal("App: start to the first answered request", 8000, "start", "answered_ms"),
        _page_goal("Click on Train to its acknowledgement", 300, "train"),
        _page_goal("One poll of a live run", 50, "poll"),
        _page_goal("Results over a million rounds", 500, "results"),
    ]  # fmt: skip


HEADERS = ["measure", "goal", "measured", ""]


def goal_rows(records: Records, budget: Budget) -> list[list[str]]:
    figures = Figures(records, budget)
    return [goal.row(figures) for goal in goals(budget)]


def goals_table(records: Records, budget: Budget) -> str:
    """All goals as a plain table."""
    return table(HEADERS, goal_rows(records, budget))
