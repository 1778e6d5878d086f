"""Signals that wait for the events they follow: as many as come, and none for long."""

from __future__ import annotations

import pytest

from sanctum_messaging.domain.events import Signal, SignalKind
from sanctum_messaging.domain.model import ConversationId, Position, TenantId, UserId
from sanctum_messaging.hub.early_signals import KEPT_SECONDS, MAX_KEPT, EarlySignals


def signal(name: str) -> Signal:
    return Signal(SignalKind.TYPING, TenantId("default"), ConversationId("group"), UserId(name), on=True)


class Counted(int):
    """A position that counts how often it is compared with others."""

    compared = 0

    def __le__(self, other: int) -> bool:
        type(self).compared += 1
        return super().__le__(other)


@pytest.fixture
def early() -> EarlySignals:
    return EarlySignals()


def test_each_event_releases_those_that_wait_for_it(early: EarlySignals) -> None:
    for name, after in (("ada", 7), ("ben", 9), ("cem", 7)):
        early.keep(signal(name), Position(after), 0.0)
    assert [each.user_id for each in early.release_at(Position(7))] == ["ada", "cem"]
    assert early.release_at(Position(8)) == []
    assert [each.user_id for each in early.release_at(Position(9))] == ["ben"]
    assert len(early) == 0


def test_an_event_does_not_look_at_what_waits_for_others(early: EarlySignals) -> None:
    for number in range(MAX_KEPT):
        early.keep(signal("ada"), Position(Counted(100 + number)), 0.0)
    Counted.compared = 0
    for position in range(50):
        early.release_at(Position(position))
    assert (Counted.compared, len(early)) == (0, MAX_KEPT)


def test_those_that_the_tail_has_passed_are_released_with_the_time(early: EarlySignals) -> None:
    """It jumps where the log turned out to be another one."""
    early.keep(signal("ada"), Position(7), 0.0)
    early.keep(signal("ben"), Position(20), 0.0)
    assert [each.user_id for each in early.release(Position(10), 0.1)] == ["ada"]
    assert len(early) == 1


def test_those_that_are_too_old_are_dropped(early: EarlySignals) -> None:
    early.keep(signal("ada"), Position(7), 0.0)
    early.keep(signal("ben"), Position(7), 0.5)
    assert early.release(Position(1), KEPT_SECONDS) == []
    assert [each.user_id for each in early.release_at(Position(7))] == ["ben"]


def test_no_more_are_kept_than_a_thousand(early: EarlySignals) -> None:
    for number in range(MAX_KEPT + 5):
        early.keep(signal(f"u{number}"), Position(number), 0.0)
    assert len(early) == MAX_KEPT
    assert early.release_at(Position(4)) == []
    assert len(early.release_at(Position(5))) == 1
