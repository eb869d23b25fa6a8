"""What a run's process uses, as the Runs tab shows it. Pure; every text is escaped."""

from __future__ import annotations

from collections.abc import Sequence

from storage import Usage, UsageSummary
from ui.curves import Axis, Stroke, axis_range, plot_html
from ui.present import duration, esc, percent

GB = 2**30
MOST_SAMPLES = 120


def usage_html(summary: UsageSummary, samples: Sequence[Usage], live: bool) -> str:
    """Peaks, means and, of a live run, what is used now; beneath them how it went."""
    facts = "".join(f"<div><dt>{k}</dt><dd>{esc(v)}</dd></div>" for k, v in _facts(summary, live))
    return f'<dl class="da-facts">{facts}</dl><div class="da-curves da-usage">{_plots(samples)}</div>'


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


def _plots(samples: Sequence[Usage]) -> str:
    began = samples[0].at - samples[0].seconds
    times = [sample.at - began for sample in samples]
    plots = [
        ("Memory (GB)", [s.memory / GB for s in samples], None),
        ("Cores busy", [s.cpu for s in samples], float(samples[-1].cores)),
    ]
    if any(s.gpu is not None for s in samples):
        plots.append(("GPU busy (share)", [s.gpu or 0.0 for s in samples], 1.0))
    ends = ("start", duration(times[-1]))
    return "".join(
        f'<section class="da-curve"><h3>{title}</h3>'
        + plot_html(
            f"{title} over time",
            [Stroke(list(zip(times, values, strict=True)), "var(--da-after)")],
            times[-1],
            Axis(*axis_range(values, top)),
            ends,
        )
        + "</section>"
        for title, values, top in plots
    )


def gigabytes(size: int) -> str:
    """Bytes as GB of 2³⁰ bytes, or MB where that says more."""
    return f"{size / GB:.2f} GB" if size >= GB / 10 else f"{size / 2**20:.0f} MB"
