"""The walk of one message through the whole service: what ``docs/walk.md`` tells, step by step, on real adapters."""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec

from tests.e2e.client import Client
from tests.e2e.in_process import serve_here
from tests.fault.stored_log import read_stored_log

if TYPE_CHECKING:
    from pathlib import Path


async def test_a_message_walks_from_one_user_to_the_other(tmp_path: Path) -> None:
    async with (
        serve_here(tmp_path) as service,
        Client(service.base_url, service.token("ann")) as ann,
        Client(service.base_url, service.token("bob")) as bob,
    ):
        conversation_id = await ann.create("bob", title="Lunch")

        # Bob opens a socket. Nothing has happened since, so he is live at once.
        async with bob.connect() as socket:
            await socket.find_live()
            before = socket.welcome.cursor

            # Ann posts. The route decodes, the action drafts, the writer commits; only then is she answered.
            answer = await ann.post(
                "/v1/messages",
                {"conversationId": conversation_id, "clientMessageId": "lunch-1", "body": "At noon?"},
            )
            assert answer.status_code == 201
            message = answer.json()["message"]

            # What she was told is on disk: the message, and the event that says so, numbered in the log and
            # in the conversation. The creation of the conversation was number 1 in both.
            stored = read_stored_log(service.database_path)
            assert [each.id for each in stored.messages] == [message["id"]]
            event = stored.events[-1]
            assert (event.kind, event.message_id, event.position, event.seq) == ("message.created", message["id"], 2, 2)
            assert message["seq"] == event.seq

            # The writer told the hub, the hub had Bob among the participants, and put the frame on his socket.
            pushed = await socket.assert_pushed("message.created", id=message["id"], body="At noon?", senderId="ann")
            assert (pushed.cursor, pushed.conversation_id, pushed.seq) == (event.cursor, conversation_id, event.seq)
            assert pushed.actor_id == "ann"

            # The same bytes are read by whoever polls instead, from the cursor where Bob's socket began.
            polled = msgspec.json.decode(
                (await bob.get("/v1/sync", cursor=before)).content, type=dict[str, msgspec.Raw]
            )
            assert msgspec.json.decode(polled["events"], type=list[msgspec.Raw]) == [
                msgspec.Raw(each) for each in socket.messages
            ]
            await socket.assert_nothing_pushed(upto=await bob.read_end())

        # Bob has one message to read; he reads it, and has none.
        assert (await bob.get("/v1/unread")).json() == {"total": 1, "conversations": 1}
        await bob.post(f"/v1/conversations/{conversation_id}/read", {"seq": message["seq"]})
        assert (await bob.get("/v1/unread")).json() == {"total": 0, "conversations": 0}
