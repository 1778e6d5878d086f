from __future__ import annotations

import asyncio
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from sanctum_messaging.actions import typing
from sanctum_messaging.actions.conversations import NewConversation, create_conversation
from sanctum_messaging.actions.memberships import NewParticipant
from sanctum_messaging.actions.typing import TypingThrottle, signal_typing
from sanctum_messaging.domain.errors import ForbiddenError, NotFoundError
from sanctum_messaging.domain.events import Signal, SignalKind
from sanctum_messaging.domain.model import ConversationId, ConversationKind, Role, UserId
from tests.acting import Heard, actor

if TYPE_CHECKING:
    from sanctum_messaging.ports import Ports
    from tests.conftest import HandClock

ANN, BOB, CAT = actor("ann"), actor("bob"), actor("cat")


async def create(ports: Ports, *names: str) -> ConversationId:
    others = (
        NewParticipant(BOB.user, Role.OBSERVER),
        *(NewParticipant(UserId(name)) for name in names),
    )
    created = await create_conversation(ports, ANN, NewConversation(ConversationKind.GROUP, others))
    assert created.answer.conversation is not None
    return created.answer.conversation.id


@pytest.fixture
def throttle() -> TypingThrottle:
    return TypingThrottle()


async def test_tells_that_one_types_and_stops(ports: Ports, heard: Heard, throttle: TypingThrottle) -> None:
    group = await create(ports)
    for on in (True, False):
        await signal_typing(ports, ANN, group, on=on, throttle=throttle)
    assert heard.signals == [
        Signal(SignalKind.TYPING, ANN.tenant, group, ANN.user, on=True),
        Signal(SignalKind.TYPING, ANN.tenant, group, ANN.user, on=False),
    ]


async def test_once_in_three_seconds(ports: Ports, heard: Heard, throttle: TypingThrottle, clock: HandClock) -> None:
    group = await create(ports)
    for seconds in (0, 2.9, 0.1, 1):
        clock.advance(seconds)
        await signal_typing(ports, ANN, group, on=True, throttle=throttle)
    assert len(heard.signals) == 2


async def test_coming_all_at_once_is_no_way_around(ports: Ports, heard: Heard, throttle: TypingThrottle) -> None:
    group = await create(ports)
    await asyncio.gather(*(signal_typing(ports, ANN, group, on=True, throttle=throttle) for _ in range(8)))
    assert len(heard.signals) == 1


async def test_who_is_refused_asks_the_database_no_more_often(ports: Ports, throttle: TypingThrottle) -> None:
    """And who tries one conversation after the other, either."""
    groups, refused = [await create(ports) for _ in range(5)], 0
    for group in groups * 2:
        for on in (True, False):
            try:
                await signal_typing(ports, CAT, group, on=on, throttle=throttle)
            except NotFoundError:
                refused += 1
    assert refused == 2


async def test_turning_it_on_and_off_is_no_way_around(ports: Ports, heard: Heard, throttle: TypingThrottle) -> None:
    group = await create(ports)
    for on in (True, False, False, True, False, True):
        await signal_typing(ports, ANN, group, on=on, throttle=throttle)
    assert [signal.on for signal in heard.signals] == [True, False]


async def test_stopping_is_told_only_where_one_was_shown(ports: Ports, heard: Heard, throttle: TypingThrottle) -> None:
    one, two = await create(ports), await create(ports)
    await signal_typing(ports, ANN, one, on=True, throttle=throttle)
    await signal_typing(ports, ANN, two, on=False, throttle=throttle)
    assert [signal.conversation_id for signal in heard.signals] == [one]


async def test_senders_do_not_hinder_one_another(ports: Ports, heard: Heard, throttle: TypingThrottle) -> None:
    group = await create(ports, "cat")
    for who in (ANN, CAT):
        await signal_typing(ports, who, group, on=True, throttle=throttle)
    assert len(heard.signals) == 2


@pytest.mark.parametrize(("present", "told"), [(200, True), (201, False)])
async def test_among_too_many_nobody_is_told(
    ports: Ports, heard: Heard, throttle: TypingThrottle, present: int, *, told: bool
) -> None:
    group = await create(ports, *(f"user{n}" for n in range(present - 2)))
    await signal_typing(ports, ANN, group, on=True, throttle=throttle)
    assert bool(heard.signals) is told


async def test_is_not_for_observers_nor_for_outsiders(
    ports: Ports, heard: Heard, throttle: TypingThrottle, clock: HandClock
) -> None:
    group = await create(ports)
    with pytest.raises(ForbiddenError):
        await signal_typing(ports, BOB, group, on=True, throttle=throttle)
    with pytest.raises(NotFoundError):
        await signal_typing(ports, CAT, group, on=True, throttle=throttle)
    assert heard.signals == []
    clock.advance(3)
    await signal_typing(ports, replace(BOB, service=True), group, on=True, throttle=throttle)
    assert len(heard.signals) == 1


async def test_remembers_a_bounded_number_of_senders(throttle: TypingThrottle, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(typing, "MAX_SENDERS", 2)
    group = ConversationId("group")
    for who in (ANN, BOB, ANN, CAT):
        throttle.remember(who, group, on=True, now=1.0)
    admitted = [who.user for who in (ANN, BOB, CAT) if throttle.admits(who, group, on=True, now=2.0)]
    assert admitted == ["bob"]
