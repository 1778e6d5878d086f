"""R-P1: what is hidden or deleted, be it ever so much in a row, neither ends a list nor leads round in a circle."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import pytest
import pytest_asyncio

from sanctum_messaging.adapters.sqlite.database import Database
from sanctum_messaging.adapters.sqlite.migrate import apply_migrations
from sanctum_messaging.adapters.sqlite.store import SQLiteStore
from sanctum_messaging.adapters.system import SystemClock
from sanctum_messaging.domain.events import ConversationChange, EventKind, MessageChange, NewEvent, ParticipantChange
from sanctum_messaging.domain.model import (
    Conversation,
    ConversationId,
    HistoryVisibility,
    Message,
    Millis,
    Participant,
)
from sanctum_messaging.ports.log import AppendedMessage
from tests.integration.asgi_socket import open_socket
from tests.integration.calling import Api, Caller, Json, got, open_api
from tests.support import Arranged, new_id, user

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator

in_one_loop = pytest.mark.asyncio(loop_scope="module")
CONVERSATIONS = "/v1/conversations"
MANY = 500
BEGINNING = "0-00000000"


@dataclass(frozen=True, slots=True)
class Past:
    """What happened before the service was started; Ann did it, and Ben reads."""

    first: ConversationId
    deleted: ConversationId
    """With many deleted messages between two that are there."""
    hidden: ConversationId
    """With many messages, edits and marks between two messages, of which none is for Ben."""


@dataclass(frozen=True, slots=True)
class Reading:
    """The service on that past, and Ben."""

    api: Api
    ben: Caller
    past: Past


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def reading(tmp_path_factory: pytest.TempPathFactory) -> AsyncGenerator[Reading]:
    """Make a past, let go of its file, and start the service on it."""
    folder = tmp_path_factory.mktemp("service")
    database = Database(folder / "messaging.db")
    database.open()
    apply_migrations(database.writer)
    past = await make_past(Arranged(SQLiteStore(database, SystemClock())))
    database.close()
    async with open_api(folder) as api:
        yield Reading(api, api.user("ben"), past)


async def make_past(arranged: Arranged) -> Past:
    """Make it, each run of many things in one commit."""
    past = Past(await arranged.create("ann", "ben"), await with_deleted(arranged), await with_hidden(arranged))
    await create_and_delete_many(arranged)
    await arranged.send(past.deleted, "ann", "last")
    return past


@in_one_loop
async def test_r_p1_deleted_messages_do_not_end_a_history(reading: Reading) -> None:
    backwards = await walk_back(reading.ben, reading.past.deleted)
    assert len(backwards) == MANY + 2
    assert [each["body"] for each in backwards if each["deletedAt"] is None] == ["first", "last"]
    assert await walk_on(reading.ben, reading.past.deleted) == backwards


@in_one_loop
async def test_r_p1_hidden_messages_do_not_end_a_history(reading: Reading) -> None:
    for walked in (await walk_back(reading.ben, reading.past.hidden), await walk_on(reading.ben, reading.past.hidden)):
        assert [each["body"] for each in walked] == ["mine", "last"]


@in_one_loop
async def test_r_p1_hidden_events_do_not_end_a_stream(reading: Reading) -> None:
    cursor, more, positions, events = BEGINNING, True, [0], []
    while more:
        page = got(await reading.ben.get(f"/v1/sync?cursor={cursor}&limit=100"), 200)
        cursor, more = page["cursor"], page["hasMore"]
        positions.append(int(cursor.partition("-")[0]))
        assert positions[-1] > positions[-2], "else it would lead round in a circle"
        events += page["events"]
    assert texts_of(events, reading.past.hidden) == ["mine", "last"]
    assert texts_of(events, reading.past.deleted) == ["first", *[None] * MANY, "last"]


@in_one_loop
async def test_r_p1_hidden_events_do_not_end_a_replay(reading: Reading) -> None:
    async with open_socket(reading.api.service.asgi, reading.ben._headers) as client:
        await client.hello(cursor=BEGINNING)
        await client.assert_pushed("live")
        assert texts_of(client.events, reading.past.hidden) == ["mine", "last"]
        assert texts_of(client.events, reading.past.deleted) == ["first", *[None] * MANY, "last"]


@in_one_loop
async def test_r_p1_deleted_conversations_do_not_end_a_list(reading: Reading) -> None:
    found, cursor = [], ""
    while True:
        page = got(await reading.ben.get(f"{CONVERSATIONS}?limit=1{cursor}"), 200)
        found += [each["id"] for each in page["conversations"]]
        assert len(set(found)) == len(found), "else it would lead round in a circle"
        if page["nextCursor"] is None:
            break
        cursor = f"&cursor={page['nextCursor']}"
    assert found == [reading.past.deleted, reading.past.hidden, reading.past.first]


async def with_deleted(arranged: Arranged) -> ConversationId:
    group = await arranged.create("ann", "ben")
    await arranged.send(group, "ann", "first")
    gone = [
        replace(each, body=None, metadata=None, deleted_at=each.created_at, version=2)
        for each in await send_many(arranged, group)
    ]
    await arranged.change(*(event_of(EventKind.MESSAGE_DELETED, each) for each in gone))
    return group


async def with_hidden(arranged: Arranged) -> ConversationId:
    group = await arranged.create("ann", "ben", visibility=HistoryVisibility.JOINED)
    await arranged.send(group, "ann", "mine")
    await arranged.remove(group, "ben")
    unseen = await send_many(arranged, group)
    await arranged.add(group, "ben")
    edited = [replace(each, body="New", edited_at=each.created_at, version=2) for each in unseen]
    await arranged.change(*(event_of(EventKind.MESSAGE_UPDATED, each) for each in edited))
    ann = (await arranged.store.find_participants(group, [user("ann")]))[user("ann")]
    marks = [replace(ann, muted=number % 2 == 0, version=number + 2) for number in range(MANY)]
    bodies = [ParticipantChange(each, private=True) for each in marks]
    kind = EventKind.PARTICIPANT_UPDATED
    await arranged.change(*(NewEvent(kind, group, ann.user_id, arranged.at, each) for each in bodies))
    await arranged.send(group, "ann", "last")
    return group


async def create_and_delete_many(arranged: Arranged) -> None:
    model = await arranged.conversation(await arranged.create("ann", "ben"))
    members = (await arranged.store.read_participants(model.id)).participants
    made = [replace(model, id=ConversationId(new_id("short"))) for _ in range(MANY)]
    gone = [replace(each, deleted_at=arranged.at, version=2) for each in (model, *made)]
    await arranged.change(
        *(
            creation(each, tuple(replace(member, conversation_id=each.id) for member in members), arranged.at)
            for each in made
        )
    )
    kind = EventKind.CONVERSATION_DELETED
    await arranged.change(
        *(NewEvent(kind, each.id, user("ann"), arranged.at, ConversationChange(each)) for each in gone)
    )


def creation(conversation: Conversation, members: tuple[Participant, ...], at: Millis) -> NewEvent:
    body = ConversationChange(conversation, members)
    return NewEvent(EventKind.CONVERSATION_CREATED, conversation.id, user("ann"), at, body)


async def send_many(arranged: Arranged, group: ConversationId) -> list[Message]:
    batch = await arranged.store.append_messages([arranged.draft(group, "ann") for _ in range(MANY)])
    return [each.message for each in batch.results if isinstance(each, AppendedMessage)]


def event_of(kind: EventKind, message: Message) -> NewEvent:
    return NewEvent(kind, message.conversation_id, message.sender_id, message.created_at, MessageChange(message))


async def walk_back(who: Caller, group: str) -> list[Json]:
    """Read a history from its newest page to its first message."""
    messages: list[Json] = []
    bounds, more = "", True
    while more:
        page = got(await who.get(f"{CONVERSATIONS}/{group}/messages?limit=100{bounds}"), 200)
        messages, more = [*page["messages"], *messages], page["hasMore"]
        assert page["messages"], "else it would lead round in a circle"
        bounds = f"&beforeSeq={messages[0]['seq']}"
    return messages


async def walk_on(who: Caller, group: str) -> list[Json]:
    """Read a history from its beginning to the newest message."""
    messages: list[Json] = []
    seq, more = 0, True
    while more:
        page = got(await who.get(f"{CONVERSATIONS}/{group}/messages?limit=100&afterSeq={seq}"), 200)
        messages, more = [*messages, *page["messages"]], page["hasMore"]
        assert page["messages"], "else it would lead round in a circle"
        seq = messages[-1]["seq"]
    return messages


def texts_of(events: list[Json], group: str) -> list[str | None]:
    of_group = (each for each in events if (each["conversationId"], each["type"]) == (group, "message.created"))
    return [each["data"]["message"]["body"] for each in of_group]
