"""Keeping a run's memory small where the C library is glibc; elsewhere these do nothing."""

from __future__ import annotations

import ctypes
import gc
import platform

# From glibc's malloc.h.
M_ARENA_MAX = -8


def share_one_heap() -> None:
    """Let all threads allocate from one heap: what one frees, the others can use.

    By default each thread of torch fills a heap of its own. Call it before they start.
    """
    if _has_glibc():
        ctypes.CDLL(None).mallopt(M_ARENA_MAX, 1)


def give_back() -> None:
    """Return to the system what was freed, rather than keep it for later."""
    gc.collect()
    if _has_glibc():
        ctypes.CDLL(None).malloc_trim(0)


def _has_glibc() -> bool:
    return platform.libc_ver()[0] == "glibc"
