"""What is left of a caller's limits, in the headers of the answer (draft-ietf-httpapi-ratelimit-headers-11)."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

    from sanctum_messaging.domain.limits import Level, Limit, Verdict

_prepared: dict[tuple[int, ...], tuple[list[Limit], bytes]] = {}
"""The policies of limits that are drawn on together, by which objects they are: there are few such sets, and they stay
as long as the service. What is kept here keeps its identity."""


def limit_headers(verdict: Verdict | None) -> tuple[tuple[bytes, bytes], ...]:
    """Tell all limits that were drawn on, and the level of the one that will be in the way first."""
    if verdict is None or not verdict.levels:
        return ()
    return ((b"ratelimit-policy", _policies(verdict.levels)), (b"ratelimit", _write_level(_tightest(verdict))))


def _policies(levels: Sequence[Level]) -> bytes:
    identity = tuple([id(level.limit) for level in levels])
    known = _prepared.get(identity)
    if known is None:
        limits = [level.limit for level in levels]
        known = _prepared[identity] = (limits, b", ".join(map(_policy, limits)))
    return known[1]


def _policy(limit: Limit) -> bytes:
    return f'"{limit.name}";q={limit.max};w={-(-limit.interval_ms // 1000)}'.encode()


def _tightest(verdict: Verdict) -> Level:
    tightest = verdict.levels[0]
    for level in verdict.levels:
        if level.limit is verdict.refused:
            return level
        if level.remaining < tightest.remaining:
            tightest = level
    return tightest


def _write_level(level: Level) -> bytes:
    return f'"{level.limit.name}";r={level.remaining};t={-(-level.reset_ms // 1000)}'.encode()
