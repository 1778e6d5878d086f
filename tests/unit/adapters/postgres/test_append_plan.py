"""A plan that was made for empty tables stays right while they grow, without statistics and beside an old snapshot.

What a call costs is counted in the blocks that it touches, in memory or not, so that a busy machine proves the same.
"""

from __future__ import annotations

import json
import random
from contextlib import asynccontextmanager
from dataclasses import replace
from typing import TYPE_CHECKING

import asyncpg

from sanctum_messaging.adapters.postgres.connecting import Connector
from sanctum_messaging.adapters.postgres.database import Database
from sanctum_messaging.domain.model import HistoryVisibility, MessageId, Seq
from sanctum_messaging.ports.log import AppendedMessage
from sanctum_messaging.ports.store import MoveMarker
from tests.support import TENANT, new_id, user
from tests.unit.adapters.postgres.instances import Instance, Observer
from tests.unit.adapters.postgres.long_log import leave_alone

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator

    from sanctum_messaging.domain.model import ConversationId
    from tests.conftest import HandClock

LENGTH = 50_000
RUN = 250
RUNS = LENGTH // RUN
THOUSAND = 1_000 // RUN
MEMBERS = [f"user-{number}" for number in range(10)]
RATIO = 1.5
"""What the last calls may cost, as a multiple of the first: trees grow by a level now and then."""
FEW = 200
"""Blocks that any single call may touch, by its plan from the beginning: some thirty lookups and rows."""
FEW_OF_EACH = 25
"""Blocks for each participant of a conversation that is deleted: his row and his membership, with their indexes."""


# Every member has been in two thousand other conversations as well, and half of them he has left.
_CROWD = f"""
INSERT INTO participant (tenant, user_id, conversation_id, role, joined_at, left_at, version, read_seq)
SELECT 'default', u, 'crowd-' || n, 'member', 1, CASE n % 2 WHEN 0 THEN 1 END, 1, 1
FROM generate_series(1, 2000) n, unnest('{{{", ".join([*MEMBERS, "owner"])}}}'::text[]) u;
INSERT INTO membership (tenant, user_id, conversation_id, first_position, first_seq, last_position, last_seq)
SELECT tenant, user_id, conversation_id, 1, 1, left_at, left_at FROM participant WHERE conversation_id LIKE 'crowd-%'
"""  # noqa: S608 - made of the names above


class OneSession(Database):
    """A database whose writes share one session, as an instance's appends do, and are counted when told."""

    def __init__(self, url: str, connection: asyncpg.Connection) -> None:
        super().__init__(url)
        self._connection = connection
        self.counting = False
        self.blocks: list[int] = []

    @classmethod
    @asynccontextmanager
    async def at(cls, url: str) -> AsyncGenerator[OneSession]:
        connection = await Connector(url).connect()
        database = cls(url, connection)
        try:
            yield database
        finally:
            await database.close()
            await connection.close()

    async def append(self, statement: str, *arguments: object, repeatable: bool) -> list[asyncpg.Record]:
        return await self.write(statement, *arguments, repeatable=repeatable)

    async def write(self, statement: str, *arguments: object, repeatable: bool = False) -> list[asyncpg.Record]:
        if self.counting:
            self.blocks.append(await self._count(statement, arguments))
        return list(await self._connection.fetch(statement, *arguments))

    async def _count(self, statement: str, arguments: tuple[object, ...]) -> int:
        """Run a statement for its blocks, and undo what it did."""
        rehearsal = self._connection.transaction()
        await rehearsal.start()
        explain = f"EXPLAIN (ANALYZE, BUFFERS, TIMING OFF, FORMAT JSON) {statement}"
        plan = json.loads(await self._connection.fetchval(explain, *arguments))[0]["Plan"]
        await rehearsal.rollback()
        return int(plan["Shared Hit Blocks"]) + int(plan["Shared Read Blocks"])


async def test_the_last_of_many_appends_costs_what_the_first_did(
    one: Instance, postgres_url: str, clock: HandClock, observer: Observer
) -> None:
    await leave_alone(postgres_url)
    dice = random.Random(1)
    async with OneSession.at(postgres_url) as session, Observer.at(postgres_url) as others:
        instance = Instance(session, clock)
        conversations = [await instance.arranged.create("owner", *MEMBERS) for _ in range(20)]
        joined = await instance.arranged.create("owner", *MEMBERS, visibility=HistoryVisibility.JOINED)
        await use_everything(instance, joined)
        await instance.arranged.delete_conversation(await instance.arranged.create("owner"), "owner")
        async with observer.connection.transaction(isolation="repeatable_read"):
            await observer.count("event")
            await others.connection.execute(_CROWD)
            for number in range(RUNS):
                session.counting = number < THOUSAND or number >= RUNS - THOUSAND
                await send_many(instance, [joined, *conversations], dice)
            first, last = session.blocks[:THOUSAND], session.blocks[-THOUSAND:]
            assert sum(last) <= RATIO * sum(first), (first, last)
            session.counting = True
            session.blocks.clear()
            await use_everything(instance, joined)
            assert max(session.blocks) <= FEW, session.blocks
            session.blocks.clear()
            await instance.arranged.delete_conversation(conversations[0], "owner")
            assert sum(session.blocks) <= FEW + FEW_OF_EACH * len(MEMBERS)


async def send_many(instance: Instance, conversations: list[ConversationId], dice: random.Random) -> None:
    drafts = [instance.arranged.draft(dice.choice(conversations), dice.choice(MEMBERS)) for _ in range(RUN)]
    batch = await instance.store.append_messages(drafts)
    assert len(batch.committed.events) == RUN


async def use_everything(instance: Instance, conversation: ConversationId) -> None:
    """Call each kind of write once; the first time, that makes its plan."""
    arranged, store = instance.arranged, instance.store
    first = arranged.draft(conversation, "owner")
    await arranged.send_draft(first)
    again = (await store.append_messages([replace(first, id=MessageId(new_id("message")))])).results[0]
    assert isinstance(again, AppendedMessage)
    assert again.replayed
    own = (await store.append_messages([first])).results[0]
    assert isinstance(own, AppendedMessage)
    assert not own.replayed
    await arranged.send_draft(arranged.draft(conversation, MEMBERS[0], reply_to=first.id))
    await arranged.edit(own.message, "Edited")
    await arranged.delete(replace(own.message, version=2))
    newcomer = new_id("newcomer")
    await arranged.add(conversation, newcomer)
    await arranged.remove(conversation, newcomer)
    await store.move_read_markers([MoveMarker(TENANT, user("owner"), conversation, Seq(own.message.seq))])
