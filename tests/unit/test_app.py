"""What the service makes of being told to stop, once and again."""

from __future__ import annotations

import pytest

from sanctum_messaging.app import Stop


def told(drain_seconds: float, *words: str) -> tuple[bool, bool]:
    """Say these words; tell whether there is no time left, and whether not even what is under way is waited for."""
    stop = Stop(drain_seconds)
    for word in words:
        getattr(stop, word)()
    assert stop.told.is_set()
    return stop.urgent.is_set(), stop.is_forced


@pytest.mark.parametrize("drain_seconds", [0, 20])
def test_who_is_told_to_stop_by_several_still_finishes_what_is_under_way(drain_seconds: int) -> None:
    """As a worker is, whom the supervisor tells, and whoever ends all processes of a service."""
    assert told(drain_seconds, "ask", "ask") == (drain_seconds == 0, False)


def test_who_insists_leaves_no_time_and_who_goes_on_to_waits_for_nothing() -> None:
    assert told(20, "insist") == (False, False)
    assert told(20, "insist", "insist") == (True, False)
    assert told(20, "insist", "insist", "insist") == (True, True)
    assert told(0, "insist") == (True, False)
    assert told(0, "insist", "insist") == (True, True)


def test_who_is_in_a_hurry_says_so_twice_to_wait_for_nothing() -> None:
    assert told(20, "hurry") == (True, False)
    assert told(20, "hurry", "hurry") == (True, True)
