"""The memory that a process has used."""

from __future__ import annotations

import resource
import sys


def peak_memory_mb() -> float:
    """Return the most resident memory that this process has had, in MB (1e6 bytes)."""
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak / 1e6 if sys.platform == "darwin" else peak * 1024 / 1e6
