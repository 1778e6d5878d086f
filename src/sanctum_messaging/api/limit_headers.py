"""What is left of a caller's limits, in the headers of the answer (draft-ietf-httpapi-ratelimit-headers-11)."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from sanctum_messaging.domain.limits import Level, Limit, Verdict

_prepared: dict[str, tuple[Limit, bytes]] = {}
"""The policy of each limit, by its name: it never changes while a service runs, and every answer tells it."""


def limit_headers(verdict: Verdict | None) -> tuple[tuple[bytes, bytes], ...]:
    """Tell all limits that were drawn on, and the level of the one that will be in the way first."""
    if verdict is None or not verdict.levels:
        return ()
    policies = b", ".join([_policy(level.limit) for level in verdict.levels])
    return ((b"ratelimit-policy", policies), (b"ratelimit", _write_level(_tightest(verdict))))


def _policy(limit: Limit) -> bytes:
    known, text = _prepared.get(limit.name, (None, b""))
    if known is not limit:
        text = f'"{limit.name}";q={limit.max};w={-(-limit.interval_ms // 1000)}'.encode()
        _prepared[limit.name] = (limit, text)
    return text


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
