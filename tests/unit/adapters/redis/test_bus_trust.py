"""What is published by somebody else, or arrives as another thing than was sent."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Literal

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from sanctum_messaging.adapters.redis.contents import encode_event, encode_hint, encode_row
from sanctum_messaging.adapters.redis.counts import BusCounts
from sanctum_messaging.adapters.redis.envelope import MAX_BYTES, Envelopes, Header, Kind
from sanctum_messaging.adapters.redis.reception import Reception
from tests.unit.adapters.redis.happened import TAKEOVER, TYPING, committed, event_at
from tests.unit.adapters.redis.hearing import CALM, CHANNEL, KEY, LOG, Hearing, Instance, running, until

if TYPE_CHECKING:
    from redis.asyncio import Redis

KEYED = Envelopes(log_id=LOG, key=KEY, instance="elsewhere")
GENUINE = {
    "events": (Header(Kind.EVENTS, 2, 1, "00000000"), encode_row([encode_event(event_at(n)) for n in (1, 2)])),
    "signal": (Header(Kind.SIGNALS, 1), encode_row([encode_hint(TYPING)])),
    "takeover": (Header(Kind.TAKEOVERS, 1), encode_row([encode_hint(TAKEOVER)])),
    "heartbeat": (Header(Kind.HEARTBEAT, 1), b""),
}


def genuine(kind: str = "events") -> bytes:
    return KEYED.seal(*GENUINE[kind])


def changed(at: int, value: int) -> bytes:
    return genuine()[:at] + bytes([value]) + genuine()[at + 1 :]


UNTRUE: dict[str, tuple[bytes, Literal["forged", "garbled", "foreign", "too_large"]]] = {
    "of another key": (
        Envelopes(log_id=LOG, key=b"guessed", instance="elsewhere").seal(*GENUINE["events"]),
        "forged",
    ),
    "of another log": (
        Envelopes(log_id="log-2", key=KEY, instance="elsewhere").seal(*GENUINE["events"]),
        "foreign",
    ),
    "of another version": (changed(0, 2), "foreign"),
    "of an unknown kind": (changed(1, 9), "foreign"),
    "with another position": (changed(49, 3), "forged"),
    "with another tag": (changed(50, 0x31), "forged"),
    "empty": (b"", "garbled"),
    "text": (b"hello", "garbled"),
    "cut off": (genuine()[:-1], "forged"),
    "without content": (genuine()[:74], "forged"),
    "prolonged": (genuine() + b"\0", "forged"),
    "huge": (genuine() + bytes(MAX_BYTES), "too_large"),
    "sealed but no row": (KEYED.seal(Header(Kind.EVENTS, 2, 1), b"\xc1"), "garbled"),
    "sealed but of another type": (KEYED.seal(Header(Kind.EVENTS, 2, 1), encode_row([encode_hint(TYPING)])), "garbled"),
    "sealed but not in UTF-8": (KEYED.seal(Header(Kind.SIGNALS, 2), b"\xdc\0\1\x81\xa4kind\xa1\xff"), "garbled"),
    "sealed but with a hole": (
        KEYED.seal(Header(Kind.EVENTS, 3, 1), encode_row([encode_event(event_at(n)) for n in (1, 3)])),
        "garbled",
    ),
    "sealed but with other positions": (
        KEYED.seal(Header(Kind.EVENTS, 3, 2), encode_row([encode_event(event_at(n)) for n in (1, 2)])),
        "garbled",
    ),
}


@pytest.fixture
def world(redis: Redis) -> tuple[Redis, Instance]:
    return redis, Instance(redis, "there", settings=CALM)


@pytest.mark.parametrize("name", UNTRUE)
async def test_s_a11_nothing_untrue_is_delivered_and_the_bus_goes_on(name: str, world: tuple[Redis, Instance]) -> None:
    redis, there = world
    envelope, fault = UNTRUE[name]
    async with running(there):
        await redis.publish(CHANNEL, envelope)
        await redis.publish(CHANNEL, genuine())
        await until(lambda: there.hub.tail.position == 2)
    assert there.hub.batches == [committed([1, 2])]
    assert not there.hub.signals
    assert there.bus.counts.rejected[fault] == there.bus.counts.rejected.total() == 1
    assert there.bus.counts.subscriptions == 1


async def test_the_counts_are_there_before_anything_happens() -> None:
    assert BusCounts().rejected == {"forged": 0, "garbled": 0, "foreign": 0, "too_large": 0}


async def test_a_heartbeat_that_somebody_else_repeats_keeps_nothing_alive(world: tuple[Redis, Instance]) -> None:
    redis, there = world
    heard: list[bytes] = []
    async with redis.pubsub(push_handler_func=_as_it_is) as eavesdropper:
        await eavesdropper.subscribe(CHANNEL)
        async with running(there):
            while len(heard) < 2:
                arrived = await eavesdropper.get_message(ignore_subscribe_messages=True, timeout=1)
                heard += [arrived["data"]] if arrived else []
    reception, hub = Reception(there.bus._envelopes, BusCounts()), Hearing()
    assert reception.take(heard[0], hub)
    assert not reception.take(heard[0], hub)
    assert reception.take(heard[1], hub)
    assert not Reception(KEYED, BusCounts()).take(heard[0], hub), "it is somebody else's"


async def _as_it_is(response: object) -> object:
    await asyncio.sleep(0)
    return response


@settings(max_examples=500, suppress_health_check=[HealthCheck.too_slow], deadline=None)
@given(st.sampled_from(sorted(GENUINE)), st.data())
def test_a_flipped_bit_anywhere_delivers_nothing(kind: str, data: st.DataObject) -> None:
    envelope = bytearray(genuine(kind))
    for _ in range(data.draw(st.integers(1, 3))):
        bit = data.draw(st.integers(0, len(envelope) * 8 - 1))
        envelope[bit // 8] ^= 1 << bit % 8
    if bytes(envelope) == genuine(kind):
        return
    assert_nothing_delivered(bytes(envelope))


@settings(max_examples=500, deadline=None)
@given(st.sampled_from(sorted(GENUINE)), st.data())
def test_a_piece_of_an_envelope_delivers_nothing(kind: str, data: st.DataObject) -> None:
    envelope = genuine(kind)
    assert_nothing_delivered(envelope[: data.draw(st.integers(0, len(envelope) - 1))])


@settings(max_examples=500, deadline=None)
@given(st.binary(max_size=300))
def test_noise_delivers_nothing(noise: bytes) -> None:
    assert_nothing_delivered(noise)


@settings(max_examples=500, deadline=None)
@given(st.sampled_from([kind for kind in Kind if kind is not Kind.HEARTBEAT]), st.binary(max_size=200))
def test_a_content_of_another_version_delivers_nothing_wrong(kind: Kind, content: bytes) -> None:
    hub, counts = Hearing(), BusCounts()
    Reception(Envelopes(log_id=LOG, key=KEY, instance="there"), counts).take(
        KEYED.seal(Header(kind, 2, 1), content), hub
    )
    assert counts.rejected["garbled"] == 1 or not hub.batches + hub.takeovers + hub.signals


def assert_nothing_delivered(envelope: bytes) -> None:
    hub, counts = Hearing(), BusCounts()
    reception = Reception(Envelopes(log_id=LOG, key=KEY, instance="there"), counts)
    assert not reception.take(envelope, hub)
    assert not hub.batches
    assert not hub.signals
    assert not hub.takeovers
