"""Which handshakes are taken on, and when the others are told to come back."""

from __future__ import annotations

import random
from typing import TYPE_CHECKING

import pytest

from sanctum_messaging.config.parsers import parse_networks
from sanctum_messaging.domain.errors import RateLimitedError, UnavailableError
from sanctum_messaging.guards.addresses import Networks
from sanctum_messaging.guards.handshakes import MAX_WAITING_PAGES, Handshakes, HandshakeSettings, Refusal

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.conftest import HandClock

ADDRESS, OTHER, EXEMPT = "203.0.113.7", "203.0.113.8", "127.0.0.1"


def handshakes(
    clock: HandClock, *, per_second: int = 0, per_address: int = 0, waiting: Callable[[], int] = lambda: 0
) -> Handshakes:
    settings = HandshakeSettings(per_second, per_address, Networks(parse_networks(EXEMPT)))
    return Handshakes(settings, monotonic=clock.monotonic, waiting=waiting, draw=random.Random(1).uniform)


def count(made: Handshakes, attempts: int, address: str = ADDRESS) -> tuple[int, list[UnavailableError]]:
    """Try so often; return how many were taken on, and the refusals of the others."""
    refusals = []
    for _ in range(attempts):
        try:
            made.take_on(address)
        except UnavailableError as refusal:
            refusals.append(refusal)
    return attempts - len(refusals), refusals


class TestTheRate:
    def test_lets_four_times_as_many_in_at_once_and_then_so_many_a_second(self, clock: HandClock) -> None:
        made = handshakes(clock, per_second=100)
        assert count(made, 1_000)[0] == 400
        clock.advance(0.5)
        assert count(made, 1_000)[0] == 50
        clock.advance(60)
        assert count(made, 1_000)[0] == 400
        assert made.refused == {Refusal.RATE: 600 + 950 + 600, Refusal.ADDRESS: 0, Refusal.CATCH_UPS: 0}

    def test_0_is_none(self, clock: HandClock) -> None:
        assert count(handshakes(clock), 100_000) == (100_000, [])

    def test_spreads_those_who_are_too_many_over_the_time_that_they_need(self, clock: HandClock) -> None:
        _, refusals = count(handshakes(clock, per_second=100), 1_400)
        waits = sorted(each.retry_after_ms or 0 for each in refusals)
        assert {each.code for each in refusals} == {"overloaded"}
        assert waits[0] >= 1_000
        assert 10_000 <= waits[-1] <= 12_000, "a thousand at a hundred a second"
        assert len(set(waits)) > 900
        assert sum(wait <= 2_000 for wait in waits) <= 300, "by then there is room for 200 at once and 100 more"

    def test_sends_nobody_away_for_longer_than_half_a_minute(self, clock: HandClock) -> None:
        _, refusals = count(handshakes(clock, per_second=1), 1_000)
        assert max(each.retry_after_ms or 0 for each in refusals) <= 31_000

    def test_forgets_those_who_must_be_back_by_now(self, clock: HandClock) -> None:
        made = handshakes(clock, per_second=100)
        count(made, 1_400)
        clock.advance(60)
        _, refusals = count(made, 401)
        assert [each.retry_after_ms or 0 for each in refusals] < [2_100]

    def test_takes_all_on_in_the_end_if_they_come_when_they_are_told(self, clock: HandClock) -> None:
        made = handshakes(clock, per_second=100)
        due = dict.fromkeys(range(1_700), 0)
        seconds = 0.0
        while due:
            for client in [client for client, at in due.items() if at <= seconds * 1000]:
                taken, refusals = count(made, 1)
                if taken:
                    del due[client]
                else:
                    due[client] = int(seconds * 1000) + (refusals[0].retry_after_ms or 0)
            seconds += 0.1
            clock.advance(0.1)
        assert seconds < 25, "at best 13"


class TestPagesThatWait:
    def test_keep_others_out_when_they_are_many(self, clock: HandClock) -> None:
        pages = [MAX_WAITING_PAGES - 1]
        made = handshakes(clock, waiting=lambda: pages[0])
        assert count(made, 10) == (10, [])
        pages[0] += 1
        taken, refusals = count(made, 10)
        assert (taken, made.refused[Refusal.CATCH_UPS]) == (0, 10)
        assert all(1_000 <= (each.retry_after_ms or 0) <= 4_000 for each in refusals)
        pages[0] = 0
        assert count(made, 10) == (10, [])


class TestAnAddress:
    def test_holds_so_many_sockets_and_another_as_many(self, clock: HandClock) -> None:
        made = handshakes(clock, per_address=2)
        leave = made.take_on(ADDRESS)
        made.take_on(ADDRESS)
        with pytest.raises(RateLimitedError) as refused:
            made.take_on(ADDRESS)
        assert refused.value.scope == "address"
        assert 1_000 <= (refused.value.retry_after_ms or 0) <= 11_000
        made.take_on(OTHER)
        assert made.refused[Refusal.ADDRESS] == 1
        leave()
        made.take_on(ADDRESS)
        with pytest.raises(RateLimitedError):
            made.take_on(ADDRESS)

    def test_is_a_network_with_ipv6_and_the_same_for_all_who_are_unknown(self, clock: HandClock) -> None:
        made = handshakes(clock, per_address=1)
        made.take_on("2001:db8::1")
        with pytest.raises(RateLimitedError):
            made.take_on("2001:db8::2")
        made.take_on(None)
        with pytest.raises(RateLimitedError):
            made.take_on(None)

    def test_that_is_exempt_holds_as_many_as_it_likes(self, clock: HandClock) -> None:
        made = handshakes(clock, per_address=1)
        for _ in range(10):
            made.take_on(EXEMPT)()

    def test_takes_no_place_where_the_instance_has_none(self, clock: HandClock) -> None:
        made = handshakes(clock, per_second=1, per_address=5)
        assert count(made, 100)[0] == 4
        clock.advance(60)
        assert count(made, 1)[0] == 1
        with pytest.raises(RateLimitedError):
            made.take_on(ADDRESS)

    def test_leaves_nothing_behind(self, clock: HandClock) -> None:
        made = handshakes(clock, per_address=2)
        for number in range(10):
            made.take_on(f"203.0.113.{number}")()
        assert not made._places
