"""What is left of a caller's limits, in the headers of the answer (draft-ietf-httpapi-ratelimit-headers-11)."""

from __future__ import annotations

from functools import lru_cache
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

    from sanctum_messaging.domain.limits import Charge, Level, Limit, Verdict

_MOST_PREPARED = 4_096
"""Callers whose policies are found at once; ``guards.limits`` gives so many of them the same charges each time."""

_prepared: dict[int, tuple[Sequence[Charge], bytes]] = {}
"""The policies of charges, by which objects they are: what is kept here keeps its identity."""


def limit_headers(verdict: Verdict | None) -> tuple[tuple[bytes, bytes], ...]:
    """Tell all limits that were drawn on, and the level of the one that will be in the way first."""
    if verdict is None or not verdict.charges:
        return ()
    return ((b"ratelimit-policy", _policies(verdict.charges)), (b"ratelimit", _write_level(verdict.tightest)))


def _policies(charges: Sequence[Charge]) -> bytes:
    known = _prepared.get(id(charges))
    if known is None:
        if len(_prepared) >= _MOST_PREPARED:
            _prepared.clear()
        known = _prepared[id(charges)] = (charges, b", ".join([_policy(limit) for limit, _ in charges]))
    return known[1]


@lru_cache
def _policy(limit: Limit) -> bytes:
    return f'"{limit.name}";q={limit.max};w={-(-limit.interval_ms // 1000)}'.encode()


def _write_level(level: Level) -> bytes:
    limit, remaining, reset_ms = level
    return f'"{limit.name}";r={remaining};t={-(-reset_ms // 1000)}'.encode()
