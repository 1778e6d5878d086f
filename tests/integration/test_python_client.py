"""The Python client against the whole service: every call, and the stream beside it."""

from __future__ import annotations

import asyncio
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

import pytest
import pytest_asyncio

from sanctum_messaging.client import (
    API,
    Client,
    ConversationEvent,
    MessageEvent,
    NewParticipant,
    ParticipantEvent,
    ReadSignal,
    Refused,
    Resync,
    SendMessage,
    State,
    TypingSignal,
    Unauthenticated,
    Unreachable,
)
from tests.e2e.in_process import Here, serve_here

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator

    from sanctum_messaging.client import ConversationResource, Happening

PATIENCE_SECONDS = 40

pytestmark = pytest.mark.asyncio(loop_scope="module")


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def here(tmp_path_factory: pytest.TempPathFactory) -> AsyncGenerator[Here]:
    async with serve_here(tmp_path_factory.mktemp("service")) as here:
        yield here


def client(here: Here, user: str, cursor: str | None = None) -> Client:
    return Client(here.base_url, token=lambda: here.token(user, device=f"{user}-phone"), cursor=cursor)


async def lunch(chat: Client, *others: str) -> ConversationResource:
    return await chat.create_conversation(others, title="Lunch", metadata={"floor": 3})


async def read_until(chat: Client, kind: type[Happening]) -> Happening:
    async with asyncio.timeout(PATIENCE_SECONDS):
        async for happening in chat.events():
            if isinstance(happening, kind):
                if not isinstance(happening, Resync):
                    chat.taken(happening)
                return happening
    raise AssertionError("the stream ended")


async def test_conversations(here: Here) -> None:
    async with client(here, "ann") as ann:
        made = await ann.create_conversation([NewParticipant("bob", "admin"), "carl"], title="One", key="k")
        assert await ann.create_conversation([NewParticipant("bob", "admin"), "carl"], title="One", key="k") == made
        assert (await ann.get_conversation(made.id)).title == "One"
        changed = await ann.update_conversation(made.id, version=1, title="Two", metadata={"a": 1})
        assert (changed.title, changed.version, bytes(changed.metadata)) == ("Two", 2, b'{"a":1}')
        with pytest.raises(Refused, match=r"^precondition_failed:") as stale:
            await ann.update_conversation(made.id, version=1, title=None)
        assert (stale.value.status, stale.value.problem.version, stale.value.retry_after) == (412, 2, None)
        page = await ann.list_conversations(limit=1)
        assert [each.id for each in page.conversations] == [made.id]
        await ann.delete_conversation(made.id, version=None)
        with pytest.raises(Refused, match=r"^not_found:"):
            await ann.get_conversation(made.id)


async def test_participants(here: Here) -> None:
    async with client(here, "ann") as ann:
        made = await lunch(ann, "bob")
        added = await ann.add_participants(made.id, ["x/y", NewParticipant("eve", "observer")])
        assert [(each.user_id, each.role) for each in added] == [("x/y", "member"), ("eve", "observer")]
        assert (await ann.update_participant(made.id, "x/y", role="admin")).role == "admin"
        assert (await ann.update_participant(made.id, "ann", muted=True)).muted is True
        await ann.remove_participant(made.id, "x/y")
        page = await ann.list_participants(made.id, limit=2)
        assert page.next_cursor is not None
        rest = await ann.list_participants(made.id, cursor=page.next_cursor)
        assert [each.user_id for each in [*page.participants, *rest.participants]] == ["ann", "bob", "eve"]


async def test_messages(here: Here) -> None:
    async with client(here, "ann") as ann, client(here, "bob") as bob:
        made = await lunch(ann, "bob")
        first = await ann.send(made.id, "First", metadata={"a": [1]}, client_message_id="c-1")
        assert await ann.post_message(SendMessage(made.id, "c-1", "First", metadata=first.metadata)) == first
        second = await ann.send(made.id, "Second", reply_to=first.id)
        assert (second.reply_to, bytes(first.metadata)) == (first.id, b'{"a":[1]}')
        assert [each.body for each in (await bob.list_messages(made.id)).messages] == ["First", "Second"]
        page = await bob.list_messages(made.id, before_seq=second.seq, limit=1)
        assert ([each.id for each in page.messages], page.has_more) == ([first.id], False)
        assert (await bob.count_unread()).total >= 2
        assert (await bob.mark_read(made.id, second.seq)).unread_count == 0
        edited = await ann.edit_message(first.id, "1st", version=1)
        assert (await bob.get_message(first.id)).body == edited.body == "1st"
        await ann.delete_message(first.id, version=edited.version)
        assert (await bob.get_message(first.id)).body is None
        with pytest.raises(Refused, match=r"^forbidden:"):
            await bob.edit_message(second.id, "Mine", version=None)


async def test_the_stream_by_polling_and_the_service(here: Here) -> None:
    async with client(here, "ann") as ann:
        end = await ann.sync()
        made = await lunch(ann)
        page = await ann.sync(end.cursor, wait_ms=30_000)
        (event,) = page.events
        assert isinstance(event, ConversationEvent)
        assert (event.conversation.id, [each.user_id for each in event.participants]) == (made.id, ["ann"])
        with pytest.raises(Refused, match=r"^cursor_diverged:") as diverged:
            await ann.sync("1-ffffffff")
        assert isinstance(diverged.value.problem.cursor, str)
        assert (await ann.check_ready()).status == "ready"
        assert await ann.list_rate_limits() == []


async def test_events_and_signals(here: Here) -> None:
    async with client(here, "ann") as ann, client(here, "bob", cursor="0-00000000") as bob:
        made = await lunch(ann, "bob")
        while not isinstance(happening := await read_until(bob, ConversationEvent), ConversationEvent) or (
            happening.conversation.id != made.id
        ):
            pass
        sent = await ann.send(made.id, "Soup?")
        event = await read_until(bob, MessageEvent)
        assert isinstance(event, MessageEvent)
        assert event.message == sent
        bob.read(made.id, sent.seq)
        assert await read_until(ann, ReadSignal) == ReadSignal(made.id, "bob", sent.seq)
        bob.typing(made.id)
        assert await read_until(ann, TypingSignal) == TypingSignal(made.id, "bob", on=True)
        await ann.remove_participant(made.id, "bob")
        removal = await read_until(bob, ParticipantEvent)
        assert isinstance(removal, ParticipantEvent)
        assert (removal.participant.user_id, removal.reason) == ("bob", "removed")


async def test_a_cursor_of_another_log_is_answered_by_a_resync(here: Here) -> None:
    async with client(here, "ann", cursor="1-ffffffff") as ann:
        resync = await read_until(ann, Resync)
        assert isinstance(resync, Resync)
        assert ann.cursor == "1-ffffffff"
        ann.taken(resync)
        assert ann.cursor == resync.cursor


async def test_a_service_token_acts_for_a_user(here: Here) -> None:
    token = here.token("backend", scope="messaging:admin")
    async with Client(here.base_url, token=token, act_as="zoe", cursor="0-00000000") as zoe:
        made = await lunch(zoe)
        assert made.created_by == "zoe"
        assert isinstance(await read_until(zoe, ConversationEvent), ConversationEvent)


async def test_calls_need_no_stream(here: Here) -> None:
    async with API(here.base_url, token=here.token("backend", scope="messaging:admin"), act_as="zoe") as api:
        made = await api.create_conversation(["ann"])
    async with API(here.base_url, token=here.token("backend", scope="messaging:admin")) as backend:
        page = await backend.sync("0-00000000", limit=500)
        assert made.id in {event.conversation_id for event in page.events}


async def test_a_token_that_nobody_signed(here: Here) -> None:
    async with Client(here.base_url, token="canary") as stranger:
        with pytest.raises(Unauthenticated):
            await read_until(stranger, MessageEvent)
        assert stranger.state is State.STOPPED
        with pytest.raises(Unauthenticated):
            await stranger.count_unread()


async def test_a_token_that_is_refused_is_replaced(here: Here) -> None:
    tokens = iter(["canary", here.token("ann")])
    async with Client(here.base_url, token=lambda: next(tokens), cursor="0-00000000") as ann:
        made = await lunch(ann)
        assert made.created_by == "ann"
        assert isinstance(await read_until(ann, ConversationEvent), ConversationEvent)


async def test_an_id_that_was_made_up_leads_to_no_other_call(here: Here) -> None:
    async with client(here, "ann") as ann:
        made = await lunch(ann, "bob")
        strange = f"{made.id}/participants/bob"
        for call in (
            ann.delete_conversation(strange, version=None),
            ann.list_messages(f"{made.id}/participants?"),
            ann.get_message(f"../conversations/{made.id}"),
        ):
            with pytest.raises(Refused, match=r"^not_found:"):
                await call
        assert len((await ann.list_participants(made.id)).participants) == 2


@asynccontextmanager
async def redirecting() -> AsyncGenerator[tuple[str, list[bytes]]]:
    """Stand for a proxy that wants everybody to sign in first; give what it was asked for."""
    asked: list[bytes] = []

    async def redirect(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = await reader.readuntil(b"\r\n\r\n")
        asked.append(head.split()[1])
        writer.write(
            f"HTTP/1.1 302 Found\r\nLocation: {url}/login\r\nContent-Length: 0\r\nConnection: close\r\n\r\n".encode()
        )
        await writer.drain()
        writer.close()

    async with await asyncio.start_server(redirect, "127.0.0.1", 0) as server:
        url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
        yield url, asked


async def test_what_leads_elsewhere_is_no_success() -> None:
    async with redirecting() as (url, asked), API(url, token="t") as api:
        with pytest.raises(Refused, match=r"^http_302:") as refused:
            await api.delete_message("m", version=None)
        assert (refused.value.problem.retryable, asked) == (True, [b"/v1/messages/m"])


async def test_a_socket_that_is_led_elsewhere_is_tried_again() -> None:
    waits = asyncio.Event()
    async with (
        asyncio.timeout(PATIENCE_SECONDS),
        redirecting() as (url, asked),
        Client(url, token="t", on_state=lambda state: waits.set() if state is State.WAITING else None),
    ):
        await waits.wait()
        assert asked == [b"/v1/ws"]


async def test_a_service_that_is_not_there() -> None:
    async with Client("http://127.0.0.1:9", token="t") as nobody:
        with pytest.raises(Unreachable):
            await nobody.count_unread()
