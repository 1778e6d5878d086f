"""The headers that every answer bears, errors included."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable

ALWAYS = (
    (b"x-content-type-options", b"nosniff"),
    (b"x-frame-options", b"DENY"),
    (b"strict-transport-security", b"max-age=31536000; includeSubDomains"),
    (b"cross-origin-resource-policy", b"same-origin"),
)
NO_STORE = (b"cache-control", b"no-store")
"""The default of all answers: a cache between must never show one user's answer to another."""
_UNLESS_CACHED = (*ALWAYS, NO_STORE)


def secured(headers: Iterable[tuple[bytes, bytes]]) -> list[tuple[bytes, bytes]]:
    """Add them; an answer that says itself how it may be cached keeps that."""
    all_headers = list(headers)
    all_headers += ALWAYS if NO_STORE[0] in dict(all_headers) else _UNLESS_CACHED
    return all_headers
