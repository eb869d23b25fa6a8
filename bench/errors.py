"""Errors of the benchmark that a person may read."""

from __future__ import annotations

from distalign.errors import DistalignError


class BenchError(DistalignError):
    """A benchmark cannot be run as it was asked for."""


class MeasurementFailed(Exception):
    """A measurement's own process failed; the text names its log."""


class JobRefused(RuntimeError):
    """The product refused a run as it was specified; the text is what it told."""
