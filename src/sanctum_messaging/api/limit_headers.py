"""What is left of a caller's limits, in the headers of the answer (draft-ietf-httpapi-ratelimit-headers-11)."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

    from sanctum_messaging.domain.limits import Charge, Limit, Verdict

_MOST_PREPARED = 4_096
"""Callers whose policies are found at once; ``guards.limits`` gives so many of them the same charges each time."""

_prepared: dict[int, tuple[Sequence[Charge], bytes, tuple[bytes, ...]]] = {}
"""The policies of charges and how the level of each begins, by which objects they are: these keep their identity."""


def limit_headers(verdict: Verdict | None) -> tuple[tuple[bytes, bytes], ...]:
    """Tell all limits that were drawn on, and the level of the one that will be in the way first."""
    if verdict is None or not verdict.charges:
        return ()
    _, policies, names = _prepared.get(id(verdict.charges)) or _prepare(verdict.charges)
    place = verdict.tightest
    remaining, reset_ms = verdict.left[place]
    level = b"%br=%d;t=%d" % (names[place], remaining, -(-reset_ms // 1000))
    return ((b"ratelimit-policy", policies), (b"ratelimit", level))


def _prepare(charges: Sequence[Charge]) -> tuple[Sequence[Charge], bytes, tuple[bytes, ...]]:
    if len(_prepared) >= _MOST_PREPARED:
        _prepared.clear()
    limits = [limit for limit, _ in charges]
    names = tuple([f'"{limit.name}";'.encode() for limit in limits])
    found = _prepared[id(charges)] = (charges, b", ".join(map(_write_policy, limits)), names)
    return found


def _write_policy(limit: Limit) -> bytes:
    return f'"{limit.name}";q={limit.max};w={-(-limit.interval_ms // 1000)}'.encode()
