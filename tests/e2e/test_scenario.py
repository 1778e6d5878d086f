"""The product as its users meet it: a process of its own, and clients that speak HTTP and the socket to it."""

from __future__ import annotations

import asyncio
import itertools
import os
import signal
from contextlib import AsyncExitStack, ExitStack
from typing import TYPE_CHECKING

import httpx2
import msgspec
import pytest

from sanctum_messaging.protocol.client_session import ClientSession
from sanctum_messaging.protocol.frames import Bye, Send, Typing
from tests.e2e.client import Client
from tests.e2e.server import STOP_SECONDS, Service, run_sanctum
from tests.hub_client import until

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Iterator, Sequence
    from pathlib import Path

    from tests.servers.postgres import PostgresServer
    from tests.servers.valkey import ValkeyServer

DRAINED = 4000
REPLACED = 4504


@pytest.fixture(scope="module")
def service(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    """One process for all tests that don't end it; each uses users of its own."""
    with Service(tmp_path_factory.mktemp("service") / "data") as service:
        yield service


@pytest.fixture(scope="module")
def instances(
    tmp_path_factory: pytest.TempPathFactory, postgres_server: PostgresServer, valkey_server: ValkeyServer
) -> Iterator[list[Service]]:
    """Three processes on one PostgreSQL and one Valkey, for the same tests."""
    url = postgres_server.url_of(postgres_server.create_database())
    environ = {"DATABASE_URL": url, "REDIS_URL": valkey_server.url}
    folder = tmp_path_factory.mktemp("instances") / "data"
    with ExitStack() as running:
        yield [running.enter_context(Service(folder, environ=environ)) for _ in range(3)]


class People:
    """The clients of one test, by name; the users' names are the test's own.

    Where there are several instances, each request and each socket goes to the next one.
    """

    def __init__(self, services: Sequence[Service], prefix: str, stack: AsyncExitStack) -> None:
        self._services = services
        self._turns = itertools.cycle(services)
        self._prefix = prefix
        self._stack = stack

    def name(self, who: str) -> str:
        return f"{self._prefix}-{who}"

    async def client(self, who: str, *, device: str = "phone", session: ClientSession | None = None) -> Client:
        token = self._services[0].token(self.name(who), device=device)
        client = Client(lambda: next(self._turns).base_url, token, session=session)
        return await self._stack.enter_async_context(client)


@pytest.fixture(params=["one process", "three instances"])
async def people(request: pytest.FixtureRequest) -> AsyncGenerator[People]:
    several = request.param == "three instances"
    services = request.getfixturevalue("instances") if several else [request.getfixturevalue("service")]
    prefix = request.node.originalname + ("-spread" if several else "")
    async with AsyncExitStack() as stack:
        yield People(services, prefix, stack)


async def test_the_life_of_a_conversation(people: People) -> None:  # noqa: PLR0915 - one story, told in one piece
    """Create, repeat, add, send by both ways, read, page, edit, delete, re-role, remove, resume."""
    ann, bob, cid = await people.client("ann"), await people.client("bob"), await people.client("cid")

    # Created once, however often it is asked for.
    wanted = {"kind": "group", "title": "Trip", "participants": [{"userId": people.name("bob")}]}
    created = await ann.post("/v1/conversations", wanted, key="create-trip")
    repeated = await ann.post("/v1/conversations", wanted, key="create-trip")
    assert (created.status_code, repeated.status_code) == (201, 201)
    assert repeated.headers["idempotent-replayed"] == "true"
    assert repeated.content == created.content
    conversation_id = created.json()["conversation"]["id"]
    path = f"/v1/conversations/{conversation_id}"
    assert len((await ann.get("/v1/conversations")).json()["conversations"]) == 1

    async with bob.connect(cursor="0-00000000") as bob_socket, cid.connect() as cid_socket:
        await bob_socket.assert_pushed("conversation.created", title="Trip")

        # Cid joins and is told so, with the conversation.
        added = await ann.post(f"{path}/participants", {"userId": people.name("cid")})
        assert added.status_code == 201
        await cid_socket.assert_pushed("participant.added", userId=people.name("cid"), role="member")
        await bob_socket.assert_pushed("participant.added", userId=people.name("cid"))

        # Sent over HTTP, and over the socket; a repeat by either way is the same message.
        first = await ann.send(conversation_id, "By train?", client_message_id="first")
        assert await ann.send(conversation_id, "By train?", client_message_id="first") == first
        reply = await bob_socket.send(conversation_id, "By boat!", client_message_id="boat")
        again = await bob_socket.send(conversation_id, "By boat!", client_message_id="boat")
        assert (reply.replayed, again.replayed) == (False, True)
        assert again.result == reply.result
        second = msgspec.json.decode(reply.result)["message"]
        assert await bob.send(conversation_id, "By boat!", client_message_id="boat") == second
        for socket in (bob_socket, cid_socket):
            await socket.assert_pushed("message.created", id=first["id"], body="By train?")
            await socket.assert_pushed("message.created", id=second["id"], body="By boat!")

        # Read: the count goes down to what was sent since.
        lines = (await cid.get("/v1/conversations")).json()["conversations"]
        assert [(each["unreadCount"], each["lastMessage"]["id"]) for each in lines] == [(2, second["id"])]
        marker = await cid_socket.read(conversation_id, first["seq"])
        assert msgspec.json.decode(marker.result) == {"readSeq": first["seq"], "unreadCount": 1}

        # Paged: two ways to the same messages.
        for number in range(5):
            await ann.send(conversation_id, f"Page {number}")
        newest = (await cid.get(f"{path}/messages", limit=4)).json()
        older = (await cid.get(f"{path}/messages", limit=4, beforeSeq=newest["messages"][0]["seq"])).json()
        assert [each["body"] for each in older["messages"]] == ["By train?", "By boat!", "Page 0"]
        assert (newest["hasMore"], older["hasMore"]) == (True, False)
        for number in range(5):
            await cid_socket.assert_pushed("message.created", body=f"Page {number}")

        # Edited by who knows its version, and deleted: it keeps its place, and nothing else.
        stale = await ann.patch(f"/v1/messages/{first['id']}", {"body": "By plane?"}, etag='"v7"')
        assert (stale.status_code, stale.json()["version"]) == (412, 1)
        edited = await ann.patch(f"/v1/messages/{first['id']}", {"body": "By plane?"}, etag='"v1"')
        assert (edited.status_code, edited.headers["etag"]) == (200, '"v2"')
        await cid_socket.assert_pushed("message.updated", id=first["id"], body="By plane?", version=2)
        assert (await ann.delete(f"/v1/messages/{first['id']}", etag='"v2"')).status_code == 204
        await cid_socket.assert_pushed("message.deleted", id=first["id"], body=None, version=3)
        assert (await cid.get(f"/v1/messages/{first['id']}")).json()["message"]["seq"] == first["seq"]

        # An observer reads; whoever is made a member may send.
        role = f"{path}/participants/{people.name('bob')}"
        assert (await ann.patch(role, {"role": "observer"})).status_code == 200
        await cid_socket.assert_pushed("participant.updated", userId=people.name("bob"), role="observer")
        refused = await bob_socket.send(conversation_id, "May I?", client_message_id="observer")
        assert refused.op == "error"
        assert (await ann.patch(role, {"role": "admin"})).status_code == 200
        await cid_socket.assert_pushed("participant.updated", userId=people.name("bob"), role="admin")

        # Removed: he is told so, and of nothing after it; his next read finds nothing.
        assert (await bob.delete(f"{path}/participants/{people.name('cid')}")).status_code == 204
        removal = await cid_socket.assert_pushed("participant.removed", userId=people.name("cid"), reason="removed")
        await ann.send(conversation_id, "Is he gone?")
        await cid_socket.assert_nothing_pushed(upto=await ann.read_end())
        for answer in (
            await cid.get(path),
            await cid.get(f"{path}/messages"),
            await cid.get(f"/v1/messages/{second['id']}"),
            await cid.post(f"{path}/read", {"seq": 1}),
        ):
            assert (answer.status_code, answer.json()["code"]) == (404, "not_found")
        assert (await cid.get("/v1/conversations")).json()["conversations"] == []
        sync = (await cid.get("/v1/sync", cursor=removal.cursor)).json()
        assert (sync["events"], sync["hasMore"]) == ([], False)
        assert (await cid_socket.send(conversation_id, "Hello?", client_message_id="gone")).op == "error"
        bob_socket.drop()

    # Resumed: exactly what was missed, in order, behind the last event that Bob took.
    missed = [await ann.send(conversation_id, f"Missed {number}") for number in range(3)]
    taken = {event.cursor for event in bob_socket.events}
    async with bob.connect() as bob_socket:
        assert bob_socket.welcome.resumed
        await bob_socket.find_live()
        await bob_socket.reach(await ann.read_end())
        assert not taken & {event.cursor for event in bob_socket.events}
        bodies = [each.data for each in bob_socket.events if each.type == "message.created"]
        ids = [msgspec.json.decode(each)["message"]["id"] for each in bodies]
        assert ids[-3:] == [each["id"] for each in missed]
        await bob_socket.push(Bye())
        assert await bob_socket.find_close() == 1000


async def test_the_socket_and_polling_give_the_same_bytes(people: People) -> None:
    """Live, from memory, from the database and by polling: one encoding, whatever an edit did meanwhile."""
    ann, bob = await people.client("ann"), await people.client("bob")
    conversation_id = await ann.create(people.name("bob"), metadata={"a": [1.50, "\u00e9\u2028"]})
    async with bob.connect(cursor="0-00000000") as live:
        message = await ann.send(conversation_id, '\U0001f600 <b> \\ " \u2028')
        await ann.patch(f"/v1/conversations/{conversation_id}", {"title": "New"}, etag='"v1"')
        await ann.patch(f"/v1/conversations/{conversation_id}/participants/{people.name('bob')}", {"role": "admin"})
        end = await ann.read_end()
        await live.reach(end)
        assert len(live.messages) == 4
        polled = await _poll_all(bob, "0-00000000")
        assert polled == live.messages
    await ann.patch(f"/v1/messages/{message['id']}", {"body": "Edited"}, etag='"v1"')
    async with bob.connect(cursor="0-00000000") as replayed:
        await replayed.find_live()
        assert replayed.messages == await _poll_all(bob, "0-00000000")
    assert len(replayed.messages) == 5
    changed = [
        index for index, (old, new) in enumerate(zip(live.messages, replayed.messages, strict=False)) if old != new
    ]
    assert changed == [1], "only the message that was edited shows its present content"


async def test_a_page_of_polling_goes_on_where_the_last_one_ended(people: People) -> None:
    ann = await people.client("ann")
    conversation_id = await ann.create()
    for number in range(7):
        await ann.send(conversation_id, str(number))
    assert len(await _poll_all(ann, "0-00000000", limit=2)) == 8


async def test_a_poll_waits_for_the_next_event(people: People) -> None:
    ann, bob = await people.client("ann"), await people.client("bob")
    conversation_id = await ann.create(people.name("bob"))
    cursor = await bob.read_end()
    waiting = asyncio.create_task(bob.get("/v1/sync", cursor=cursor, waitMs=10_000))
    await ann.get("/v1/unread")
    await ann.send(conversation_id, "Wake up")
    (event,) = (await waiting).json()["events"]
    assert event["data"]["message"]["body"] == "Wake up"


async def test_typing_is_told_to_the_others_and_to_nobody_else(people: People) -> None:
    ann, bob, eve = await people.client("ann"), await people.client("bob"), await people.client("eve")
    conversation_id = await ann.create(people.name("bob"))
    async with ann.connect() as ann_socket, bob.connect() as bob_socket, eve.connect() as eve_socket:
        for socket in (ann_socket, bob_socket, eve_socket):
            await socket.find_live()
        await ann_socket.push(Typing(conversation_id=conversation_id, on=True, id="typing"))
        await ann_socket.assert_replied("typing")
        await bob_socket.find_signal()
        await eve_socket.ping()
        assert [(each.type, each.user_id, each.on) for each in bob_socket.signals] == [
            ("typing", people.name("ann"), True)
        ]
        assert not eve_socket.signals


async def test_sends_on_one_socket_keep_their_order(people: People) -> None:
    """A refused one does not stop those behind it."""
    ann = await people.client("ann")
    conversation_id = await ann.create()
    async with ann.connect() as socket:
        for number in range(40):
            where = conversation_id if number != 7 else "nowhere"
            body = str(number)
            await socket.push(Send(id=body, conversation_id=where, client_message_id=f"id-{number}", body=body))
        await socket.assert_replied("7", code="not_found")
        for number in range(40):
            if number != 7:
                await socket.assert_replied(str(number))
        await socket.reach(await ann.read_end())
        bodies = [msgspec.json.decode(each.data)["message"]["body"] for each in socket.events]
    assert bodies == [str(number) for number in range(40) if number != 7]


async def test_a_faulty_frame_is_refused_and_the_socket_lives_on(people: People) -> None:
    ann = await people.client("ann")
    async with ann.connect() as socket:
        await socket.push_text('{"op":"dance"}')
        await socket.assert_refused("unknown_op")
        await socket.push_text('{"op":"read","conversationId":"x","seq":"many"}')
        await socket.assert_refused("invalid")
        await socket.ping()
        await socket.push_text("no frame at all")
        assert await socket.find_close() == 4500


async def test_a_second_socket_takes_the_session_over(people: People) -> None:
    ann = await people.client("ann")
    async with ann.connect() as first:
        token = first.welcome.resume_token
        async with ann.connect(resume_token=token) as second:
            assert second.welcome.resumed
            assert await first.find_close() == REPLACED


async def test_a_client_that_forgot_its_cursor_goes_on_behind_its_last_acknowledgement(people: People) -> None:
    """Later events may come again; none is left out."""
    ann, bob = await people.client("ann"), await people.client("bob")
    conversation_id = await ann.create(people.name("bob"))
    async with bob.connect(cursor="0-00000000") as socket:
        await ann.send(conversation_id, "Acknowledged")
        await socket.reach(await ann.read_end())
        await socket.ack()
        await socket.ping()
        await ann.send(conversation_id, "Received")
        await socket.reach(await ann.read_end())
        token = socket.welcome.resume_token
    async with bob.connect(resume_token=token) as socket:
        assert socket.welcome.resumed
        await socket.reach(await ann.read_end())
        bodies = [msgspec.json.decode(each.data)["message"]["body"] for each in socket.events]
        assert bodies[-1:] == ["Received"]


async def test_a_client_that_died_amid_a_replay_is_given_all_of_it_again(people: People) -> None:
    """What was sent to it counts for nothing: only what it acknowledged does, and that was the cursor it came with."""
    ann, bob = await people.client("ann"), await people.client("bob")
    conversation_id = await ann.create(people.name("bob"))
    await ann.send(conversation_id, "Missed")
    async with bob.connect(cursor="0-00000000") as socket:
        await socket.find_live()
        token = socket.welcome.resume_token
        socket.drop()
    async with bob.connect(resume_token=token) as socket:
        assert (socket.welcome.resumed, socket.welcome.cursor) == (True, "0-00000000")
        await socket.assert_pushed("conversation.created")
        await socket.assert_pushed("message.created", body="Missed")


async def test_what_is_not_for_the_caller_is_not_there(people: People) -> None:
    """An outsider, an unknown id and another tenant get the same answer."""
    ann, eve = await people.client("ann"), await people.client("eve")
    conversation_id = await ann.create()
    message = await ann.send(conversation_id, "Secret")
    async with eve.connect(cursor="0-00000000") as socket:
        answers = [
            await eve.get(f"/v1/conversations/{conversation_id}"),
            await eve.get("/v1/conversations/unknown"),
            await eve.get(f"/v1/messages/{message['id']}"),
            await eve.patch(f"/v1/messages/{message['id']}", {"body": "Mine"}, etag="*"),
        ]
        assert {each.status_code for each in answers} == {404}
        bodies = [{k: v for k, v in each.json().items() if k != "requestId"} for each in answers]
        assert all(each == bodies[0] for each in bodies)
        await socket.assert_nothing_pushed(upto=await ann.read_end())


@pytest.mark.parametrize("numbers", [[signal.SIGINT], [signal.SIGTERM, signal.SIGTERM]], ids=["SIGINT", "SIGTERM"])
async def test_stops_at_once_with_sockets_and_polls_open(tmp_path: Path, numbers: list[signal.Signals]) -> None:
    """Within 5 s, with exit code 0; nothing that was acknowledged is lost, and sessions resume."""
    with Service(tmp_path, environ={"DRAIN_SECONDS": "20"}) as service:
        token = service.token("ann")
        async with Client(service.base_url, token) as ann, Client(service.base_url, token) as poller:
            conversation_id = await ann.create()
            async with ann.connect() as socket, ann.connect(cursor="0-00000000") as other:
                cursor = await ann.read_end()
                poll = asyncio.create_task(poller.get("/v1/sync", cursor=cursor, waitMs=30_000))
                await ann.get("/v1/unread")
                sent = await ann.send(conversation_id, "Before the end")
                assert (await poll).status_code == 200
                poll = asyncio.create_task(poller.get("/v1/sync", cursor=await ann.read_end(), waitMs=30_000))
                await other.ping()
                for number in numbers[:-1]:
                    # The first SIGTERM leaves them time to go, and they stay.
                    os.kill(service.pid, number)
                    await until(lambda: any("stopping" in line for line in service.log))
                code, seconds = await asyncio.to_thread(service.stop, numbers[-1])
                assert code == 0
                assert seconds < STOP_SECONDS
                assert await socket.find_close() == DRAINED
                assert await other.find_close() == DRAINED
                (answer,) = await asyncio.gather(poll, return_exceptions=True)
                assert isinstance(answer, httpx2.TransportError) or answer.status_code in {200, 503}  # type: ignore[union-attr] # a response
        service.start()
        async with Client(service.base_url, token, session=ann.session) as ann:
            page = await ann.get(f"/v1/conversations/{conversation_id}/messages")
            assert [each["id"] for each in page.json()["messages"]] == [sent["id"]]
            async with ann.connect() as socket:
                assert socket.welcome.resumed


async def test_a_session_resumes_after_the_process_was_killed(tmp_path: Path) -> None:
    with Service(tmp_path) as service:
        token = service.token("ann")
        async with Client(service.base_url, token) as ann:
            conversation_id = await ann.create()
            async with ann.connect(cursor="0-00000000") as socket:
                seen = await ann.send(conversation_id, "Seen")
                await socket.reach(await ann.read_end())
                await ann.send(conversation_id, "Perhaps seen")
                service.kill()
                assert await socket.find_close() == 1006
            cursor = ann.session.cursor
        service.start()
        async with Client(service.base_url, token, session=ann.session) as ann:
            missed = await ann.send(conversation_id, "Missed")
            async with ann.connect() as again:
                assert again.welcome.resumed
                assert again.welcome.cursor == cursor
                await again.reach(await ann.read_end())
    bodies = [
        msgspec.json.decode(each.data)["message"]["body"]
        for each in (*socket.events, *again.events)
        if each.type == "message.created"
    ]
    assert bodies == ["Seen", "Perhaps seen", "Missed"]
    assert missed["seq"] == seen["seq"] + 2


def test_commands_work_beside_a_running_service(service: Service) -> None:
    data_dir = ("--data-dir", str(service.data_dir))
    token = run_sanctum("token", "--user", "command-line", "--device", "terminal", *data_dir)
    assert token.returncode == 0, token.stderr
    answer = httpx2.get(
        f"{service.base_url}/v1/conversations",
        headers={"Authorization": f"Bearer {token.stdout.strip()}"},
        trust_env=False,
    )
    assert answer.status_code == 200
    config = run_sanctum("config", "--dev", *data_dir)
    assert config.returncode == 0, config.stderr
    assert f"DATA_DIR={service.data_dir}" in config.stdout


def test_a_second_service_on_the_same_data_is_refused(service: Service) -> None:
    second = run_sanctum("serve", "--dev", "--port", "0", "--data-dir", str(service.data_dir))
    assert second.returncode == 2
    assert "in use by another process" in second.stderr
    assert str(service.pid) in second.stderr
    assert "Traceback" not in second.stderr
    assert httpx2.get(f"{service.base_url}/readyz", trust_env=False).status_code == 200


async def _poll_all(client: Client, cursor: str, *, limit: int = 100) -> list[bytes]:
    """Read a stream by polling, to its end."""
    events: list[bytes] = []
    while True:
        page = msgspec.json.decode(
            (await client.get("/v1/sync", cursor=cursor, limit=limit)).content, type=dict[str, msgspec.Raw]
        )
        events += map(bytes, msgspec.json.decode(page["events"], type=list[msgspec.Raw]))
        cursor = msgspec.json.decode(page["cursor"], type=str)
        if not msgspec.json.decode(page["hasMore"], type=bool):
            return events
