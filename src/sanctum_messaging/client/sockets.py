"""One WebSocket, as the client sees it: what it can do, how it can be refused, and the one made of ``websockets``.

That library is the choice because it takes proxies and TLS from the environment of its user and needs no other.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol, TypeVar

from websockets.asyncio.client import connect
from websockets.exceptions import ConnectionClosed, InvalidHandshake, InvalidStatus
from websockets.typing import Subprotocol

from sanctum_messaging.client.problems import read_problem
from sanctum_messaging.protocol.frames import SUBPROTOCOL

if TYPE_CHECKING:
    import ssl
    from collections.abc import Awaitable, Callable, Mapping

    from websockets.asyncio.client import ClientConnection

    from sanctum_messaging.protocol.resources import Problem

NO_CODE = 1006
"""What a connection that broke without a code is said to have ended with (RFC 6455)."""
OPEN_SECONDS = 10
CLOSE_SECONDS = 2
"""How long the other side may take to answer a close; a client that leaves has better things to do."""
MAX_MESSAGE_BYTES = 1_048_576
"""An event holds a message of at most about 40 KiB, and a ``conversation.created`` 500 participants."""


class SocketGone(Exception):
    """The socket is closed; ``code`` tells why."""

    def __init__(self, code: int = NO_CODE) -> None:
        """Keep the code."""
        super().__init__(f"the socket was closed with {code}")
        self.code = code


class SocketRefused(Exception):
    """The service answered the handshake with a problem instead of a socket."""

    def __init__(self, problem: Problem) -> None:
        """Keep the problem."""
        super().__init__(problem.code)
        self.problem = problem


class Socket(Protocol):
    """An open socket; one task reads and one writes."""

    async def send(self, text: str) -> None:
        """Write a text message, and wait while the other side reads too slowly. Raises ``SocketGone``."""
        ...

    async def receive(self) -> str | bytes:
        """Read the next message; a call that is cancelled loses none. Raises ``SocketGone`` after the last."""
        ...

    async def close(self) -> None:
        """End it; it may be gone already."""
        ...


class OpenSocket(Protocol):
    """What opens sockets."""

    async def __call__(self, token: str) -> Socket:
        """Open a socket for the user of the token.

        Raises:
            SocketRefused: the service does not want it.
            OSError: nobody answered, or nobody who speaks WebSocket.
        """
        ...


T = TypeVar("T")


class WebSocket:
    """A socket made of ``websockets``."""

    def __init__(self, connection: ClientConnection) -> None:
        """Take an open connection over."""
        self._connection = connection

    async def send(self, text: str) -> None:
        """Write a text message."""
        await self._perform(lambda: self._connection.send(text))

    async def receive(self) -> str | bytes:
        """Read the next message."""
        return await self._perform(self._connection.recv)

    async def close(self) -> None:
        """End it, politely if the other side answers soon."""
        await self._connection.close()

    async def _perform(self, act: Callable[[], Awaitable[T]]) -> T:
        try:
            return await act()
        except ConnectionClosed as gone:
            raise SocketGone(NO_CODE if gone.rcvd is None else gone.rcvd.code) from gone


class _Connect(connect):
    """Follows no redirect, as calls over HTTP don't: it comes from something before the service."""

    def process_redirect(self, exc: Exception) -> Exception | str:
        """Leave it at the answer."""
        return exc


def websocket_opener(url: str, *, headers: Mapping[str, str], tls: ssl.SSLContext | None) -> OpenSocket:
    """Open sockets at the service whose HTTP address this is."""
    address = "ws" + url.removeprefix("http") + "/v1/ws"
    secure = (tls or True) if url.startswith("https:") else None

    async def open_socket(token: str) -> Socket:
        try:
            return WebSocket(
                await _Connect(
                    address,
                    subprotocols=[Subprotocol(SUBPROTOCOL)],
                    additional_headers={**headers, "Authorization": f"Bearer {token}"},
                    compression=None,
                    open_timeout=OPEN_SECONDS,
                    close_timeout=CLOSE_SECONDS,
                    ping_interval=None,
                    max_size=MAX_MESSAGE_BYTES,
                    ssl=secure,
                )
            )
        except InvalidStatus as refusal:
            response = refusal.response
            problem = read_problem(response.status_code, response.headers.get("Retry-After"), bytes(response.body))
            raise SocketRefused(problem) from refusal
        except InvalidHandshake as error:
            raise ConnectionError(str(error)) from error

    return open_socket
