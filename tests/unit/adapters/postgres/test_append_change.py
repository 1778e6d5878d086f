"""What the document of a change leaves in the database."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import TYPE_CHECKING

from sanctum_messaging.adapters.postgres import forgetting
from sanctum_messaging.adapters.sql.idempotency import KEPT_MS
from sanctum_messaging.domain.events import ConversationChange, EventKind, NewEvent
from sanctum_messaging.domain.model import Millis, Position
from sanctum_messaging.ports.log import Answer, Appended, Idempotency
from tests.support import user

if TYPE_CHECKING:
    import pytest

    from tests.conftest import HandClock
    from tests.unit.adapters.postgres.instances import Instance, Observer

LOOKS_LIKE_A_FIELD = '","last_seq":-1,"title":"'


async def test_a_snapshot_holds_its_events_seq_whatever_its_texts_look_like(one: Instance, observer: Observer) -> None:
    conversation = await one.arranged.create("ann", "bob")
    present = await one.arranged.conversation(conversation)
    metadata = json.dumps({"last_seq": -1, LOOKS_LIKE_A_FIELD: LOOKS_LIKE_A_FIELD}, separators=(",", ":"))
    changed = replace(present, title=LOOKS_LIKE_A_FIELD, metadata=metadata, version=2)
    body = ConversationChange(changed)
    event = NewEvent(EventKind.CONVERSATION_UPDATED, conversation, user("ann"), present.created_at, body)
    (told,) = await one.arranged.change(event)
    (stored,) = await one.store.read_log(after=Position(1), limit=10)
    assert stored == told
    assert isinstance(stored.body, ConversationChange)
    assert stored.body.conversation == replace(changed, last_seq=told.seq)
    facts = json.loads(await observer.connection.fetchval("SELECT facts FROM event WHERE position = 2"))
    assert facts["conversation"]["last_seq"] == 2


async def test_the_keys_that_the_server_makes_are_nobodys(one: Instance, observer: Observer) -> None:
    await one.arranged.create("ann", "bob")
    (row,) = await observer.connection.fetch("SELECT user_id, key FROM idempotency")
    assert row["user_id"] == ""
    assert len(row["key"]) == 32


async def test_what_is_past_its_time_is_forgotten_in_portions(
    one: Instance, observer: Observer, clock: HandClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(forgetting, "PORTION", 2)
    for number in range(5):
        await one.arranged.keep(Idempotency(user("ann"), str(number), "print"), Answer(created=True))
    clock.advance(KEPT_MS / 1000)
    kept = await one.arranged.keep(Idempotency(user("ann"), "0", "other"), Answer(created=True))
    assert isinstance(kept, Appended)
    assert not kept.replayed
    assert await one.store.forget_expired(Millis(clock.now())) == 4
    assert await observer.count("idempotency") == 1
