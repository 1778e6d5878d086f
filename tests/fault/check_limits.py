"""K7: limits hold for all instances together, and refuse nobody who has not used them.

A window runs from the call of one accepted attempt to the answer of another. All attempts that lie in it were decided
in it, by whatever clock that runs as fast as ours.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from sanctum_messaging.domain.limits import Limit
from tests.fault.history import Violation

ACCEPTED, REFUSED = 201, 429
GRAIN_SECONDS = 0.001
"""The limiters count in whole milliseconds."""
LEAST_SHARE = 0.9


@dataclass(frozen=True, slots=True)
class Attempt:
    """A send to one of the instances, by the clock of the client."""

    called: float
    answered: float
    status: int
    instance: str


@dataclass(frozen=True, slots=True)
class Outage:
    """A time in which Redis was away, emptied or slow; it ends when all instances have found it again."""

    began: float
    ended: float


def check_limits(attempts: Sequence[Attempt], limit: Limit, outages: Sequence[Outage]) -> Iterator[Violation]:
    """Never above the limit (by a further burst for each outage), never refused far below it, and no other answer."""
    yield from _check_answers(attempts)
    accepted = [attempt for attempt in attempts if attempt.status == ACCEPTED]
    yield from _check_above(accepted, limit, outages)
    refused = [attempt for attempt in attempts if attempt.status == REFUSED]
    yield from _check_below(accepted, refused, limit=limit, outages=outages)


def _check_answers(attempts: Sequence[Attempt]) -> Iterator[Violation]:
    for attempt in attempts:
        if attempt.status not in {ACCEPTED, REFUSED}:
            yield Violation("K7", f"{attempt.instance} answered {attempt.status}")


def _check_above(accepted: Sequence[Attempt], limit: Limit, outages: Sequence[Outage]) -> Iterator[Violation]:
    rate = limit.max / limit.interval_ms * 1000
    by_end = sorted(accepted, key=lambda attempt: attempt.answered)
    for first in accepted:
        count = 0
        for last in by_end:
            if last.called < first.called:
                continue
            count += 1
            bursts = 1 + sum(_meets(each, first.called, last.answered) for each in outages)
            allowed = bursts * limit.max + rate * (last.answered - first.called + GRAIN_SECONDS)
            if count > allowed:
                seconds = last.answered - first.called
                yield Violation("K7", f"{count} accepted in {seconds:.3f} s, where {allowed:.1f} are allowed")
                return


def _check_below(
    accepted: Sequence[Attempt], refused: Sequence[Attempt], *, limit: Limit, outages: Sequence[Outage]
) -> Iterator[Violation]:
    interval = limit.interval_ms / 1000
    for attempt in refused:
        since = attempt.called - interval
        if any(_meets(each, since, attempt.answered) for each in outages):
            continue
        used = sum(each.answered >= since and each.called <= attempt.answered for each in accepted)
        if used < LEAST_SHARE * limit.max:
            yield Violation("K7", f"{attempt.instance} refused when {used} of {limit.max} were used")
            return


def _meets(outage: Outage, begin: float, end: float) -> bool:
    return outage.began <= end and begin <= outage.ended
