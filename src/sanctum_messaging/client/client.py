"""The client: a connection that is kept open, events that come once, and messages that go out once."""

from __future__ import annotations

import asyncio
import random
import uuid
from contextlib import AsyncExitStack
from typing import TYPE_CHECKING, Self

from sanctum_messaging import __version__
from sanctum_messaging.client.api import API
from sanctum_messaging.client.calls import write_metadata
from sanctum_messaging.client.connections import Connections
from sanctum_messaging.client.errors import ClientClosed, SanctumError
from sanctum_messaging.client.inbox import Inbox, Loop
from sanctum_messaging.client.lasting import Lasting, State
from sanctum_messaging.client.outbox import Outbox
from sanctum_messaging.client.outbox_storage import MemoryOutbox, OutboxStorage
from sanctum_messaging.client.places import Places
from sanctum_messaging.client.remarks import Remarks
from sanctum_messaging.client.sending import Sending, check_frame, check_message
from sanctum_messaging.client.sockets import websocket_opener
from sanctum_messaging.client.storage import MemoryStorage, Storage
from sanctum_messaging.protocol.client_session import ClientSession
from sanctum_messaging.protocol.frames import ClientInfo, Read, Typing
from sanctum_messaging.protocol.requests import SendMessage

if TYPE_CHECKING:
    import ssl
    from collections.abc import AsyncIterator, Callable, Mapping
    from types import TracebackType

    from sanctum_messaging.client.events import Happening
    from sanctum_messaging.client.sockets import OpenSocket
    from sanctum_messaging.client.tokens import TokenSource
    from sanctum_messaging.protocol.resources import MessageResource


class Client(API):
    """A user's connection to the service, for as long as the ``async with`` block lasts.

    It connects by itself, again and again, until the block ends or the service says that there is no point; what then
    waits raises why. Calls over HTTP need no connection; all else raises ``RuntimeError`` before the block begins.
    """

    def __init__(
        self,
        url: str,
        *,
        token: TokenSource,
        act_as: str | None = None,
        cursor: str | None = None,
        storage: Storage | None = None,
        outbox: OutboxStorage | None = None,
        on_state: Callable[[State], None] = lambda _: None,
        tls: ssl.SSLContext | None = None,
        open_socket: OpenSocket | None = None,
        draw: Callable[[float, float], float] = random.uniform,
    ) -> None:
        """Name the service and the user; nothing is done before the block begins.

        Args:
            url: as of ``API``.
            token: as of ``API``.
            act_as: as of ``API``.
            tls: as of ``API``.
            cursor: where the stream starts if the storage holds nothing; at the log's end without.
            storage: where the cursor is kept; in memory without.
            outbox: where messages on their way are kept; in memory without.
            on_state: told each change of the connection.
            open_socket: another transport.
            draw: picks the waits between reconnects.
        """
        super().__init__(url, token=token, act_as=act_as, tls=tls)
        self._open_socket = open_socket or websocket_opener(self._url, headers=self._headers, tls=tls)
        self._cursor = cursor
        self._storage = storage or MemoryStorage()
        self._outbox = Outbox(outbox or MemoryOutbox(), self._look, draw)
        self._remarks = Remarks()
        self._tell_state = on_state
        self._draw = draw
        self._ended: SanctumError | None = None
        self._begun = asyncio.Event()
        self._group = asyncio.TaskGroup()
        self._running: list[asyncio.Task[None]] = []
        self.state = State.CONNECTING

    async def connected(self) -> None:
        """Wait until the stream has begun: lists that are read after this miss nothing that events don't show.

        Raises:
            SanctumError: the connection ended for good, or the client was closed.
        """
        self._expect_begun()
        await self._begun.wait()
        if self._ended is not None:
            raise self._ended

    def events(self) -> AsyncIterator[Happening]:
        """Give what happens: each event once, in order, over any number of reconnects; and signals.

        Asking for the next says that the one before was taken: the cursor moves, and no other process on the same
        storage is given it. What was given when the process died comes again. After a ``Resync`` read the lists
        again. One loop at a time; what a loop was left with, by a ``break`` or an error, comes first in the next.

        Raises:
            SanctumError: the connection ended for good; ``Refused``, ``Unauthenticated`` or ``ConnectionEnded``.
        """
        self._expect_begun()
        return Loop(self._inbox)

    def taken(self, happening: Happening) -> None:
        """Count what was given last as taken now, before the next is asked for: for the last one before a ``break``.

        Raises:
            ValueError: something else was given last.
        """
        self._expect_begun()
        self._inbox.taken(happening)

    async def send(
        self,
        conversation_id: str,
        body: str,
        *,
        type: str = "text",  # noqa: A002 - the word of the protocol
        metadata: Mapping[str, object] | None = None,
        reply_to: str | None = None,
        client_message_id: str | None = None,
    ) -> MessageResource:
        """Send a message once, over any number of reconnects, and return it as the service has it.

        A call that is cancelled withdraws the message: it is not repeated any more, and unless it never left, nobody
        knows whether it was done. Calling again with the same ``client_message_id`` tells.

        Raises:
            Refused: the service will not have it.
            OutboxFull: too much is on its way.
            SanctumError: the connection ended for good, or the client was closed.
        """
        sending = await self.submit(
            SendMessage(
                conversation_id=conversation_id,
                client_message_id=client_message_id or uuid.uuid4().hex,
                body=body,
                type=type,
                metadata=write_metadata(metadata),
                reply_to=reply_to,
            )
        )
        try:
            return await sending
        except asyncio.CancelledError:
            self._outbox.withdraw(sending)
            raise

    async def submit(self, message: SendMessage) -> Sending:
        """Put a message into the outbox, and return once it is there; awaiting what is returned waits for the message.

        Whoever stops waiting does not stop it. With an outbox on disk it goes out even if the process is killed and
        started again.

        Raises:
            Refused: the service would not have it.
            OutboxFull: too much is on its way.
            SanctumError: the connection ended for good, or the client was closed.
        """
        self._expect_begun()
        check_message(message)
        if self._ended is not None:
            raise self._ended
        return await self._outbox.add(message)

    @property
    def cursor(self) -> str | None:
        """How far the application is: right after what it took last; none before there was a connection."""
        self._expect_begun()
        return self._session.cursor

    @property
    def unsent(self) -> list[Sending]:
        """What is on its way, in order, also from an earlier process."""
        return self._outbox.pending

    def read(self, conversation_id: str, seq: int) -> None:
        """Move one's read marker, now or once there is a connection; the highest seq counts.

        Raises:
            Refused: the service would not have it.
        """
        self._expect_begun()
        check_frame(Read(conversation_id=conversation_id, seq=seq))
        self._remarks.read(conversation_id, seq)
        self._look()

    def typing(self, conversation_id: str, *, on: bool = True) -> None:
        """Tell the others that one types, or stopped; say it again every few seconds. Lost without a connection.

        Raises:
            Refused: the service would not have it.
        """
        self._expect_begun()
        check_frame(Typing(conversation_id=conversation_id, on=on))
        self._remarks.type(conversation_id, on=on)
        self._look()

    async def __aenter__(self) -> Self:
        """Begin to connect; return before there is a connection."""
        place = await self._storage.load()
        await self._outbox.load()
        self._session = session = ClientSession(
            cursor=self._cursor if place is None else place.cursor,
            resume_token=None if place is None else place.resume_token,
            draw=self._draw,
        )
        self._inbox = Inbox(session, self._look)
        self._places = Places(session, self._storage)
        lasting = Lasting(session, self._inbox, self._outbox, self._remarks, self._tokens)
        info = ClientInfo("sanctum-python", __version__)
        self._connections = Connections(self._open_socket, lasting, info, self._set_state)
        await self._group.__aenter__()
        self._running = [self._group.create_task(run()) for run in (self._run, self._places.run, self._outbox.run)]
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Close the connection; what was not sent stays in the outbox. All of it is done, also if it is cancelled."""
        async with AsyncExitStack() as closing:  # It begins with the last.
            closing.push_async_callback(self._http.close)
            closing.push_async_callback(self._places.save)
            closing.push_async_callback(self._outbox.flush)
            closing.callback(self._end, ClientClosed("The client was closed."))
            closing.push_async_callback(self._stop, error)
            closing.push_async_callback(self._connections.say_bye)

    def _expect_begun(self) -> None:
        if not self._running:
            raise RuntimeError(
                "The client's block has not begun: `async with client:`. Only calls over HTTP need none."
            )

    async def _stop(self, error: BaseException | None) -> None:
        for task in self._running:
            task.cancel()
        if isinstance(error, asyncio.CancelledError):
            await self._group.__aexit__(type(error), error, None)
        else:  # The block's own errors stay as they are.
            await self._group.__aexit__(None, None, None)

    async def _run(self) -> None:
        self._end(await self._connections.run())

    def _end(self, error: SanctumError) -> None:
        self._ended = self._ended or error
        self._begun.set()
        self._set_state(State.STOPPED)
        self._inbox.end(error)
        self._outbox.end(error)

    def _set_state(self, state: State) -> None:
        self._places.look()
        if state is State.CATCHING_UP:
            self._begun.set()
        if state != self.state:
            self.state = state
            self._tell_state(state)

    def _look(self) -> None:
        """Something is to be written, or the application took something."""
        self._places.look()
        self._connections.look()
