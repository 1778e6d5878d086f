"""How fast a client may speak, and what happens to one who does not listen."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from sanctum_messaging.protocol.frame_rate import FrameRate

if TYPE_CHECKING:
    from tests.hub_world import World
    from tests.unit.hub.in_memory import Sockets

RATE = 4
"""Frames a second; with a power of two no time is rounded."""
limited = pytest.mark.parametrize("world", [{"frames_per_second": RATE}], indirect=True)


def admitted(rate: FrameRate, now: float) -> int:
    """Return how many frames are taken at this moment."""
    count = 0
    while count < 100 and not rate.find_wait(now):
        count += 1
    return count


def test_twice_as_many_as_in_a_second_are_taken_at_once() -> None:
    rate = FrameRate(RATE)
    assert admitted(rate, 1_000.0) == 2 * RATE
    assert rate.find_wait(1_000.0) == 0.25
    assert admitted(rate, 1_000.25) == 1
    assert admitted(rate, 1_001.25) == RATE
    assert admitted(rate, 2_000.0) == 2 * RATE


@pytest.mark.parametrize("per_second", [3, 7, 20, 100])
@pytest.mark.parametrize("now", [0.1, 33_129.734, 987_654.321])
def test_the_last_of_a_burst_is_taken_whatever_the_time(per_second: int, now: float) -> None:
    rate = FrameRate(per_second)
    assert [rate.find_wait(now) for _ in range(2 * per_second)] == [0.0] * 2 * per_second
    assert rate.find_wait(now) == pytest.approx(1 / per_second)


@pytest.mark.parametrize("rate", [3, 7, 20, 49])
def test_no_rounding_takes_one_away(rate: int) -> None:
    for tenths in range(100):
        assert admitted(FrameRate(rate), 32_000 + tenths / 10) == 2 * rate


def test_zero_is_no_limit() -> None:
    assert admitted(FrameRate(0), 1_000.0) == 100


@limited
async def test_a_frame_above_the_rate_is_refused_and_later_ones_are_not(world: World, sockets: Sockets) -> None:
    ben = await sockets.live("ben")
    for _ in range(2 * RATE - 1):
        await ben.assert_replied(await ben.push("ping"))
    refused = await ben.push("ping")
    problem = (await ben.assert_replied(refused, code="rate_limited"))["problem"]
    assert (problem["scope"], problem["retryAfterMs"]) == ("connection", 250)
    assert world.hub.counters.frames_above == 1
    world.clock.advance(0.25)
    await ben.assert_replied(await ben.push("ping"))


@limited
async def test_what_is_refused_is_looked_at_for_its_id_alone(sockets: Sockets) -> None:
    ben = await sockets.live("ben")
    for _ in range(2 * RATE - 1):
        await ben.push("pong")
    await ben.push_raw('{"op": "send", "id": "x-1", "nonsense": [1]}')
    await ben.assert_replied("x-1", code="rate_limited")
    for message in ('{"id": "x-2", "nonsense": [', '{"id": ""}', '{"id": 2}', f'{{"id": "{"x" * 65}"}}', "[]", b"\xff"):
        await ben.push_raw(message)
        await ben.assert_refused("rate_limited")


@limited
async def test_s_d4_a_client_that_goes_on_is_sent_away(world: World, sockets: Sockets) -> None:
    ben, ada = await sockets.live("ben"), await sockets.live("ada")
    for _ in range(4 * RATE):
        await ben.push("ping")
    await ben.assert_closed(4007)
    assert world.hub.counters.frames_above == 2 * RATE + 1
    await ada.assert_replied(await ada.push("ping"))


@pytest.mark.parametrize("world", [{"frames_per_second": RATE, "refuses_frames": False}], indirect=True)
async def test_where_nothing_is_refused_it_is_counted(world: World, sockets: Sockets) -> None:
    ben = await sockets.live("ben")
    for _ in range(8 * RATE):
        await ben.assert_replied(await ben.push("ping"))
    assert world.hub.counters.frames_above == 6 * RATE + 1
