"""What a run's process uses, as the Runs tab shows it. Pure; every text is escaped."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from storage import Usage, UsageSummary
from ui.chart_tables import MAX_STEPS, opened_table
from ui.curves import Axis, Stroke, axis_range, plot_html, thin
from ui.present import duration, esc, figure, percent

GB = 2**30
MOST_SAMPLES = 120


def usage_html(summary: UsageSummary, samples: Sequence[Usage], live: bool) -> str:
    """Peaks, means and, of a live run, what is used now; beneath them how it went."""
    facts = "".join(f"<div><dt>{k}</dt><dd>{esc(v)}</dd></div>" for k, v in _facts(summary, live))
    plots = _plots(samples)
    return (
        f'<dl class="da-facts">{facts}</dl>'
        f'<div class="da-curves da-usage">{"".join(map(_plot_html, plots))}</div>{_table(plots)}'
    )


def _facts(summary: UsageSummary, live: bool) -> list[tuple[str, str]]:
    last, cores = summary.last, f"{summary.cores} core{'s' * (summary.cores != 1)}"
    facts = [
        ("Peak memory", gigabytes(summary.peak_memory)),
        ("Mean processor use", f"{percent(summary.cpu / summary.cores)} of {cores}"),
    ]
    if live:
        facts += [
            ("Memory now", gigabytes(last.memory)),
            ("Processor now", f"{percent(last.cpu / last.cores)} of {cores}"),
        ]
    if summary.peak_gpu_memory is not None:
        facts.append(("Peak GPU memory", gigabytes(summary.peak_gpu_memory)))
    if summary.gpu is not None:
        facts.append(("Mean GPU use", percent(summary.gpu)))
    return facts


@dataclass(frozen=True)
class Plot:
    """What was used over time: (seconds since the start, value) pairs; ``top`` fixes the axis' upper end."""

    title: str
    pairs: Sequence[tuple[float, float]]
    top: float | None = None


def _plots(samples: Sequence[Usage]) -> list[Plot]:
    began = samples[0].at - samples[0].seconds
    times = [sample.at - began for sample in samples]

    def over_time(values: Iterable[float]) -> list[tuple[float, float]]:
        return list(zip(times, values, strict=True))

    plots = [
        Plot("Memory (GB)", over_time(s.memory / GB for s in samples)),
        Plot("Cores busy", over_time(s.cpu for s in samples), float(samples[-1].cores)),
    ]
    if any(s.gpu is not None for s in samples):
        plots.append(Plot("GPU busy (share)", over_time(s.gpu or 0.0 for s in samples), 1.0))
    return plots


def _plot_html(plot: Plot) -> str:
    values = [value for _, value in plot.pairs]
    course = f"{figure(values[0])} to {figure(values[-1])}, at most {figure(max(values))}"
    drawn = plot_html(
        f"{plot.title} over time: {course}",
        [Stroke(plot.pairs, "var(--da-after)")],
        plot.pairs[-1][0],
        Axis(*axis_range(values, plot.top)),
        ("start", duration(plot.pairs[-1][0])),
    )
    return f'<section class="da-curve"><h3>{plot.title}</h3>{drawn}</section>'


def _table(plots: Sequence[Plot]) -> str:
    rows = [
        [duration(pairs[0][0]), *(figure(value) for _, value in pairs)]
        for pairs in zip(*(thin(plot.pairs, MAX_STEPS) for plot in plots), strict=True)
    ]
    return opened_table("Memory and processor over time", ["Time", *(plot.title for plot in plots)], rows)


def gigabytes(size: int) -> str:
    """Bytes as GB of 2³⁰ bytes, or MB where that says more."""
    return f"{size / GB:.2f} GB" if size >= GB / 10 else f"{size / 2**20:.0f} MB"
