"""What every request meets first and every answer passes last, in one step instead of one for each."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from sanctum_messaging.api.middleware.security_headers import secured
from sanctum_messaging.api.problems import REQUEST_ID

if TYPE_CHECKING:
    from collections.abc import Awaitable, Sequence

    from starlette.types import ASGIApp, Message, Receive, Scope, Send

    from sanctum_messaging.ports.clock import Clock

Prepare = Callable[["Scope"], None]
"""Puts into the scope what all that comes after goes by."""
Conclude = Callable[["Scope", "Answer"], None]
"""Takes note of how a request or a socket ended, whatever befell it."""
_STARTS = frozenset({"http.response.start", "websocket.http.response.start"})


class Front:
    """Prepares the scope, gives every answer its headers, and has taken note of how it ended.

    All of it is synchronous and stands in one coroutine: a middleware of its own for each would be one more coroutine
    for the request and one for each message of the answer, on every request.
    """

    def __init__(
        self, app: ASGIApp, clock: Clock, *, prepare: Sequence[Prepare], conclude: Sequence[Conclude] = ()
    ) -> None:
        """Wrap an application. One of ``prepare`` has to give the request its id."""
        self._app = app
        self._monotonic = clock.monotonic
        self._prepare = tuple(prepare)
        self._conclude = tuple(conclude)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request, one socket, or the server's life, with which it has nothing to do."""
        if scope["type"] == "lifespan":
            await self._app(scope, receive, send)
            return
        begun = self._monotonic()
        for prepare in self._prepare:
            prepare(scope)
        answer = Answer(send, scope[REQUEST_ID])
        try:
            await self._app(scope, receive, answer.send)
        finally:
            answer.seconds = self._monotonic() - begun
            for conclude in self._conclude:
                conclude(scope, answer)


class Answer:
    """What goes out, as it goes out. ``seconds`` is how long all of it took, once it is over."""

    __slots__ = ("_id", "_send", "bytes", "seconds", "status")

    def __init__(self, send: Send, request_id: str) -> None:
        self._send = send
        self._id = (b"x-request-id", request_id.encode())
        self.status = 0
        self.bytes = 0
        self.seconds = 0.0

    def send(self, message: Message) -> Awaitable[None]:
        """Send a message on, with no step of its own in between."""
        if message["type"] in _STARTS:
            self.status = message["status"]
            headers = message["headers"] = secured(message.get("headers", ()))
            headers.append(self._id)
        else:
            self.bytes += len(message.get("body", b""))
        return self._send(message)
