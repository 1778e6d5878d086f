from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from sanctum_messaging.actions.conversations import NewConversation, create_conversation
from sanctum_messaging.actions.memberships import NewParticipant
from sanctum_messaging.actions.messages import NewMessage, send_message
from sanctum_messaging.actions.read_markers import count_unread, move_read_marker
from sanctum_messaging.domain.errors import InvalidError, NotFoundError
from sanctum_messaging.domain.events import Signal, SignalKind
from sanctum_messaging.domain.model import ConversationId, ConversationKind, ReadMarker, Role, Seq, UnreadTotals, UserId
from tests.acting import Heard, actor

if TYPE_CHECKING:
    from sanctum_messaging.ports import Ports

ANN, BOB, CAT = actor("ann"), actor("bob"), actor("cat")


async def create(ports: Ports, *names: str, messages: int = 3) -> ConversationId:
    others = tuple(NewParticipant(UserId(name), Role.OBSERVER) for name in names)
    created = await create_conversation(ports, ANN, NewConversation(ConversationKind.GROUP, others))
    assert created.answer.conversation is not None
    group = created.answer.conversation.id
    for n in range(messages):
        await send_message(ports, ANN, NewMessage(group, f"c{n}", "Hello", "text", "{}"))
    return group


async def test_moves_up_and_tells_what_remains(ports: Ports, heard: Heard) -> None:
    group = await create(ports, "bob")
    assert await move_read_marker(ports, BOB, group, seq=Seq(3)) == ReadMarker(Seq(3), 1)
    assert heard.signals == [
        Signal(SignalKind.READ, BOB.tenant, group, BOB.user, seq=Seq(3), to_self_only=False),
    ]


async def test_below_the_present_one_nothing_moves_and_nobody_is_told(ports: Ports, heard: Heard) -> None:
    group = await create(ports, "bob")
    await move_read_marker(ports, BOB, group, seq=Seq(4))
    assert await move_read_marker(ports, BOB, group, seq=Seq(2)) == ReadMarker(Seq(4), 0)
    assert len(heard.signals) == 1


async def test_beyond_the_last_is_refused(ports: Ports, heard: Heard) -> None:
    group = await create(ports, "bob")
    with pytest.raises(InvalidError) as refused:
        await move_read_marker(ports, BOB, group, seq=Seq(5))
    assert refused.value.code == "seq_out_of_range"
    assert heard.signals == []


async def test_outsiders_find_nothing(ports: Ports, heard: Heard) -> None:
    group = await create(ports, "bob")
    for who in (CAT, actor("bob", tenant="elsewhere")):
        with pytest.raises(NotFoundError):
            await move_read_marker(ports, who, group, seq=Seq(2))
    assert heard.signals == []


@pytest.mark.parametrize(("present", "to_self_only"), [(50, False), (51, True)])
async def test_in_a_large_conversation_only_oneself_is_told(
    ports: Ports, heard: Heard, present: int, *, to_self_only: bool
) -> None:
    group = await create(ports, "bob", *(f"user{n}" for n in range(present - 2)))
    await move_read_marker(ports, BOB, group, seq=Seq(2))
    assert heard.signals[0].to_self_only is to_self_only


async def test_unread_is_summed_up(ports: Ports) -> None:
    await create(ports, "bob", messages=3)
    await create(ports, "bob", messages=2)
    await create(ports, "bob", messages=0)
    assert await count_unread(ports, BOB) == UnreadTotals(total=5, conversations=2)
    assert await count_unread(ports, ANN) == UnreadTotals(total=0, conversations=0)
