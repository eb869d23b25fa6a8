"""What the command line shows of a run: progress on standard error, tables on standard output."""

from __future__ import annotations

import math
import sys
import time
from collections.abc import Callable, Sequence
from datetime import datetime
from typing import Any, TextIO

from tabulate import tabulate

from distalign.progress import Progress
from distalign.results import SplitResult, split_name
from distalign.story_config import UNCLASSIFIED_STORIES
from distalign.wording import plural
from storage import UsageSummary
from storage.records import Line

BAR_WIDTH = 24
REDRAW_SECONDS = 0.1
# Without a terminal: a line at each new stage, and whenever this share more is done.
LINE_SHARE = 0.1


class ProgressDisplay:
    """A bar that redraws itself on a terminal; a few lines where there is none."""

    def __init__(self, stream: TextIO | None = None) -> None:
        self._stream = stream or sys.stderr
        self._is_terminal = self._stream.isatty()
        self._drawn_at = float("-inf")
        self._stage = ""
        self._next_share = 0.0
        self._width = 0

    def __call__(self, progress: Progress) -> None:
        if progress.kind == "log":
            self._clear()
            self._print(f"  {plain(progress.message)}\n")
        elif self._is_terminal:
            self._redraw(progress)
        elif progress.stage != self._stage or progress.fraction >= self._next_share:
            self._stage = progress.stage
            self._next_share = progress.fraction + LINE_SHARE
            self._print(line_of(progress) + "\n")

    def close(self) -> None:
        self._clear()

    def _redraw(self, progress: Progress) -> None:
        now = time.monotonic()
        if progress.kind == "step" and now - self._drawn_at < REDRAW_SECONDS:
            return
        self._drawn_at = now
        done = min(BAR_WIDTH, max(0, round(progress.fraction * BAR_WIDTH)))
        line = f"[{'#' * done}{'.' * (BAR_WIDTH - done)}] {line_of(progress)}"
        self._print("\r" + line.ljust(self._width))
        self._width = len(line)

    def _clear(self) -> None:
        if self._width:
            self._print("\r" + " " * self._width + "\r")
            self._width = 0

    def _print(self, text: str) -> None:
        self._stream.write(text)
        self._stream.flush()


def line_of(progress: Progress) -> str:
    """One line: share, stage, position, the step's figures, and the time left."""
    parts = [f"{progress.fraction:4.0%}", progress.stage]
    if progress.total:
        parts.append(f"{progress.step}/{progress.total}")
    parts += [f"{name} {progress.values[name]:.3g}" for name in ("loss", "error") if name in progress.values]
    if progress.eta is not None and math.isfinite(progress.eta):
        parts.append(f"{duration(progress.eta)} left")
    if progress.message:
        parts.append(plain(progress.message))
    return "  ".join(parts)


def results_table(results: Sequence[SplitResult]) -> str:
    """Before and after, a row a split and phase; beneath them how stories count, and the parts of a joint attribute."""
    rows = [
        [
            split_name(result.split),
            result.phase,
            f"{figure(result.mae.value)} [{figure(result.mae.low)}, {figure(result.mae.high)}]",
            figure(result.noise_floor),
            figure(result.ratio.value, 2),
            share(result.unclassified),
            figure(result.exact_error),
        ]
        for result in results
    ]
    headers = ["split", "phase", "MAE [95 %]", "noise floor", "ratio", "unclassified", "exact error"]
    stories = any(result.split == "stories" for result in results)
    note = f"Unclassified stories: {UNCLASSIFIED_STORIES}." if stories else ""
    return "\n\n".join(filter(None, [table(headers, rows), note, _marginals_table(results)]))


def _marginals_table(results: Sequence[SplitResult]) -> str:
    """A row a split, phase and part; empty where the attribute has no parts."""
    rows = [
        [
            split_name(result.split),
            result.phase,
            marginal.attribute,
            f"{figure(marginal.mae.value)} [{figure(marginal.mae.low)}, {figure(marginal.mae.high)}]",
            figure(marginal.noise_floor),
            figure(marginal.ratio.value, 2),
            ", ".join(
                f"{name} {share(p)}" for name, p in zip(marginal.categories, marginal.realized, strict=True)
            ),
        ]
        for result in results
        for marginal in result.marginals
    ]
    headers = ["split", "phase", "part", "MAE [95 %]", "noise floor", "ratio", "realized"]
    return table(headers, rows) if rows else ""


def usage_line(used: UsageSummary) -> str:
    """Peak memory, mean use of the processor and, where there is one, of the GPU."""
    parts = [
        f"peak memory {gigabytes(used.peak_memory)}",
        f"{used.cpu:.1f} of {used.cores} cores busy on average",
    ]
    if used.peak_gpu_memory is not None:
        parts.append(f"GPU memory {gigabytes(used.peak_gpu_memory)}")
    if used.gpu is not None:
        parts.append(f"GPU busy {share(used.gpu)} of the time")
    return ", ".join(parts)


def gigabytes(size: int) -> str:
    """Bytes as GB of 2³⁰ bytes."""
    return f"{size / 2**30:.2f} GB"


def table(headers: Sequence[str], rows: Sequence[Sequence[Any]], style: str = "simple") -> str:
    return tabulate(rows, headers=headers, disable_numparse=True, tablefmt=style)


def figure(value: float | None, digits: int = 4) -> str:
    return "–" if value is None or math.isnan(value) else f"{value:.{digits}f}"


def share(value: float | None) -> str:
    return "–" if value is None or math.isnan(value) else f"{value:.1%}"


def duration(seconds: float | None) -> str:
    """Minutes and seconds, with hours where there are any."""
    if seconds is None:
        return "–"
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{rest:02}" if hours else f"{minutes}:{rest:02}"


def moment(seconds: float | None) -> str:
    """A time since 1970 as local time."""
    return "–" if seconds is None else datetime.fromtimestamp(seconds).strftime("%Y-%m-%d %H:%M:%S")


def plain(text: str) -> str:
    """Without control characters, which a terminal would obey."""
    return "".join(c if c.isprintable() or c in "\n\t" else "?" for c in text)


def read_as(category: str | None) -> str:
    """The category that an answer is read as, by its name."""
    return "(unclassified)" if category is None else plain(category)


def quoted(title: str) -> str:
    return f'"{plain(title)}"'


def waited_for(line: Line | None, quoted: Callable[[str], str] = quoted) -> str:
    """What a queued run waits for; ``quoted`` shows a title."""
    ahead = [quoted(title) for title in line.running] if line else []
    if line and line.queued:
        ahead.append(f"{plural(line.queued, 'run')} before it in the queue")
    return " and ".join(ahead) or "the worker"
