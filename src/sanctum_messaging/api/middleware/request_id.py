"""Every request has an id: the client's own, if it is well-formed, or a new one."""

from __future__ import annotations

import itertools
import re
from typing import TYPE_CHECKING

from sanctum_messaging.api.calls import find_header
from sanctum_messaging.api.problems import REQUEST_ID

if TYPE_CHECKING:
    from starlette.types import ASGIApp, Message, Receive, Scope, Send

    from sanctum_messaging.ports.clock import Clock

_WELL_FORMED = re.compile(r"[A-Za-z0-9._~:/+=@-]{1,128}")

_COUNTED_DIGITS = 12
_COUNTED_BITS = 16**_COUNTED_DIGITS - 1


class RequestId:
    """Puts the id into the scope and into every answer."""

    def __init__(self, app: ASGIApp, clock: Clock) -> None:
        """Wrap an application."""
        self._app = app
        # One id is drawn and its last 48 random bits counted on: unique like any other, at a tenth of the price.
        drawn = clock.new_id()
        self._prefix = drawn[:-_COUNTED_DIGITS]
        self._counter = itertools.count(int(drawn[-_COUNTED_DIGITS:], 16))

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request."""
        if scope["type"] == "lifespan":
            await self._app(scope, receive, send)
            return
        request_id = self._find(scope) or self._next_id()
        scope[REQUEST_ID] = request_id
        header = (b"x-request-id", request_id.encode())

        async def send_with_id(message: Message) -> None:
            if message["type"] in {"http.response.start", "websocket.http.response.start"}:
                message["headers"] = [*message.get("headers", ()), header]
            await send(message)

        await self._app(scope, receive, send_with_id)

    def _next_id(self) -> str:
        return f"{self._prefix}{next(self._counter) & _COUNTED_BITS:0{_COUNTED_DIGITS}x}"

    @staticmethod
    def _find(scope: Scope) -> str | None:
        sent = find_header(scope, b"x-request-id")
        return sent if sent is not None and _WELL_FORMED.fullmatch(sent) else None
