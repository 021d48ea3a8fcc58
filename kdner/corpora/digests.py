"""Digests that tell whether a file is what it was: quick ones, of 64 bits, not for secrets."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from typing import Any

_SHOWN = 16


def new_digest() -> Any:
    """Return a digest to be updated with bytes."""
    return hashlib.sha1(usedforsecurity=False)


def shown(digest: Any) -> str:
    """Return a digest as 16 characters."""
    return digest.hexdigest()[:_SHOWN]


def digest_of(blocks: Iterable[bytes]) -> str:
    """Return the digest of bytes that follow one another."""
    digest = new_digest()
    for block in blocks:
        digest.update(block)
    return shown(digest)
