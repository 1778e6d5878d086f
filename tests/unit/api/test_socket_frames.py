from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from msgspec import Raw

from sanctum_messaging.actions.conversations import NewConversation, create_conversation
from sanctum_messaging.actions.memberships import NewParticipant
from sanctum_messaging.api.socket_frames import create_on_frame
from sanctum_messaging.domain.errors import InvalidError, NotFoundError, SanctumError
from sanctum_messaging.domain.events import SignalKind
from sanctum_messaging.domain.model import ConversationKind, UserId
from sanctum_messaging.protocol.frames import Read, Send, Typing
from sanctum_messaging.protocol.resources import MessageResult, ReadResult
from tests.acting import Heard, actor, running_ports

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator

    from sanctum_messaging.adapters.sqlite.store import SQLiteStore
    from sanctum_messaging.ports import Ports
    from tests.conftest import HandClock

ANN, BOB, ZOE = actor("ann"), actor("bob"), actor("zoe")


@pytest.fixture
def heard() -> Heard:
    return Heard()


@pytest.fixture
async def ports(store: SQLiteStore, clock: HandClock, heard: Heard) -> AsyncGenerator[Ports]:
    async with running_ports(store, clock, heard) as ports:
        yield ports


@pytest.fixture
async def group(ports: Ports) -> str:
    new = NewConversation(ConversationKind.GROUP, (NewParticipant(UserId("bob")),))
    created = await create_conversation(ports, ANN, new)
    assert created.answer.conversation is not None
    return created.answer.conversation.id


async def test_a_send_is_answered_like_over_http(ports: Ports, group: str) -> None:
    on_frame = create_on_frame(ports)
    frame = Send(id="1", conversation_id=group, client_message_id="c1", body="Hello", metadata=Raw(b'{"a":  1}'))
    first, again = await on_frame(ANN, frame), await on_frame(ANN, frame)
    assert isinstance(first.result, MessageResult)
    assert isinstance(again.result, MessageResult)
    assert (first.replayed, again.replayed) == (False, True)
    assert first.result.message.id == again.result.message.id
    assert bytes(first.result.message.metadata or b"") == b'{"a":  1}'


async def test_a_send_is_in_the_queue_before_the_first_suspension(ports: Ports, group: str) -> None:
    """The hub starts a task for each send; the order in which they start must be the order in the log."""
    on_frame = create_on_frame(ports)
    sends = [
        on_frame(ANN, Send(id=f"{n}", conversation_id=group, client_message_id=f"c{n}", body="Hello")) for n in range(3)
    ]
    for send in sends[:2]:
        send.__await__().send(None)  # Runs up to the first suspension, and no further.
    last = await sends[2]
    assert isinstance(last.result, MessageResult)
    assert last.result.message.seq == 4


async def test_a_read_moves_the_marker(ports: Ports, group: str, heard: Heard) -> None:
    done = await create_on_frame(ports)(BOB, Read(conversation_id=group, seq=1))
    assert done.result == ReadResult(read_seq=1, unread_count=0)
    assert [signal.kind for signal in heard.signals] == [SignalKind.READ]


async def test_typing_is_told_at_a_bounded_rate(ports: Ports, group: str, heard: Heard) -> None:
    on_frame = create_on_frame(ports)
    for _ in range(3):
        assert (await on_frame(ANN, Typing(conversation_id=group, on=True))).result is None
    assert [signal.kind for signal in heard.signals] == [SignalKind.TYPING]


async def test_refusals_are_those_of_the_actions(ports: Ports, group: str, heard: Heard) -> None:
    on_frame = create_on_frame(ports)
    for frame in (
        Send(id="1", conversation_id=group, client_message_id="c", body="x"),
        Read(conversation_id=group, seq=1),
        Typing(conversation_id=group, on=True),
    ):
        with pytest.raises(NotFoundError):
            await on_frame(ZOE, frame)
    assert len(heard.events) == 1


@pytest.mark.parametrize(("metadata", "code"), [(b"[]", "invalid"), (b'{"a":"\xff"}', "malformed_json")])
async def test_metadata_is_checked_for_form(ports: Ports, group: str, metadata: bytes, code: str) -> None:
    frame = Send(id="1", conversation_id=group, client_message_id="c", body="x", metadata=Raw(metadata))
    with pytest.raises(SanctumError) as refused:
        await create_on_frame(ports)(ANN, frame)
    assert refused.value.code == code
    if isinstance(refused.value, InvalidError):
        assert [fault.field for fault in refused.value.faults] == ["metadata"]
