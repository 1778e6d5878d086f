"""An embedded installation with something of everything in it, and what can be read of any installation."""

from __future__ import annotations

from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from sanctum_messaging.adapters.sqlite.audit import SQLiteAudit
from sanctum_messaging.adapters.sqlite.database import Database
from sanctum_messaging.adapters.sqlite.migrate import apply_migrations
from sanctum_messaging.adapters.sqlite.resume_store import SQLiteResumeStore
from sanctum_messaging.adapters.sqlite.revocations import SQLiteRevocations
from sanctum_messaging.adapters.sqlite.store import SQLiteStore
from sanctum_messaging.domain.events import ConversationChange, EventKind, NewEvent
from sanctum_messaging.domain.model import (
    ORIGIN,
    Actor,
    ConversationKind,
    Cursor,
    DeviceId,
    HistoryVisibility,
    Millis,
    Position,
    Role,
    SessionId,
    TenantId,
)
from sanctum_messaging.domain.revocation import NewRevocation, RevocationKind
from sanctum_messaging.ports.audit import AuditEntry
from sanctum_messaging.ports.log import Answer, Idempotency
from sanctum_messaging.ports.resume_store import ResumeState
from sanctum_messaging.ports.store import MessageBounds, MoveMarker
from tests.support import TENANT, Arranged, user

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator
    from pathlib import Path

    from sanctum_messaging.domain.model import ConversationId, MessageDraft
    from sanctum_messaging.ports.clock import Clock
    from sanctum_messaging.ports.store import Store

OTHER = TenantId("other")
USERS = ("ann", "bob", "cid", "dan", "eve", "Éowyn", "nobody")
AWKWARD = 'Line\nquote " backslash \\ \x01 ünïcode 🙂 \u2028 \t\\N \\. \x7f'
METADATA = '{ "a" : [1,2.50,{"b":null}] , "ü":"\\u0001" }'
ANN = Actor(TENANT, user("ann"), DeviceId("phone"), SessionId("s1"), Millis(2**50))
KEY = Idempotency(user("ann"), "k1", "print")
DAY = 24 * 3600


@dataclass(frozen=True, slots=True)
class Embedded:
    """What was put into the file at ``path``; ``repeats`` are sends that it holds already."""

    path: Path
    conversations: tuple[ConversationId, ...]
    repeats: tuple[MessageDraft, ...]
    answer: Answer
    token: str
    token_before: str


@asynccontextmanager
async def open_embedded(path: Path, clock: Clock) -> AsyncGenerator[tuple[SQLiteStore, SQLiteResumeStore]]:
    """Open a file as the service does."""
    database = Database(path)
    database.open()
    try:
        apply_migrations(database.writer)
        yield SQLiteStore(database, clock), SQLiteResumeStore(database, clock)
    finally:
        database.close()


async def arrange(path: Path, clock: Clock) -> Embedded:
    """Make an installation and stop it."""
    async with open_embedded(path, clock) as (store, resumes):
        arranged = Arranged(store)
        conversations, drafts = await _arrange_conversations(arranged)
        await Arranged(store, OTHER).create("ann", "bob")
        conversation = await arranged.conversation(conversations[0])
        answer = Answer(created=True, conversation=conversation)
        change = NewEvent(
            EventKind.CONVERSATION_UPDATED, conversation.id, user("ann"), arranged.at, ConversationChange(conversation)
        )
        await arranged.keep(KEY, answer, change)
        token = "id1.1.secret"
        head = await store.read_head()
        await resumes.persist(token, ResumeState(TENANT, ANN.user, ANN.device, ANN.session, head, 1), DAY)
        found = await resumes.load(token, ANN)
        assert found is not None
        await _revoke_and_record(store._database, clock)
    return Embedded(path, conversations, drafts, answer, token=found[1], token_before=token)


async def _revoke_and_record(database: Database, clock: Clock) -> None:
    revocations = SQLiteRevocations(database, clock)
    for kind in RevocationKind:
        await revocations.add(NewRevocation(TENANT, kind, AWKWARD[:4], clock.now()))
    use = AuditEntry(
        id=clock.new_id(),
        at=clock.now(),
        tenant=TENANT,
        bearer=user("backend"),
        act_as=user("Éowyn"),
        token_id=None,
        session=ANN.session,
        address=None,
        action="POST /v1/messages",
        request_id="",
    )
    await SQLiteAudit(database).append([use])


async def _arrange_conversations(arranged: Arranged) -> tuple[tuple[ConversationId, ...], tuple[MessageDraft, ...]]:
    """Append every kind of event."""
    group = await arranged.create("ann", "bob", "cid", "eve", roles={"eve": Role.OBSERVER})
    joined = await arranged.create("ann", "bob", visibility=HistoryVisibility.JOINED)
    direct = await arranged.create("ann", "Éowyn", kind=ConversationKind.DIRECT)
    gone = await arranged.create("bob", "ann")
    drafts = [
        arranged.draft(group, "ann", AWKWARD, metadata=METADATA),
        arranged.draft(group, "bob", "é" * 8_000),
        arranged.draft(joined, "bob", ""),
        arranged.draft(direct, "Éowyn", "\ud7ff\uffff\U0010ffff"),
        arranged.draft(gone, "bob"),
    ]
    sent = [(await arranged.send_draft(draft)).message for draft in drafts]
    drafts.append(arranged.draft(group, "cid", "A reply", reply_to=sent[0].id))
    sent.append((await arranged.send_draft(drafts[-1])).message)
    await arranged.edit(sent[3], "edited")
    await arranged.delete(sent[1])
    await arranged.add(joined, "dan")
    await arranged.send(joined, "dan")
    await arranged.remove(joined, "bob")
    await arranged.send(joined, "dan", "without bob")
    await arranged.add(joined, "bob", Role.ADMIN)
    await arranged.remove(group, "cid")
    await _change_participants(arranged, group)
    await arranged.delete_conversation(gone, "bob")
    for seq, name in ((2, "ann"), (3, "bob")):
        (moved,) = await arranged.store.move_read_markers([MoveMarker(TENANT, user(name), group, Position(seq))])  # type: ignore[arg-type] # a seq is a number
        assert not isinstance(moved, Exception), moved
    return (group, joined, direct, gone), tuple(drafts)


async def _change_participants(arranged: Arranged, group: ConversationId) -> None:
    found = await arranged.store.find_participants(group, [user("bob"), user("eve")])
    promoted = replace(found[user("bob")], role=Role.ADMIN, version=2)
    marked = replace(found[user("eve")], muted=True, pinned=True, version=2)
    await arranged.participant_event(EventKind.PARTICIPANT_UPDATED, promoted)
    await arranged.participant_event(EventKind.PARTICIPANT_UPDATED, marked, private=True)
    conversation = await arranged.conversation(group)
    body = ConversationChange(replace(conversation, title=None, metadata=METADATA, version=conversation.version + 1))
    await arranged.change(NewEvent(EventKind.CONVERSATION_UPDATED, group, user("ann"), arranged.at, body))


async def read_everything(store: Store, conversations: tuple[ConversationId, ...]) -> dict[str, Any]:
    """Read all that a store shows to anybody."""
    head = await store.read_head()
    log = await store.read_log(after=Position(0), limit=100_000)
    cursors = [
        *(event.cursor for event in log),
        ORIGIN,
        Cursor(Position(2), "00000000"),
        Cursor(Position(999), "a" * 8),
    ]
    return {
        "head": head,
        "log": tuple(log),
        "cursors": [await store.check_cursor(cursor) for cursor in cursors],
        "followed": [tuple(await store.follow(event.cursor, limit=9) or ()) for event in log],
        "participants": [await store.read_participants(each) for each in conversations],
        **{
            f"{tenant} {name}": [each async for each in _read_user(store, tenant, name, conversations)]
            for tenant in (TENANT, OTHER)
            for name in USERS
        },
    }


async def _read_user(
    store: Store, tenant: TenantId, name: str, conversations: tuple[ConversationId, ...]
) -> AsyncGenerator[object]:
    head = await store.read_head()
    who = user(name)
    yield await store.read_stream(tenant, who, after=Position(0), upto=head.position, limit=1_000)
    yield await store.read_memberships([(tenant, who)])
    views, end = await store.list_conversations(tenant, who, before=None, limit=100)
    yield list(views), end
    yield await store.count_unread(tenant, who)
    yield await store.find_direct(tenant, (user("ann"), who))
    for each in conversations:
        yield await store.find_participation(tenant, who, each)
        yield await store.list_messages(tenant, who, each, bounds=MessageBounds(), limit=100)
        yield await store.find_participants(each, [who])
