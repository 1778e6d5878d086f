"""Hundreds of users with a socket each, who talk in rooms, break off, come back, and must miss nothing."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import msgspec
from websockets.exceptions import InvalidHandshake

from sanctum_messaging.protocol.client_session import ReceivedEvent
from sanctum_messaging.protocol.frames import Resync, Typing
from tests.e2e.client import Client, HelloRefusedError, Socket, SocketClosedError
from tests.fault import answers
from tests.fault.recorder import Call

if TYPE_CHECKING:
    import random

    from sanctum_messaging.protocol.client_session import Received
    from tests.soak.target import Target

LOST = 1006
SLOW_CODES = (LOST, 4002, 4003)
"""Of who does not read: he broke off himself, answered no heartbeat, or kept a frame waiting."""
AT_ONCE = 20
"""Sockets that are opened together, at the beginning and at the end."""
REST_SECONDS = 6.0
STAYS_SECONDS = 120.0
PAUSES_SECONDS = (5.0, 60.0)


class Member:
    """A user in one room. Each event of it has to come once, whatever happens to his sockets."""

    kind = "the crowd"
    codes: tuple[int, ...] = (LOST,)

    def __init__(self, target: Target, name: str) -> None:
        self.name = name
        self.room = ""
        self.last_seq = 0
        self.draw: random.Random = target.fork()
        self.target = target
        self.client = Client(target.place, target.token(name))
        self._sent = 0

    def received(self, message: str | bytes, frame: Received | None) -> None:
        """Hold the stream to its promise: no gap, no repeat."""
        del message
        if isinstance(frame, Resync):
            self.target.ledger.note_wrong(f"{self.name} was told to start over: {frame.reason}")
        if not isinstance(frame, ReceivedEvent) or frame.conversation_id != self.room:
            return
        if self.last_seq and frame.seq != self.last_seq + 1:
            self.target.ledger.note_wrong(f"{self.name} was given {frame.seq} after {self.last_seq}")
        self.last_seq = frame.seq
        self.target.ledger.delivered += 1

    def closed(self, code: int) -> None:
        """Take down how a socket ended."""
        self.target.ledger.note_close(self.kind, code, self.codes)

    async def live(self, gate: asyncio.Semaphore) -> None:
        """Be connected nearly all the time; ends by cancellation only."""
        while True:
            try:
                async with gate, asyncio.timeout(60):
                    opening = self.client.connect(observer=self)
                    socket = await opening.__aenter__()
            except HelloRefusedError as error:
                self.target.ledger.note_wrong(f"{self.name} was refused: {error.code}")
                await asyncio.sleep(1)
                continue
            except (InvalidHandshake, OSError, SocketClosedError) as error:
                self.target.ledger.note_wrong(f"{self.name} was not let in: {error!r}")
                await asyncio.sleep(1)
                continue
            try:
                await self._stay(socket)
            except (SocketClosedError, TimeoutError) as error:
                if isinstance(error, TimeoutError):
                    self.target.ledger.note_wrong(f"{self.name} got no answer")
            finally:
                await opening.__aexit__(None, None, None)

    async def finish(self, gate: asyncio.Semaphore, end: str) -> None:
        """Come back once more, and read to the end of the log."""
        async with gate, self.client.connect(observer=self) as socket:
            await socket.reach(end)
            socket.drop()

    async def _stay(self, socket: Socket) -> None:
        await socket.find_live()
        now = asyncio.get_running_loop().time
        leaves = now() + self.draw.expovariate(1 / STAYS_SECONDS)
        while now() < leaves:
            await asyncio.sleep(self.draw.expovariate(1 / REST_SECONDS))
            await self.act(socket)
        socket.drop()

    async def act(self, socket: Socket) -> None:
        """Do what users do."""
        what = self.draw.choices(("send", "send over HTTP", "type", "mark", "ack"), (20, 5, 20, 20, 35))[0]
        if what == "send":
            await self._send(socket)
        elif what == "send over HTTP":
            await self._send_and_change()
        elif what == "type":
            await socket.push(Typing(conversation_id=self.room, on=self.draw.random() < 0.7))
        elif what == "mark" and self.last_seq:
            await socket.read(self.room, self.last_seq)
        else:
            await socket.ack()

    async def _send(self, socket: Socket) -> None:
        call = self.new_message("A message as people write them. " * 3)
        with self.target.recorder.call(self.name, self.name, call) as pending:
            reply = await socket.send(self.room, call.body, client_message_id=call.client_message_id)
            if isinstance(reply.problem, msgspec.UnsetType):
                pending.done(answers.message({**msgspec.json.decode(reply.result), "replayed": reply.replayed}))
            else:
                pending.refused(reply.problem.code)
        self.target.ledger.note_answer("frame send", 200 if pending.outcome == "ok" else 400, (200,))

    async def _send_and_change(self) -> None:
        token, call = self.client.token, self.new_message("Over HTTP")
        sent = await self.target.send("send", call, user=self.name, token=token)
        if "message" not in sent:
            return
        path = f"/v1/messages/{sent['message']['id']}"
        if self.draw.random() < 0.5:
            edited = {"body": "Edited"}
            await self.target.call("edit", "PATCH", path, token=token, body=edited, If_Match="*")
        if self.draw.random() < 0.3:
            await self.target.call("delete", "DELETE", path, token=token, expected=(200, 204), If_Match="*")

    def new_message(self, body: str) -> Call:
        """Think of a message to his room."""
        self._sent += 1
        return Call("send", self.room, client_message_id=f"{self.name}-{self._sent}", body=body)


class SlowMember(Member):
    """He leaves what comes unread for a while, again and again, in a room where much is said."""

    kind = "slow readers"
    codes = SLOW_CODES

    async def act(self, socket: Socket) -> None:
        """Do not read for a while, then do again."""
        transport = socket._connection.transport
        transport.pause_reading()
        await asyncio.sleep(self.draw.uniform(*PAUSES_SECONDS))
        if not transport.is_closing():
            transport.resume_reading()
        await socket.ping()
