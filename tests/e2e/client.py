"""A client as products write them: HTTP by ``httpx2``, the socket by ``websockets``, the protocol by our own core.

The words of the tests: ``push`` a frame, ``assert_replied``, ``assert_pushed``, ``assert_nothing_pushed``. Nothing
waits by the clock: ``reach`` asks the service for its cursor until everything up to a point of the log was sent.
"""

from __future__ import annotations

import asyncio
import itertools
import ssl
import uuid
from collections import deque
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any, Protocol, Self, TypeVar

import httpx2
import msgspec
from websockets.asyncio.client import connect
from websockets.exceptions import ConnectionClosed

from sanctum_messaging.protocol.client_session import ClientSession, Received, ReceivedEvent, Reply
from sanctum_messaging.protocol.codec import encode_frame
from sanctum_messaging.protocol.frames import (
    SUBPROTOCOL,
    ClientFrame,
    Live,
    Ping,
    Read,
    Resync,
    Send,
    ServerPing,
    ServerPong,
    SignalFrame,
    Welcome,
)

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Callable
    from types import TracebackType

    from websockets.asyncio.client import ClientConnection

T = TypeVar("T")

PATIENCE_SECONDS = 40
"""A wait that takes longer has failed; nothing is ever waited for by the clock."""
MAX_MESSAGE_BYTES = 4 * 1024 * 1024
MAX_HTTP_CONNECTIONS = 200
NO_TLS = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
"""It knows no authority: nothing here speaks TLS, and loading those of the system takes a client 0.2 s."""


class SocketClosedError(ConnectionError):
    """The socket is gone; ``code`` is why (1006 if nobody said)."""

    def __init__(self, code: int) -> None:
        super().__init__(f"the socket was closed with {code}")
        self.code = code


class HelloRefusedError(ConnectionError):
    """The socket is open, and ``hello`` was refused; ``code`` names the problem."""

    def __init__(self, code: str) -> None:
        super().__init__(f"the service refused hello: {code}")
        self.code = code


class Observer(Protocol):
    """Sees all that comes over a socket."""

    def received(self, message: str | bytes, frame: Received | None) -> None:
        """Take a message, and what the client makes of it: none for a repeat."""
        ...

    def closed(self, code: int) -> None:
        """Take the end of the socket."""
        ...


class Client:
    """A user on a device. ``session`` is what the device remembers from one socket to the next.

    The address is that of the service, or is asked for before each request and each socket.
    """

    def __init__(self, address: str | Callable[[], str], token: str, *, session: ClientSession | None = None) -> None:
        self.session = session or ClientSession()
        self.token = token
        self._address: Callable[[], str] = (lambda: address) if isinstance(address, str) else address
        self._http = httpx2.AsyncClient(
            headers={"Authorization": f"Bearer {token}"},
            timeout=PATIENCE_SECONDS,
            limits=httpx2.Limits(max_connections=MAX_HTTP_CONNECTIONS, max_keepalive_connections=MAX_HTTP_CONNECTIONS),
            trust_env=False,
            verify=NO_TLS,
        )

    async def get(self, path: str, **query: str | int) -> httpx2.Response:
        """Read something."""
        return await self._http.get(self._address() + path, params=query)

    async def post(self, path: str, body: object, *, key: str | None = None) -> httpx2.Response:
        """Create something; ``key`` is the ``Idempotency-Key``."""
        return await self._http.post(
            self._address() + path, json=body, headers={} if key is None else {"Idempotency-Key": key}
        )

    async def patch(self, path: str, body: object, *, etag: str | None = None) -> httpx2.Response:
        """Change something that has this ETag."""
        return await self._http.patch(
            self._address() + path, json=body, headers={} if etag is None else {"If-Match": etag}
        )

    async def delete(self, path: str, *, etag: str | None = None) -> httpx2.Response:
        """Take something away that has this ETag."""
        return await self._http.delete(self._address() + path, headers={} if etag is None else {"If-Match": etag})

    async def request(
        self, method: str, path: str, body: object = None, headers: dict[str, str] | None = None
    ) -> httpx2.Response:
        """Make any request."""
        return await self._http.request(method, self._address() + path, json=body, headers=headers)

    async def create(self, *others: str, **fields: object) -> str:
        """Create a group with others as members and return its id."""
        participants = [{"userId": user} for user in others]
        answer = await self.post("/v1/conversations", {"kind": "group", "participants": participants, **fields})
        assert answer.status_code == 201, answer.text
        conversation_id: str = answer.json()["conversation"]["id"]
        return conversation_id

    async def send(self, conversation_id: str, body: str, *, client_message_id: str | None = None) -> dict[str, Any]:
        """Send a message over HTTP and return it."""
        message = {
            "conversationId": conversation_id,
            "clientMessageId": client_message_id or uuid.uuid4().hex,
            "body": body,
        }
        answer = await self.post("/v1/messages", message)
        assert answer.status_code in {200, 201}, answer.text
        sent: dict[str, Any] = answer.json()["message"]
        return sent

    async def read_end(self) -> str:
        """Ask for the cursor of the log's end."""
        cursor: str = (await self.get("/v1/sync")).json()["cursor"]
        return cursor

    @asynccontextmanager
    async def connect(
        self, *, cursor: str | None = None, resume_token: str | None = None, observer: Observer | None = None
    ) -> AsyncGenerator[Socket]:
        """Open a socket and say hello.

        Without arguments the device goes on where its last socket ended; with either, it has forgotten everything else.
        """
        if cursor is not None or resume_token is not None:
            self.session = ClientSession(cursor=cursor, resume_token=resume_token)
        address = self._address().replace("http://", "ws://") + "/v1/ws"
        async with connect(
            address,
            subprotocols=[SUBPROTOCOL],  # type: ignore[list-item] # the library asks for a NewType of str
            additional_headers={"Authorization": f"Bearer {self.token}"},
            compression=None,
            ping_interval=None,
            open_timeout=PATIENCE_SECONDS,
            close_timeout=1,
            max_size=MAX_MESSAGE_BYTES,
            proxy=None,
        ) as connection:
            socket = Socket(connection, self.session, observer)
            reading = asyncio.create_task(socket.run())
            try:
                await connection.send(self.session.hello(), text=True)
                await socket.find_welcome()
                yield socket
            finally:
                reading.cancel()
                await asyncio.gather(reading, return_exceptions=True)

    async def close(self) -> None:
        """Close the HTTP connections."""
        await self._http.aclose()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.close()


class Socket:
    """One open socket; ``run`` reads it all the time, the rest looks at what came."""

    def __init__(self, connection: ClientConnection, session: ClientSession, observer: Observer | None) -> None:
        self.session = session
        self.events: list[ReceivedEvent] = []
        """All events that came over this socket."""
        self.messages: list[bytes] = []
        """The bytes of the same events."""
        self.signals: list[SignalFrame] = []
        self.resyncs: list[Resync] = []
        self.is_live = False
        self.close_code: int | None = None
        self._connection = connection
        self._observer = observer
        self._welcome: Welcome | None = None
        self._pushed: deque[ReceivedEvent] = deque()
        """Events that no assertion has looked at."""
        self._replies: dict[str, Reply] = {}
        self._refusals: deque[Reply] = deque()
        self._pongs: deque[str] = deque()
        self._numbers = itertools.count(1)
        self._changed = asyncio.Event()

    @property
    def welcome(self) -> Welcome:
        assert self._welcome is not None
        return self._welcome

    async def push(self, frame: ClientFrame) -> None:
        """Write a frame."""
        await self.push_text(encode_frame(frame).decode())

    async def push_text(self, text: str) -> None:
        """Write what may be no frame at all."""
        try:
            await self._connection.send(text)
        except ConnectionClosed:
            raise SocketClosedError(self._close_code()) from None

    async def send(self, conversation_id: str, body: str, *, client_message_id: str) -> Reply:
        """Send a message and wait for what became of it."""
        frame = Send(id=self._new_id(), conversation_id=conversation_id, client_message_id=client_message_id, body=body)
        await self.push(frame)
        return await self.find_reply(frame.id)

    async def read(self, conversation_id: str, seq: int) -> Reply:
        """Move the read marker and wait for what became of it."""
        frame_id = self._new_id()
        await self.push(Read(conversation_id=conversation_id, seq=seq, id=frame_id))
        return await self.find_reply(frame_id)

    async def ack(self) -> None:
        """Acknowledge all that was taken."""
        frame = self.session.ack()
        assert frame is not None
        await self.push_text(frame.decode())

    async def find_welcome(self) -> Welcome:
        """Wait for the answer to ``hello``. Raises ``HelloRefusedError``."""
        await self._wait(lambda: self._welcome or (self._refusals[0] if self._refusals else None))
        for refusal in self._refusals if self._welcome is None else ():
            raise HelloRefusedError("" if isinstance(refusal.problem, msgspec.UnsetType) else refusal.problem.code)
        return self.welcome

    async def find_reply(self, frame_id: str) -> Reply:
        """Wait for the answer to a frame, good or bad."""
        return await self._wait(lambda: self._replies.pop(frame_id, None))

    async def find_live(self) -> None:
        """Wait until the replay is complete."""
        await self._wait(lambda: True if self.is_live else None)

    async def find_close(self) -> int:
        """Wait until the service has closed the socket, and tell with what code."""
        return await self._wait(lambda: self.close_code, closed_too=True)

    async def find_events(self, count: int) -> None:
        """Wait, for as long as it takes, until so many events came over this socket."""
        await self._wait(lambda: True if len(self.events) >= count else None, patience=None)

    async def reach(self, cursor: str) -> None:
        """Wait until everything of the stream up to a cursor was sent: ask, until the answer is that far."""
        while _position(await self.ping()) < _position(cursor):
            pass

    async def ping(self) -> str:
        """Ask for the cursor that the stream stands at."""
        await self.push(Ping())
        return await self._wait(lambda: self._pongs.popleft() if self._pongs else None)

    async def assert_replied(self, frame_id: str, *, code: str | None = None) -> Reply:
        """Wait for the answer to a frame: ``ok``, or the refusal with this code."""
        reply = await self.find_reply(frame_id)
        assert (None if isinstance(reply.problem, msgspec.UnsetType) else reply.problem.code) == code, reply
        return reply

    async def assert_pushed(self, event_type: str, **data: object) -> ReceivedEvent:
        """Wait for the next event, which is of this type and whose data holds these fields."""
        event = await self._wait(lambda: self._pushed.popleft() if self._pushed else None)
        assert event.type == event_type, event
        found = msgspec.json.decode(event.data)
        noun = found[event_type.partition(".")[0]]
        for name, value in data.items():
            assert {**found, **noun}.get(name) == value, (name, found)
        return event

    async def find_signal(self) -> SignalFrame:
        """Wait for a signal; they come by themselves, and may come later than what was appended before them."""
        return await self._wait(lambda: self.signals[-1] if self.signals else None)

    async def assert_refused(self, code: str) -> Reply:
        """Wait for the refusal of a frame that had no id."""
        reply = await self._wait(lambda: self._refusals.popleft() if self._refusals else None)
        assert not isinstance(reply.problem, msgspec.UnsetType)
        assert reply.problem.code == code
        return reply

    async def assert_nothing_pushed(self, upto: str) -> None:
        """Check that the stream holds nothing more up to a cursor."""
        await self.reach(upto)
        assert not self._pushed, list(self._pushed)

    def pause(self) -> None:
        """Read nothing any more, as a program does that hangs."""
        self._connection.transport.pause_reading()

    def resume(self) -> None:
        """Read on."""
        self._connection.transport.resume_reading()

    def drop(self) -> None:
        """Break the connection as a tunnel does: no close frame, and nothing that was not read yet is read."""
        self._connection.transport.abort()

    async def run(self) -> None:
        """Read until the socket is gone."""
        try:
            async for message in self._connection:
                if isinstance(self._take(message), ServerPing):
                    await self._connection.send(self.session.pong(), text=True)
        except ConnectionClosed:
            pass
        finally:
            self.close_code = self._close_code()
            if self._observer is not None:
                self._observer.closed(self.close_code)
            self._changed.set()

    def _take(self, message: str | bytes) -> Received | None:
        frame = self.session.receive(message)
        if self._observer is not None:
            self._observer.received(message, frame)
        if isinstance(frame, ReceivedEvent | Resync):
            self._take_from_stream(frame, message)
        elif isinstance(frame, Reply):
            self._take_reply(frame)
        elif isinstance(frame, Welcome):
            self._welcome = frame
        elif isinstance(frame, Live):
            self.is_live = True
        elif isinstance(frame, ServerPong):
            self._pongs.append(frame.cursor)
        elif isinstance(frame, SignalFrame):
            self.signals.append(frame)
        self._changed.set()
        return frame

    def _take_from_stream(self, frame: ReceivedEvent | Resync, message: str | bytes) -> None:
        """Handle what moves the cursor: here, by keeping it."""
        if isinstance(frame, Resync):
            self.resyncs.append(frame)
        else:
            self.events.append(frame)
            self.messages.append(message.encode() if isinstance(message, str) else message)
            self._pushed.append(frame)
        self.session.taken(frame)

    def _take_reply(self, reply: Reply) -> None:
        if isinstance(reply.id, str):
            self._replies[reply.id] = reply
        else:
            self._refusals.append(reply)

    async def _wait(
        self, look: Callable[[], T | None], *, closed_too: bool = False, patience: float | None = PATIENCE_SECONDS
    ) -> T:
        """Look again after every message until something is there."""
        async with asyncio.timeout(patience):
            while True:
                found = look()
                if found is not None:
                    return found
                if self.close_code is not None and not closed_too:
                    raise SocketClosedError(self.close_code)
                self._changed.clear()
                await self._changed.wait()

    def _close_code(self) -> int:
        code = self._connection.close_code
        return 1006 if code is None else code

    def _new_id(self) -> str:
        return f"frame-{next(self._numbers)}"


def _position(cursor: str) -> int:
    """Read the position of a cursor: a test may know what is opaque to a client."""
    return int(cursor.partition("-")[0])
