"""A client's socket into the service of this process: the whole application, without a network."""

from __future__ import annotations

import asyncio
import contextlib
from typing import TYPE_CHECKING, Any

from tests.hub_client import Client, ClosedError

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator

    from starlette.types import ASGIApp, Message

ABNORMAL = 1006
"""The close code of who was never accepted."""


class ASGILink:
    """A client's end whose other end is an ASGI application."""

    def __init__(self) -> None:
        self._incoming: asyncio.Queue[Message] = asyncio.Queue()
        self._outgoing: asyncio.Queue[Message] = asyncio.Queue()
        self._incoming.put_nowait({"type": "websocket.connect"})

    async def serve(self, app: ASGIApp, headers: dict[str, str]) -> None:
        """Run the application's side until it ends."""
        scope: dict[str, Any] = {
            "type": "websocket",
            "asgi": {"version": "3.0"},
            "http_version": "1.1",
            "scheme": "ws",
            "path": "/v1/ws",
            "raw_path": b"/v1/ws",
            "query_string": b"",
            "root_path": "",
            "headers": [(name.lower().encode(), value.encode()) for name, value in headers.items()],
            "client": ("127.0.0.1", 1),
            "server": ("sanctum.test", 80),
            "subprotocols": [],
            "state": {},
            "extensions": {"websocket.http.response": {}},
        }
        await app(scope, self._incoming.get, self._outgoing.put)

    async def write(self, message: str | bytes) -> None:
        kind = "text" if isinstance(message, str) else "bytes"
        self._incoming.put_nowait({"type": "websocket.receive", kind: message})

    async def read(self) -> str:
        while True:
            message = await self._outgoing.get()
            match message["type"]:
                case "websocket.send":
                    text: str = message["text"]
                    return text
                case "websocket.close":
                    raise ClosedError(message.get("code", ABNORMAL))
                case "websocket.http.response.start":
                    raise ClosedError(ABNORMAL)

    def disconnect(self) -> None:
        """Go away without a word."""
        self._incoming.put_nowait({"type": "websocket.disconnect", "code": ABNORMAL})


@contextlib.asynccontextmanager
async def open_socket(app: ASGIApp, headers: dict[str, str]) -> AsyncGenerator[Client]:
    """Shake hands with these headers; the client goes away at the end."""
    link = ASGILink()
    serving = asyncio.create_task(link.serve(app, headers))
    try:
        yield Client(link)
    finally:
        link.disconnect()
        await serving
