"""What is refused, what is taken, and what only the operator hears of."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import pytest
from structlog.testing import capture_logs

from sanctum_messaging.domain.errors import RateLimitedError
from sanctum_messaging.domain.limits import Use, Verdict
from sanctum_messaging.domain.model import DeviceId, SessionId
from sanctum_messaging.guards.limits import LimitSettings
from sanctum_messaging.guards.rate_limits import MAX_SPENT, SHADOW_LOG_SECONDS, RateLimits, Shadow
from tests.acting import actor
from tests.unit.guards.conftest import SETTINGS, limits_of

if TYPE_CHECKING:
    from tests.conftest import HandClock

ADDRESS = "203.0.113.7"
ANN = actor("ann")


async def take(limits: RateLimits, use: Use = Use.SEND, who: str = "ann", address: str = ADDRESS) -> Verdict:
    told: list[Verdict] = []
    await limits.take(use, actor(who), address, told.append)
    (verdict,) = told
    return verdict


async def left(limits: RateLimits) -> dict[str, int]:
    return {level.limit.name: level.remaining for level in await limits.look(ANN, ADDRESS)}


async def test_a_use_takes_from_the_address_and_the_caller_at_once(rate_limits: RateLimits) -> None:
    verdict = await take(rate_limits)
    assert [(level.limit.name, level.remaining) for level in verdict.levels] == [
        ("requests-address", 7),
        ("send-device", 1),
        ("send-session", 2),
        ("send-user", 3),
    ]


async def test_what_is_refused_takes_from_nothing(rate_limits: RateLimits) -> None:
    for _ in range(2):
        await take(rate_limits)
    before, told = await left(rate_limits), list[Verdict]()
    with pytest.raises(RateLimitedError) as refused:
        await rate_limits.take(Use.SEND, ANN, ADDRESS, told.append)
    assert (refused.value.scope, refused.value.retry_after_ms) == ("device", 30_000)
    assert told[0].refused is not None
    assert told[0].refused.name == "send-device"
    assert await left(rate_limits) == before
    assert rate_limits.refused == {**dict.fromkeys(rate_limits.refused, 0), "send-device": 1}
    assert sum(rate_limits.spared.values()) == 0


async def test_whoever_waits_as_told_is_let_through(rate_limits: RateLimits, clock: HandClock) -> None:
    for _ in range(2):
        await take(rate_limits)
    for _ in range(3):
        with pytest.raises(RateLimitedError) as refused:
            await take(rate_limits)
        assert refused.value.retry_after_ms
        clock.advance((refused.value.retry_after_ms - 1) / 1000)
        with pytest.raises(RateLimitedError):
            await take(rate_limits)
        clock.advance(0.001)
        await take(rate_limits)


async def test_the_address_of_frames_was_counted_when_their_socket_came(rate_limits: RateLimits) -> None:
    for _ in range(2):
        assert rate_limits.take_frame(Use.SEND, ANN) is None
    assert (await left(rate_limits))["requests-address"] == 8
    with pytest.raises(RateLimitedError):
        rate_limits.take_frame(Use.SEND, ANN)
    with pytest.raises(RateLimitedError):
        await take(rate_limits)
    assert rate_limits.take_frame(Use.RENEW, ANN) is None


async def test_new_devices_and_sessions_are_no_way_around_the_users_limit(rate_limits: RateLimits) -> None:
    for number in range(4):
        device = DeviceId(f"device-{number}")
        rate_limits.take_frame(Use.SEND, replace(ANN, device=device, session=SessionId(device)))
    with pytest.raises(RateLimitedError) as refused:
        rate_limits.take_frame(Use.SEND, replace(ANN, device=DeviceId("new"), session=SessionId("new")))
    assert refused.value.scope == "user"


async def test_an_address_with_nothing_left_is_refused_before_anything_else(
    rate_limits: RateLimits, clock: HandClock
) -> None:
    for _ in range(8):
        rate_limits.check_address(Use.READ, ADDRESS)
        rate_limits.count_address(Use.READ, ADDRESS)
    with pytest.raises(RateLimitedError) as refused:
        rate_limits.check_address(Use.READ, ADDRESS)
    assert (refused.value.scope, refused.value.retry_after_ms) == ("address", 7_500)
    rate_limits.count_address(Use.READ, ADDRESS)
    rate_limits.check_address(Use.READ, "203.0.113.8")
    clock.advance(7.499)
    with pytest.raises(RateLimitedError):
        rate_limits.check_address(Use.READ, ADDRESS)
    clock.advance(0.001)
    rate_limits.check_address(Use.READ, ADDRESS)


async def test_an_address_with_nothing_left_is_known_by_what_its_users_took(rate_limits: RateLimits) -> None:
    for number in range(8):
        await take(rate_limits, who=f"user-{number}")
    with pytest.raises(RateLimitedError):
        rate_limits.check_address(Use.READ, ADDRESS)


async def test_another_address_of_the_same_network_is_no_way_around_it(rate_limits: RateLimits) -> None:
    for _ in range(8):
        rate_limits.count_address(Use.READ, "2001:db8::1")
    with pytest.raises(RateLimitedError):
        rate_limits.check_address(Use.READ, "2001:db8::2")
    rate_limits.check_address(Use.READ, "2001:db8:0:1::1")


async def test_an_address_is_looked_at_only_until_it_has_something_of_each_limit_again(
    rate_limits: RateLimits, clock: HandClock
) -> None:
    for _ in range(3):
        rate_limits.take_address(Use.CONNECT, ADDRESS)
    rate_limits.check_address(Use.READ, ADDRESS)
    assert len(rate_limits.spent) == 1
    clock.advance(60)
    rate_limits.check_address(Use.READ, ADDRESS)
    assert not rate_limits.spent


async def test_no_more_addresses_are_looked_at_than_there_is_room_for(rate_limits: RateLimits) -> None:
    for number in range(MAX_SPENT + 10):
        for _ in range(3):
            rate_limits.take_address(Use.CONNECT, f"address-{number}")
    assert len(rate_limits.spent) == MAX_SPENT
    with pytest.raises(RateLimitedError):
        rate_limits.check_address(Use.CONNECT, f"address-{MAX_SPENT + 9}")


async def test_one_address_has_a_limit_of_sockets_besides(rate_limits: RateLimits) -> None:
    for _ in range(3):
        rate_limits.check_address(Use.CONNECT, ADDRESS)
        rate_limits.take_address(Use.CONNECT, ADDRESS)
    with pytest.raises(RateLimitedError):
        rate_limits.check_address(Use.CONNECT, ADDRESS)
    with pytest.raises(RateLimitedError):
        rate_limits.take_address(Use.CONNECT, ADDRESS)
    rate_limits.check_address(Use.READ, ADDRESS)
    rate_limits.check_address(Use.OPEN, ADDRESS)


async def test_refused_tokens_are_counted_apart(rate_limits: RateLimits) -> None:
    for _ in range(2):
        rate_limits.take_failure(ADDRESS)
    with pytest.raises(RateLimitedError) as refused:
        rate_limits.take_failure(ADDRESS)
    assert refused.value.scope == "address"
    rate_limits.take_failure("203.0.113.8")
    rate_limits.check_address(Use.READ, ADDRESS)
    await take(rate_limits)


async def test_no_limits_refuse_nothing_and_tell_of_nothing(clock: HandClock) -> None:
    limits = limits_of(clock, LimitSettings(60_000))
    limits.check_address(Use.READ, None)
    limits.take_failure(None)
    assert (await take(limits)).levels == ()
    assert await limits.look(ANN, ADDRESS) == ()


class TestShadow:
    async def test_refuses_nothing_and_counts_what_it_would_have(self, clock: HandClock) -> None:
        limits = limits_of(clock, SETTINGS, shadow=Shadow(clock))
        with capture_logs() as logged:
            for _ in range(5):
                assert (await take(limits)).levels == ()
            for _ in range(3):
                limits.take_failure(ADDRESS)
            for _ in range(9):
                limits.check_address(Use.READ, ADDRESS)
                limits.count_address(Use.READ, ADDRESS)
        spared = {"send-device": 3, "failures-address": 1, "requests-address": 3}
        assert limits.spared == {**dict.fromkeys(limits.refused, 0), **spared}
        assert sum(limits.refused.values()) == 0
        assert [(line["event"], line["limit"], line["scope"], line["count"]) for line in logged] == [
            ("rate_limit_would_refuse", "send-device", "device", 1),
            ("rate_limit_would_refuse", "failures-address", "address", 1),
            ("rate_limit_would_refuse", "requests-address", "address", 1),
        ]
        assert "ann" not in repr(logged)

    async def test_says_how_many_there_were_since_it_last_said_so(self, clock: HandClock) -> None:
        limits = limits_of(clock, SETTINGS, shadow=Shadow(clock))
        with capture_logs() as logged:
            for _ in range(6):
                await take(limits)
            clock.advance(SHADOW_LOG_SECONDS)
            await take(limits)
        assert [line["count"] for line in logged] == [1, 4]
