"""Storage that does not answer for a while: what is tried again, and for how long."""

from __future__ import annotations

import errno
import logging
import time
from collections.abc import Callable
from typing import TypeVar

from kdner.errors import StorageError

R = TypeVar("R")

FIRST_PAUSE_S, LONGEST_PAUSE_S = 1.0, 15.0
_LASTING = frozenset([errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EROFS, errno.EACCES, errno.EPERM])
"""What waiting does not mend: full, read-only, not allowed."""

logger = logging.getLogger(__name__)


def patiently(read_or_write: Callable[[], R], patience_s: float) -> R:
    """Do what reads or writes; where the storage does not let it, try again with growing pauses for so many seconds.

    Raises:
        StorageError: it still fails, or for a reason that waiting does not mend.
    """
    began, pause = time.monotonic(), FIRST_PAUSE_S
    while True:
        try:
            return read_or_write()
        except StorageError as error:
            if not may_pass(error) or time.monotonic() - began + pause > patience_s:
                raise
            logger.warning("%s; tried again in %.0f s", error, pause)
        time.sleep(pause)
        pause = min(2 * pause, LONGEST_PAUSE_S)


def may_pass(error: StorageError) -> bool:
    """Tell whether waiting may mend it."""
    return getattr(error.__cause__, "errno", None) not in _LASTING
