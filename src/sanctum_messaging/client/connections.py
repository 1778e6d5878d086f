"""Keeps a connection open: the next is opened when one is over, and before it ends where the service asks for it."""

from __future__ import annotations

import asyncio
import logging
from typing import TYPE_CHECKING, NoReturn

from sanctum_messaging.client.connection import Connection
from sanctum_messaging.client.errors import ConnectionEnded, Refused, SanctumError, Unauthenticated, Unreachable
from sanctum_messaging.client.lasting import State
from sanctum_messaging.client.sockets import NO_CODE, SocketGone, SocketRefused
from sanctum_messaging.protocol.codes import CloseCode

if TYPE_CHECKING:
    from collections.abc import Callable

    from sanctum_messaging.client.lasting import Lasting
    from sanctum_messaging.client.sockets import OpenSocket, Socket
    from sanctum_messaging.protocol.frames import ClientInfo

_logger = logging.getLogger("sanctum_messaging.client")

WELCOME_SECONDS = 20
"""How long opening a socket and being welcomed may take, all in all."""
_UNAUTHENTICATED = 401


class Connections:
    """One connection after the other, until the service says that there is no point, or the task is cancelled."""

    def __init__(
        self, open_socket: OpenSocket, lasting: Lasting, info: ClientInfo, on_state: Callable[[State], None]
    ) -> None:
        """Nothing is opened before ``run``."""
        self._open_socket = open_socket
        self._lasting = lasting
        self._session = lasting.session
        self._info = info
        self._on_state = on_state
        self._current: Connection | None = None
        self._token_is_fresh = False
        """Whether the token was asked for just now, because the one before was refused."""
        self._wanted = asyncio.Event()

    def look(self) -> None:
        """Something is to be written, or the application took something."""
        self._wanted.set()
        if self._current is not None:
            self._current.look()

    async def say_bye(self) -> None:
        """Tell the service, if there is a connection, that nobody will come back for the session."""
        if self._current is not None and not self._current.is_gone:
            await self._current.say_bye()
            self._session.resume_token = None

    async def run(self) -> SanctumError:
        """Keep a connection open, and return why that is not possible any more."""
        try:
            async with asyncio.TaskGroup() as tasks:
                try:
                    await self._keep_open(tasks)
                except SanctumError as error:
                    if self._current is not None:
                        self._current.leave()
                    return error
        finally:
            # A task that is cancelled before it began closes nothing.
            if self._current is not None:
                await self._current.close()

    async def _keep_open(self, tasks: asyncio.TaskGroup) -> NoReturn:
        while True:
            await self._wait_until_wanted()
            following = await self._open()
            tasks.create_task(following.run())
            self._on_state(State.CATCHING_UP)
            over = await following.over
            if over.code is not None:
                await self._wait_after(over.code, at_least=over.at_least)
            if over.code == CloseCode.TOKEN_EXPIRED:
                await self._renew(following.token, ConnectionEnded(over.code))

    async def _wait_until_wanted(self) -> None:
        """An application that has enough to do needs no more, unless it waits for a send."""
        while not (self._session.has_half_room or not self._lasting.outbox.is_empty):
            self._wanted.clear()
            await self._wanted.wait()

    async def _open(self) -> Connection:
        """Open a connection, as often as it takes.

        Raises:
            SanctumError: there is no point in it.
        """
        while True:
            token: str | None = None
            try:
                token = await self._lasting.tokens.get()
                async with asyncio.timeout(WELCOME_SECONDS):
                    return await self._connect(token)
            except SocketRefused as refusal:
                await self._wait_after_refusal(Refused(refusal.problem), token)
            except SocketGone as gone:
                if gone.code == CloseCode.UNAUTHENTICATED:
                    await self._renew(token, ConnectionEnded(gone.code))
                else:
                    await self._wait_after(gone.code)
            except (OSError, Unreachable) as error:  # A TimeoutError is one too.
                _logger.info("There is no connection: %s", error.__cause__ or error)
                await self._wait_after(NO_CODE)

    async def _connect(self, token: str) -> Connection:
        self._tell(State.CONNECTING)
        socket = await self._open_socket(token)
        try:
            return await self._greet(socket, token)
        except BaseException:
            await socket.close()
            raise

    async def _greet(self, socket: Socket, token: str) -> Connection:
        """Say hello. With the welcome the stream goes on here, and what the socket before still holds comes again."""
        connection = Connection(socket, token, self._lasting, self._on_state)
        await connection.greet(self._session.hello(client=self._info))
        if self._current is not None:
            self._current.leave()
        self._current = connection
        self._token_is_fresh = False
        return connection

    async def _wait_after_refusal(self, refused: Refused, token: str | None) -> None:
        if refused.status == _UNAUTHENTICATED:
            await self._renew(token, refused)
        elif refused.problem.retryable:
            _logger.info("There is no connection: %s", refused)
            await self._wait_after(NO_CODE, at_least=refused.retry_after or 0.0)
        else:
            raise refused

    async def _wait_after(self, code: int, *, at_least: float = 0.0) -> None:
        """Wait as long as a client has to after a close code.

        Raises:
            ConnectionEnded: it must not come back.
        """
        seconds = self._session.closed(code, retry_after=at_least)
        if seconds is None:
            raise ConnectionEnded(code)
        self._tell(State.WAITING)
        await asyncio.sleep(seconds)
        # Attempts that fail may go on for longer than a token is good.
        self._token_is_fresh = False

    async def _renew(self, token: str | None, refusal: SanctumError) -> None:
        """Ask for a fresh token, once until it is taken."""
        if self._token_is_fresh or token is None:
            raise Unauthenticated("The service takes no access token of this client.") from refusal
        try:
            await self._lasting.tokens.renew(token)
        except Unreachable:
            await self._wait_after(NO_CODE)  # The next attempt asks again.
        else:
            self._token_is_fresh = True

    def _tell(self, state: State) -> None:
        """Tell how far the next connection is, unless one is open."""
        if self._current is None or self._current.is_gone:
            self._on_state(state)
