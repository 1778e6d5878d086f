"""A read costs what it returns, by a plan that was made for empty tables as well as by one made with statistics."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from sanctum_messaging.adapters.postgres.store import PostgresStore
from sanctum_messaging.domain.model import ConversationId, Cursor, MessageId, Position, Seq, UnreadTotals, UserId
from sanctum_messaging.ports.log import StreamPage
from sanctum_messaging.ports.participant_cache import ParticipantSet
from sanctum_messaging.ports.store import MessageBounds
from tests.support import TENANT, user
from tests.unit.adapters.postgres.long_log import (
    BUSY,
    BUSY_EVENTS,
    CONVERSATIONS,
    LENGTH,
    OWN,
    Planned,
    RecordedDatabase,
    analyse,
    fill,
    leave_alone,
)

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from sanctum_messaging.ports.store import Store
    from tests.conftest import HandClock

FEW = 60
"""Blocks that any read may touch: some ten lookups, each of an index's three levels and a row."""
PER_ROW = 12
"""Blocks for each row of a result: three lookups."""
LAST = Position(LENGTH - 1)
MIDDLE = Cursor(Position(LENGTH // 2), f"{LENGTH // 2:08x}")
ANN, JOINER, LEAVER, LISTER, READER, SENDER = map(user, ("ann", "joiner", "leaver", "lister", "reader", "sender"))
OTHER, LEFT, OWN_ONE = map(ConversationId, ("other-2", "left", "own"))


@dataclass(frozen=True)
class Read:
    """A call, how many rows its result has, and how many blocks it may touch."""

    call: Callable[[Store], Awaitable[object]]
    rows: int
    blocks: int


def of_rows(call: Callable[[Store], Awaitable[object]], rows: int) -> Read:
    """Expect a cost that follows what is returned."""
    return Read(call, rows, FEW + PER_ROW * rows)


async def conversations_of(store: Store, *names: UserId) -> tuple[ConversationId, ...]:
    """Read what some users are in, in one go."""
    found = await store.read_memberships([(TENANT, each) for each in names])
    return tuple(conversation for each in found for conversation in each.conversations)


READS = {
    "head": of_rows(lambda s: s.read_head(), 1),
    "cursor": of_rows(lambda s: s.check_cursor(MIDDLE), 1),
    "memberships": of_rows(lambda s: conversations_of(s, ANN), 1),
    "memberships of one who left": of_rows(lambda s: conversations_of(s, LEAVER), 0),
    "memberships of many": of_rows(lambda s: conversations_of(s, ANN, LEAVER, SENDER), CONVERSATIONS + 1),
    "stream of ten": of_rows(
        lambda s: s.read_stream(TENANT, ANN, after=Position(0), upto=LAST, limit=500),
        OWN - 1,
    ),
    # Each of his conversations is asked once whether it has anything new.
    "stream of all conversations": Read(
        lambda s: s.read_stream(TENANT, SENDER, after=Position(LENGTH - 20), upto=Position(LENGTH), limit=500),
        20,
        FEW + CONVERSATIONS * PER_ROW,
    ),
    "stream cut off": of_rows(lambda s: s.read_stream(TENANT, READER, after=Position(50), upto=LAST, limit=100), 100),
    "stream around an absence": of_rows(
        lambda s: s.read_stream(TENANT, JOINER, after=Position(50), upto=LAST, limit=100), 31
    ),
    "tenant's stream": of_rows(
        lambda s: s.read_tenant_stream(TENANT, after=MIDDLE.position, upto=LAST, limit=100), 100
    ),
    "log": of_rows(lambda s: s.read_log(after=MIDDLE.position, limit=100), 100),
    "newest": of_rows(lambda s: s.read_newest(100), 100),
    "followed": of_rows(lambda s: s.follow(MIDDLE, limit=100), 100),
    "followed from nowhere": Read(
        lambda s: s.follow(Cursor(MIDDLE.position, "ffffffff"), limit=10), 0, FEW + PER_ROW * 10
    ),
    "newest messages": of_rows(lambda s: s.list_messages(TENANT, SENDER, OTHER, bounds=MessageBounds(), limit=50), 50),
    "messages around one": of_rows(
        lambda s: s.list_messages(TENANT, SENDER, LEFT, bounds=MessageBounds(around=Seq(9_000)), limit=50), 50
    ),
    "messages before an absence": of_rows(
        lambda s: s.list_messages(TENANT, JOINER, LEFT, bounds=MessageBounds(), limit=50), 41
    ),
    "messages after an absence": of_rows(
        lambda s: s.list_messages(TENANT, JOINER, LEFT, bounds=MessageBounds(after=Seq(10)), limit=50), 31
    ),
    "message": of_rows(lambda s: s.find_message(TENANT, ANN, MessageId(f"message-{LENGTH}")), 1),
    "one conversation": of_rows(lambda s: s.list_conversations(TENANT, ANN, before=None, limit=100), 1),
    # All unread is counted in one index, whose entries each lead to a row as long as the table was never vacuumed.
    "many conversations": Read(
        lambda s: s.list_conversations(TENANT, LISTER, before=None, limit=BUSY), BUSY, BUSY * (FEW + BUSY_EVENTS)
    ),
    "unread of many": Read(lambda s: s.count_unread(TENANT, LISTER), BUSY, BUSY * (FEW + BUSY_EVENTS)),
    "unread of the last five": of_rows(lambda s: s.count_unread(TENANT, READER), 1),
    # Counting ends at a thousand, which are on a hundred pages; there are twenty times as many behind that.
    "conversations with an absence": Read(
        lambda s: s.list_conversations(TENANT, JOINER, before=None, limit=1), 1, FEW + 100
    ),
    "unread of thousands": Read(lambda s: s.count_unread(TENANT, JOINER), 1, FEW + 100),
    "direct": of_rows(lambda s: s.find_direct(TENANT, (ANN, READER)), 0),
    "participation": of_rows(lambda s: s.find_participation(TENANT, ANN, OWN_ONE), 1),
    "participants": of_rows(lambda s: s.find_participants(LEFT, [JOINER, ANN, READER]), 2),
    "set of participants": of_rows(lambda s: s.read_participants(LEFT), 3),
}


async def test_plans_serve_a_long_log(migrated_url: str, clock: HandClock) -> None:
    await leave_alone(migrated_url)
    database = RecordedDatabase(migrated_url)
    await database.open()
    session = await Planned.connect(migrated_url)
    store = PostgresStore(database, clock)
    for read in READS.values():
        await session.plan(*await statement_of(read, database, store))
    await fill(migrated_url)
    assert await find_costly(session, database, store) == {}, "by plans made for empty tables"
    for each in (0, 2, -1):
        await analyse(migrated_url, conversations=each)
        assert await find_costly(session, database, store) == {}, f"by plans made with statistics, {each}"
    await session.close()
    await database.close()


async def find_costly(session: Planned, database: RecordedDatabase, store: Store) -> dict[str, tuple[int, int]]:
    """Name the reads that touch more blocks than they may, with both numbers."""
    costs = {}
    for name, read in READS.items():
        assert rows_of(await read.call(store)) == read.rows, name
        costs[name] = await session.count_blocks(*await statement_of(read, database, store))
    return {name: (cost, READS[name].blocks) for name, cost in costs.items() if cost > READS[name].blocks}


async def statement_of(read: Read, database: RecordedDatabase, store: Store) -> tuple[str, tuple[object, ...]]:
    """Take down the statement that answers a call: there is one, since two would not belong together."""
    database.reads.clear()
    await read.call(store)
    (statement,) = database.reads
    return statement


def rows_of(result: object) -> int:
    """Count what a call returned."""
    match result:
        case None:
            return 0
        case StreamPage(events=rows) | ParticipantSet(participants=rows) | (list(rows), _):
            return len(rows)
        case UnreadTotals(conversations=count):
            return count
        case tuple() | dict():
            return len(result)
        case _:
            return 1
