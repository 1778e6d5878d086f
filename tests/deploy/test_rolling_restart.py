"""Three instances behind nginx are replaced one after the other, and nobody who uses them notices."""

from __future__ import annotations

import asyncio
import itertools
from contextlib import AsyncExitStack, ExitStack
from dataclasses import dataclass
from typing import TYPE_CHECKING

import pytest

from sanctum_messaging.client import Client, Event, MessageEvent, Resync, State
from tests.deploy.test_load_balancer import behind_nginx
from tests.e2e.cluster import QUIET
from tests.e2e.server import Service
from tests.fault.checker import check
from tests.fault.device import Device
from tests.fault.recorder import Call, Connected, Delivered, Drained, Recorder, Result, Resynced
from tests.fault.stored_log import read_stored_log

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

    from tests.deploy.nginx import NginxServer

BEGINNING = "0-00000000"
LAST = "the last one"
REST_SECONDS = 0.05
POLL_MS = 5_000


@dataclass(frozen=True, slots=True)
class Scale:
    """How much happens meanwhile, and how long a stop takes at least."""

    drain_seconds: int
    members: int
    """Each has a socket, and sends over it and over HTTP."""
    rounds: int = 1


class Member:
    """A user's device: what it is given, and what becomes of what it asks for."""

    def __init__(self, service: Service, url: str, user: str, recorder: Recorder) -> None:
        token = service.token(user)
        self.user = user
        self.name = f"{user}'s screen"
        self.states: list[State] = []
        self.chat = Client(url, token=token, cursor=BEGINNING, on_state=self.states.append)
        self.device = Device(url, token, user=user, name=f"{user}'s phone", recorder=recorder)
        self._recorder = recorder

    async def follow(self) -> None:
        """Take what happens up to the last message."""
        self._recorder.note(Connected(self.name, self.user, self._recorder.now, BEGINNING, BEGINNING))
        async for happening in self.chat.events():
            if isinstance(happening, Resync):
                self._recorder.note(Resynced(self.name, self._recorder.now, happening.reason, happening.cursor))
            elif isinstance(happening, Event):
                self._note(happening)
                if isinstance(happening, MessageEvent) and happening.message.body == LAST:
                    break
        self._recorder.note(Drained(self.name, self._recorder.now))

    async def poll(self, until: asyncio.Event) -> None:
        """Read the same by long-polls; each must be answered."""
        cursor = BEGINNING
        self.device.begin_polling(cursor)
        while not until.is_set():
            page = await self.device.record_page(cursor, wait_ms=POLL_MS)
            assert page.outcome == "ok", page.code
            cursor = page.answer["cursor"]

    async def send_over_http(self, conversation_id: str, until: asyncio.Event) -> None:
        """Send one message after the other, each once: none may fail."""
        for number in itertools.count():
            if until.is_set():
                return
            sent = await self.device.record_send(conversation_id, f"http-{number}", f"Over HTTP {number}")
            assert sent.outcome == "ok", (sent.status, sent.code)
            await asyncio.sleep(REST_SECONDS)

    async def send_over_the_socket(self, conversation_id: str, until: asyncio.Event) -> None:
        """Send one message after the other over whichever socket there is."""
        for number in itertools.count():
            if until.is_set():
                return
            await self.send(conversation_id, f"socket-{number}", f"Over the socket {number}")
            await asyncio.sleep(REST_SECONDS)

    async def send(self, conversation_id: str, name: str, body: str) -> None:
        """Send a message that goes out once, however often it has to."""
        call = Call("send", conversation_id, client_message_id=name, body=body)
        with self._recorder.call(self.device.name, self.user, call) as pending:
            message = await self.chat.send(conversation_id, body, client_message_id=name)
            pending.done(Result(message_id=message.id, seq=message.seq, version=message.version))

    def _note(self, event: Event) -> None:
        message_id = event.message.id if isinstance(event, MessageEvent) else ""
        self._recorder.note(
            Delivered(
                self.name,
                self._recorder.now,
                event.cursor,
                event.conversation_id,
                event.seq,
                event.type,
                message_id=message_id,
            )
        )


@pytest.fixture
def instances(
    tmp_path: Path, postgres_url: str, valkey_url: str, request: pytest.FixtureRequest
) -> Iterator[list[Service]]:
    scale: Scale = request.getfixturevalue("scale")
    environ = {"DATABASE_URL": postgres_url, "REDIS_URL": valkey_url, "DRAIN_SECONDS": str(scale.drain_seconds)}
    with ExitStack() as stack:
        yield [stack.enter_context(Service(tmp_path, environ={**environ, **QUIET})) for _ in range(3)]


@pytest.fixture
def nginx(instances: list[Service]) -> Iterator[NginxServer]:
    with behind_nginx(*(each.port for each in instances)) as server:
        yield server


@pytest.mark.parametrize("scale", [Scale(drain_seconds=1, members=2)], ids=["briefly"])
async def test_it_fails_no_request_and_no_client_misses_or_repeats_an_event(
    scale: Scale, nginx: NginxServer, instances: list[Service], postgres_url: str
) -> None:
    await restart_under_load(scale, nginx, instances, postgres_url)


@pytest.mark.chaos
@pytest.mark.timeout(300)
@pytest.mark.parametrize("scale", [Scale(drain_seconds=5, members=20, rounds=2)], ids=["at length"])
async def test_with_time_to_go_no_client_is_ever_without_a_socket(
    scale: Scale, nginx: NginxServer, instances: list[Service], postgres_url: str
) -> None:
    members = await restart_under_load(scale, nginx, instances, postgres_url)

    for each in members:
        connected = each.states[each.states.index(State.LIVE) :]
        assert set(connected) <= {State.LIVE, State.CATCHING_UP, State.STOPPED}, each.states


async def restart_under_load(
    scale: Scale, nginx: NginxServer, instances: Sequence[Service], database_url: str
) -> Sequence[Member]:
    """Replace all instances while everybody sends and listens; then see that nothing failed, is missing or repeated."""
    recorder = Recorder()
    async with AsyncExitStack() as stack:
        members = [Member(instances[0], nginx.url, f"user-{number}", recorder) for number in range(scale.members)]
        for each in members:
            await stack.enter_async_context(each.device)
        first, *others = members
        created = await first.device.record_create({each.user: "member" for each in others})
        conversation_id = created.answer["conversation"]["id"]
        for each in members:
            await stack.enter_async_context(each.chat)
        replaced = asyncio.Event()
        async with asyncio.TaskGroup() as following:
            for each in members:
                following.create_task(each.follow())
            async with asyncio.TaskGroup() as tasks:
                tasks.create_task(first.poll(replaced))
                for each in members:
                    tasks.create_task(each.send_over_http(conversation_id, replaced))
                    tasks.create_task(each.send_over_the_socket(conversation_id, replaced))
                tasks.create_task(replace_all(instances, scale.rounds, replaced))
            await first.send(conversation_id, "last", LAST)
    log = await asyncio.to_thread(read_stored_log, database_url)
    assert not check(recorder.entries, log)
    return members


async def replace_all(instances: Sequence[Service], rounds: int, replaced: asyncio.Event) -> None:
    for instance in [*instances] * rounds:
        code, _ = await asyncio.to_thread(instance.stop)
        assert code == 0
        await asyncio.to_thread(instance.start)
    replaced.set()
