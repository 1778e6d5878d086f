"""Load that does not mind what happens to the service: it retries what may be retried, and resumes."""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import random
from typing import TYPE_CHECKING, Self

from websockets.exceptions import WebSocketException

from tests.fault.device import Device
from tests.fault.recorder import Drained, Recorder

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from types import TracebackType

    from tests.fault.recorder import Pending

RETRIED = {"overloaded", "unavailable", "stopping"}
SENDERS = 5
"""Sends that each user keeps in flight. With eight users, some are always between commit and answer."""
BY_SOCKET = 0.7
"""The share of sends that go over the socket; the others go over HTTP, and a repeat may go the other way."""
FORGETS = 0.2
"""How often a client that lost its socket has lost its memory too."""
ACK_EVERY = 20


class Tally:
    """Counts what was acknowledged; one may wait for it."""

    def __init__(self) -> None:
        self.count = 0
        self._target = 0
        self._reached = asyncio.Event()

    def add(self) -> None:
        self.count += 1
        if self.count >= self._target:
            self._reached.set()

    async def wait_for(self, more: int) -> None:
        """Return once so many more were counted."""
        self._target = self.count + more
        self._reached.clear()
        await self._reached.wait()


class Load:
    """Users who write, read and listen; one who comes and goes; one who edits. ``drain`` ends it."""

    def __init__(
        self, base_url: str, token_of: Callable[[str], str], *, recorder: Recorder, seed: int, users: int = 8
    ) -> None:
        self.up = asyncio.Event()
        """Whether there is a service to talk to; whoever takes it away clears this before, and sets it after."""
        self.acknowledged = Tally()
        self.recorder = recorder
        self._random = random.Random(seed)
        names = [f"user-{number}" for number in range(users)]
        self._devices = [
            Device(base_url, token_of(name), user=name, name=f"{name}'s phone", recorder=recorder) for name in names
        ]
        self._guest = Device(base_url, token_of("guest"), user="guest", name="guest's phone", recorder=recorder)
        self._conversations: list[str] = []
        self._ending = False
        self._workers: list[asyncio.Task[None]] = []
        self._listeners: list[asyncio.Task[None]] = []

    async def start(self) -> None:
        """Set the scene, then let everybody loose. The service must be there."""
        owner, *others = self._devices
        for visibility in ("all", "all", "joined"):
            members = {each.user: "member" for each in others}
            created = await owner.record_create(members, historyVisibility=visibility)
            self._conversations.append(created.answer["conversation"]["id"])
        self.up.set()
        self._listeners = [asyncio.create_task(self._listen(each)) for each in (*self._devices, self._guest)]
        work = [self._invite_and_remove(), self._read(), self._edit()]
        work += [self._write(device, number) for device in self._devices for number in range(SENDERS)]
        self._workers = [asyncio.create_task(each) for each in work]

    async def run_until_acknowledged(self, count: int) -> None:
        """Return once so many more sends were acknowledged; raise what goes wrong meanwhile."""
        reached = asyncio.create_task(self.acknowledged.wait_for(count))
        done, _ = await asyncio.wait([reached, *self._workers, *self._listeners], return_when=asyncio.FIRST_COMPLETED)
        for task in done:
            task.result()
        assert reached in done, "somebody stopped by himself"

    async def drain(self) -> None:
        """Let everybody finish what he began, then read every stream to the log's end. The service must be there."""
        self._ending = True
        await asyncio.gather(*self._workers)
        await _cancel(self._listeners)
        end = await self._devices[0].read_end()
        for device in (*self._devices, self._guest):
            async with device.listen() as socket:
                await socket.reach(end)
                self.recorder.note(Drained(device.name, self.recorder.now))
            await device.record_conversations()
        for conversation_id in self._conversations:
            await self._devices[1].record_messages(conversation_id, limit=200)

    async def _write(self, device: Device, number: int) -> None:
        """Send one message after the other, each until it is known to be stored."""
        draw = random.Random(self._random.random())
        sent: list[tuple[str, str]] = []
        for count in itertools.count():
            if self._ending:
                return
            conversation_id, name = draw.choice(self._conversations), f"{number}-{count}"
            await self._send(device, conversation_id, name, f"body of {name}", draw)
            sent.append((conversation_id, name))
            if draw.random() < 0.03:
                conversation_id, name = draw.choice(sent)
                body = f"body of {name}" if draw.random() < 0.5 else "another body"
                await self._send(device, conversation_id, name, body, draw)

    async def _send(self, device: Device, conversation_id: str, name: str, body: str, draw: random.Random) -> None:
        while True:
            sent = await device.record_send(conversation_id, name, body, by_socket=draw.random() < BY_SOCKET)
            if not _is_unsettled(sent):
                if sent.outcome == "ok":
                    self.acknowledged.add()
                return
            await self.up.wait()

    async def _listen(self, device: Device) -> None:
        """Listen, break off now and then, and come back whenever there is somebody to come back to."""
        draw = random.Random(self._random.random())
        while True:
            await self.up.wait()
            with contextlib.suppress(OSError, WebSocketException):
                async with device.listen(forget=draw.random() < FORGETS) as socket:
                    for count in range(ACK_EVERY, draw.randrange(ACK_EVERY, 500), ACK_EVERY):
                        await socket.find_events(count)
                        await socket.ack()
                    socket.drop()

    async def _invite_and_remove(self) -> None:
        """A guest is invited and removed again and again; he also leaves by himself."""
        draw = random.Random(self._random.random())
        owner = self._devices[0]
        while not self._ending:
            await self.up.wait()
            conversation_id = draw.choice(self._conversations)
            await owner.record_add(conversation_id, "guest")
            await self._guest.record_messages(conversation_id)
            await self._guest.record_send(conversation_id, f"guest-{draw.random()}".replace(".", "-"), "Hello")
            by = draw.choice((owner, self._guest))
            await by.record_remove(conversation_id, "guest")
            await self._guest.record_messages(conversation_id)

    async def _read(self) -> None:
        """Move markers, list, and read pages."""
        draw = random.Random(self._random.random())
        while not self._ending:
            await self.up.wait()
            device, conversation_id = draw.choice(self._devices), draw.choice(self._conversations)
            page = await device.record_messages(conversation_id, limit=10)
            if page.result.seqs:
                await device.record_read(conversation_id, draw.choice(page.result.seqs))
            await device.record_conversations()

    async def _edit(self) -> None:
        """Edit and delete what was sent last."""
        draw = random.Random(self._random.random())
        while not self._ending:
            await self.up.wait()
            device, conversation_id = draw.choice(self._devices), draw.choice(self._conversations)
            page = await device.record_messages(conversation_id, limit=20)
            own = [each for each in page.answer.get("messages", ()) if each["senderId"] == device.user]
            if own:
                message_id = draw.choice(own)["id"]
                await device.record_edit(conversation_id, message_id, f"edited {draw.random()}")
                if draw.random() < 0.3:
                    await device.record_delete(conversation_id, message_id)

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for task in (*self._workers, *self._listeners):
            task.cancel()
        await asyncio.gather(*self._workers, *self._listeners, return_exceptions=True)
        for device in (*self._devices, self._guest):
            await device.close()


async def _cancel(tasks: Sequence[asyncio.Task[None]]) -> None:
    """End tasks that run for ever; raise what they ended with before."""
    for task in tasks:
        task.cancel()
    for ended in await asyncio.gather(*tasks, return_exceptions=True):
        if isinstance(ended, Exception):
            raise ended


def _is_unsettled(pending: Pending) -> bool:
    return pending.outcome == "info" or (pending.outcome == "fail" and pending.code in RETRIED)
