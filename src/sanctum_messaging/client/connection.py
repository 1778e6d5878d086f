"""One open socket: a task that reads and one that writes, from the welcome to the end."""

from __future__ import annotations

import asyncio
import logging
from collections import deque
from typing import TYPE_CHECKING

import msgspec
from msgspec import UnsetType

from sanctum_messaging.client.errors import SanctumError
from sanctum_messaging.client.lasting import Over, State
from sanctum_messaging.client.sockets import SocketGone, SocketRefused
from sanctum_messaging.protocol.client_session import ReceivedEvent, Reply
from sanctum_messaging.protocol.codec import encode_frame
from sanctum_messaging.protocol.codes import CloseCode
from sanctum_messaging.protocol.frames import (
    Ack,
    Auth,
    AuthRequired,
    Bye,
    Drain,
    Live,
    Resync,
    ServerPing,
    SignalFrame,
    Welcome,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from sanctum_messaging.client.lasting import Lasting
    from sanctum_messaging.client.sockets import Socket
    from sanctum_messaging.protocol.client_session import Received

_logger = logging.getLogger("sanctum_messaging.client")
BYE_SECONDS = 2
_AUTH = "auth"


class Connection:
    """Reads and writes; ``over`` tells when the next one is to be opened, which may be before this one ends."""

    def __init__(self, socket: Socket, token: str, lasting: Lasting, on_state: Callable[[State], None]) -> None:
        """Take over a socket that was opened with this token and on which nothing was said."""
        self.token = token
        self.over: asyncio.Future[Over] = asyncio.get_running_loop().create_future()
        self._socket = socket
        self._lasting = lasting
        self._session = lasting.session
        self._on_state = on_state
        self._silence_seconds = 0.0
        self._not_before = 0.0
        """When the next connection may be opened, in the time of the loop, if this one is closed."""
        self._acked: str | None = None
        self._owed: deque[bytes] = deque()
        """Answers to heartbeats and fresh tokens: the service asks for few, and waits for them."""
        self._left = False
        self._is_gone = False
        self._running: asyncio.Task[None] | None = None
        self._renewing: asyncio.Task[None] | None = None
        self._due = asyncio.Event()
        self._room = asyncio.Event()

    @property
    def is_gone(self) -> bool:
        """Whether nothing comes over it any more."""
        return self._is_gone

    async def greet(self, hello: bytes) -> None:
        """Say hello and wait for the welcome.

        Raises:
            SocketRefused: the service does not want to talk about it.
            SocketGone: the socket is closed.
        """
        await self._socket.send(hello.decode())
        while True:
            frame = self._decode(await self._socket.receive())
            if isinstance(frame, Welcome):
                break
            if isinstance(frame, Reply) and not isinstance(frame.problem, UnsetType):
                raise SocketRefused(frame.problem)
        self._silence_seconds = 2 * frame.heartbeat_ms / 1000
        self._lasting.outbox.restart(frame.limits.sends_in_flight)
        self._lasting.remarks.restart()

    async def run(self) -> None:
        """Read and write until the socket is gone or ``leave`` was called; closes the socket."""
        self._running = asyncio.current_task()
        code = CloseCode.INTERNAL.value
        try:
            async with asyncio.TaskGroup() as tasks:
                writing = tasks.create_task(self._write())
                code = await self._read(tasks)
                writing.cancel()
                if self._renewing is not None:
                    self._renewing.cancel()
        finally:
            self._is_gone = True
            if self.over.done() and not self._left:
                self._on_state(State.WAITING)
            self._finish(Over(code, max(0.0, self._not_before - asyncio.get_running_loop().time())))
            await self.close()

    async def close(self) -> None:
        """Close the socket."""
        await self._socket.close()

    async def say_bye(self) -> None:
        """Tell the service that nobody will come back for the session."""
        self._left = True
        try:
            async with asyncio.timeout(BYE_SECONDS):
                await self._socket.send(encode_frame(Bye()).decode())
        except (SocketGone, TimeoutError):
            return  # The service keeps the session for a while, and then forgets it by itself.

    def leave(self) -> None:
        """End it: another one has taken its place, and goes on with the stream."""
        self._left = True
        if self._running is not None:
            self._running.cancel()

    def look(self) -> None:
        """Something is to be written, or the application took something."""
        self._due.set()
        self._room.set()
        if self._left or self._is_gone:
            return
        if self._session.is_live:
            self._on_state(State.LIVE)
        if self._session.is_cut and self._session.has_half_room:
            self._finish(Over(None))

    async def _read(self, tasks: asyncio.TaskGroup) -> int:
        """Read until the socket is gone, and return the code."""
        try:
            while True:
                await self._wait_for_room()
                async with asyncio.timeout(self._silence_seconds):
                    message = await self._socket.receive()
                self._take(self._decode(message), tasks)
        except TimeoutError:
            return CloseCode.HEARTBEAT  # What the service closes with when it hears as little of us.
        except SocketGone as gone:
            return gone.code

    async def _wait_for_room(self) -> None:
        """Leave what comes unread while the application has enough to do, so that the service waits, too.

        Not while a send is unanswered: the answer may stand behind events, and the application may wait for it before
        it takes the next. What finds no room then is read again later.
        """
        while not self._left and self._lasting.outbox.is_empty and (self._session.is_cut or not self._session.has_room):
            self._room.clear()
            try:
                async with asyncio.timeout(self._silence_seconds / 2):
                    await self._room.wait()
            except TimeoutError:
                self._owe(self._session.pong())

    def _decode(self, message: str | bytes) -> Received | None:
        try:
            return self._session.receive_beside(message) if self._left else self._session.receive(message)
        except (msgspec.DecodeError, RecursionError) as error:
            _logger.warning("The service said what is no frame: %s", error)
            raise SocketGone(CloseCode.PROTOCOL_ERROR) from error

    def _take(self, frame: Received | None, tasks: asyncio.TaskGroup) -> None:
        match frame:
            case ReceivedEvent() | Resync():
                self._lasting.inbox.put(frame)
            case Reply():
                self._take_reply(frame)
            case SignalFrame():
                self._lasting.inbox.put_signal(frame)
            case ServerPing():
                self._answer_ping()
            case Live():
                self.look()
            case AuthRequired() if self._renewing is None or self._renewing.done():
                self._renewing = tasks.create_task(self._renew())
            case Drain():
                self._finish(Over(CloseCode.DRAIN, frame.reconnect_in_ms / 1000))
            case _:
                pass

    def _take_reply(self, reply: Reply) -> None:
        if self._lasting.outbox.answer(reply) or self._lasting.remarks.answer(reply):
            self._due.set()
        elif not isinstance(reply.problem, UnsetType):
            _logger.warning("The service refused a frame: %s", reply.problem.code)
            if not isinstance(reply.problem.retry_after_ms, UnsetType):
                self._not_before = asyncio.get_running_loop().time() + reply.problem.retry_after_ms / 1000

    def _answer_ping(self) -> None:
        """Answer by what there is to acknowledge, if there is anything."""
        cursor = None if self._left else self._session.cursor
        if cursor is None or cursor == self._acked:
            self._owe(self._session.pong())
        else:
            self._acked = cursor
            self._owe(encode_frame(Ack(cursor=cursor)))

    async def _renew(self) -> None:
        """Give the service a fresh token. Without one it closes the socket in a while, and the next connection asks."""
        try:
            self.token = await self._lasting.tokens.renew(self.token)
        except SanctumError as error:
            _logger.warning("There is no fresh token: %s", error)
            return
        self._owe(encode_frame(Auth(token=self.token, id=_AUTH)))

    def _owe(self, frame: bytes) -> None:
        self._owed.append(frame)
        self._due.set()

    async def _write(self) -> None:
        try:
            while True:
                self._due.clear()
                for frame in self._find_due():
                    await self._socket.send(frame.decode())
                await self._due.wait()
        except SocketGone:
            return  # The reader learns it too, after what came before.

    def _find_due(self) -> Iterator[bytes]:
        """Take what is to be written. What lasts goes out on the socket that took this one's place, if one did."""
        while self._owed:
            yield self._owed.popleft()
        while not self._left and (remark := self._lasting.remarks.find_due()) is not None:
            yield encode_frame(remark)
        while not self._left and (sending := self._lasting.outbox.find_due()) is not None:
            yield encode_frame(sending.frame)

    def _finish(self, over: Over) -> None:
        if not self.over.done():
            self.over.set_result(over)
